"""Volumes as files of a host: raw, sparse, each in a directory of its own.

    <root>/volume/<id>/<content>.raw             a volume; `content` counts up when its bytes are made anew
    <root>/volume_snapshot/<id>/0.raw            a snapshot: a whole copy, by reference where the file system can
    <root>/volume/<id>/export-<name>.<format>    a copy to make an image of
    <root>/volume_backup/<id>/                   see `backup_files`

A file appears under its name only when it is whole and on the disk. A new file never shows what was in the room it takes,
and a removed one's bytes are in no other: that is the file system's own promise. Only images are ever converted, with their
format given, by a user of nobody else's.
"""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from pileus.block_storage.drivers import backup_files
from pileus.block_storage.drivers.interface import (
    DISKS,
    GIB,
    Backup,
    BackupSeen,
    Changed,
    Copy,
    Disk,
    DiskSeen,
    DriverError,
    Kind,
    Origin,
    Room,
    Seen,
)
from pileus.kit.jail import IMAGE_TOOL, Jail, jail_of
from pileus.kit.run import ProgramFailed, run
from pileus.ports.image_files import ImageFiles

COPY_S = 7200.0
Work = tuple[Kind, str, str]


class Measured(msgspec.Struct, rename="kebab"):
    """What qemu-img tells of an image."""

    virtual_size: int
    backing_filename: str | None = None


class FileBackend:
    """A Backend of plain files below one directory."""

    def __init__(self, name: str, root: Path, images: ImageFiles) -> None:
        self._name = name
        self._root = root
        self._images = images
        self._tasks: dict[Work, asyncio.Task[None]] = {}
        self._changed: Changed = lambda kind, id: None

    def on_change(self, changed: Changed) -> None:
        """From now on `changed(kind, id)` is called whenever a thing is worth another look."""
        self._changed = changed

    async def room(self) -> Room:
        """What the file system has."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        usage = shutil.disk_usage(self._root)
        return Room(
            name=self._name,
            driver="file",
            total_gib=round(usage.total / GIB, 2),
            free_gib=round(usage.free / GIB, 2),
            capabilities={
                "storage_protocol": "file",
                "vendor_name": "Pileus",
                "driver_version": "1.0",
                "thin_provisioning_support": True,
                "multiattach": True,
                "online_extend_support": True,
                "QoS_support": True,
            },
        )

    async def observe(self, kind: Kind) -> Mapping[str, Seen]:
        """Every thing of that kind that is here."""
        folder = self._root / kind
        names = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        if kind is Kind.BACKUP:
            return {id: backup_files.seen(folder, id) for id in names}
        return {id: self._seen(kind, id) for id in names}

    async def ensure_disk(self, kind: Kind, disk: Disk) -> DiskSeen:
        """The disk is there, or is being made."""
        folder = self._root / kind / disk.id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / f"{disk.content}.raw"
        await self._give_up_others(kind, disk)
        if not file.exists() and disk.origin is None:
            await asyncio.to_thread(_blank, file, disk.size_gib * GIB)
        elif not file.exists():
            work = (kind, disk.id, f"content {disk.content}")
            if not self._ready(work, lambda: self._fill(kind, disk, file)):
                return msgspec.structs.replace(self._seen(kind, disk.id), doing=f"copying from {disk.origin.kind}")  # type: ignore[union-attr]
        await asyncio.to_thread(_grow, file, disk.size_gib * GIB)
        for old in _contents(folder):
            if old != file:
                old.unlink()
        return await self._exported(kind, disk, file)

    async def ensure_backup(self, backup: Backup) -> BackupSeen:
        """The backup is whole, or is being made."""
        store = self._root / Kind.BACKUP
        now = backup_files.seen(store, backup.id)
        work = (Kind.BACKUP, backup.id, "write")
        if now.whole or self._ready(work, lambda: self._back_up(backup)):
            return backup_files.seen(store, backup.id)
        return BackupSeen(doing="reading the volume")

    async def ensure_gone(self, kind: Kind, id: str) -> None:
        """Nothing of the thing is left."""
        mine = [task for (of_kind, of_id, _), task in self._tasks.items() if (of_kind, of_id) == (kind, id)]
        await _end(mine)
        self._tasks = {work: task for work, task in self._tasks.items() if work[:2] != (kind, id)}
        if kind is Kind.BACKUP:
            await asyncio.to_thread(backup_files.remove, self._root / kind, id)
        elif (self._root / kind / id).exists():
            await asyncio.to_thread(shutil.rmtree, self._root / kind / id)

    async def close(self) -> None:
        """No copy goes on; it is begun anew when it is asked for again."""
        await _end(list(self._tasks.values()))
        self._tasks.clear()

    # What takes long.

    def _ready(self, work: Work, begin: Callable[[], Awaitable[None]]) -> bool:
        """Whether it is done; else it goes on. Raises what it failed with, once: to ask again is to try again."""
        task = self._tasks.get(work)
        if task is None:
            kind, id, _ = work

            async def go() -> None:
                await begin()

            self._tasks[work] = task = asyncio.create_task(go(), name=f"{kind} {id}")
            # Told to whoever asks next; if nobody does any more, asyncio need not complain of it.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            task.add_done_callback(lambda done: done.cancelled() or self._changed(kind, id))
            return False
        if not task.done():
            return False
        del self._tasks[work]
        failed = None if task.cancelled() else task.exception()
        if failed is not None:
            raise failed
        return True

    async def _give_up_others(self, kind: Kind, disk: Disk) -> None:
        """No other content of the disk is being made any more."""
        keep = f"content {disk.content}"
        others = [w for w in self._tasks if w[:2] == (kind, disk.id) and w[2].startswith("content ") and w[2] != keep]
        await _end([self._tasks.pop(work) for work in others])

    async def _fill(self, kind: Kind, disk: Disk, file: Path) -> None:
        """The disk is made of its origin."""
        assert disk.origin is not None, "a blank disk is made at once"
        part = file.with_suffix(".part")
        part.unlink(missing_ok=True)
        if disk.origin.kind == "image":
            await self._from_image(disk.origin, part, disk.size_gib * GIB)
        elif disk.origin.kind == Kind.BACKUP:
            await asyncio.to_thread(backup_files.restore, self._root / Kind.BACKUP, disk.origin.id, part)
        else:
            await self._copy(self._file(disk.origin), part, live=disk.live)
        await asyncio.to_thread(_settle, part, file, disk.size_gib * GIB)

    async def _back_up(self, backup: Backup) -> None:
        """The backup holds what its origin held at one moment."""
        store, source = self._root / Kind.BACKUP, self._file(backup.of)
        still = store / f".{backup.id}.raw"
        try:
            if backup.live:
                store.mkdir(mode=0o700, parents=True, exist_ok=True)
                await self._copy(source, still, live=True)
                source = still
            await asyncio.to_thread(
                backup_files.write, store, backup.id, source, backup.parent, compressed=backup.compressed
            )
        finally:
            still.unlink(missing_ok=True)

    async def _copy(self, source: Path, part: Path, *, live: bool) -> None:
        """A copy of a file; of one that may be written to meanwhile only by reference, which is one moment's."""
        how = "always" if live else "auto"
        sparse = () if live else ("--sparse=always",)
        try:
            await run(["cp", f"--reflink={how}", *sparse, "--", str(source), str(part)], deadline_s=COPY_S)
        except ProgramFailed as failed:
            part.unlink(missing_ok=True)
            why = f"it is attached, and the file system under {self._root} copies nothing by reference: {failed.why}"
            raise DriverError("The volume cannot be copied", why if live else failed.why) from failed

    async def _from_image(self, origin: Origin, part: Path, size: int) -> None:
        """The image's bytes as a raw disk. What it is made of was verified, and is looked at once more by a jailed tool."""
        room = part.parent / "image"
        shutil.rmtree(room, ignore_errors=True)
        room.mkdir(mode=0o700)
        try:
            fetched, jail = room / "fetched", jail_of(part.parent.name)
            await self._images.fetch(origin.id, fetched)
            if origin.format == "raw":
                await self._copy(fetched, part, live=False)
            else:
                await _convert(jail, room, origin.format, part)
            if part.stat().st_size > size:
                raise DriverError("The image does not fit", f"it holds {part.stat().st_size} bytes, the volume {size}")
        except Exception:
            part.unlink(missing_ok=True)
            raise
        finally:
            shutil.rmtree(room, ignore_errors=True)

    async def _exported(self, kind: Kind, disk: Disk, file: Path) -> DiskSeen:
        """What is seen, with the copy that is wanted and no other."""
        folder, wanted = file.parent, disk.export
        name = f"export-{wanted.name}.{wanted.format}" if wanted is not None else None
        for old in folder.glob("export-*"):
            if old.name != name and not (wanted is not None and old.name.endswith(".part")):
                old.unlink()
        seen = self._seen(kind, disk.id)
        if wanted is None or name is None:
            return seen
        target, format = folder / name, wanted.format
        if not target.exists() and not self._ready(
            (kind, disk.id, name), lambda: self._export(file, target, format, live=disk.live)
        ):
            return msgspec.structs.replace(seen, doing="copying for an image")
        return msgspec.structs.replace(seen, export=Copy(wanted.name, str(target)))

    async def _export(self, file: Path, target: Path, format: str, *, live: bool) -> None:
        part = target.with_name(f"{target.name}.part")
        part.unlink(missing_ok=True)
        if format == "raw":
            await self._copy(file, part, live=live)
        else:
            still = target.with_name(f"{target.name}.still.part")
            await self._copy(file, still, live=live)
            try:
                # The bytes are a stranger's, but raw ones are not parsed; they are only written in another form.
                await _tool(Jail(None), file.parent, "convert", "-f", "raw", "-O", format, still.name, part.name)
            finally:
                still.unlink()
        await asyncio.to_thread(_settle, part, target, 0)

    # What is there.

    def _file(self, origin: Origin) -> Path:
        """The newest bytes of a volume or snapshot that is here."""
        files = _contents(self._root / origin.kind / origin.id)
        if not files:
            raise DriverError("There is nothing to copy", f"{origin.kind} {origin.id} is not on this host")
        return max(files, key=lambda path: int(path.stem))

    def _seen(self, kind: Kind, id: str) -> DiskSeen:
        assert kind in DISKS, "backups are seen otherwise"
        files = _contents(self._root / kind / id)
        if not files:
            return DiskSeen()
        file = max(files, key=lambda path: int(path.stem))
        return DiskSeen(size_gib=file.stat().st_size // GIB, content=int(file.stem), path=str(file))


def _contents(folder: Path) -> list[Path]:
    """The whole contents of a disk that are there: one, or two while the old one is about to go."""
    return [path for path in folder.glob("*.raw") if path.stem.isdigit()]


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _convert(jail: Jail, room: Path, format: str, part: Path) -> None:
    """The fetched image as a raw disk; one that reads other files is refused."""
    fetched, raw = room / "fetched", room / "raw"
    if jail.uid is not None:
        for path in (room, fetched):
            os.chown(path, jail.uid, jail.uid)
    out = await _tool(jail, room, "info", "--output=json", "-f", format, fetched.name)
    measured = msgspec.json.decode(out, type=Measured)
    if measured.backing_filename is not None:
        raise DriverError("The image cannot be used", "it is only what differs from another file")
    await _tool(jail, room, "convert", "-f", format, "-O", "raw", fetched.name, raw.name)
    handle = os.open(raw, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        if jail.uid is not None:
            os.fchown(handle, 0, 0)
    finally:
        os.close(handle)
    raw.rename(part)


async def _tool(jail: Jail, cwd: Path, *words: str) -> str:
    """What qemu-img says; raises DriverError with its last words."""
    try:
        done = await run(jail.around([*IMAGE_TOOL, "qemu-img", *words]), cwd=cwd, deadline_s=COPY_S)
    except ProgramFailed as failed:
        raise DriverError(f"qemu-img {words[0]} failed", failed.why) from failed
    return done.out


def _blank(file: Path, size: int) -> None:
    part = file.with_suffix(".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    os.close(handle)
    _settle(part, file, size)


def _settle(part: Path, file: Path, size: int) -> None:
    """The whole file has its name and at least that size, on the disk too."""
    with part.open("r+b") as out:
        if os.fstat(out.fileno()).st_size < size:
            out.truncate(size)
        os.fsync(out.fileno())
    part.rename(file)
    directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _grow(file: Path, size: int) -> None:
    if file.stat().st_size < size:
        with file.open("r+b") as out:
            out.truncate(size)
            os.fsync(out.fileno())
