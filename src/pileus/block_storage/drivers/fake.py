"""Volumes that are only pretended, by the thousand, and fail when told to.

It keeps every promise of `interface`, in memory: for tries, for tests, and for drills. Of a disk's bytes it remembers the
first ones that were written. Failures and copies that take their time are scripted by whoever holds it.
"""

import contextlib
import shutil
import tempfile
import weakref
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from pileus.block_storage.drivers.interface import (
    FOUND,
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
from pileus.ports.volume_keys import VolumeKeys


class Pretence(msgspec.Struct):
    """What a pretended thing remembers."""

    seen: Seen
    content: bytes = b""


class Scripted:
    """What a test, or a drill, says to pretended things and asks of them."""

    def __init__(self) -> None:
        self._things: dict[tuple[Kind, str], Pretence] = {}
        self._failures: defaultdict[str, list[str]] = defaultdict(list)
        self._slow: set[str] = set()
        self._lost: dict[tuple[Kind, str], Pretence] = {}
        self._changed: Changed = lambda kind, id: None

    def fail_next(self, verb: str, why: str, times: int = 1) -> None:
        """The next calls of `verb` (ensure_disk, ensure_backup, ensure_gone, observe) raise DriverError."""
        self._failures[verb] += [why] * times

    def slow(self, id: str) -> None:
        """Whatever is made under that id is being copied until `let_on`."""
        self._slow.add(id)

    def let_on(self, kind: Kind, id: str) -> None:
        """The copy is through."""
        self._slow.discard(id)
        self._changed(kind, id)

    def lose(self, kind: Kind, id: str) -> None:
        """Somebody has removed it behind our back."""
        self._lost[kind, id] = self._things.pop((kind, id))

    def bring_back(self, kind: Kind, id: str) -> None:
        """What was lost is there again."""
        self._things[kind, id] = self._lost.pop((kind, id))

    def write(self, kind: Kind, id: str, content: bytes) -> None:
        """Somebody has written this at the disk's beginning."""
        self._things[kind, id].content = content

    def read(self, kind: Kind, id: str) -> bytes:
        """What was written at the disk's beginning."""
        return self._things[kind, id].content

    def _obey(self, verb: str) -> None:
        if self._failures[verb]:
            raise DriverError(f"The fake was told to fail {verb}", self._failures[verb].pop(0))


class Fake(Scripted):
    """A Backend of things that do not exist."""

    def __init__(
        self, name: str = "fake", room: Room | None = None, shelf: dict[str, Pretence] | None = None, *,
        believes: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self._believes = believes  # that it has what it is told it has: the process that made it has ended
        self.name = name
        self.format: Literal["raw", "qcow2"] = "raw"  # what is said of the volumes it makes
        self._shelf = shelf  # a store of backups that other hosts have too; the room says how it is called
        self._room = room or Room(
            name=name,
            driver="fake",
            total_gib=1_000_000,
            free_gib=1_000_000,
            capabilities={
                "storage_protocol": "fake",
                "vendor_name": "Pileus",
                "driver_version": "1.0",
                "thin_provisioning_support": True,
                "multiattach": True,
            },
        )
        self._exports: Path | None = None
        self._others: DiskFiles | None = None

    # Backend.

    def on_change(self, changed: Changed) -> None:
        self._changed = changed

    async def room(self) -> Room:
        return self._room

    async def observe(self, kind: Kind) -> Mapping[str, Seen]:
        self._obey("observe")
        return {id: thing.seen for (of_kind, id), thing in self._things.items() if of_kind is kind}

    async def ensure_disk(self, kind: Kind, disk: Disk) -> DiskSeen:
        self._obey("ensure_disk")
        if disk.origin is not None and disk.origin.kind == FOUND and (kind, disk.id) not in self._things:
            if disk.left and not self._believes:
                return DiskSeen()
            if not disk.left:
                self._rename(kind, disk.origin.id, disk.id)
        thing = self._things.setdefault((kind, disk.id), Pretence(DiskSeen()))
        seen = thing.seen
        assert isinstance(seen, DiskSeen), "a backup is no disk"
        if seen.content != disk.content:
            if disk.id in self._slow:
                thing.seen = msgspec.structs.replace(seen, doing="copying")
                return thing.seen
            thing.content = await self._of(disk.origin)
            seen = DiskSeen(size_gib=disk.size_gib, content=disk.content, path=f"/fake/{kind}/{disk.id}",
                            format=self.format)  # fmt: skip
        size = max(seen.size_gib, disk.size_gib)
        thing.seen = msgspec.structs.replace(seen, size_gib=size, doing=None, export=self._export(disk, thing))
        return thing.seen

    async def ensure_backup(self, backup: Backup) -> BackupSeen:
        self._obey("ensure_backup")
        thing = self._things.get((Kind.BACKUP, backup.id))
        if thing is None and backup.adopt and not self._believes:
            thing = self._things[Kind.BACKUP, backup.id] = self._shelved(backup.id)
        if thing is None or not isinstance(thing.seen, BackupSeen) or not thing.seen.whole:
            if backup.parent is not None and (Kind.BACKUP, backup.parent) not in self._things:
                self._shelved(backup.parent)
            whole = backup.id not in self._slow
            content = b"" if backup.adopt else await self._of(backup.of)
            seen = BackupSeen(whole=whole, doing=None if whole else "reading", objects=1, stored=len(content))
            thing = self._things[Kind.BACKUP, backup.id] = Pretence(seen, content)
            if self._shelf is not None:
                self._shelf[backup.id] = thing
        assert isinstance(thing.seen, BackupSeen), "a disk is no backup"
        return thing.seen

    async def ensure_gone(self, kind: Kind, id: str) -> None:
        self._obey("ensure_gone")
        had = self._things.pop((kind, id), None)
        if kind is Kind.BACKUP and had is not None and self._shelf is not None:
            self._shelf.pop(id, None)

    @contextlib.asynccontextmanager
    async def reading(self, origin: Origin, spool: Path, *, live: bool) -> AsyncIterator[Path]:
        file = spool / f"{origin.id}.still"
        try:
            file.write_bytes(await self._of(msgspec.structs.replace(origin, backend=None, host=None)))
            yield file
        finally:
            file.unlink(missing_ok=True)

    async def located(self, id: str) -> Place:
        return Place(f"/fake/{Kind.VOLUME}/{id}")

    def exported(self, id: str, name: str) -> Path:
        return self._spool() / Path(name).name

    def meet(self, others: DiskFiles, keys: VolumeKeys | None) -> None:
        self._others = others

    async def close(self) -> None:
        if self._exports is not None:
            shutil.rmtree(self._exports, ignore_errors=True)
            self._exports = None

    # Pretending.

    def _rename(self, kind: Kind, old: str, new: str) -> None:
        if (kind, old) not in self._things:
            raise DriverError("There is nothing to copy", f"{kind} {old} is not on this host")
        self._things[kind, new] = self._things.pop((kind, old))

    async def _of(self, origin: Origin | None) -> bytes:
        if origin is None or (origin.kind == FOUND and self._believes):
            return b""
        if origin.kind == "image":
            return origin.id.encode()
        if self._others is not None and (origin.backend is not None or origin.host is not None):
            async with self._others.reading(origin, self._spool(), live=False) as file:
                return file.read_bytes().rstrip(b"\0")
        thing = self._things.get((Kind(origin.kind), origin.id))
        if thing is None and origin.kind == Kind.BACKUP and self._shelf is not None:
            thing = self._shelved(origin.id)
        if thing is None:
            raise DriverError("There is nothing to copy", f"{origin.kind} {origin.id} is not on this host")
        return thing.content

    def _shelved(self, id: str) -> Pretence:
        found = (self._shelf or {}).get(id)
        if found is None:
            raise DriverError("There is nothing to copy", f"backup {id} is not here")
        return found

    def _export(self, disk: Disk, thing: Pretence) -> Copy | None:
        if disk.export is None:
            return None
        file = self._spool() / f"{disk.export.name}.raw"
        file.write_bytes(thing.content.ljust(512, b"\0"))
        return Copy(disk.export.name, str(file))

    def _spool(self) -> Path:
        """A folder for the few files there are, made when it is needed."""
        if self._exports is None:
            self._exports = Path(tempfile.mkdtemp(prefix="pileus-fake-"))
            # Whoever does not close it, as a process that is to have died, leaves nothing over either.
            weakref.finalize(self, shutil.rmtree, self._exports, ignore_errors=True)
        return self._exports
