"""Snapshots of attached volumes that block storage leaves to compute: Nova's side of back ends that keep plain files."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.api.service import Uuid, api
from pileus.compute.app import Compute
from pileus.compute.commands.assisted_snapshots import MAKE, REMOVE, refuse_snapshot
from pileus.kit.http import Call, F, Query, Wire
from pileus.kit.policy import ADMIN_OR_SERVICE, Rule

PATH = "/os-assisted-volume-snapshots"


class Making(Wire, kw_only=True):
    """Which snapshot it is, and the file that is to lie over the volume's."""

    snapshot_id: Uuid
    type: Literal["qcow2"]
    new_file: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    id: Annotated[Uuid | UnsetType, F("id")] = UNSET


class SnapshotWanted(Wire, kw_only=True):
    """A snapshot to take of a volume."""

    volume_id: Uuid
    create_info: Making


class SnapshotAsked(Wire, kw_only=True):
    """A snapshot that was asked for."""

    id: str | None
    volume_id: Annotated[str, F("volumeId")]


class RemovalQuery(Query):
    """Which volume the snapshot is of, as JSON."""

    delete_info: str | None = None


@api.post(
    PATH, Rule("os_compute_api:os-assisted-volume-snapshots:create", ADMIN_OR_SERVICE), key="snapshot", status=200
)
async def create(call: Call[Compute], body: SnapshotWanted) -> SnapshotAsked:
    """Ask the host of a volume's server for a snapshot; hosts here take none, and the snapshot ends in error."""
    await refuse_snapshot(call.app, body.volume_id, body.create_info.snapshot_id, MAKE)
    given = body.create_info.id
    return SnapshotAsked(id=None if given is UNSET else given, volume_id=body.volume_id)


@api.delete(PATH + "/{snapshot_id}", Rule("os_compute_api:os-assisted-volume-snapshots:delete", ADMIN_OR_SERVICE))
async def delete(call: Call[Compute], snapshot_id: str, query: RemovalQuery) -> None:
    """Ask the host of a volume's server to merge a snapshot; hosts here have taken none, and it ends in error."""
    await refuse_snapshot(call.app, _volume_of(query.delete_info), snapshot_id, REMOVE)


def _volume_of(delete_info: str | None) -> str:
    if delete_info is None:
        raise errors.BadRequest(why="Invalid input for query parameters delete_info. Value: None. It is required.")
    try:
        told: Any = msgspec.json.decode(delete_info)
    except msgspec.DecodeError as failed:
        raise errors.BadRequest(why=f"delete_info is no JSON: {failed}.") from None
    if not isinstance(told, dict) or not isinstance(told.get("volume_id"), str):
        raise errors.BadRequest(why="delete_info names no volume_id.")
    return str(told["volume_id"])
