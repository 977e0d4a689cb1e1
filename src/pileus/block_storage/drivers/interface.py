"""What a back end is given, what it answers, and what it promises.

A host gets a document for each volume, snapshot and backup it shall have; between the documents and the bytes stands a
`Backend` with verbs that each ensure a state. A snapshot is a disk like a volume, made of one.
"""

import enum
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from pileus.block_storage.drivers.luks import PAYLOAD, Cipherment
from pileus.ports.attached_disks import AttachedDisks
from pileus.ports.volume_keys import VolumeKeys

GIB = 2**30


class Kind(enum.StrEnum):
    """Kinds of things a back end keeps, which are the kinds of documents hosts get."""

    VOLUME = "volume"
    SNAPSHOT = "volume_snapshot"
    BACKUP = "volume_backup"


DISKS = (Kind.VOLUME, Kind.SNAPSHOT)
HELD = "held_volume"  # what a host is asked for that has a volume open which another one keeps
FOUND = "disk"  # the kind of origin of a disk that is not copied but found: it lies on the host under another name, or its own


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What a disk's bytes are copied from. `format` is an image's, as qemu-img calls it, and `claim` the same in the image's own
    words: it is never guessed, and bytes that are something else are refused.

    `backend` and `host` say where it lies, when that is not where the copy shall be. `chain`: of a backup, those whose chunks
    it may be made of. `shared`: of an image, where its raw bytes are in a cluster that a back end may be in as well. `holder`: of a
    volume, the host whose server has it, where that is another than the one that keeps it.
    """

    kind: str  # image, volume, volume_snapshot, volume_backup, disk
    id: str
    format: str = "raw"
    backend: str | None = None
    host: str | None = None
    chain: tuple[str, ...] = ()
    shared: str | None = None
    holder: str | None = None
    claim: str = ""  # controllers of an earlier release did not say it


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of a disk in a format of images, under a name."""

    name: str
    format: str


class Luks(msgspec.Struct, frozen=True, kw_only=True):
    """The disk is encrypted, by LUKS; what opens it is fetched under the volume's id when it is needed."""

    volume_id: str
    how: Cipherment = Cipherment()


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """All a host is told about a volume or a snapshot.

    `content`: when it differs from that of the disk there is, the disk is made anew from its origin. `live`: its origin
    may be written to meanwhile, so only a copy made at one moment will do. `mirrored`: it is made blank, and who has its
    origin open writes to both. `holder`: of the disk itself, as of an origin.
    """

    id: str
    backend: str
    size_gib: int
    content: int = 0
    origin: Origin | None = None
    live: bool = False
    mirrored: bool = False
    export: Export | None = None
    luks: Luks | None = None
    holder: str | None = None

    @property
    def left(self) -> bool:
        """Whether it is what it is on the host: where there is nothing, nothing is made."""
        return self.origin is not None and (self.origin.kind, self.origin.id) == (FOUND, self.id)

    @property
    def octets(self) -> int:
        """How many octets it takes: what an encrypted disk begins with comes on top."""
        return self.size_gib * GIB + (PAYLOAD if self.luks is not None else 0)


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """All a host is told about a backup. `parent`: what did not change since that one is not written again.

    `chain` are the backups whose chunks it may be made of. `adopt`: it is not made but taken over, as the store has it.
    """

    id: str
    backend: str
    of: Origin
    parent: str | None = None
    compressed: bool = True  # what older controllers say in place of `compression`
    compression: str | None = None  # none, zlib, bz2, zstd
    live: bool = False
    chain: tuple[str, ...] = ()
    adopt: bool = False


class Copy(msgspec.Struct, frozen=True):
    """A whole export: where it is on the host."""

    name: str
    file: str


class Place(msgspec.Struct, frozen=True):
    """Where the bytes of a disk are, and what they are there."""

    path: str
    format: Literal["raw", "qcow2"] = "raw"


class DiskSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What a host sees of a volume or snapshot.

    `content` is that of the disk there is, None while there is none; `doing` is work that goes on by itself.
    """

    size_gib: int = 0
    content: int | None = None
    doing: str | None = None
    path: str | None = None
    format: Literal["raw", "qcow2"] = "raw"  # what is at that path
    export: Copy | None = None
    backend: str | None = None  # which of the host's back ends has it


class BackupSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What a host sees of a backup: whole or not, of how many objects and bytes of its own it is made."""

    whole: bool = False
    doing: str | None = None
    objects: int = 0
    stored: int = 0


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What a back end has and can, as hosts tell of themselves.

    Hosts whose back ends name the same `shared` store all get at what any of them keeps in it, under the same paths.
    """

    name: str
    driver: str
    total_gib: float
    free_gib: float
    shared: str | None = None
    access: dict[str, str] = {}  # how this host gets at the store, for those whose volumes are no files
    capabilities: dict[str, Any] = {}
    backups: str | None = None  # the store its backups are in, if other hosts have that too


class DriverError(Exception):
    """A verb could not do what it was asked: `what` in our words, `why` in the tool's."""

    def __init__(self, what: str, why: str) -> None:
        self.what = what
        self.why = why
        super().__init__(f"{what}: {why}")


Changed = Callable[[Kind, str], None]
Seen = DiskSeen | BackupSeen


class DiskFiles(Protocol):
    """Disks that other back ends keep, on this host or another."""

    def reading(self, origin: Origin, spool: Path, *, live: bool) -> AbstractAsyncContextManager[Path]:
        """A file with the raw bytes of the disk while the block lasts, in `spool` if it has to be made; raises DriverError."""
        ...

    async def copy_held(self, holder: str, volume_id: str, target: Path) -> None:
        """`target` holds the raw bytes of one moment of a volume that a server on that host has; else this raises."""
        ...


@runtime_checkable
class CopiesAttached(Protocol):
    """Has volumes copied by the servers that have them."""

    def copy_attached(self, attached: AttachedDisks) -> None:
        """From now on such a volume is copied by who has it."""
        ...


class Backend(Protocol):
    """Keeps disks and backups of them on this host. Every verb ensures a state and may be repeated.

    No verb waits for a copy: what takes long goes on by itself, shows in `doing`, and `changed(kind, id)` is called when
    it is worth looking, and ensuring, again.
    """

    def on_change(self, changed: Changed) -> None:
        """From now on `changed(kind, id)` is called whenever a thing is worth another look."""
        ...

    async def room(self) -> Room:
        """What the back end has."""
        ...

    async def observe(self, kind: Kind) -> Mapping[str, Seen]:
        """Every thing of that kind that is here, in whatever state."""
        ...

    async def ensure_disk(self, kind: Kind, disk: Disk) -> DiskSeen:
        """The disk is, or is becoming, as wanted; raises DriverError if it cannot."""
        ...

    async def ensure_backup(self, backup: Backup) -> BackupSeen:
        """The backup is whole, or is becoming so; raises DriverError if it cannot."""
        ...

    async def ensure_gone(self, kind: Kind, id: str) -> None:
        """Nothing of the thing is left here."""
        ...

    def reading(self, origin: Origin, spool: Path, *, live: bool) -> AbstractAsyncContextManager[Path]:
        """A file with the raw bytes of a disk kept here while the block lasts, in `spool` if it has to be made."""
        ...

    async def located(self, id: str) -> Place:
        """Where on this host the bytes of a volume are that is kept here; raises DriverError."""
        ...

    def exported(self, id: str, name: str) -> Path:
        """Where a copy of a volume is that was made for an image, by the name of its file; raises DriverError."""
        ...

    def meet(self, others: DiskFiles, keys: VolumeKeys | None) -> None:
        """From now on what other back ends keep can be copied from there, and encrypted disks can be made with these keys."""
        ...

    async def close(self) -> None:
        """Nothing goes on any more; what is there stays."""
        ...
