"""Groups of volumes, and snapshots of all of a group's volumes."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from pileus.block_storage import errors
from pileus.block_storage.api.listing import check_filters, filters, paged
from pileus.block_storage.api.service import (
    TRUE,
    Flag,
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
from pileus.block_storage.commands import groups as commands
from pileus.block_storage.models.groups import Group, GroupSnapshot
from pileus.block_storage.store.groups import group_snapshots, groups
from pileus.block_storage.store.volumes import volumes
from pileus.kit.auth import Caller
from pileus.kit.http import Call, F, Page, Query, Wire

SINCE, SNAPSHOTS_SINCE = "3.13", "3.14"
THIS = "/groups/{group_id}"
ACTION = THIS + "/action"
SNAPSHOT = "/group_snapshots/{group_snapshot_id}"
STATUSES = {"available", "creating", "deleting", "error", "error_deleting", "updating"}

api.declare(admin("group:group_project_attribute"), admin("group:group_snapshot_project_attribute"))


class GroupBrief(Wire, kw_only=True):
    """A group in a list without details."""

    id: str
    name: str | None


class GroupView(GroupBrief, kw_only=True):
    """A group."""

    status: str
    availability_zone: str | None
    created_at: str | None
    description: str | None
    group_type: str
    volume_types: list[str]
    group_snapshot_id: Annotated[str | None, F(since="3.14")]
    source_group_id: Annotated[str | None, F(since="3.14")]
    volumes: Annotated[list[str] | UnsetType, F(since="3.25")] = UNSET
    replication_status: Annotated[str | None, F(since="3.38")]
    project_id: Annotated[str, F(since="3.58", rule="group:group_project_attribute")]


class GroupCreate(Wire, kw_only=True):
    """A group to make."""

    name: Name | None = None
    description: Name | None = None
    group_type: RealName
    volume_types: Annotated[list[RealName], msgspec.Meta(min_length=1)]
    zone: Annotated[Name | None, F("availability_zone")] = None


class GroupUpdate(Wire, kw_only=True):
    """What may be changed of a group."""

    name: Name | UnsetType | None = UNSET
    description: Name | UnsetType | None = UNSET
    add_volumes: str | UnsetType | None = UNSET
    remove_volumes: str | UnsetType | None = UNSET


class GroupsQuery(Query):
    """Whose groups, and whether with their volumes."""

    all_tenants: str | None = None
    project_id: str | None = None
    list_volume: Annotated[str | None, F(since="3.25")] = None


async def group_find(app: BlockStorage, caller: Caller, group_id: str) -> Group:
    """The group a path names; raises GroupNotFound."""
    return await commands.group_get(app, caller, group_id)


async def _view(call: Call[BlockStorage], group: Group, *, members: bool = False) -> GroupView:
    inside = [each.id for each in await volumes.list(call.app, {"group_id": group.id})] if members else UNSET
    return GroupView(
        id=group.id,
        name=group.name,
        status=group.status,
        availability_zone=group.zone,
        created_at=moment(group.created_at),
        description=group.description,
        group_type=group.group_type_id,
        volume_types=list(group.volume_types),
        group_snapshot_id=group.group_snapshot_id,
        source_group_id=group.source_group_id,
        volumes=inside,
        replication_status=group.replication_status,
        project_id=group.project_id,
    )


async def _page(call: Call[BlockStorage], query: GroupsQuery, page: Page) -> list[Group]:
    where = {**scope(call, query.all_tenants, query.project_id)}
    where |= filters(call, {"name": "name", "status": "status", "id": "id"})
    check_filters(call, "group", more={"list_volume"})
    limit = page_of(call, page)
    return await paged(
        call,
        lambda marker, count: groups.list(call.app, where, page.sort, marker=marker, limit=count),
        limit,
        page.marker,
    )


@api.get("/groups", reader("group:get_all"), key="groups", since=SINCE)
async def index(call: Call[BlockStorage], query: GroupsQuery, page: Page) -> list[GroupBrief]:
    """List groups."""
    return [GroupBrief(id=each.id, name=each.name) for each in await _page(call, query, page)]


@api.get("/groups/detail", reader("group:get_all"), key="groups", since=SINCE)
async def detail(call: Call[BlockStorage], query: GroupsQuery, page: Page) -> list[GroupView]:
    """List groups with details."""
    members = (query.list_volume or "").lower() in TRUE
    return [await _view(call, each, members=members) for each in await _page(call, query, page)]


@api.post("/groups", member("group:create"), key="group", since=SINCE, status=202)
async def create(call: Call[BlockStorage], body: GroupCreate) -> GroupBrief:
    """Make a group."""
    made = await commands.create_group(
        call.app,
        call.caller,
        name=trimmed(body.name),
        description=trimmed(body.description),
        group_type=body.group_type,
        volume_types=body.volume_types,
        zone=body.zone,
    )
    return GroupBrief(id=made.id, name=made.name)


class FromSource(Wire, kw_only=True):
    """A group to make of another, or of a group snapshot."""

    name: Name | None = None
    description: Name | None = None
    group_snapshot_id: Uuid | None = None
    source_group_id: Uuid | None = None


@api.action("/groups/action", "create-from-src", member("group:create"), since="3.14", reply_key="group")
async def create_from_source(call: Call[BlockStorage], body: FromSource) -> GroupBrief:
    """Make a group of another, or of a group snapshot."""
    if (body.group_snapshot_id is None) == (body.source_group_id is None):
        raise errors.BadRequest(why="Either 'group_snapshot_id' or 'source_group_id' must be given, not both.")
    made = await commands.create_from_source(
        call.app,
        call.caller,
        name=trimmed(body.name),
        description=trimmed(body.description),
        group_snapshot_id=body.group_snapshot_id,
        source_group_id=body.source_group_id,
        request_id=call.request_id,
    )
    return GroupBrief(id=made.id, name=made.name)


@api.get(THIS, reader("group:get"), key="group", find=group_find, since=SINCE)
async def show(call: Call[BlockStorage], group: Group, query: GroupsQuery) -> GroupView:
    """Show a group."""
    return await _view(call, group, members=(query.list_volume or "").lower() in TRUE)


@api.put(THIS, member("group:update"), key="group", find=group_find, since=SINCE, status=202)
async def update(call: Call[BlockStorage], group: Group, body: GroupUpdate) -> None:
    """Change a group's name, or which volumes are in it."""
    given: dict[str, Any] = body.given()
    if not any(value is not None for value in given.values()):
        raise errors.BadRequest(why="Name, description, add_volumes, and remove_volumes can not be all empty.")
    lists = [[id.strip() for id in (given.pop(name, None) or "").split(",") if id.strip()]
             for name in ("add_volumes", "remove_volumes")]  # fmt: skip
    await commands.update_group(call.app, call.caller, group, given, *lists)


class Delete(Wire):
    """Whether to delete the volumes too."""

    delete_volumes: Annotated[Flag, F("delete-volumes")] = False


@api.action(ACTION, "delete", member("group:delete"), find=group_find, since=SINCE)
async def delete(call: Call[BlockStorage], group: Group, body: Delete) -> None:
    """Delete a group."""
    with_volumes = flag(body.delete_volumes, "delete-volumes")
    await commands.delete_group(call.app, call.caller, group, call.request_id, with_volumes=with_volumes)


class Status(Wire):
    """What it is to be shown as."""

    status: RealName


def _status(body: Status) -> str:
    if body.status not in STATUSES:
        raise errors.BadRequest(why=f"Invalid input for field/attribute status: '{body.status}' is no status.")
    return body.status


@api.action(ACTION, "reset_status", admin("group:reset_status"), find=group_find, since="3.20")
async def reset_status(call: Call[BlockStorage], group: Group, body: Status) -> None:
    """Say what a group is, against all evidence."""
    await groups.change(call.app, group, status=_status(body))


@api.action(ACTION, "enable_replication", member("group:enable_replication"), find=group_find, since="3.38")
async def enable_replication(call: Call[BlockStorage], group: Group, body: dict[str, Any] | None) -> None:
    """Have a group replicated; what is kept by hosts cannot be."""
    raise errors.NotReplicated(group=group.id)


@api.action(ACTION, "disable_replication", member("group:disable_replication"), find=group_find, since="3.38")
async def disable_replication(call: Call[BlockStorage], group: Group, body: dict[str, Any] | None) -> None:
    """Have a group replicated no more; it is not."""
    raise errors.NotReplicated(group=group.id)


@api.action(ACTION, "failover_replication", member("group:failover_replication"), find=group_find, since="3.38")
async def failover_replication(call: Call[BlockStorage], group: Group, body: dict[str, Any]) -> None:
    """Go over to a group's replica; it has none."""
    raise errors.NotReplicated(group=group.id)


@api.action(
    ACTION, "list_replication_targets", member("group:list_replication_targets"), find=group_find, since="3.38",
    status=200,
)  # fmt: skip
async def list_targets(call: Call[BlockStorage], group: Group, body: dict[str, Any] | None) -> dict[str, list[str]]:
    """List where a group is replicated to; what is kept by hosts is replicated nowhere."""
    return {"replication_targets": []}


# Snapshots of groups.


class GroupSnapshotBrief(Wire, kw_only=True):
    """A group snapshot in a list without details."""

    id: str
    name: str | None
    group_type_id: str


class GroupSnapshotView(GroupSnapshotBrief, kw_only=True):
    """A group snapshot."""

    group_id: str
    status: str
    created_at: str | None
    description: str | None
    project_id: Annotated[str, F(since="3.58", rule="group:group_snapshot_project_attribute")]


class GroupSnapshotCreate(Wire, kw_only=True):
    """A group snapshot to make."""

    group_id: Uuid
    name: Name | None = None
    description: Name | None = None


async def group_snapshot_find(app: BlockStorage, caller: Caller, group_snapshot_id: str) -> GroupSnapshot:
    """The group snapshot a path names; raises GroupSnapshotNotFound."""
    return await commands.group_snapshot_get(app, caller, group_snapshot_id)


def _brief(taken: GroupSnapshot) -> GroupSnapshotBrief:
    return GroupSnapshotBrief(id=taken.id, name=taken.name, group_type_id=taken.group_type_id)


def _snapshot_view(taken: GroupSnapshot) -> GroupSnapshotView:
    return GroupSnapshotView(
        id=taken.id,
        name=taken.name,
        group_type_id=taken.group_type_id,
        group_id=taken.group_id,
        status=taken.status,
        created_at=moment(taken.created_at),
        description=taken.description,
        project_id=taken.project_id,
    )


async def _snapshot_page(call: Call[BlockStorage], query: GroupsQuery, page: Page) -> list[GroupSnapshot]:
    where = {**scope(call, query.all_tenants, query.project_id)}
    where |= filters(call, {"name": "name", "status": "status", "group_id": "group_id", "id": "id"})
    check_filters(call, "group_snapshot", more={"list_volume", "name"})
    limit = page_of(call, page)
    return await paged(
        call,
        lambda marker, count: group_snapshots.list(call.app, where, page.sort, marker=marker, limit=count),
        limit,
        page.marker,
    )


READ_SNAPSHOTS = reader("group:get_all_group_snapshots")


@api.get("/group_snapshots", READ_SNAPSHOTS, key="group_snapshots", since=SNAPSHOTS_SINCE)
async def snapshots_index(call: Call[BlockStorage], query: GroupsQuery, page: Page) -> list[GroupSnapshotBrief]:
    """List group snapshots."""
    return [_brief(each) for each in await _snapshot_page(call, query, page)]


@api.get("/group_snapshots/detail", READ_SNAPSHOTS, key="group_snapshots", since=SNAPSHOTS_SINCE)
async def snapshots_detail(call: Call[BlockStorage], query: GroupsQuery, page: Page) -> list[GroupSnapshotView]:
    """List group snapshots with details."""
    return [_snapshot_view(each) for each in await _snapshot_page(call, query, page)]


@api.post(
    "/group_snapshots", member("group:create_group_snapshot"), key="group_snapshot", since=SNAPSHOTS_SINCE, status=202
)
async def snapshot_create(call: Call[BlockStorage], body: GroupSnapshotCreate) -> GroupSnapshotBrief:
    """Make snapshots of all of a group's volumes."""
    group = await commands.group_get(call.app, call.caller, body.group_id)
    made = await commands.create_group_snapshot(
        call.app,
        call.caller,
        group,
        name=trimmed(body.name),
        description=trimmed(body.description),
        request_id=call.request_id,
    )
    return _brief(made)


@api.get(
    SNAPSHOT, reader("group:get_group_snapshot"), key="group_snapshot", find=group_snapshot_find, since=SNAPSHOTS_SINCE
)
async def snapshot_show(call: Call[BlockStorage], taken: GroupSnapshot) -> GroupSnapshotView:
    """Show a group snapshot."""
    return _snapshot_view(taken)


@api.delete(
    SNAPSHOT, member("group:delete_group_snapshot"), find=group_snapshot_find, since=SNAPSHOTS_SINCE, status=202
)
async def snapshot_delete(call: Call[BlockStorage], taken: GroupSnapshot) -> None:
    """Delete a group snapshot."""
    await commands.delete_group_snapshot(call.app, call.caller, taken, call.request_id)


@api.action(
    SNAPSHOT + "/action",
    "reset_status",
    admin("group:reset_group_snapshot_status"),
    find=group_snapshot_find,
    since="3.19",
)
async def snapshot_reset(call: Call[BlockStorage], taken: GroupSnapshot, body: Status) -> None:
    """Say what a group snapshot is, against all evidence."""
    await group_snapshots.change(call.app, taken, status=_status(body))
