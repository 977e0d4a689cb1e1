"""Volumes as qcow2 files: thin on any file system. They are ours: made here, and written to by a QEMU that a guest may have taken.

So what a file says of itself is looked at here before any program opens it: one that names other files is refused, as programs would
read those. Programs are always told the format, so a raw volume on which a guest has written a header stays raw.
"""

import struct
from pathlib import Path
from typing import Literal

from pileus.block_storage.drivers.image_tool import tool_on
from pileus.block_storage.drivers.interface import DriverError
from pileus.block_storage.drivers.thread import in_thread
from pileus.kit.disk_images import ours_alone

RAW: Literal["raw"] = "raw"
QCOW2: Literal["qcow2"] = "qcow2"
Format = Literal["raw", "qcow2"]
FORMATS: tuple[Format, ...] = (RAW, QCOW2)
MAGIC, VERSION = b"QFI\xfb", 3
HEAD = struct.Struct(
    ">4sIQIIQ40xQ"
)  # magic, version, backing file (where, how long), cluster bits, size; incompatible features
# Without harm: it was open for writing when its QEMU was killed, which is no matter as nothing is written lazily here.
DIRTY = 1


def format_of(file: Path) -> Format:
    """What the file is, as its name says: never its bytes."""
    return QCOW2 if file.suffix == f".{QCOW2}" else RAW


def size_of(file: Path, format: Format) -> int:
    """How large a disk the file is; raises DriverError for one that no one here has made so."""
    if format == RAW:
        return file.stat().st_size
    with file.open("rb") as source:
        head = source.read(HEAD.size)
    if len(head) < HEAD.size:
        raise DriverError("The volume cannot be used", f"{file} is no qcow2 file")
    magic, version, backing, _, _, size, features = HEAD.unpack(head)
    if (magic, version) != (MAGIC, VERSION) or backing or features & ~DIRTY:
        raise DriverError("The volume cannot be used", f"{file} is no qcow2 file of ours, or names other files")
    return int(size)


async def create(file: Path, size: int) -> None:
    """A file that reads as zeros."""
    await in_thread(ours_alone, file)
    await tool_on((file,), lambda it: ("create", "-q", "-f", QCOW2, it, str(size)))


async def convert(source: Path, has: Format, target: Path, wanted: Format) -> None:
    """The target is a disk with the source's bytes, in the format that is wanted."""
    size_of(source, has)
    await in_thread(ours_alone, target)
    await tool_on((source, target), lambda reads, gets: ("convert", "-f", has, "-O", wanted, reads, gets))


async def resize(file: Path, size: int) -> None:
    """The disk is that large; what is new reads as zeros."""
    size_of(file, QCOW2)
    await tool_on((file,), lambda it: ("resize", "-q", "-f", QCOW2, it, str(size)))
