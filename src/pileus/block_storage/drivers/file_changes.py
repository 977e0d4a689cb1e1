"""What of volumes in qcow2 files changed since their backups: noted by QEMU in the files, read by whoever makes the next backup.

Of a volume that a server has, its QEMU copies what changed; of any other its file is read.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from pileus.block_storage.drivers import bitmaps, qcow2
from pileus.block_storage.drivers.disks import Disks, Spot
from pileus.block_storage.drivers.image_tool import tool_on
from pileus.block_storage.drivers.interface import DriverError
from pileus.kit.observe.log import log_of
from pileus.ports.attached_disks import AttachedDisks, Copied, Noting

log = log_of(__name__)

MOST_READS = 200  # runs of pieces for which a program is started each; beyond that everything is read at once


class Files(Disks, Protocol):
    """Disks that are files."""

    attached: AttachedDisks | None  # who copies what servers of this host have


class FileChanges:
    """Keeps drivers.disks.NotesChanges for qcow2 files; of raw ones nobody notes anything."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def note(self, at: Spot, backup: str) -> bool:
        """Whether what changes from now on is noted for that backup."""
        place = self._files.place(at)
        if place.format != qcow2.QCOW2:
            return False
        try:
            await bitmaps.begin(Path(place.path), f"{bitmaps.PREFIX}{backup}")
        except DriverError as refused:
            log.warning("what changes after a backup is not noted", volume=at.id, why=str(refused))
            return False
        return True

    @contextlib.asynccontextmanager
    async def reading(
        self, at: Spot, since: str | None, piece: int, spool: Path
    ) -> AsyncIterator[tuple[Path, list[int] | None]]:
        """A file with the disk's bytes, or only with the pieces that changed since that backup."""
        file = Path(self._files.place(at).path)
        name = f"{bitmaps.PREFIX}{since}"
        found = await asyncio.to_thread(bitmaps.changed, file, name, piece) if since is not None else None
        runs = _runs(found) if found is not None else []
        if found is None or len(runs) > MOST_READS:
            async with self._files.reading(at, spool, live=False) as whole:
                yield whole, None
            return
        part = spool / f"{at.name}.changed"
        try:
            await asyncio.to_thread(_sparse, part, qcow2.size_of(file, qcow2.QCOW2))
            for first, count in runs:
                await _copy(file, part, first * piece, count * piece)
            yield part, found
        finally:
            part.unlink(missing_ok=True)

    @contextlib.asynccontextmanager
    async def reading_attached(
        self, at: Spot, backup: str, since: str | None, piece: int, spool: Path
    ) -> AsyncIterator[tuple[Path, list[int] | None]]:
        """As `reading`, of a disk that a server may have; what changes from that moment on is noted for the backup, if it can be."""
        part, found = spool / f"{at.name}.part", spool / f"{at.name}.notes"
        name = f"{bitmaps.PREFIX}{since}" if since is not None else None
        noting = Noting(name=f"{bitmaps.PREFIX}{backup}", since=name, piece=piece, found=found)
        try:
            copied, places = await self._copied(at, part, noting, spool)
            if copied is not Copied.NOTHING:
                yield part, places
                return
            async with self._files.reading(at, spool, live=True) as whole:
                yield whole, None
        finally:
            part.unlink(missing_ok=True)
            found.unlink(missing_ok=True)

    async def _copied(self, at: Spot, part: Path, noting: Noting, spool: Path) -> tuple[Copied, list[int] | None]:
        """The file has what changed in these pieces, or, None, all; or nothing."""
        place, attached, name = self._files.place(at), self._files.attached, noting.since
        if place.format != qcow2.QCOW2 or attached is None or at.holder is not None:
            return Copied.NOTHING, None
        places: list[int] | None = None

        async def at_rest() -> None:
            nonlocal places
            await self.note(at, noting.name.removeprefix(bitmaps.PREFIX))
            since = name.removeprefix(bitmaps.PREFIX) if name is not None else None
            async with self.reading(at, since, noting.piece, spool) as (still, places):
                still.replace(part)

        await qcow2.create(noting.found, qcow2.size_of(Path(place.path), qcow2.QCOW2))
        copied = await attached.copy_changes(at.id, part, noting, at_rest)
        if copied is Copied.CHANGES and name is not None:
            places = await asyncio.to_thread(bitmaps.changed, noting.found, name, noting.piece)
            if places is None:  # it was not written down, so nobody knows what the file holds
                log.warning("what changed since a backup is not known", volume=at.id, notes=name)
                return await self._copied(at, part, msgspec.structs.replace(noting, since=None), spool)
        return copied, places

    async def keep_only(self, at: Spot, backup: str, *, live: bool) -> None:
        """Nothing is noted for other backups any more."""
        name, place = f"{bitmaps.PREFIX}{backup}", self._files.place(at)
        if place.format != qcow2.QCOW2 or at.holder is not None:
            return

        async def at_rest() -> None:
            await bitmaps.keep_only(Path(place.path), name)

        try:
            if live and self._files.attached is not None:
                await self._files.attached.forget_notes(at.id, name, at_rest)
            else:
                await at_rest()
        except DriverError as refused:
            log.warning("what is noted for older backups stays", volume=at.id, why=str(refused))


def _runs(pieces: Sequence[int]) -> list[tuple[int, int]]:
    """The pieces as stretches: the first of each, and how many follow one another."""
    found: list[tuple[int, int]] = []
    for at in pieces:
        if found and sum(found[-1]) == at:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((at, 1))
    return found


def _sparse(file: Path, size: int) -> None:
    with file.open("wb") as out:
        out.truncate(size)


async def _copy(file: Path, target: Path, start: int, length: int) -> None:
    """The target, a raw file, holds at that place what the qcow2 file holds there."""
    size = min(length, qcow2.size_of(file, qcow2.QCOW2) - start)
    where = f"driver=raw,offset={start},size={size}"

    def words(reads: str, gets: str) -> Sequence[str]:
        source = f"{where},file.driver=qcow2,file.file.driver=file,file.file.filename={reads}"
        there = f"{where},file.driver=file,file.filename={gets}"
        return ("convert", "-n", "--image-opts", "--target-image-opts", source, there)

    await tool_on((file, target), words)
