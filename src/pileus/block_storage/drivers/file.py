"""Volumes as files of a host: raw, sparse, or qcow2, each in a directory of its own.

    <root>/volume/<id>/<content>.raw             a volume, or `.qcow2`; `content` counts up when its bytes are made anew
    <root>/volume_snapshot/<id>/0.raw            a snapshot: a whole copy, by reference where the file system can
    <root>/volume/<id>/export-<name>.<format>    a copy to make an image of
    <root>/volume_backup/<id>/                   see `backup_files`

A file appears under its name only when it is whole and on the disk. A new file never shows what was in the room it takes,
and a removed one's bytes are in no other: that is the file system's own promise. What a file is, its name says; new ones are what
the operator said, and those that are there stay what they are.
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from pileus.block_storage.drivers import bitmaps, qcow2
from pileus.block_storage.drivers.backup_chunks import Chunks
from pileus.block_storage.drivers.disk_backend import DiskBackend
from pileus.block_storage.drivers.disks import Disks, Spot
from pileus.block_storage.drivers.durable import Tree
from pileus.block_storage.drivers.file_changes import FileChanges
from pileus.block_storage.drivers.image_tool import copy_file
from pileus.block_storage.drivers.interface import GIB, DiskFiles, DriverError, Kind, Origin, Place, Room
from pileus.block_storage.drivers.qcow2 import FORMATS, QCOW2, RAW, Format, format_of
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
    """Keeps disks as files below one directory; new ones have that format."""

    def __init__(self, name: str, root: Path, format: Format = RAW) -> None:
        self._name = name
        self._root = root
        self._format = format
        self.attached: AttachedDisks | None = None
        self.far: DiskFiles | None = None
        self._tree = Tree()

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
            # Of a qcow2 file one writer alone knows where what is.
            capabilities={**CAPABILITIES, "multiattach": self._format == RAW},
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
        if self._format == RAW:
            await asyncio.to_thread(self._blank, self._new(at), size)
            return
        part = self._part(at)
        await qcow2.create(part, size)
        await asyncio.to_thread(self._tree.keep, part, self._new(at))

    def _blank(self, file: Path, size: int) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            os.ftruncate(handle, size)
        finally:
            os.close(handle)
        self._tree.keep(part, file)

    async def copy(self, source: Spot, at: Spot, *, live: bool) -> None:
        """The file is a copy of the other, by reference where the file system can."""
        part = self._part(at)
        await self._copy(source, part, self._format, live=live)
        await asyncio.to_thread(self._tree.keep, part, self._new(at))

    async def fill(self, at: Spot, file: Path) -> None:
        """The file is a copy of that one."""
        part = self._part(at)
        await (copy_file(file, part) if self._format == RAW else qcow2.convert(file, RAW, part, QCOW2))
        await asyncio.to_thread(self._tree.keep, part, self._new(at))

    async def rename(self, source: Spot, at: Spot) -> None:
        """The file has another name."""
        old = self._file(source)
        await asyncio.to_thread(self._tree.rename, old, self._new(at).with_suffix(old.suffix))

    async def grow(self, at: Spot, size: int) -> None:
        """The disk has at least that size; of one that a server has, its QEMU sees to that."""
        file = self._file(at)
        if format_of(file) == RAW:
            await asyncio.to_thread(_grow, file, size)
        elif qcow2.size_of(file, QCOW2) < size:
            taken = self.attached is not None and at.kind is Kind.VOLUME
            if not (taken and self.attached is not None and await self.attached.grow(at.id, size // GIB)):
                await bitmaps.drop_broken(file)
                await qcow2.resize(file, size)

    async def remove(self, at: Spot) -> None:
        """That file is gone."""
        failpoint("volume.forget", "content")
        for format in FORMATS:
            self._new(at).with_suffix(f".{format}").unlink(missing_ok=True)

    async def forget(self, kind: Kind, id: str) -> None:
        """The disk's folder is gone."""
        if (self._root / kind / id).exists():
            failpoint("volume.forget", "before")
            await asyncio.to_thread(shutil.rmtree, self._root / kind / id)
            failpoint("volume.forget", "after")

    @contextlib.asynccontextmanager
    async def reading(self, at: Spot, spool: Path, *, live: bool) -> AsyncIterator[Path]:
        """The file itself if it is raw, or a copy of one moment while somebody may write to it."""
        if not live and format_of(self._file(at)) == RAW:
            yield self._file(at)
            return
        still = spool / f"{at.name}.still"
        try:
            await self._copy(at, still, RAW, live=live)
            yield still
        finally:
            still.unlink(missing_ok=True)

    async def _copy(self, source: Spot, target: Path, wanted: Format, *, live: bool) -> None:
        """A copy of one moment: of who has the volume, here or on another host, or by reference."""
        file = self._file(source)
        has = format_of(file)
        qcow2.size_of(file, has)
        theirs = source.holder if live and source.kind is Kind.VOLUME else None
        asked = self.attached if live and source.kind is Kind.VOLUME and theirs is None else None
        if asked is None and not live and has != wanted:
            await qcow2.convert(file, has, target, wanted)
            return
        # Who has it copies what a guest sees; by reference its file is copied.
        copied: Format = RAW if asked is not None or theirs is not None else has
        first = target if copied == wanted else target.with_name(f"{target.name}.moment")
        try:
            if theirs is not None:
                await self._copy_held(theirs, source.id, first)
            elif asked is not None:
                await asked.copy(source.id, file, first, has)
            else:
                await copy_file(file, first, live=live)
            if first != target:
                await qcow2.convert(first, copied, target, wanted)
        finally:
            if first != target:
                first.unlink(missing_ok=True)

    async def _copy_held(self, holder: str, volume_id: str, target: Path) -> None:
        if self.far is None:
            raise DriverError("The volume cannot be copied", f"a server on host {holder} has it, which cannot be asked")
        await self.far.copy_held(holder, volume_id, target)

    def sibling(self, origin: Origin) -> Disks | None:
        """Files of a host are its own."""
        return None

    def place(self, at: Spot) -> Place:
        """The file."""
        file = self._file(at)
        return Place(str(file), format_of(file))

    def _file(self, at: Spot) -> Path:
        """The file there is, whatever its format."""
        found = (self._new(at).with_suffix(f".{format}") for format in FORMATS)
        return next((file for file in found if file.exists()), self._new(at))

    def _new(self, at: Spot) -> Path:
        return self._root / at.kind / at.id / f"{at.content}.{self._format}"

    def _part(self, at: Spot) -> Path:
        part = self._new(at).with_suffix(".part")
        part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        return part


class FileBackend(DiskBackend):
    """A Backend of files below one directory."""

    def __init__(
        self, name: str, root: Path, images: ImageFiles, chunks: Chunks | None = None, *, format: Format = RAW
    ) -> None:
        self._files = FileDisks(name, root, format)
        super().__init__(self._files, images, root, chunks, changes=FileChanges(self._files))

    def copy_attached(self, attached: AttachedDisks) -> None:
        """From now on what servers of this host have is copied by who has it, where the file system cannot do that."""
        self._files.attached = attached


def _contents(folder: Path) -> dict[int, int]:
    found = {}
    for path in folder.glob("*.*"):
        if path.stem.isdigit() and path.suffix.removeprefix(".") in FORMATS:
            with contextlib.suppress(FileNotFoundError, DriverError):  # it was just removed, or is none of ours
                found[int(path.stem)] = qcow2.size_of(path, format_of(path))
    return found


def _grow(file: Path, size: int) -> None:
    if file.stat().st_size < size:
        failpoint("volume.grow", "before")
        with file.open("r+b") as out:
            out.truncate(size)
            failpoint("volume.grow", "before sync")
            os.fsync(out.fileno())
        failpoint("volume.grow", "after")
