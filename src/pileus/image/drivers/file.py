"""Image bytes as files in a folder: `incoming/` while they arrive, one rename, then never touched again."""

import asyncio
import contextlib
import errno
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from io import FileIO
from pathlib import Path
from typing import NoReturn

from pileus.image.drivers.interface import Incoming, StoreIsFull, Unreadable
from pileus.kit.flow.failpoint import failpoint
from pileus.kit.run import ProgramFailed, run

CHUNK = 1 << 20
HOLE = 1 << 16
ZEROS = bytes(HOLE)
MOST = 512  # of the pieces that one call may write: IOV_MAX is 1,024
EARLY = 32 << 20
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextlib.contextmanager
def _written() -> Iterator[None]:
    """What the block writes is written, or it raises StoreIsFull or Unreadable. Any call may find the disk full: bytes wait in
    buffers until they are flushed, and on some file systems until they are synced."""
    try:
        yield
    except OSError as failed:
        if failed.errno in FULL:
            raise StoreIsFull(failed.strerror) from failed
        raise Unreadable(failed.strerror) from failed


class IncomingFile:
    """A file on its way into the store."""

    def __init__(self, part: Path, whole: Path, file: FileIO) -> None:
        self._part = part
        self._whole = whole
        self._file = file
        self._at = 0  # where the next byte goes
        self._begun = 0  # up to where the disk has been asked to write

    async def write(self, chunks: Sequence[bytes]) -> None:
        """The chunks are in the file. Zeros take no room: a few bytes can unpack, or convert, to very many of them."""
        with _written():
            await asyncio.to_thread(self._write, chunks)

    def _write(self, chunks: Sequence[bytes]) -> None:
        for zeros, group in itertools.groupby(chunks, _is_hole):
            if zeros:
                self._at += sum(map(len, group))
            else:
                self._pour(list(group))
        if self._at - self._begun >= EARLY:
            # Linux begins to write such a range (fadvise(2)), and forgets what of it is on the disk already: nothing yet.
            # Without this all of it would wait for the end, and whoever uploads for all of it.
            os.posix_fadvise(self._file.fileno(), self._begun, self._at - self._begun, os.POSIX_FADV_DONTNEED)
            self._begun = self._at

    def _pour(self, chunks: list[bytes]) -> None:
        left = [memoryview(chunk) for chunk in chunks]
        while left:
            done = os.pwritev(self._file.fileno(), left[:MOST], self._at)
            self._at += done
            while left and done >= len(left[0]):
                done -= len(left.pop(0))
            if done:
                left[0] = left[0][done:]

    async def keep(self) -> None:
        """The file is whole and durable under its name."""
        with _written():
            await asyncio.to_thread(self._keep)

    def _keep(self) -> None:
        self._file.truncate(self._at)  # it may end in a hole
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
        with _reached(self._part):
            self._part.unlink(missing_ok=True)
        with contextlib.suppress(
            OSError
        ):  # some file systems tell here what they could not write; it matters to nobody
            self._file.close()


def _is_hole(chunk: bytes) -> bool:
    if len(chunk) < HOLE or chunk[0] or chunk[-1]:
        return False
    return all(chunk.startswith(ZEROS[: len(chunk) - at], at) for at in range(0, len(chunk), HOLE))


def _open(path: Path) -> FileIO:
    with _reached(path):
        return FileIO(path)


def _read(file: FileIO, path: Path, size: int) -> bytes:
    with _reached(path):
        return file.read(size)


@contextlib.contextmanager
def _reached(path: Path) -> Iterator[None]:
    """The block reaches the file, or raises Unreadable: a disk may fail, and another store have the bytes."""
    try:
        yield
    except FileNotFoundError as absent:
        raise Unreadable(f"there is no file {path.name}") from absent
    except OSError as failed:
        raise Unreadable(f"file {path.name}: {failed.strerror}") from failed


def _explain(failed: ProgramFailed, name: str) -> NoReturn:
    """Say which side it was that cp could not go on with: the store's, or the one that was copied to."""
    why = failed.why.rpartition(": ")[2]
    if os.strerror(errno.ENOSPC) in failed.why:
        raise OSError(errno.ENOSPC, why) from failed
    raise Unreadable(f"file {name}: {why}") from failed


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
        part = self._incoming / name
        with _written():
            self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
            await self.remove(name)
            return IncomingFile(part, self._folder / name, await asyncio.to_thread(FileIO, part, "x"))

    async def read(self, name: str, start: int, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start`, read in a thread so that a client that left is noticed between chunks."""
        path = self._folder / name
        file = await asyncio.to_thread(_open, path)
        try:
            left = max(os.fstat(file.fileno()).st_size - start, 0) if length is None else length
            file.seek(start)
            while left > 0:
                chunk = await asyncio.to_thread(_read, file, path, min(CHUNK, left))
                if not chunk:
                    raise Unreadable(f"file {name} is shorter than it should be")
                left -= len(chunk)
                yield chunk
        finally:
            file.close()

    async def copy(self, name: str, destination: Path) -> None:
        """The bytes are in `destination`."""
        source = self._folder / name
        if not await self.exists(name):
            raise Unreadable(f"there is no file {name}")
        if shutil.which("cp"):
            # A child process: it knows reflinks and sparse files, and holds no lock of this one.
            argv = ["cp", "--reflink=auto", "--sparse=auto", "--", str(source), str(destination)]
            try:
                await run(argv, deadline_s=3600, env={"LC_ALL": "C"})
            except ProgramFailed as failed:
                _explain(failed, name)
        else:
            with _reached(source):
                await asyncio.to_thread(shutil.copyfile, source, destination)

    async def exists(self, name: str) -> bool:
        """Whether the file is there, on a disk that answers."""
        try:
            return await asyncio.to_thread((self._folder / name).exists)
        except OSError:
            return False

    def url(self, name: str) -> str:
        """A file's address."""
        return (self._folder / name).absolute().as_uri()

    async def remove(self, name: str) -> None:
        """The file is gone."""
        with _reached(self._folder / name):
            await asyncio.to_thread(self._remove, name)

    def _remove(self, name: str) -> None:
        failpoint("image.remove", "begun")
        (self._folder / name).unlink(missing_ok=True)
        failpoint("image.remove", "unlinked")
        (self._incoming / name).unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Where the file is."""
        return self._folder / name

    def room(self, name: str) -> Path:
        """A folder below `work/`; it does not exist yet."""
        return self._folder / "work" / name

    async def adopt(self, file: Path, name: str) -> None:
        """The file has moved here, and its folder is gone."""
        with _written():
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
        with _reached(self._folder):
            return await asyncio.to_thread(self._names)

    def _names(self) -> Collection[str]:
        found: set[str] = set()
        for folder in (self._folder, self._incoming):
            if folder.is_dir():
                found.update(entry.name for entry in folder.iterdir() if entry.is_file())
        return found
