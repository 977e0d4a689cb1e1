"""What of volumes in qcow2 files changed since their backups: noted by QEMU in the files, read by whoever makes the next backup."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from pileus.block_storage.drivers import bitmaps, qcow2
from pileus.block_storage.drivers.disks import Disks, Spot
from pileus.block_storage.drivers.image_tool import tool_on
from pileus.block_storage.drivers.interface import DriverError
from pileus.kit.observe.log import log_of

log = log_of(__name__)

MOST_READS = 200  # runs of pieces for which a program is started each; beyond that everything is read at once


class FileChanges:
    """Keeps drivers.disks.NotesChanges for qcow2 files; of raw ones nobody notes anything."""

    def __init__(self, files: Disks) -> None:
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

    async def keep_only(self, at: Spot, backup: str) -> None:
        """Nothing is noted for other backups any more."""
        try:
            await bitmaps.keep_only(Path(self._files.place(at).path), f"{bitmaps.PREFIX}{backup}")
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
