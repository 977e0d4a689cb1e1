"""Disks that begin formatted: a file system with nothing in it, or room to swap to.

The programs that format write a raw, sparse file, as the server's user; the disk is that file in another form, and as small as
what was written.
"""

import os
import shutil
from pathlib import Path

from pileus.compute.drivers.interface import DriverError
from pileus.compute.drivers.qemu.jail import IMAGE_TOOL, Jail
from pileus.kit.run import ProgramFailed, run

SWAP = "swap"
LABEL = "ephemeral0"
FORMAT_S = 300.0
# How each file system is made in a file, without asking back.
MAKERS = {
    "ext2": ("mkfs.ext2", "-q", "-F", "-L", LABEL),
    "ext3": ("mkfs.ext3", "-q", "-F", "-L", LABEL),
    "ext4": ("mkfs.ext4", "-q", "-F", "-L", LABEL),
    "xfs": ("mkfs.xfs", "-q", "-f", "-L", LABEL),
    "vfat": ("mkfs.vfat", "-I", "-n", LABEL),
    SWAP: ("mkswap", "--quiet"),
}


async def format_file(jail: Jail, folder: Path, file: str, size: int, format: str) -> None:
    """The file in the folder is new, that large and formatted; raises DriverError."""
    maker = MAKERS.get(format)
    if maker is None:
        raise DriverError("The disk cannot be formatted", f"{format} is not one of {', '.join(sorted(MAKERS))}")
    if shutil.which(maker[0]) is None:
        raise DriverError("The disk cannot be formatted", f"this host has no {maker[0]}")
    path = folder / file
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        os.ftruncate(handle, size)
        if jail.uid is not None:
            os.fchown(handle, jail.uid, jail.uid)
    finally:
        os.close(handle)
    try:
        await run(jail.around([*IMAGE_TOOL, *maker, file]), cwd=folder, deadline_s=FORMAT_S)
    except ProgramFailed as failed:
        raise DriverError("The disk cannot be formatted", failed.why) from failed
