"""A back end made of a store of disks: what is wanted of volumes, snapshots and backups, done with the store's few verbs.

    ensure_disk: blank, or copied of a disk, an image or a backup -> grown -> other contents gone -> copied for an image

What takes long goes on by itself in `Works`. Backups are chunks in files, whatever keeps the disks.
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec

from pileus.block_storage.drivers import luks
from pileus.block_storage.drivers.backup_chunks import Chunks
from pileus.block_storage.drivers.backup_files import Backups
from pileus.block_storage.drivers.disks import AsksHolders, ClonesImages, Disks, NotesChanges, Spot
from pileus.block_storage.drivers.image_tool import copy_file, encrypt, image_of, raw_of
from pileus.block_storage.drivers.interface import (
    DISKS,
    FOUND,
    GIB,
    Backup,
    BackupSeen,
    Changed,
    Copy,
    Disk,
    DiskFiles,
    DiskSeen,
    DriverError,
    Kind,
    Origin,
    Place,
    Room,
    Seen,
)
from pileus.block_storage.drivers.work import Works
from pileus.kit.flow.failpoint import failpoint
from pileus.ports.image_files import ImageFiles
from pileus.ports.volume_keys import VolumeKeys

# What is in a disk's folder only while the disk is being made.
PASSING = ("image", "header", "*.still", "*.arrived", "*.backup", "*.moment")


class DiskBackend:
    """A Backend above a store of disks. Below `root` are backups, or what is known of them where `chunks` has them, and, in a
    folder for each disk, images of it that come and go."""

    def __init__(
        self,
        disks: Disks,
        images: ImageFiles,
        root: Path,
        chunks: Chunks | None = None,
        clones: ClonesImages | None = None,
        changes: NotesChanges | None = None,
    ) -> None:
        self._disks = disks
        self._images = images
        self._clones = clones
        self._changes = changes
        self._root = root
        self._backups = Backups(root / Kind.BACKUP, chunks)
        self._works = Works()
        self._others: DiskFiles | None = None
        self._keys: VolumeKeys | None = None

    def on_change(self, changed: Changed) -> None:
        """From now on `changed(kind, id)` is called whenever a thing is worth another look."""
        self._works.changed = changed

    def meet(self, others: DiskFiles, keys: VolumeKeys | None) -> None:
        """From now on what other back ends keep can be copied from there, and encrypted disks can be made with these keys."""
        self._others = others
        self._keys = keys
        if isinstance(self._disks, AsksHolders):
            self._disks.far = others

    async def room(self) -> Room:
        """What the store has."""
        room = await self._disks.room()
        return msgspec.structs.replace(room, backups=self._backups.chunks.store)

    async def observe(self, kind: Kind) -> Mapping[str, Seen]:
        """Every thing of that kind that is here."""
        if kind is Kind.BACKUP:
            return await self._backups.seen_all()
        return {id: self._seen(kind, id, contents) for id, contents in (await self._disks.held(kind)).items()}

    async def ensure_disk(self, kind: Kind, disk: Disk) -> DiskSeen:
        """The disk is there, or is being made."""
        at = Spot(kind, disk.id, disk.content)
        if disk.mirrored:
            disk = msgspec.structs.replace(disk, origin=None)
        keep = f"content {at.content}"
        await self._works.end(lambda w: w[:2] == (kind, disk.id) and w[2].startswith("content ") and w[2] != keep)
        contents = await _contents(self._disks, kind, disk.id)
        if disk.left and not contents:
            return DiskSeen()
        if at.content not in contents:
            if disk.origin is None and disk.luks is None:
                await self._disks.blank(at, disk.size_gib * GIB)
            elif not self._works.ready((kind, disk.id, keep), lambda: self._fill(at, disk)):
                return msgspec.structs.replace(
                    self._seen(kind, disk.id, contents),
                    doing=f"copying from {disk.origin.kind}" if disk.origin is not None else "encrypting",
                )
            contents = await _contents(self._disks, kind, disk.id)
        if contents.get(at.content, 0) < disk.octets:
            await self._disks.grow(at, disk.octets)
            contents = await _contents(self._disks, kind, disk.id)
        for old in contents.keys() - {at.content}:
            await self._disks.remove(Spot(kind, disk.id, old))
        await self._tidy(kind, disk.id)
        return await self._exported(at, disk, self._seen(kind, disk.id, {at.content: contents[at.content]}))

    async def _tidy(self, kind: Kind, id: str) -> None:
        """Nothing is left of what the disk was made with, by who died when it was whole already."""
        if self._works.busy(kind, id):
            return
        for left in [file for pattern in PASSING for file in self._spool(kind, id).glob(pattern)]:
            await asyncio.to_thread(shutil.rmtree if left.is_dir() else Path.unlink, left)

    async def ensure_backup(self, backup: Backup) -> BackupSeen:
        """The backup is whole, or is being made."""
        now = await self._backups.seen(backup.id)
        work = (Kind.BACKUP, backup.id, "write")
        if now.whole or self._works.ready(work, lambda: self._back_up(backup)):
            return await self._backups.seen(backup.id)
        return BackupSeen(doing="reading the volume")

    async def ensure_gone(self, kind: Kind, id: str) -> None:
        """Nothing of the thing is left."""
        await self._works.end(lambda name: name[:2] == (kind, id))
        if kind is Kind.BACKUP:
            await self._backups.remove(id)
        else:
            await self._disks.forget(kind, id)

    @contextlib.asynccontextmanager
    async def reading(self, origin: Origin, spool: Path, *, live: bool) -> AsyncIterator[Path]:
        """A file with the raw bytes of a disk or a backup that is kept here."""
        if origin.kind == Kind.BACKUP:
            still = spool / f"{origin.id}.backup"
            try:
                await self._backups.restore(origin.id, still)
                yield still
            finally:
                still.unlink(missing_ok=True)
        else:
            async with self._disks.reading(await self._newest(self._disks, origin), spool, live=live) as file:
                yield file

    async def located(self, id: str) -> Place:
        """Where on this host the bytes of a volume are that is kept here; raises DriverError."""
        return self._disks.place(await self._newest(self._disks, Origin(kind=Kind.VOLUME, id=id)))

    def exported(self, id: str, name: str) -> Path:
        """Where a copy of a volume is that was made for an image; raises DriverError."""
        file = self._spool(Kind.VOLUME, id) / name
        if Path(name).name != name or not name.startswith("export-") or name.endswith(".part") or not file.is_file():
            raise DriverError("There is no such copy", f"volume {id} has no {name}")
        return file

    async def close(self) -> None:
        """No copy goes on; it is begun anew when it is asked for again."""
        await self._works.end()

    # What takes long.

    async def _fill(self, at: Spot, disk: Disk) -> None:
        """The disk is made of its origin."""
        failpoint("volume.fill", "begun")
        spool = self._spool(at.kind, at.id)
        await asyncio.to_thread(spool.mkdir, mode=0o700, parents=True, exist_ok=True)
        if disk.origin is None:
            with _file(spool / "header", await self._header(disk)) as header:
                await self._disks.fill(at, header)
            return
        if disk.origin.kind == FOUND:
            found = await self._newest(self._disks, Origin(kind=at.kind, id=disk.origin.id))
            await self._disks.rename(found, at)
            return
        if disk.origin.kind == "image":
            await self._from_image(disk, disk.origin, at, spool)
            return
        elsewhere = disk.origin.backend is not None or disk.origin.host is not None
        store = self._disks.sibling(disk.origin) if elsewhere else self._disks
        if store is not None and disk.origin.kind != Kind.BACKUP and not elsewhere:
            await self._disks.copy(await self._newest(self._disks, disk.origin), at, live=disk.live)
            return
        async with self._reading(store, disk.origin, spool, live=disk.live) as file:
            await self._disks.fill(at, file)

    @contextlib.asynccontextmanager
    async def _reading(self, store: Disks | None, origin: Origin, spool: Path, *, live: bool) -> AsyncIterator[Path]:
        """The origin's bytes, from this back end, from the same store as another host keeps it, or from anywhere else."""
        reading: AbstractAsyncContextManager[Path]
        if store is self._disks:
            reading = self.reading(origin, spool, live=live)
        elif store is not None and origin.kind != Kind.BACKUP:
            reading = store.reading(await self._newest(store, origin), spool, live=live)
        elif self._others is not None:
            reading = self._others.reading(origin, spool, live=live)
        else:
            raise DriverError("There is nothing to copy", f"{origin.kind} {origin.id} is not on this host")
        async with reading as file:
            yield file

    async def _key(self, disk: Disk) -> bytes:
        assert disk.luks is not None, "only encrypted disks have keys"
        if self._keys is None:
            raise DriverError("The volume cannot be encrypted", "nothing gives keys to this host")
        return await self._keys.fetch(disk.luks.volume_id)

    async def _header(self, disk: Disk) -> bytes:
        """What an encrypted disk of nothing begins with."""
        how = disk.luks.how if disk.luks is not None else luks.Cipherment()
        return await asyncio.to_thread(luks.header, await self._key(disk), how)

    async def _from_image(self, disk: Disk, origin: Origin, at: Spot, spool: Path) -> None:
        """The image's bytes as a raw disk. What it is made of was verified, and is looked at once more by a jailed tool."""
        shared = origin.shared if disk.luks is None and origin.format == "raw" else None
        if shared is not None and self._clones is not None and await self._clones.clone_image(shared, at):
            return
        room, size = spool / "image", disk.size_gib * GIB
        await asyncio.to_thread(shutil.rmtree, room, ignore_errors=True)
        room.mkdir(mode=0o700)
        try:
            fetched = room / "fetched"
            await self._images.fetch(origin.id, fetched)
            failpoint("volume.fill", "fetched")
            raw = await raw_of(fetched, origin.claim or origin.format, size)
            if raw.stat().st_size > size:
                raise DriverError("The image does not fit", f"it holds {raw.stat().st_size} bytes, the volume {size}")
            if disk.luks is not None:
                plain, raw = raw, room / "luks"
                raw.write_bytes(await self._header(disk))
                await encrypt(plain, raw, await self._key(disk), luks.PAYLOAD)
            await self._disks.fill(at, raw)
        finally:
            await asyncio.to_thread(shutil.rmtree, room, ignore_errors=True)

    async def _back_up(self, backup: Backup) -> None:
        """The backup holds what its origin held at one moment."""
        if backup.adopt:
            await self._backups.adopt(backup.id)
            return
        spool = self._root / Kind.BACKUP
        await asyncio.to_thread(spool.mkdir, mode=0o700, parents=True, exist_ok=True)
        if self._changes is not None and backup.of.kind == Kind.VOLUME:
            at, piece = await self._newest(self._disks, backup.of), self._backups.piece
            # Before anything is read: what is written meanwhile belongs to the next backup, if not to this one as well.
            if backup.live or await self._changes.note(at, backup.id):
                async with (
                    self._changes.reading_attached(at, backup.id, backup.parent, piece, spool)
                    if backup.live
                    else self._changes.reading(at, backup.parent, piece, spool)
                ) as (file, places):
                    await self._backups.write(backup, file, places)
                await self._changes.keep_only(at, backup.id, live=backup.live)
                return
        async with self.reading(backup.of, spool, live=backup.live) as file:
            await self._backups.write(backup, file)

    async def _exported(self, at: Spot, disk: Disk, seen: DiskSeen) -> DiskSeen:
        """What is seen, with the copy that is wanted and no other."""
        folder, wanted = self._spool(at.kind, at.id), disk.export
        name = f"export-{wanted.name}.{wanted.format}" if wanted is not None else None
        for old in folder.glob("export-*"):
            if old.name != name and not (wanted is not None and old.name.endswith(".part")):
                old.unlink()
        if wanted is None or name is None:
            return seen
        target, format = folder / name, wanted.format
        work, held = (at.kind, at.id, name), msgspec.structs.replace(at, holder=disk.holder)
        if not target.exists() and not self._works.ready(
            work, lambda: self._export(held, target, format, live=disk.live)
        ):
            return msgspec.structs.replace(seen, doing="copying for an image")
        return msgspec.structs.replace(seen, export=Copy(wanted.name, str(target)))

    async def _export(self, at: Spot, target: Path, format: str, *, live: bool) -> None:
        await asyncio.to_thread(target.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        part.unlink(missing_ok=True)
        async with self._disks.reading(at, target.parent, live=live) as file:
            await (copy_file(file, part) if format == "raw" else image_of(file, part, format))
        part.rename(target)

    # What is there.

    async def _newest(self, store: Disks, origin: Origin) -> Spot:
        """The newest bytes of a volume or snapshot that is here."""
        contents = await _contents(store, Kind(origin.kind), origin.id)
        if not contents:
            raise DriverError("There is nothing to copy", f"{origin.kind} {origin.id} is not on this host")
        return Spot(Kind(origin.kind), origin.id, max(contents), origin.holder)

    def _spool(self, kind: Kind, id: str) -> Path:
        """A folder for what belongs to the disk and is no disk."""
        return self._root / kind / id

    def _seen(self, kind: Kind, id: str, contents: Mapping[int, int]) -> DiskSeen:
        assert kind in DISKS, "backups are seen otherwise"
        if not contents:
            return DiskSeen()
        newest = max(contents)
        place = self._disks.place(Spot(kind, id, newest))
        return DiskSeen(size_gib=contents[newest] // GIB, content=newest, path=place.path, format=place.format)


@contextlib.contextmanager
def _file(path: Path, content: bytes) -> Iterator[Path]:
    """A file with that content, for us alone, while the block lasts."""
    path.unlink(missing_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "wb") as out:
            out.write(content)
        yield path
    finally:
        path.unlink(missing_ok=True)


async def _contents(store: Disks, kind: Kind, id: str) -> Mapping[int, int]:
    """The sizes of the whole contents of one disk: two while the old one is about to go."""
    return (await store.held(kind, id)).get(id, {})
