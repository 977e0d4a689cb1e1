"""Volumes: create, list, show, change, delete."""

from typing import Annotated, Any

from msgspec import UNSET, UnsetType

from pileus.block_storage import errors
from pileus.block_storage.api.listing import filters, metadata_filter, paged, times, wants_count
from pileus.block_storage.api.service import (
    Flag,
    Metadata,
    Name,
    Uuid,
    admin,
    api,
    flag,
    member,
    page_of,
    reader,
    scope,
    trimmed,
    volume_find,
)
from pileus.block_storage.api.volume_view import VolumeBrief, VolumeMade, VolumeView, brief, made, view, views
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import volumes as commands
from pileus.block_storage.commands.create import NewVolume, create_volume, size_given
from pileus.block_storage.models.volumes import Volume, place_of
from pileus.block_storage.store.types import type_named, types
from pileus.block_storage.store.volumes import summary, volumes
from pileus.kit.http import Call, F, Page, Query, Wire

Text = str | None | UnsetType
FILTERS = {
    "name": "name",
    "display_name": "name",
    "status": "status",
    "bootable": "bootable",
    "availability_zone": "zone",
    "id": "id",
    "user_id": "user_id",
    "snapshot_id": "snapshot_id",
    "source_volid": "source_volid",
    "size": "size",
    "description": "description",
    "multiattach": "multiattach",
    "migration_status": "migration_status",
    "volume_type_id": "type_id",
}

api.declare(
    member("volume:create_from_image"),
    member("volume:multiattach"),
    admin("volume_extension:volume_host_attribute"),
    reader("volume_extension:volume_tenant_attribute"),
    admin("volume_extension:volume_mig_status_attribute"),
    reader("volume_extension:volume_image_metadata:show"),
    admin("volume:force_delete"),
)


class LooseVolume(Wire, kw_only=True):
    """A volume to make, as clients before 3.53 say it: with whatever else."""

    __loose__ = True

    name: Name | None = None
    description: Name | None = None
    display_name: Name | None = None
    display_description: Name | None = None
    size: int | str | None = None
    volume_type: Name | None = None
    metadata: Metadata | None = None
    snapshot_id: Uuid | None = None
    source_volid: Uuid | None = None
    consistencygroup_id: Uuid | None = None
    availability_zone: Name | None = None
    multiattach: Flag | None = None
    image_id: str | None = None
    image_ref: Annotated[str | None, F("imageRef")] = None
    source_replica: Annotated[Any, F(until="3.52")] = None
    group_id: Annotated[Uuid | None, F(since="3.13")] = None
    backup_id: Annotated[Uuid | None, F(since="3.47")] = None


class ExactVolume(LooseVolume, kw_only=True):
    """A volume to make."""

    __loose__ = False


class VolumeBody(Wire, kw_only=True):
    """A volume to make, and hints about where."""

    loose: Annotated[LooseVolume | UnsetType, F("volume", until="3.52")]
    exact: Annotated[ExactVolume | UnsetType, F("volume", since="3.53")]
    hints: Annotated[dict[str, Any] | None, F("OS-SCH-HNT:scheduler_hints")] = None


class LooseUpdate(Wire, kw_only=True):
    """What may be changed of a volume."""

    __loose__ = True

    name: Name | UnsetType | None = UNSET
    description: Name | UnsetType | None = UNSET
    display_name: Name | UnsetType | None = UNSET
    display_description: Name | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET


class DeleteQuery(Query):
    """How to delete."""

    cascade: str | None = None
    force: Annotated[str | None, F(since="3.23")] = None


class ListQuery(Query):
    """What lists of volumes take besides filters by column."""

    all_tenants: str | None = None
    project_id: str | None = None
    host: str | None = None
    volume_type: str | None = None
    group_id: Annotated[str | None, F(since="3.10")] = None


@api.post("/volumes", member("volume:create"), status=202, reply_key="volume")
async def create(call: Call[BlockStorage], body: VolumeBody) -> VolumeMade:
    """Create a volume; it is made in the background."""
    asked = body.loose if body.loose is not UNSET else body.exact
    assert asked is not UNSET, "one of the two is required at every version"
    image = asked.image_ref if asked.image_ref is not None else asked.image_id
    if image is not None:
        call.require("volume:create_from_image")
    if asked.source_replica is not UNSET and asked.source_replica is not None:
        raise errors.InvalidInput(why="Volumes are not made of replicas.")
    shared = flag(asked.multiattach or False, "multiattach")
    if shared:
        call.require("volume:multiattach")
    new = NewVolume(
        name=trimmed(asked.name if asked.name is not None else asked.display_name),
        description=trimmed(asked.description if asked.description is not None else asked.display_description),
        size=size_given(asked.size),
        type=asked.volume_type,
        zone=asked.availability_zone,
        metadata=asked.metadata or {},
        multiattach=shared,
        image_id=image or None,
        follows_images=call.version >= (3, 46),
        snapshot_id=asked.snapshot_id,
        source_volid=asked.source_volid,
        backup_id=asked.backup_id,
        group_id=asked.group_id or asked.consistencygroup_id,
        hints=body.hints,
    )
    return await made(call, await create_volume(call.app, call.caller, new, call.request_id))


@api.get("/volumes", reader("volume:get_all"), key="volumes")
async def index(call: Call[BlockStorage], query: ListQuery, page: Page) -> list[VolumeBrief]:
    """List volumes."""
    return [brief(call, volume) for volume in await _page(call, query, page)]


@api.get("/volumes/detail", reader("volume:get_all"), key="volumes")
async def detail(call: Call[BlockStorage], query: ListQuery, page: Page) -> list[VolumeView]:
    """List volumes with details."""
    return await views(call, await _page(call, query, page))


async def _page(call: Call[BlockStorage], query: ListQuery, page: Page) -> list[Volume]:
    where = await _where(call, query)
    limit = page_of(call, page)
    found = await paged(
        call,
        lambda marker, count: volumes.list(call.app, where, page.sort, marker=marker, limit=count),
        limit,
        page.marker,
    )
    if wants_count(call):
        call.page.total = await volumes.count(call.app, where)
    return found


async def _where(call: Call[BlockStorage], query: ListQuery) -> dict[str, Any]:
    """What the list holds."""
    where = {**scope(call, query.all_tenants, query.project_id), **filters(call, FILTERS, "volume"), **times(call)}
    where |= metadata_filter(call)
    if call.version >= (3, 4):
        where |= metadata_filter(call, "glance_metadata")
    if query.group_id is not None:
        where["group_id"] = query.group_id
    if query.host is not None and call.caller.admin:
        host, backend = place_of(query.host)
        where |= {"host": host} | ({"backend": backend} if backend else {})
    if query.volume_type is not None:
        found = await types.find(call.app, query.volume_type) or await type_named(call.app, query.volume_type)
        where["type_id"] = found.id if found else ""
    if call.version >= (3, 65) and (asked := dict(call.query).get("consumes_quota")) is not None:
        where["consumes_quota"] = flag(asked, "consumes_quota")
    return where


class Summary(Wire, kw_only=True):
    """How many volumes there are, and of how many GiB."""

    total_count: int
    total_size: int
    metadata: Annotated[dict[str, list[str]], F(since="3.36")]


class SummaryQuery(Query):
    """Whose volumes."""

    all_tenants: str | None = None


@api.get("/volumes/summary", reader("volume:get_all"), key="volume-summary", since="3.12")
async def summarize(call: Call[BlockStorage], query: SummaryQuery) -> Summary:
    """Say how many volumes there are, and of how many GiB."""
    where = scope(call, query.all_tenants)
    project = where.get("project_id")
    count, size = await summary(call.app, str(project) if project is not None else None)
    said: dict[str, list[str]] = {}
    if call.version >= (3, 36):
        for volume in await volumes.list(call.app, where):
            for key, value in volume.metadata.items():
                if value not in said.setdefault(key, []):
                    said[key].append(value)
    return Summary(total_count=count, total_size=size, metadata=said)


@api.get("/volumes/{volume_id}", reader("volume:get"), key="volume", find=volume_find)
async def show(call: Call[BlockStorage], volume: Volume) -> VolumeView:
    """Show a volume."""
    return await view(call, volume)


@api.put("/volumes/{volume_id}", member("volume:update"), key="volume", find=volume_find)
async def update(call: Call[BlockStorage], volume: Volume, body: LooseUpdate) -> VolumeMade:
    """Change a volume's name and the like."""
    changes = commands.changes_of(body.given())
    if not changes and call.version >= (3, 53):
        raise errors.BadRequest(why="At least one of name, description, display_name, display_description or metadata.")
    if changes.get("metadata", "") is None:
        del changes["metadata"]
    return await made(call, await commands.update_volume(call.app, volume, changes))


@api.delete("/volumes/{volume_id}", member("volume:delete"), find=volume_find, status=202)
async def delete(call: Call[BlockStorage], volume: Volume, query: DeleteQuery) -> None:
    """Delete a volume."""
    force = flag(query.force, "force") if query.force is not None else False
    if force:
        call.require("volume:force_delete", {"project_id": volume.project_id})
    cascade = flag(query.cascade, "cascade") if query.cascade is not None else False
    await commands.delete_volume(call.app, call.caller, volume, call.request_id, cascade=cascade, force=force)
