"""Volumes as files of a host: raw, sparse, each in a directory of its own.

    <root>/volume/<id>/<content>.raw             a volume; `content` counts up when its bytes are made anew
    <root>/volume_snapshot/<id>/0.raw            a snapshot: a whole copy, by reference where the file system can
    <root>/volume/<id>/export-<name>.<format>    a copy to make an image of
    <root>/volume_backup/<id>/                   see `backup_files`

A file appears under its name only when it is whole and on the disk. A new file never shows what was in the room it takes,
and a removed one's bytes are in no other: that is the file system's own promise.
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from pileus.block_storage.drivers.backup_chunks import Chunks
from pileus.block_storage.drivers.disk_backend import DiskBackend
from pileus.block_storage.drivers.disks import Disks, Spot
from pileus.block_storage.drivers.image_tool import copy_file
from pileus.block_storage.drivers.interface import GIB, Kind, Origin, Room
from pileus.kit.flow.failpoint import failpoint
from pileus.ports.attached_disks import AttachedDisks
from pileus.ports.image_files import ImageFiles

CAPABILITIES = {
    "storage_protocol": "file",
    "vendor_name": "Pileus",
    "driver_version": "1.0",
    "thin_provisioning_support": True,
    "multiattach": True,
    "online_extend_support": True,
    "QoS_support": True,
}


class FileDisks:
    """Keeps disks as plain files below one directory."""

    def __init__(self, name: str, root: Path) -> None:
        self._name = name
        self._root = root
        self.attached: AttachedDisks | None = None

    async def room(self) -> Room:
        """What the file system has."""
        return await asyncio.to_thread(self._room)

    def _room(self) -> Room:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        usage = shutil.disk_usage(self._root)
        return Room(
            name=self._name,
            driver="file",
            total_gib=round(usage.total / GIB, 2),
            free_gib=round(usage.free / GIB, 2),
            capabilities=CAPABILITIES,
        )

    async def held(self, kind: Kind, id: str | None = None) -> Mapping[str, Mapping[int, int]]:
        """Every disk of that kind, or one, and its whole contents. To look for one takes a few system calls: done at once."""
        return {id: _contents(self._root / kind / id)} if id is not None else await asyncio.to_thread(self._held, kind)

    def _held(self, kind: Kind) -> dict[str, dict[int, int]]:
        folder = self._root / kind
        names = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        return {name: _contents(folder / name) for name in names}

    async def blank(self, at: Spot, size: int) -> None:
        """A sparse file is there."""
        await asyncio.to_thread(_blank, self._file(at), size)

    async def copy(self, source: Spot, at: Spot, *, live: bool) -> None:
        """The file is a copy of the other, by reference where the file system can."""
        part = self._part(at)
        await self._copy(source, part, live=live)
        await asyncio.to_thread(_settle, part, self._file(at))

    async def fill(self, at: Spot, file: Path) -> None:
        """The file is a copy of that one."""
        part = self._part(at)
        await copy_file(file, part)
        await asyncio.to_thread(_settle, part, self._file(at))

    async def rename(self, source: Spot, at: Spot) -> None:
        """The file has another name."""
        await asyncio.to_thread(_rename, self._file(source), self._file(at))

    async def grow(self, at: Spot, size: int) -> None:
        """The file has at least that size."""
        await asyncio.to_thread(_grow, self._file(at), size)

    async def remove(self, at: Spot) -> None:
        """That file is gone."""
        failpoint("volume.forget", "content")
        self._file(at).unlink(missing_ok=True)

    async def forget(self, kind: Kind, id: str) -> None:
        """The disk's folder is gone."""
        if (self._root / kind / id).exists():
            failpoint("volume.forget", "before")
            await asyncio.to_thread(shutil.rmtree, self._root / kind / id)
            failpoint("volume.forget", "after")

    @contextlib.asynccontextmanager
    async def reading(self, at: Spot, spool: Path, *, live: bool) -> AsyncIterator[Path]:
        """The file itself, or a copy of one moment while somebody may write to it."""
        if not live:
            yield self._file(at)
            return
        still = spool / f"{at.name}.still"
        try:
            await self._copy(at, still, live=True)
            yield still
        finally:
            still.unlink(missing_ok=True)

    async def _copy(self, source: Spot, target: Path, *, live: bool) -> None:
        """A copy of one moment: of who has the volume, or by reference."""
        if live and self.attached is not None and source.kind is Kind.VOLUME:
            await self.attached.copy(source.id, self._file(source), target)
        else:
            await copy_file(self._file(source), target, live=live)

    def sibling(self, origin: Origin) -> Disks | None:
        """Files of a host are its own."""
        return None

    def path(self, at: Spot) -> str:
        """The file."""
        return str(self._file(at))

    def _file(self, at: Spot) -> Path:
        return self._root / at.kind / at.id / f"{at.content}.raw"

    def _part(self, at: Spot) -> Path:
        part = self._file(at).with_suffix(".part")
        part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        return part


class FileBackend(DiskBackend):
    """A Backend of plain files below one directory."""

    def __init__(self, name: str, root: Path, images: ImageFiles, chunks: Chunks | None = None) -> None:
        self._files = FileDisks(name, root)
        super().__init__(self._files, images, root, chunks)

    def copy_attached(self, attached: AttachedDisks) -> None:
        """From now on what servers of this host have is copied by who has it, where the file system cannot do that."""
        self._files.attached = attached


def _contents(folder: Path) -> dict[int, int]:
    found = {}
    for path in folder.glob("*.raw"):
        if path.stem.isdigit():
            with contextlib.suppress(FileNotFoundError):  # it was just removed
                found[int(path.stem)] = path.stat().st_size
    return found


def _blank(file: Path, size: int) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.ftruncate(handle, size)
    finally:
        os.close(handle)
    _settle(part, file)


def _settle(part: Path, file: Path) -> None:
    """The whole file has its name, on the disk too."""
    with part.open("r+b") as out:
        os.fsync(out.fileno())
    failpoint("volume.keep", "before rename")
    part.rename(file)
    failpoint("volume.keep", "after rename")
    _sync(file.parent)


def _rename(old: Path, new: Path) -> None:
    new.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    old.rename(new)
    _sync(new.parent)
    _sync(old.parent)


def _sync(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _grow(file: Path, size: int) -> None:
    if file.stat().st_size < size:
        failpoint("volume.grow", "before")
        with file.open("r+b") as out:
            out.truncate(size)
            failpoint("volume.grow", "before sync")
            os.fsync(out.fileno())
        failpoint("volume.grow", "after")
