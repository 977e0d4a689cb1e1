"""Disk images made of others, mostly raw disks, by qemu-img, which strangers' bytes are let near nothing with.

It is lent the two files and can open no others, runs as nobody, is told the format, and has limits on memory, processor time and
what it may write. Whoever calls has judged the image before (`disk_formats`): this is the second line, which believes nobody.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from pileus.kit.jail import LEAN
from pileus.kit.lent import lent
from pileus.kit.run import ProgramFailed, run

# As qemu-img calls what images call otherwise.
TOOL_NAMES = {"vhd": "vpc", "ploop": "parallels", "gpt": "raw", "ami": "raw", "iso": "raw"}
MEMORY = 1 << 30
LOOK_S, CONVERT_S = 2, 3600  # seconds of processor time
WAIT_S = 6 * 3600.0
SLACK, MORE_SLACK = 1 << 20, 64 << 20  # what a raw file, and one of any other format, takes beyond the disk it holds


class NotConverted(Exception):
    """The image cannot be converted; the text says why."""


class _Specific(msgspec.Struct, frozen=True):
    data: dict[str, object] = {}


class _Told(msgspec.Struct, frozen=True, rename="kebab"):
    """What qemu-img tells of an image."""

    virtual_size: int
    backing_filename: str | None = None
    format_specific: _Specific = _Specific()


async def make_raw(image: Path, target: Path, format: str, room: int) -> int:
    """The target, a new file, is the image's disk, which has that many bytes; raises NotConverted before anything is written if
    they are more than there is room for, and OSError."""
    return await convert(image, target, (format, "raw"), room)


async def convert(image: Path, target: Path, formats: tuple[str, str], room: int) -> int:
    """The target, a new file, holds the image's disk in the second format, as `make_raw` says. The image is left as it was, but
    for its mode and group."""
    was, becomes = (TOOL_NAMES.get(one, one) for one in formats)
    size = await _looked_at(image, was, room)
    await asyncio.to_thread(ours_alone, target)
    await _tool(
        (image, target),
        lambda has, gets: ("convert", "-f", was, "-O", becomes, has, gets),
        cpu_s=CONVERT_S,
        most=size + (SLACK if becomes == "raw" else size // 8 + MORE_SLACK),
    )
    return size


async def _looked_at(image: Path, format: str, room: int) -> int:
    """How many bytes the image's disk has, by qemu-img's own look."""
    said = await _tool((image,), lambda has: ("info", "--output=json", "-f", format, has), cpu_s=LOOK_S, most=0)
    try:
        told = msgspec.json.decode(said, type=_Told)
    except msgspec.MsgspecError as odd:
        raise NotConverted(f"qemu-img tells of it what cannot be understood: {odd}") from odd
    if told.backing_filename is not None or told.format_specific.data.get("data-file") is not None:
        raise NotConverted("it refers to other files")
    if told.virtual_size > room:
        raise NotConverted(f"its disk has {told.virtual_size} bytes, and there is room for {room}")
    return told.virtual_size


def ours_alone(file: Path) -> None:
    """There is an empty file that nobody else reads, for a program to write to."""
    file.unlink(missing_ok=True)
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


async def _tool(files: Sequence[Path], words: Callable[..., Sequence[str]], *, cpu_s: int, most: int) -> str:
    """What qemu-img says, as who may open these files and no others; raises NotConverted with its last words."""
    limits = ("prlimit", f"--as={MEMORY}", f"--cpu={cpu_s}", f"--fsize={most}", "--core=0", *LEAN, "nice", "-n", "10")
    async with lent(*files, to_read=1) as them:
        said = words(*them.names)
        argv = [*limits, *them.around(["qemu-img", *said])]
        try:
            done = await run(argv, pass_fds=them.descriptors, deadline_s=WAIT_S)
        except ProgramFailed as failed:
            raise NotConverted(f"qemu-img {said[0]}: {failed.why}") from failed
    return done.out
