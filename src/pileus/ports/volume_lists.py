"""What block storage promises of volumes and snapshots as they are listed: compute's API handed them on until 2.35.

Every verb joins the ambient transaction. A caller sees what is his project's; what another has does not exist, and raises
block storage's own errors, fit for the caller's eyes.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from pileus.kit.auth import Caller


class VolumeListed(msgspec.Struct, frozen=True, kw_only=True):
    """A volume as lists tell of it."""

    id: str
    name: str | None
    description: str | None
    status: str
    size_gib: int
    zone: str | None
    type: str | None  # its name
    snapshot_id: str | None
    metadata: Mapping[str, str] = {}
    created_at: dt.datetime
    # The server that has it and under which name, the first of them if it is shared.
    server_id: str | None = None
    device: str | None = None


class SnapshotListed(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot as lists tell of it."""

    id: str
    volume_id: str
    name: str | None
    description: str | None
    status: str
    size_gib: int
    host: str | None = None  # the only one that gets at it; told of one that is asked for by its id
    created_at: dt.datetime


class VolumeAsked(msgspec.Struct, frozen=True, kw_only=True):
    """A volume to make; without a size, as large as its snapshot."""

    name: str | None
    description: str | None
    size_gib: int | None
    snapshot_id: str | None
    type: str | None
    zone: str | None
    metadata: Mapping[str, str] = {}


class VolumeLists(Protocol):
    """Volumes and snapshots, by those who may see them."""

    async def volumes(self, caller: Caller, limit: int) -> Sequence[VolumeListed]:
        """The newest volumes of the caller's project, that many at most."""
        ...

    async def volume(self, caller: Caller, id: str) -> VolumeListed:
        """The volume; raises a NotFound."""
        ...

    async def make_volume(self, caller: Caller, asked: VolumeAsked, request_id: str) -> VolumeListed:
        """The caller's project has the volume, and it is being filled."""
        ...

    async def remake_volume(self, caller: Caller, id: str, image_id: str) -> None:
        """The volume is being made anew of the image; who has it does not use it meanwhile. Raises what speaks against that."""
        ...

    async def has_type(self, caller: Caller, name: str) -> bool:
        """Whether the caller may make volumes of a type of that name, or id."""
        ...

    async def users(self, volume_id: str) -> int:
        """How many have the volume, or are about to."""
        ...

    async def remove_volume(self, caller: Caller, id: str, request_id: str) -> None:
        """The volume is being deleted; raises a NotFound, or an Invalid where that does not fit what it is."""
        ...

    async def snapshots(self, caller: Caller, limit: int) -> Sequence[SnapshotListed]:
        """The newest snapshots of the caller's project, that many at most."""
        ...

    async def snapshot(self, caller: Caller, id: str) -> SnapshotListed:
        """The snapshot; raises a NotFound."""
        ...

    async def make_snapshot(
        self, caller: Caller, volume_id: str, request_id: str, *, name: str | None, description: str | None, force: bool
    ) -> SnapshotListed:
        """The snapshot of the volume is being made, with `force` also of one that is in use."""
        ...

    async def remove_snapshot(self, caller: Caller, id: str, request_id: str) -> None:
        """The snapshot is being deleted; raises a NotFound, or an Invalid where that does not fit what it is."""
        ...

    async def snapshot_failed(self, snapshot_id: str, volume_id: str) -> None:
        """A snapshot of the volume that waits for somebody else to make or remove it is in error; it need not exist."""
        ...
