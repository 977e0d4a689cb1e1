"""What changed in a qcow2 file since a backup of it, as QEMU notes it in the file: a dirty bitmap, called after the backup.

QEMU goes on with such a bitmap whenever it has the file open, and marks it as in use until it has closed it: after a kill it is not
to be believed. What is read of it here is read from the file itself (qcow2's specification, "Bitmaps extension").

    header -> extension -> directory -> for each bitmap a table -> clusters of bits, one for each `granularity` octets
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from pileus.block_storage.drivers.image_tool import tool_on
from pileus.block_storage.drivers.qcow2 import QCOW2, size_of

PREFIX = "backup-"
GRANULARITY = 1 << 16
EXTENSION, CONSISTENT = 0x23852875, 1
IN_USE, AUTO = 1, 2
OFFSET, ALL_ONES = 0x00FFFFFFFFFFFE00, 1
MOST = 64 << 20  # octets of a directory or table that is believed


class Bitmap(msgspec.Struct, frozen=True):
    """One bitmap: where its table is, and whether it tells the truth."""

    name: str
    table: int
    entries: int
    bits: int  # how many times two an octet is what one bit stands for
    whole: bool


def bitmaps(file: Path) -> list[Bitmap]:
    """Those of the file; none if it says that they are not to be believed. Raises DriverError for a file that is none of ours."""
    size_of(file, QCOW2)
    with file.open("rb") as source:
        found = _extension(source)
        return [] if found is None else list(_directory(source, *found))


def changed(file: Path, name: str, piece: int) -> list[int] | None:
    """The pieces of that length of which anything changed, by their numbers; None if no bitmap of that name tells."""
    found = next((each for each in bitmaps(file) if each.name == name and each.whole), None)
    size = size_of(file, QCOW2)
    with file.open("rb") as source:
        source.seek(20)
        (bits,) = struct.unpack(">I", source.read(4))
        if found is None or not 9 <= bits <= 21:
            return None
        cluster = 1 << bits
        if found.entries != -(-size // (cluster * 8 << found.bits)):
            return None
        source.seek(found.table)
        table = struct.unpack(f">{found.entries}Q", source.read(8 * found.entries))
        return sorted({at // piece for at in _dirty(source, table, cluster, 1 << found.bits) if at < size})


async def begin(file: Path, name: str) -> None:
    """From now on what changes is noted under that name; raises DriverError, also while anybody has the file open."""
    if any(each.name == name for each in bitmaps(file)):
        await _tool(file, "--remove", name)
    await _tool(file, "--add", name)


async def keep_only(file: Path, name: str) -> None:
    """There is no other bitmap of a backup; raises DriverError."""
    for each in bitmaps(file):
        if each.name.startswith(PREFIX) and each.name != name:
            await _tool(file, "--remove", each.name)


async def drop_broken(file: Path) -> None:
    """There is no bitmap that a QEMU left which was killed: it tells nothing, and with it the disk does not grow; raises DriverError."""
    for each in bitmaps(file):
        if each.name.startswith(PREFIX) and not each.whole:
            await _tool(file, "--remove", each.name)


async def _tool(file: Path, what: str, name: str) -> None:
    fine = ("-g", str(GRANULARITY)) if what == "--add" else ()
    await tool_on((file,), lambda it: ("bitmap", what, *fine, "-f", QCOW2, it, name))


def _extension(source: BinaryIO) -> tuple[int, int, int] | None:
    """How many bitmaps there are, how long their directory is, and where; None where that is not to be believed."""
    source.seek(88)
    (features,) = struct.unpack(">Q", source.read(8))
    source.seek(100)
    (at,) = struct.unpack(">I", source.read(4))
    if not features & CONSISTENT:
        return None
    while at < GRANULARITY:
        source.seek(at)
        head = source.read(8)
        kind, length = struct.unpack(">II", head) if len(head) == 8 else (0, 0)
        if kind == EXTENSION:
            count, size, where = struct.unpack(">I4xQQ", source.read(24))
            return (count, size, where) if size <= MOST else None
        if kind == 0:
            return None
        at += 8 + -(-length // 8) * 8
    return None


def _directory(source: BinaryIO, count: int, size: int, where: int) -> Iterator[Bitmap]:
    source.seek(where)
    directory, at = source.read(size), 0
    for _ in range(count):
        if at + 24 > len(directory):
            return
        table, entries, flags, kind, bits, name, extra = struct.unpack_from(">QIIBBHI", directory, at)
        told = directory[at + 24 + extra : at + 24 + extra + name].decode(errors="replace")
        # What we do not know could mean anything.
        whole = flags == AUTO and kind == 1 and extra == 0 and 9 <= bits <= 31
        yield Bitmap(told, table, entries, bits, whole)
        at += -(-(24 + extra + name) // 8) * 8


def _dirty(source: BinaryIO, table: tuple[int, ...], cluster: int, step: int) -> Iterator[int]:
    """Where each stretch of `step` octets begins that changed."""
    per = cluster * 8
    for number, entry in enumerate(table):
        if not entry & OFFSET:
            if entry & ALL_ONES:
                yield from range(number * per * step, (number + 1) * per * step, step)
            continue
        source.seek(entry & OFFSET)
        for at, octet in enumerate(source.read(cluster)):
            if octet:
                yield from ((number * per + at * 8 + bit) * step for bit in range(8) if octet >> bit & 1)
