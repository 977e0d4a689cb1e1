"""The few things a store of disks must be able to do; `disk_backend` makes a whole back end of them.

A disk is named by what it is (volume or snapshot), by its id, and by its content, which counts up when its bytes are made
anew. It is there or it is not: nothing that is half made is ever listed or read.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from pileus.block_storage.drivers.interface import DiskFiles, Kind, Origin, Place, Room


class Spot(msgspec.Struct, frozen=True):
    """Where one content of a disk is kept, and which other host has it open."""

    kind: Kind
    id: str
    content: int
    holder: str | None = None

    @property
    def name(self) -> str:
        """One word for it, for stores that have names and no folders."""
        return f"{self.kind}.{self.id}.{self.content}"


def spot_of(name: str) -> Spot | None:
    """What a name of `Spot.name` says; None if it is something else's."""
    kind, _, rest = name.partition(".")
    id, _, content = rest.partition(".")
    if kind not in {Kind.VOLUME, Kind.SNAPSHOT} or not id or not content.isascii() or not content.isdigit():
        return None
    return Spot(Kind(kind), id, int(content))


class Disks(Protocol):
    """Keeps disks. Sizes are bytes. Every verb ensures a state, may be repeated, and raises DriverError."""

    async def room(self) -> Room:
        """What the store has."""
        ...

    async def held(self, kind: Kind, id: str | None = None) -> Mapping[str, Mapping[int, int]]:
        """For each disk of that kind, or for one, the sizes of its whole contents; nothing for one of which there is nothing."""
        ...

    async def blank(self, at: Spot, size: int) -> None:
        """A disk that reads as zeros is there."""
        ...

    async def copy(self, source: Spot, at: Spot, *, live: bool) -> None:
        """The disk holds what the source held at one moment; `live`: somebody may write to it meanwhile."""
        ...

    async def fill(self, at: Spot, file: Path) -> None:
        """The disk holds the bytes of the file, which nobody writes to."""
        ...

    async def rename(self, source: Spot, at: Spot) -> None:
        """The disk is what the source was, in one step: at any moment it has one of the two names."""
        ...

    async def grow(self, at: Spot, size: int) -> None:
        """The disk has at least that size; what was added reads as zeros."""
        ...

    async def remove(self, at: Spot) -> None:
        """That content is gone."""
        ...

    async def forget(self, kind: Kind, id: str) -> None:
        """Nothing of the disk is left, whole or not."""
        ...

    def reading(self, at: Spot, spool: Path, *, live: bool) -> AbstractAsyncContextManager[Path]:
        """A file with the disk's bytes of one moment while the block lasts, in `spool` if it has to be made."""
        ...

    def sibling(self, origin: Origin) -> "Disks | None":
        """The same store as the host of the origin keeps it, if it is one that hosts share."""
        ...

    def place(self, at: Spot) -> Place:
        """How hosts find it."""
        ...


class NotesChanges(Protocol):
    """Notes, beside disks, what of them changes after a backup."""

    async def note(self, at: Spot, backup: str) -> bool:
        """Whether what changes from now on is noted for that backup; not of a disk that cannot do that, or just now."""
        ...

    def reading(
        self, at: Spot, since: str | None, piece: int, spool: Path
    ) -> AbstractAsyncContextManager[tuple[Path, list[int] | None]]:
        """A file with the disk's bytes while the block lasts: all, or only those pieces of it, which are all that changed since
        that backup. Nobody writes to the disk meanwhile."""
        ...

    def reading_attached(
        self, at: Spot, backup: str, since: str | None, piece: int, spool: Path
    ) -> AbstractAsyncContextManager[tuple[Path, list[int] | None]]:
        """The same of a disk that a server may have, as it is at one moment; what changes from then on is noted for `backup`,
        where that can be."""
        ...

    async def keep_only(self, at: Spot, backup: str, *, live: bool) -> None:
        """Nothing is noted for other backups any more; `live`: a server may have the disk."""
        ...


@runtime_checkable
class AsksHolders(Protocol):
    """Has its disks copied by the hosts that have them open."""

    far: DiskFiles | None


class ClonesImages(Protocol):
    """Makes disks of a cluster that keeps images too."""

    async def clone_image(self, shared: str, at: Spot) -> bool:
        """Whether the disk is a clone of the image now; not where that is in another cluster, or cannot be had there."""
        ...
