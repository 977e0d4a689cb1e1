"""Chunks of backups as files: in a folder of the host, or in a directory that several hosts have mounted."""

import os
import shutil
import uuid
from collections.abc import Collection
from pathlib import Path

from pileus.block_storage.drivers.durable import Tree
from pileus.block_storage.drivers.interface import DriverError
from pileus.block_storage.drivers.marks import mark_of
from pileus.block_storage.drivers.thread import in_thread


class FolderChunks:
    """Keeps pileus.block_storage.drivers.backup_chunks.Chunks."""

    def __init__(self, root: Path, *, shared: bool = False) -> None:
        self._root = root
        self._shared = shared
        self._tree = Tree()

    @property
    def store(self) -> str | None:
        """What the directory is called, if several hosts have it; raises DriverError while it is not mounted."""
        return f"shared:{mark_of(self._root)}" if self._shared else None

    async def put(self, name: str, content: bytes) -> None:
        """The file is there, on the disk too."""
        await in_thread(self._put, self._root / name, content)

    def _put(self, file: Path, content: bytes) -> None:
        self._check()
        part = file.with_name(f"{file.name}.{uuid.uuid4().hex}.part")
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with part.open("wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            part.rename(file)
            self._tree.sync(file.parent)
        except OSError as failed:
            part.unlink(missing_ok=True)
            raise DriverError("The backup cannot be written", f"{file}: {failed.strerror}") from failed

    async def get(self, name: str) -> bytes | None:
        """The file's bytes."""
        return await in_thread(self._get, self._root / name)

    def _get(self, file: Path) -> bytes | None:
        self._check()
        try:
            return file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as failed:
            raise DriverError("The backup cannot be read", f"{file}: {failed.strerror}") from failed

    async def names(self, backup: str) -> Collection[str]:
        """The files in the backup's folder."""
        return await in_thread(self._names, self._root / backup)

    def _names(self, folder: Path) -> list[str]:
        self._check()
        return [f"{folder.name}/{file.name}" for file in sorted(folder.iterdir())] if folder.exists() else []

    async def remove(self, backup: str, names: Collection[str]) -> None:
        """The files are gone, and so is the folder."""
        await in_thread(self._remove, self._root / backup, names)

    def _remove(self, folder: Path, names: Collection[str]) -> None:
        self._check()
        for name in names:
            (self._root / name).unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)

    def _check(self) -> None:
        """Raise DriverError for a shared directory that is not mounted: nothing is written below its mount point then."""
        if self._shared:
            mark_of(self._root)
