"""Backups: a volume's bytes in chunks, each kept once, however many backups hold it.

    <id>/index.json       what the backup is made of: for each chunk its digest and the backup whose chunk it is
    <id>/<number>.z       a chunk that no earlier backup has at that place; `.bz2`, `.zst`, `.raw`: as it was squeezed

The index is written last, so a backup without one is not whole and is begun anew. Chunks of zeros are not kept at all. Chunks
are in `Chunks`; the host that is in charge of a backup has its index, or a folder of that name while there is none, in a folder
of its own, so it knows without asking anybody what it has.
"""

import asyncio
import hashlib
import os
import shutil
import zlib
from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from pileus.block_storage.drivers.backup_chunks import CHUNK, WAYS, Chunks, expanded
from pileus.block_storage.drivers.backup_folder import FolderChunks
from pileus.block_storage.drivers.holes import filled
from pileus.block_storage.drivers.interface import Backup, BackupSeen, DriverError
from pileus.block_storage.drivers.thread import in_thread
from pileus.kit.flow.failpoint import failpoint

INDEX = "index.json"
AFAR = "index.json.z"  # as stores that hosts share have it
AT_ONCE = 4
Result = TypeVar("Result")


class Chunk(msgspec.Struct, frozen=True):
    """One chunk: its digest, and where its bytes are; a chunk of zeros has neither."""

    digest: str | None = None
    holder: str | None = None
    file: str | None = None


class Index(msgspec.Struct, frozen=True):
    """What a backup is made of."""

    size: int
    chunk: int
    chunks: tuple[Chunk, ...]
    objects: int
    stored: int


class Backups:
    """The backups a host is in charge of: `own` holds what it knows of them, `chunks` their bytes, in `own` too if nothing is said."""

    def __init__(self, own: Path, chunks: Chunks | None = None, *, chunk: int = CHUNK) -> None:
        self._own = own
        self.piece = chunk
        self._afar = chunks is not None
        self._indexes = FolderChunks(own)
        self.chunks: Chunks = chunks or self._indexes

    async def seen(self, id: str) -> BackupSeen:
        """How far a backup is."""
        return await in_thread(self._seen, id)

    def _seen(self, id: str) -> BackupSeen:
        index = self._index_here(id)
        return BackupSeen() if index is None else BackupSeen(whole=True, objects=index.objects, stored=index.stored)

    async def seen_all(self) -> dict[str, BackupSeen]:
        """Every backup there is."""
        return await in_thread(self._seen_all)

    def _seen_all(self) -> dict[str, BackupSeen]:
        names = sorted(path.name for path in self._own.iterdir() if path.is_dir()) if self._own.exists() else []
        return {name: self._seen(name) for name in names}

    async def write(self, backup: Backup, disk: Path, changed: Sequence[int] | None = None) -> None:
        """The backup holds the disk's bytes; what its parent has at the same place is not written again.

        `changed`: the only chunks that may differ from the parent's, and the only ones that are read.
        """
        await self.remove(backup.id)
        failpoint("backup.write", "begun")
        await in_thread((self._own / backup.id).mkdir, mode=0o700, parents=True)
        before = await self.index(backup.parent) if backup.parent is not None else None
        if backup.parent is not None and (before is None or before.chunk != self.piece):
            raise DriverError("The backup cannot be made", f"its parent {backup.parent} is not here")
        size, places = await in_thread(filled, disk, self.piece)
        chunks = [_at(before if changed is not None else None, at) for at in range(-(-size // self.piece))]
        objects = stored = 0
        way = backup.compression or ("zlib" if backup.compressed else "none")
        for some in _windows(places if changed is None else changed):
            done = await _all(*(self._chunk(backup.id, disk, at, _at(before, at), way) for at in some))
            for at, (chunk, length) in zip(some, done, strict=True):
                chunks[at] = chunk
                objects, stored = objects + (length > 0), stored + length
        failpoint("backup.write", "chunks")
        await self._keep(backup.id, Index(size, self.piece, tuple(chunks), objects, stored))
        failpoint("backup.write", "index")

    async def _chunk(self, id: str, disk: Path, at: int, old: Chunk, way: str) -> tuple[Chunk, int]:
        """The chunk, which is kept, and how many bytes that took: none if it was kept already."""
        digest, content = await in_thread(_squeezed, disk, (at * self.piece, self.piece), old.digest, way)
        if digest is None:
            return Chunk(), 0
        if content is None:
            return old, 0
        file = f"{at:08d}.{WAYS[way].ending}"
        await self.chunks.put(f"{id}/{file}", content)
        return Chunk(digest, id, file), len(content)

    async def adopt(self, id: str) -> None:
        """This host is in charge of a backup that the store has, whole; raises DriverError."""
        index = await self.index(id)
        if index is None:
            raise DriverError("The backup cannot be taken over", f"the store has no whole backup {id}")
        wanted = {f"{each.holder}/{each.file}" for each in index.chunks if each.holder is not None}
        for holder in sorted({name.partition("/")[0] for name in wanted}):
            wanted -= set(await self.chunks.names(holder))
        if wanted:
            raise DriverError("The backup cannot be taken over", f"the store has lost chunk {min(wanted)}")
        await self._keep(id, index)

    async def restore(self, id: str, target: Path) -> None:
        """The file holds what the backup holds, and was checked against its digests."""
        index = await self.index(id)
        if index is None:
            raise DriverError("The backup cannot be restored", f"backup {id} is not whole")
        await in_thread(_empty, target, index.size)
        kept = [at for at, chunk in enumerate(index.chunks) if chunk.holder is not None]
        for some in _windows(kept):
            await _all(*(self._restored(id, index, at, target) for at in some))
        failpoint("backup.restore", "written")
        await in_thread(_sync, target)

    async def _restored(self, id: str, index: Index, at: int, target: Path) -> None:
        chunk = index.chunks[at]
        content = await self.chunks.get(f"{chunk.holder}/{chunk.file}")
        if content is None:
            raise DriverError("The backup cannot be restored", f"chunk {at} of backup {id} is lost")
        if not await in_thread(_written, target, at * index.chunk, chunk, content):
            raise DriverError("The backup cannot be restored", f"chunk {at} of backup {id} is damaged")

    async def remove(self, id: str) -> None:
        """Nothing is left of the backup; the index goes first, so that what is half removed is not whole."""
        await in_thread((self._own / id / INDEX).unlink, missing_ok=True)
        failpoint("backup.remove", "index")
        if not (self._own / id).exists():
            return  # what this host was never in charge of is another's
        names = sorted(await self.chunks.names(id), key=lambda name: not name.endswith(AFAR))
        await self.chunks.remove(id, names)
        failpoint("backup.remove", "chunks")
        await in_thread(shutil.rmtree, self._own / id, ignore_errors=True)

    async def index(self, id: str) -> Index | None:
        """What a backup is made of, as this host or the store knows it; None while it is not whole."""
        here = await in_thread(self._index_here, id)
        content = await self.chunks.get(f"{id}/{AFAR}") if here is None and self._afar else None
        if content is None:
            return here
        try:
            return msgspec.json.decode(await in_thread(zlib.decompress, content), type=Index)
        except (zlib.error, msgspec.DecodeError) as bad:
            raise DriverError("The backup cannot be read", f"the index of backup {id} is damaged: {bad}") from bad

    def _index_here(self, id: str) -> Index | None:
        try:
            return msgspec.json.decode((self._own / id / INDEX).read_bytes(), type=Index)
        except FileNotFoundError:
            return None

    async def _keep(self, id: str, index: Index) -> None:
        """The backup is whole, for the store's readers and then for this host."""
        content = msgspec.json.encode(index)
        if self._afar:
            await self.chunks.put(f"{id}/{AFAR}", await in_thread(zlib.compress, content))
        await self._indexes.put(f"{id}/{INDEX}", content)


async def _all(*work: Awaitable[Result]) -> list[Result]:
    """What each returned, once all have ended; raises what the first of them failed with."""
    done = await asyncio.gather(*work, return_exceptions=True)
    for each in done:
        if isinstance(each, BaseException):
            raise each
    return [each for each in done if not isinstance(each, BaseException)]


def _windows(places: Sequence[int]) -> Iterator[Sequence[int]]:
    return (places[at : at + AT_ONCE] for at in range(0, len(places), AT_ONCE))


def _at(index: Index | None, at: int) -> Chunk:
    return index.chunks[at] if index is not None and at < len(index.chunks) else Chunk()


def _squeezed(disk: Path, where: tuple[int, int], known: str | None, way: str) -> tuple[str | None, bytes | None]:
    """The digest of the chunk there, so long, None for zeros; and its bytes as they are kept, None if they are known."""
    try:
        with disk.open("rb") as source:
            piece = os.pread(source.fileno(), where[1], where[0])
    except OSError as failed:
        why = failed.strerror or str(failed)
        raise DriverError(
            "The backup cannot be made", f"the volume cannot be read at byte {where[0]}: {why}"
        ) from failed
    if piece == bytes(len(piece)):
        return None, None
    digest = hashlib.sha256(piece).hexdigest()
    return digest, None if digest == known else WAYS[way].squeeze(piece)


def _written(target: Path, at: int, chunk: Chunk, content: bytes) -> bool:
    """The chunk is at that place of the file, if it is what its digest says."""
    piece = expanded(chunk.file or "", content)
    if hashlib.sha256(piece).hexdigest() != chunk.digest:
        return False
    with target.open("r+b") as out:
        os.pwrite(out.fileno(), piece, at)
    return True


def _empty(target: Path, size: int) -> None:
    with target.open("wb") as out:
        out.truncate(size)


def _sync(target: Path) -> None:
    with target.open("r+b") as out:
        os.fsync(out.fileno())
