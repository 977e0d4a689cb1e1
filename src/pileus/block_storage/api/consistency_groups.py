"""Consistency groups and their snapshots, as clients knew groups before 3.13: groups of one type that is always there."""

from typing import Annotated, Any

from msgspec import UNSET, UnsetType

from pileus.block_storage import errors
from pileus.block_storage.api.listing import paged
from pileus.block_storage.api.service import (
    Flag,
    Name,
    RealName,
    Uuid,
    api,
    flag,
    member,
    moment,
    page_of,
    reader,
    scope,
)
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import groups as commands
from pileus.block_storage.models.groups import Group, GroupSnapshot
from pileus.block_storage.store.groups import group_snapshots, groups
from pileus.block_storage.store.types import group_type_named
from pileus.kit.auth import Caller
from pileus.kit.http import Call, F, Page, Query, Wire

THIS = "/consistencygroups/{consistencygroup_id}"
SNAPSHOT = "/cgsnapshots/{cgsnapshot_id}"
READ, READ_SNAPSHOTS = reader("group:get_all"), reader("group:get_all_group_snapshots")


class Everybody(Query):
    """Whose."""

    all_tenants: str | None = None


class Brief(Wire):
    """A consistency group, or a snapshot of one, in a list without details."""

    id: str
    name: str | None


class ConsistencyGroup(Wire, kw_only=True):
    """A consistency group."""

    id: str
    status: str
    availability_zone: str | None
    created_at: str | None
    name: str | None
    description: str | None
    volume_types: list[str]


class ConsistencyGroupSnapshot(Wire, kw_only=True):
    """A snapshot of a consistency group."""

    id: str
    consistencygroup_id: str
    status: str
    created_at: str | None
    name: str | None
    description: str | None


async def _type(app: BlockStorage) -> str:
    found = await group_type_named(app, commands.DEFAULT_TYPE)
    if found is None:
        raise errors.GroupTypeNotFound(type=commands.DEFAULT_TYPE)
    return found.id


async def consistency_group_find(app: BlockStorage, caller: Caller, consistencygroup_id: str) -> Group:
    """The consistency group a path names; raises GroupNotFound."""
    found = await commands.group_get(app, caller, consistencygroup_id)
    if found.group_type_id != await _type(app):
        raise errors.GroupNotFound(group=consistencygroup_id)
    return found


async def cgsnapshot_find(app: BlockStorage, caller: Caller, cgsnapshot_id: str) -> GroupSnapshot:
    """The snapshot of a consistency group a path names; raises GroupSnapshotNotFound."""
    found = await commands.group_snapshot_get(app, caller, cgsnapshot_id)
    if found.group_type_id != await _type(app):
        raise errors.GroupSnapshotNotFound(snapshot=cgsnapshot_id)
    return found


def _view(group: Group) -> ConsistencyGroup:
    return ConsistencyGroup(
        id=group.id,
        status=group.status,
        availability_zone=group.zone,
        created_at=moment(group.created_at),
        name=group.name,
        description=group.description,
        volume_types=list(group.volume_types),
    )


async def _page(call: Call[BlockStorage], query: Everybody, page: Page) -> list[Group]:
    where = {**scope(call, query.all_tenants), "group_type_id": await _type(call.app)}
    limit = page_of(call, page)
    return await paged(
        call,
        lambda marker, count: groups.list(call.app, where, page.sort, marker=marker, limit=count),
        limit,
        page.marker,
    )


@api.get("/consistencygroups", READ, key="consistencygroups")
async def index(call: Call[BlockStorage], query: Everybody, page: Page) -> list[Brief]:
    """List consistency groups."""
    return [Brief(id=each.id, name=each.name) for each in await _page(call, query, page)]


@api.get("/consistencygroups/detail", READ, key="consistencygroups")
async def detail(call: Call[BlockStorage], query: Everybody, page: Page) -> list[ConsistencyGroup]:
    """List consistency groups with details."""
    return [_view(each) for each in await _page(call, query, page)]


@api.get(THIS, reader("group:get"), key="consistencygroup", find=consistency_group_find)
async def show(call: Call[BlockStorage], group: Group) -> ConsistencyGroup:
    """Show a consistency group."""
    return _view(group)


class Create(Wire, kw_only=True):
    """A consistency group to make; python-cinderclient says whose it is and its status too."""

    __loose__ = True

    name: Name | None = None
    description: Name | None = None
    volume_types: RealName
    zone: Annotated[Name | None, F("availability_zone")] = None


@api.post("/consistencygroups", member("group:create"), key="consistencygroup", status=202)
async def create(call: Call[BlockStorage], body: Create) -> Brief:
    """Make a consistency group."""
    made = await commands.create_group(
        call.app,
        call.caller,
        name=body.name,
        description=body.description,
        group_type=await _type(call.app),
        volume_types=[each.strip() for each in body.volume_types.split(",") if each.strip()],
        zone=body.zone,
    )
    return Brief(id=made.id, name=made.name)


class FromSource(Wire, kw_only=True):
    """A consistency group to make of another, or of a snapshot of one."""

    __loose__ = True

    name: Name | None = None
    description: Name | None = None
    cgsnapshot_id: Uuid | None = None
    source_cgid: Uuid | None = None


@api.post(
    "/consistencygroups/create_from_src",
    member("group:create"),
    key="consistencygroup-from-src",
    reply_key="consistencygroup",
    status=202,
)
async def create_from_source(call: Call[BlockStorage], body: FromSource) -> Brief:
    """Make a consistency group of another, or of a snapshot of one."""
    if (body.cgsnapshot_id is None) == (body.source_cgid is None):
        raise errors.BadRequest(why="Either 'cgsnapshot_id' or 'source_cgid' must be given, not both.")
    made = await commands.create_from_source(
        call.app,
        call.caller,
        name=body.name,
        description=body.description,
        group_snapshot_id=body.cgsnapshot_id,
        source_group_id=body.source_cgid,
        request_id=call.request_id,
    )
    return Brief(id=made.id, name=made.name)


class Delete(Wire):
    """Whether to delete the volumes too."""

    force: Flag = False


class DeleteBody(Wire, kw_only=True):
    """How to delete, by the name this API has for consistency groups or by the one the SDK gives them."""

    plain: Annotated[Delete | None, F("consistencygroup")] = None
    as_the_sdk: Annotated[Delete | None, F("consistency_group")] = None


@api.post(THIS + "/delete", member("group:delete"), find=consistency_group_find, status=202)
async def delete(call: Call[BlockStorage], group: Group, body: DeleteBody | None) -> None:
    """Delete a consistency group."""
    said = (body.plain or body.as_the_sdk) if body is not None else None
    force = said is not None and flag(said.force, "force")
    await commands.delete_group(call.app, call.caller, group, call.request_id, with_volumes=force)


class Update(Wire, kw_only=True):
    """What may be changed of a consistency group."""

    name: Name | UnsetType | None = UNSET
    description: Name | UnsetType | None = UNSET
    add_volumes: str | UnsetType | None = UNSET
    remove_volumes: str | UnsetType | None = UNSET


# Clients made from the SDK leave the verb out.
@api.put(THIS, member("group:update"), key="consistencygroup", find=consistency_group_find, status=202)
@api.put(THIS + "/update", member("group:update"), key="consistencygroup", find=consistency_group_find, status=202)
async def update(call: Call[BlockStorage], group: Group, body: Update) -> None:
    """Change a consistency group's name, or which volumes are in it."""
    given: dict[str, Any] = {name: value for name, value in body.given().items() if value is not None}
    if not given:
        raise errors.BadRequest(why="Name, description, add_volumes, and remove_volumes can not be all empty.")
    lists = [[id.strip() for id in given.pop(name, "").split(",") if id.strip()]
             for name in ("add_volumes", "remove_volumes")]  # fmt: skip
    await commands.update_group(call.app, call.caller, group, given, *lists)


def _snapshot_view(taken: GroupSnapshot) -> ConsistencyGroupSnapshot:
    return ConsistencyGroupSnapshot(
        id=taken.id,
        consistencygroup_id=taken.group_id,
        status=taken.status,
        created_at=moment(taken.created_at),
        name=taken.name,
        description=taken.description,
    )


async def _snapshot_page(call: Call[BlockStorage], query: Everybody, page: Page) -> list[GroupSnapshot]:
    where = {**scope(call, query.all_tenants), "group_type_id": await _type(call.app)}
    limit = page_of(call, page)
    return await paged(
        call,
        lambda marker, count: group_snapshots.list(call.app, where, page.sort, marker=marker, limit=count),
        limit,
        page.marker,
    )


@api.get("/cgsnapshots", READ_SNAPSHOTS, key="cgsnapshots")
async def snapshots_index(call: Call[BlockStorage], query: Everybody, page: Page) -> list[Brief]:
    """List snapshots of consistency groups."""
    return [Brief(id=each.id, name=each.name) for each in await _snapshot_page(call, query, page)]


@api.get("/cgsnapshots/detail", READ_SNAPSHOTS, key="cgsnapshots")
async def snapshots_detail(call: Call[BlockStorage], query: Everybody, page: Page) -> list[ConsistencyGroupSnapshot]:
    """List snapshots of consistency groups with details."""
    return [_snapshot_view(each) for each in await _snapshot_page(call, query, page)]


@api.get(SNAPSHOT, reader("group:get_group_snapshot"), key="cgsnapshot", find=cgsnapshot_find)
async def snapshot_show(call: Call[BlockStorage], taken: GroupSnapshot) -> ConsistencyGroupSnapshot:
    """Show a snapshot of a consistency group."""
    return _snapshot_view(taken)


class SnapshotCreate(Wire, kw_only=True):
    """A snapshot of a consistency group to make."""

    __loose__ = True

    consistencygroup_id: Uuid
    name: Name | None = None
    description: Name | None = None


@api.post("/cgsnapshots", member("group:create_group_snapshot"), key="cgsnapshot", status=202)
async def snapshot_create(call: Call[BlockStorage], body: SnapshotCreate) -> Brief:
    """Make snapshots of all volumes of a consistency group."""
    group = await consistency_group_find(call.app, call.caller, body.consistencygroup_id)
    made = await commands.create_group_snapshot(
        call.app, call.caller, group, name=body.name, description=body.description, request_id=call.request_id
    )
    return Brief(id=made.id, name=made.name)


@api.delete(SNAPSHOT, member("group:delete_group_snapshot"), find=cgsnapshot_find, status=202)
async def snapshot_delete(call: Call[BlockStorage], taken: GroupSnapshot) -> None:
    """Delete a snapshot of a consistency group."""
    await commands.delete_group_snapshot(call.app, call.caller, taken, call.request_id)
