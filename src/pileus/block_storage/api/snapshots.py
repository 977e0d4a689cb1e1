"""Snapshots of volumes."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from pileus.block_storage import errors
from pileus.block_storage.api.listing import filters, metadata_filter, paged, wants_count
from pileus.block_storage.api.service import (
    Flag,
    Metadata,
    Name,
    RealName,
    Uuid,
    admin,
    api,
    flag,
    member,
    moment,
    page_of,
    reader,
    scope,
    trimmed,
)
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import snapshots as commands
from pileus.block_storage.commands.volumes import changes_of, volume_get
from pileus.block_storage.models.volumes import Snapshot
from pileus.block_storage.store.volumes import snapshots
from pileus.kit.auth import Caller
from pileus.kit.http import Call, F, Page, Query, Wire

THIS = "/snapshots/{snapshot_id}"
ACTION = THIS + "/action"
CREATE = member("volume:create_snapshot")
FILTERS = {
    "name": "name",
    "display_name": "name",
    "status": "status",
    "volume_id": "volume_id",
    "id": "id",
    "user_id": "user_id",
    "consumes_quota": "consumes_quota",
}

api.declare(reader("volume_extension:extended_snapshot_attributes"))


class SnapshotBrief(Wire, kw_only=True):
    """A snapshot in a list without details."""

    id: str
    created_at: str | None
    updated_at: str | None
    name: str | None
    description: str | None
    volume_id: str
    status: str
    size: int
    metadata: dict[str, str]


class SnapshotView(SnapshotBrief, kw_only=True):
    """A snapshot as its maker is told."""

    group_snapshot_id: Annotated[str | None, F(since="3.14")]
    user_id: Annotated[str, F(since="3.41")]
    consumes_quota: Annotated[bool, F(since="3.65")]


class SnapshotDetail(SnapshotView, kw_only=True):
    """A snapshot."""

    progress: Annotated[
        str | None,
        F("os-extended-snapshot-attributes:progress", rule="volume_extension:extended_snapshot_attributes"),
    ]
    project_id: Annotated[
        str, F("os-extended-snapshot-attributes:project_id", rule="volume_extension:extended_snapshot_attributes")
    ]


class SnapshotCreate(Wire, kw_only=True):
    """A snapshot to make."""

    __loose__ = True

    volume_id: Uuid | None  # null is a volume that is not there
    name: Name | None = None
    display_name: Name | None = None
    description: Name | None = None
    display_description: Name | None = None
    metadata: Metadata | None = None
    force: Flag | UnsetType | None = UNSET


class SnapshotUpdate(Wire, kw_only=True):
    """What may be changed of a snapshot."""

    name: Name | UnsetType | None = UNSET
    display_name: Name | UnsetType | None = UNSET
    description: Name | UnsetType | None = UNSET
    display_description: Name | UnsetType | None = UNSET


class SnapshotsQuery(Query):
    """Whose snapshots."""

    all_tenants: str | None = None
    project_id: str | None = None
    zone: Annotated[str | None, F("availability_zone")] = None


async def snapshot_find(app: BlockStorage, caller: Caller, snapshot_id: str, **_more: str) -> Snapshot:
    """The snapshot a path names; raises SnapshotNotFound."""
    return await commands.snapshot_get(app, caller, snapshot_id)


def _plain(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "id": snapshot.id,
        "created_at": moment(snapshot.created_at),
        "updated_at": moment(snapshot.updated_at),
        "name": snapshot.name,
        "description": snapshot.description,
        "volume_id": snapshot.volume_id,
        "status": snapshot.status,
        "size": snapshot.size,
        "metadata": snapshot.metadata,
    }


def _full(snapshot: Snapshot) -> dict[str, Any]:
    return {
        **_plain(snapshot),
        "group_snapshot_id": snapshot.group_snapshot_id,
        "user_id": snapshot.user_id,
        "consumes_quota": snapshot.consumes_quota,
    }


def view(snapshot: Snapshot) -> SnapshotDetail:
    """A snapshot as callers see it."""
    return SnapshotDetail(**_full(snapshot), progress=snapshot.progress, project_id=snapshot.project_id)


def brief(snapshot: Snapshot) -> SnapshotView:
    """A snapshot as those see it who have just made it, or took it over."""
    return SnapshotView(**_full(snapshot))


async def _page(call: Call[BlockStorage], query: SnapshotsQuery, page: Page) -> list[Snapshot]:
    where = {**scope(call, query.all_tenants, query.project_id), **filters(call, FILTERS, "snapshot")}
    if call.version >= (3, 22):
        where |= metadata_filter(call)
    if query.zone is not None and query.zone != call.app.config.zone:
        where["id"] = ""  # all snapshots are in the one zone
    limit = page_of(call, page)
    found = await paged(
        call,
        lambda marker, count: snapshots.list(call.app, where, page.sort, marker=marker, limit=count),
        limit,
        page.marker,
    )
    if wants_count(call):
        page.total = await snapshots.count(call.app, where)
    return found


@api.get("/snapshots", reader("volume:get_all_snapshots"), key="snapshots")
async def index(call: Call[BlockStorage], query: SnapshotsQuery, page: Page) -> list[SnapshotBrief]:
    """List snapshots."""
    return [SnapshotBrief(**_plain(each)) for each in await _page(call, query, page)]


@api.get("/snapshots/detail", reader("volume:get_all_snapshots"), key="snapshots")
async def detail(call: Call[BlockStorage], query: SnapshotsQuery, page: Page) -> list[SnapshotDetail]:
    """List snapshots with details."""
    return [view(each) for each in await _page(call, query, page)]


@api.post("/snapshots", CREATE, key="snapshot", status=202, late=True)
async def create(call: Call[BlockStorage], body: SnapshotCreate) -> SnapshotView:
    """Make a snapshot of a volume; it is made in the background."""
    volume = await volume_get(call.app, call.caller, str(body.volume_id))
    call.require(CREATE.name, {"project_id": volume.project_id, "user_id": volume.user_id})
    given = flag(body.force, "force") if body.force is not UNSET and body.force is not None else None
    if call.version >= (3, 66):
        if given is False:
            raise errors.InvalidInput(why="'force' is gone since 3.66: what is in use is always copied.")
        given = True
    made = await commands.create_snapshot(
        call.app,
        call.caller,
        volume,
        call.request_id,
        name=trimmed(body.name if body.name is not None else body.display_name),
        description=trimmed(body.description if body.description is not None else body.display_description),
        metadata=body.metadata or {},
        force=bool(given),
    )
    return brief(made)


@api.get(THIS, reader("volume:get_snapshot"), key="snapshot", find=snapshot_find)
async def show(call: Call[BlockStorage], snapshot: Snapshot) -> SnapshotDetail:
    """Show a snapshot."""
    return view(snapshot)


@api.put(THIS, member("volume:update_snapshot"), key="snapshot", find=snapshot_find)
async def update(call: Call[BlockStorage], snapshot: Snapshot, body: SnapshotUpdate) -> SnapshotView:
    """Change a snapshot's name or description."""
    changes = changes_of(body.given())
    if not changes and call.version >= (3, 53):
        raise errors.BadRequest(why="At least one of name, description, display_name or display_description.")
    return brief(await commands.update_snapshot(call.app, snapshot, changes))


@api.delete(THIS, member("volume:delete_snapshot"), find=snapshot_find, status=202)
async def delete(call: Call[BlockStorage], snapshot: Snapshot) -> None:
    """Delete a snapshot."""
    await commands.delete_snapshot(call.app, call.caller, snapshot, call.request_id)


class Status(Wire):
    """What a snapshot is to be shown as."""

    status: RealName


class Progress(Wire, kw_only=True):
    """How far a snapshot is."""

    status: RealName
    progress: Annotated[str, msgspec.Meta(pattern=r"^(100|[0-9]{1,2})%$(?!\n)")] | None = None


@api.action(
    ACTION, "os-reset_status", admin("volume_extension:snapshot_admin_actions:reset_status"), find=snapshot_find
)
async def reset_status(call: Call[BlockStorage], snapshot: Snapshot, body: Status) -> None:
    """Say what a snapshot is, against all evidence."""
    if body.status not in commands.RESETTABLE:
        raise errors.BadRequest(why=f"Invalid input for field/attribute status: '{body.status}' is no status.")
    await commands.reset_snapshot(call.app, snapshot, body.status)


@api.action(
    ACTION, "os-force_delete", admin("volume_extension:snapshot_admin_actions:force_delete"), find=snapshot_find
)
async def force_delete(call: Call[BlockStorage], snapshot: Snapshot, body: dict[str, Any] | None) -> None:
    """Delete a snapshot whatever it is."""
    await commands.delete_snapshot(call.app, call.caller, snapshot, call.request_id, force=True)


@api.action(
    ACTION,
    "os-update_snapshot_status",
    member("snapshot_extension:snapshot_actions:update_snapshot_status"),
    find=snapshot_find,
)
async def update_status(call: Call[BlockStorage], snapshot: Snapshot, body: Progress) -> None:
    """Say how far a snapshot is that somebody else makes."""
    allowed = {"creating": {"creating", "available", "error"}, "deleting": {"deleting", "error_deleting"}}
    if body.status not in allowed.get(snapshot.status, set()):
        raise errors.BadRequest(
            why=f"Provided snapshot status {body.status} not allowed for snapshot with status {snapshot.status}."
        )
    await commands.reset_snapshot(call.app, snapshot, body.status, body.progress)


@api.action(ACTION, "os-unmanage", admin("snapshot_extension:snapshot_unmanage"), find=snapshot_find)
async def unmanage(call: Call[BlockStorage], snapshot: Snapshot, body: dict[str, Any] | None) -> None:
    """Forget a snapshot, and leave its bytes where they are."""
    await commands.unmanage_snapshot(call.app, snapshot)
