"""Volumes and their snapshots, which clients asked compute for until 2.35."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute.api.service import Metadata, api, fine_moment, member, reader
from pileus.compute.app import Compute
from pileus.compute.commands.old_volumes import lists
from pileus.kit.http import Call, F, Query, Wire
from pileus.ports.volume_lists import SnapshotListed, VolumeAsked, VolumeListed

UNTIL = "2.35"
VOLUMES, SNAPSHOTS = "/os-volumes", "/os-snapshots"
MOST = 1000
Text = Annotated[str, msgspec.Meta(max_length=255)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Size = Annotated[int, msgspec.Meta(ge=1)] | Annotated[str, msgspec.Meta(pattern=r"^[0-9]+$(?!\n)")]
Flag = bool | Annotated[str, msgspec.Meta(pattern=r"^(?i:1|t|true|on|y|yes|0|f|false|off|n|no)$(?!\n)")]
YES = frozenset({"1", "t", "true", "on", "y", "yes"})


class Slice(Query):
    """Which part of a list."""

    limit: Count | None = None
    offset: Count = 0


class AttachedTo(Wire, kw_only=True):
    """Which server has a volume; nothing of it where none has."""

    id: str | UnsetType = UNSET
    volume_id: Annotated[str | UnsetType, F("volumeId")] = UNSET
    server_id: Annotated[str | UnsetType, F("serverId")] = UNSET
    device: str | UnsetType = UNSET


class VolumeView(Wire, kw_only=True):
    """A volume."""

    id: str
    status: str
    size: int
    zone: Annotated[str | None, F("availabilityZone")]
    created: Annotated[str | None, F("createdAt")]
    attachments: list[AttachedTo]
    name: Annotated[str | None, F("displayName")]
    description: Annotated[str | None, F("displayDescription")]
    type: Annotated[str | None, F("volumeType")]
    snapshot_id: Annotated[str | None, F("snapshotId")]
    metadata: dict[str, str]


class VolumeCreate(Wire, kw_only=True):
    """A volume to make."""

    __loose__: ClassVar[bool] = True
    name: Annotated[Text | None, F("display_name")] = None
    description: Annotated[str | None, F("display_description")] = None
    size: Size | None = None
    type: Annotated[Text | None, F("volume_type")] = None
    zone: Annotated[Text | None, F("availability_zone")] = None
    snapshot_id: str | None = None
    metadata: Metadata | None = None


class SnapshotView(Wire, kw_only=True):
    """A snapshot."""

    id: str
    status: str
    size: int
    created: Annotated[str | None, F("createdAt")]
    name: Annotated[str | None, F("displayName")]
    description: Annotated[str | None, F("displayDescription")]
    volume_id: Annotated[str, F("volumeId")]


class SnapshotCreate(Wire, kw_only=True):
    """A snapshot to make."""

    __loose__: ClassVar[bool] = True
    volume_id: str
    name: Annotated[Text | None, F("display_name")] = None
    description: Annotated[str | None, F("display_description")] = None
    force: Flag = False


def _attached(volume: VolumeListed) -> AttachedTo:
    if volume.server_id is None:
        return AttachedTo()
    device: str | UnsetType = UNSET if volume.device is None else volume.device
    return AttachedTo(id=volume.id, volume_id=volume.id, server_id=volume.server_id, device=device)


def _volume(volume: VolumeListed) -> VolumeView:
    return VolumeView(
        id=volume.id,
        status=volume.status,
        size=volume.size_gib,
        zone=volume.zone,
        created=fine_moment(volume.created_at),
        attachments=[_attached(volume)],
        name=volume.name,
        description=volume.description,
        type=volume.type,
        snapshot_id=volume.snapshot_id,
        metadata=dict(volume.metadata),
    )


def _snapshot(snapshot: SnapshotListed) -> SnapshotView:
    return SnapshotView(
        id=snapshot.id,
        status=snapshot.status,
        size=snapshot.size_gib,
        created=fine_moment(snapshot.created_at),
        name=snapshot.name,
        description=snapshot.description,
        volume_id=snapshot.volume_id,
    )


def _end(query: Slice) -> int:
    return query.offset + min(MOST if query.limit is None else query.limit, MOST)


async def _volumes(call: Call[Compute], query: Slice) -> list[VolumeView]:
    found = await lists(call.app).volumes(call.caller, _end(query))
    return [_volume(volume) for volume in found[query.offset :]]


async def _snapshots(call: Call[Compute], query: Slice) -> list[SnapshotView]:
    found = await lists(call.app).snapshots(call.caller, _end(query))
    return [_snapshot(snapshot) for snapshot in found[query.offset :]]


@api.get(VOLUMES, reader("os-volumes:list"), key="volumes", until=UNTIL)
async def index(call: Call[Compute], query: Slice) -> list[VolumeView]:
    """List volumes."""
    return await _volumes(call, query)


@api.get(VOLUMES + "/detail", reader("os-volumes:detail"), key="volumes", until=UNTIL)
async def detail(call: Call[Compute], query: Slice) -> list[VolumeView]:
    """List volumes; there is no more to tell of them."""
    return await _volumes(call, query)


@api.post(VOLUMES, member("os-volumes:create"), key="volume", status=200, until=UNTIL)
async def create(call: Call[Compute], body: VolumeCreate) -> VolumeView:
    """Make a volume."""
    asked = VolumeAsked(
        name=body.name,
        description=body.description,
        size_gib=None if body.size is None else int(body.size),
        snapshot_id=body.snapshot_id,
        type=body.type,
        zone=body.zone,
        metadata=body.metadata or {},
    )
    made = await lists(call.app).make_volume(call.caller, asked, call.request_id)
    call.reply_headers["Location"] = call.url(f"/v2.1{VOLUMES}/{made.id}")
    return _volume(made)


@api.get(VOLUMES + "/{volume_id}", reader("os-volumes:show"), key="volume", until=UNTIL)
async def show(call: Call[Compute], volume_id: str) -> VolumeView:
    """Show a volume."""
    return _volume(await lists(call.app).volume(call.caller, volume_id))


@api.delete(VOLUMES + "/{volume_id}", member("os-volumes:delete"), status=202, until=UNTIL)
async def delete(call: Call[Compute], volume_id: str) -> None:
    """Delete a volume."""
    await lists(call.app).remove_volume(call.caller, volume_id, call.request_id)


@api.get(SNAPSHOTS, reader("os-volumes:snapshots:list"), key="snapshots", until=UNTIL)
async def snapshot_index(call: Call[Compute], query: Slice) -> list[SnapshotView]:
    """List snapshots of volumes."""
    return await _snapshots(call, query)


@api.get(SNAPSHOTS + "/detail", reader("os-volumes:snapshots:detail"), key="snapshots", until=UNTIL)
async def snapshot_detail(call: Call[Compute], query: Slice) -> list[SnapshotView]:
    """List snapshots of volumes; there is no more to tell of them."""
    return await _snapshots(call, query)


@api.post(SNAPSHOTS, member("os-volumes:snapshots:create"), key="snapshot", status=200, until=UNTIL)
async def snapshot_create(call: Call[Compute], body: SnapshotCreate) -> SnapshotView:
    """Make a snapshot of a volume."""
    made = await lists(call.app).make_snapshot(
        call.caller,
        body.volume_id,
        call.request_id,
        name=body.name,
        description=body.description,
        force=body.force.lower() in YES if isinstance(body.force, str) else body.force,
    )
    return _snapshot(made)


@api.get(SNAPSHOTS + "/{snapshot_id}", reader("os-volumes:snapshots:show"), key="snapshot", until=UNTIL)
async def snapshot_show(call: Call[Compute], snapshot_id: str) -> SnapshotView:
    """Show a snapshot of a volume."""
    return _snapshot(await lists(call.app).snapshot(call.caller, snapshot_id))


@api.delete(SNAPSHOTS + "/{snapshot_id}", member("os-volumes:snapshots:delete"), status=202, until=UNTIL)
async def snapshot_delete(call: Call[Compute], snapshot_id: str) -> None:
    """Delete a snapshot of a volume."""
    await lists(call.app).remove_snapshot(call.caller, snapshot_id, call.request_id)
