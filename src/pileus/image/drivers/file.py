"""Image bytes as files in a folder: `incoming/` while they arrive, one rename, then never touched again."""

import asyncio
import errno
import os
import shutil
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import IO

from pileus.image.drivers.interface import Incoming, StoreIsFull, Unreadable
from pileus.kit.flow.failpoint import failpoint
from pileus.kit.run import run

CHUNK = 1 << 20
HOLE = 1 << 16


class IncomingFile:
    """A file on its way into the store."""

    def __init__(self, part: Path, whole: Path, file: IO[bytes]) -> None:
        self._part = part
        self._whole = whole
        self._file = file

    async def write(self, chunk: bytes) -> None:
        """The chunk is in the file. Zeros take no room: a few bytes can unpack, or convert, to very many of them."""
        try:
            await asyncio.to_thread(self._write, chunk)
        except OSError as failed:
            if failed.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                raise StoreIsFull(failed.strerror) from failed
            raise

    def _write(self, chunk: bytes) -> None:
        if len(chunk) >= HOLE and not chunk.strip(b"\0"):
            self._file.seek(len(chunk), os.SEEK_CUR)
        else:
            self._file.write(chunk)

    async def keep(self) -> None:
        """The file is whole and durable under its name."""
        await asyncio.to_thread(self._keep)

    def _keep(self) -> None:
        self._file.flush()
        self._file.truncate()  # to where we are: it may end in a hole
        os.fsync(self._file.fileno())
        self._file.close()
        failpoint("image.keep", "before rename")
        self._part.rename(self._whole)
        for folder in (self._whole.parent, self._part.parent):
            _sync_folder(folder)
        failpoint("image.keep", "after rename")

    async def drop(self) -> None:
        """The file is gone."""
        await asyncio.to_thread(self._drop)

    def _drop(self) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)


def _read(file: IO[bytes], size: int) -> bytes:
    try:
        return file.read(size)
    except OSError as failed:  # a disk that fails; another store may have the bytes
        raise Unreadable(failed.strerror) from failed


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FileStore:
    """A folder of image files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"

    async def create(self, name: str) -> Incoming:
        """A new file in `incoming/`."""
        self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        await self.remove(name)
        part = self._incoming / name
        return IncomingFile(part, self._folder / name, await asyncio.to_thread(open, part, "xb", CHUNK))

    async def read(self, name: str, start: int, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start`, read in a thread so that a client that left is noticed between chunks."""
        try:
            file = await asyncio.to_thread(open, self._folder / name, "rb", 0)
        except FileNotFoundError as absent:
            raise Unreadable(f"there is no file {name}") from absent
        try:
            left = max(os.fstat(file.fileno()).st_size - start, 0) if length is None else length
            file.seek(start)
            while left > 0:
                chunk = await asyncio.to_thread(_read, file, min(CHUNK, left))
                if not chunk:
                    raise Unreadable(f"{name} is shorter than it should be")
                left -= len(chunk)
                yield chunk
        finally:
            file.close()

    async def copy(self, name: str, destination: Path) -> None:
        """The bytes are in `destination`."""
        source = self._folder / name
        if not source.exists():
            raise Unreadable(f"there is no file {name}")
        if shutil.which("cp"):
            # A child process: it knows reflinks and sparse files, and holds no lock of this one.
            argv = ["cp", "--reflink=auto", "--sparse=auto", "--", str(source), str(destination)]
            await run(argv, deadline_s=3600)
        else:
            await asyncio.to_thread(shutil.copyfile, source, destination)

    async def exists(self, name: str) -> bool:
        """Whether the file is there."""
        return (self._folder / name).exists()

    def url(self, name: str) -> str:
        """A file's address."""
        return (self._folder / name).absolute().as_uri()

    async def remove(self, name: str) -> None:
        """The file is gone."""
        await asyncio.to_thread(self._remove, name)

    def _remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)
        (self._incoming / name).unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Where the file is."""
        return self._folder / name

    def room(self, name: str) -> Path:
        """A folder below `work/`; it does not exist yet."""
        return self._folder / "work" / name

    async def adopt(self, file: Path, name: str) -> None:
        """The file has moved here, and its folder is gone."""
        await asyncio.to_thread(self._adopt, file, name)

    def _adopt(self, file: Path, name: str) -> None:
        file.replace(self._folder / name)
        _sync_folder(self._folder)
        shutil.rmtree(file.parent)

    async def clear(self, name: str) -> None:
        """The room is gone."""
        await asyncio.to_thread(shutil.rmtree, self.room(name), ignore_errors=True)

    async def names(self) -> Collection[str]:
        """Every file's name."""
        return await asyncio.to_thread(self._names)

    def _names(self) -> Collection[str]:
        found: set[str] = set()
        for folder in (self._folder, self._incoming):
            if folder.is_dir():
                found.update(entry.name for entry in folder.iterdir() if entry.is_file())
        return found
