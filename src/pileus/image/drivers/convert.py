"""Converting an image at its import, in a folder that comes and goes with that: by kit's jailed qemu-img, with limits.

What refers to other files, or claims to be larger than it may, is refused before it is converted.
"""

import asyncio
import os
import shutil
from pathlib import Path

from pileus.kit.disk_images import NotConverted, convert

__all__ = ["NotConverted", "converted"]

OUT = "converted"


async def converted(source: Path, room: Path, formats: tuple[str, str], cap: int) -> Path:
    """A file in `room` that holds the same disk in the second format; raises NotConverted. `source` is left as it was."""
    await asyncio.to_thread(_furnish, room)
    made = room / OUT
    try:
        await convert(source, made, formats, cap)
    finally:
        await asyncio.to_thread(_take_back, source)
    await asyncio.to_thread(_take_back, made)
    return made


def _furnish(room: Path) -> None:
    if room.exists():  # of an earlier try
        shutil.rmtree(room)
    room.mkdir(parents=True, mode=0o700)


def _take_back(file: Path) -> None:
    """The file is ours alone again, and on the disk."""
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        if os.geteuid() == 0:
            os.fchown(handle, 0, 0)
            os.fchmod(handle, 0o600)
        os.fsync(handle)
    finally:
        os.close(handle)
