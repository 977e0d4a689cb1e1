"""Backups as files: a volume's bytes in chunks, each kept once, however many backups hold it.

    <id>/index.json     what the backup is made of: for each chunk its digest and the backup whose file holds it
    <id>/<number>.z     a chunk that no earlier backup has at that place; `.raw` where it is not compressed

The index is written last, so a backup without one is not whole and is begun anew. Chunks of zeros are not kept at all.
Everything here blocks, and is run in a thread.
"""

import hashlib
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from pileus.block_storage.drivers.interface import BackupSeen, DriverError

CHUNK = 4 << 20
INDEX = "index.json"


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


def index_of(store: Path, id: str) -> Index | None:
    """What a backup is made of; None while it is not whole."""
    try:
        return msgspec.json.decode((store / id / INDEX).read_bytes(), type=Index)
    except FileNotFoundError:
        return None


def seen(store: Path, id: str) -> BackupSeen:
    """How far a backup is."""
    index = index_of(store, id)
    return BackupSeen() if index is None else BackupSeen(whole=True, objects=index.objects, stored=index.stored)


def seen_all(store: Path) -> dict[str, BackupSeen]:
    """Every backup there is; what begins with a dot is on its way."""
    names = sorted(path.name for path in store.iterdir() if path.is_dir()) if store.exists() else []
    return {name: seen(store, name) for name in names}


def write(store: Path, id: str, disk: Path, parent: str | None, *, compressed: bool) -> None:
    """The backup holds the disk's bytes; what the parent has at the same place is not written again."""
    own = store / id
    if own.exists():
        shutil.rmtree(own)
    own.mkdir(mode=0o700, parents=True)
    before = index_of(store, parent) if parent is not None else None
    if parent is not None and before is None:
        raise DriverError("The backup cannot be made", f"its parent {parent} is not here")
    chunks: list[Chunk] = []
    objects = stored = 0
    for at, piece in enumerate(_pieces(disk)):
        if piece is None:
            chunks.append(Chunk())
            continue
        digest = hashlib.sha256(piece).hexdigest()
        old = before.chunks[at] if before is not None and at < len(before.chunks) else Chunk()
        if old.digest == digest:
            chunks.append(old)
            continue
        file = f"{at:08d}.{'z' if compressed else 'raw'}"
        written = zlib.compress(piece, 1) if compressed else piece
        _keep(own / file, written)
        chunks.append(Chunk(digest, id, file))
        objects, stored = objects + 1, stored + len(written)
    index = Index(_length(disk), CHUNK, tuple(chunks), objects, stored)
    part = own / f"{INDEX}.part"
    _keep(part, msgspec.json.encode(index))
    part.rename(own / INDEX)
    _sync(own)


def restore(store: Path, id: str, target: Path) -> None:
    """The file holds what the backup holds, and was checked against its digests."""
    index = index_of(store, id)
    if index is None:
        raise DriverError("The backup cannot be restored", f"backup {id} is not whole")
    with target.open("wb") as out:
        out.truncate(index.size)
        for at, chunk in enumerate(index.chunks):
            if chunk.holder is None or chunk.file is None:
                continue
            piece = (store / chunk.holder / chunk.file).read_bytes()
            piece = zlib.decompress(piece) if chunk.file.endswith(".z") else piece
            if hashlib.sha256(piece).hexdigest() != chunk.digest:
                raise DriverError("The backup cannot be restored", f"chunk {at} of backup {id} is damaged")
            out.seek(at * index.chunk)
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())


def remove(store: Path, id: str) -> None:
    """Nothing is left of the backup; the index goes first, so that what is half removed is not whole."""
    (store / id / INDEX).unlink(missing_ok=True)
    if (store / id).exists():
        shutil.rmtree(store / id)


def _length(disk: Path) -> int:
    """How many bytes a file or a device has."""
    with disk.open("rb") as source:
        return source.seek(0, os.SEEK_END)


def _pieces(disk: Path) -> Iterator[bytes | None]:
    """The disk's chunks in their order; None for what is all zeros."""
    zeros = bytes(CHUNK)
    with disk.open("rb") as source:
        size = source.seek(0, os.SEEK_END)
        for at in range(0, size, CHUNK):
            if _hole(source.fileno(), at, min(CHUNK, size - at)):
                yield None
                continue
            source.seek(at)
            piece = source.read(CHUNK)
            yield None if piece == zeros[: len(piece)] else piece


def _hole(fd: int, at: int, length: int) -> bool:
    """Whether the file has nothing written in that part."""
    try:
        return os.lseek(fd, at, os.SEEK_DATA) >= at + length
    except OSError:  # there is nothing after it either
        return True


def _keep(file: Path, content: bytes) -> None:
    with file.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
