"""What lies on hosts and is no volume or snapshot yet, at the address it has since 3.8 and at the older one."""

from collections.abc import Callable
from typing import Annotated, Any

from pileus.block_storage import errors
from pileus.block_storage.api.service import MOST, Flag, Metadata, Name, RealName, Uuid, admin, api, flag, offset_of
from pileus.block_storage.api.snapshots import SnapshotView, brief
from pileus.block_storage.api.volume_view import VolumeView
from pileus.block_storage.api.volume_view import view as volume_view
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import managed as commands
from pileus.block_storage.commands.volumes import volume_get
from pileus.kit.http import Call, F, Query, Wire
from pileus.kit.http.call import Page
from pileus.kit.http.route import Handler

LIST_VOLUMES, MANAGE_VOLUME = admin("volume_extension:list_manageable"), admin("volume_extension:volume_manage")
LIST_SNAPSHOTS, MANAGE_SNAPSHOT = (
    admin("snapshot_extension:list_manageable"),
    admin("snapshot_extension:snapshot_manage"),
)


class PlaceQuery(Query):
    """Where."""

    host: str | None = None
    cluster: Annotated[str | None, F(since="3.17")] = None


class ManageVolume(Wire, kw_only=True):
    """A disk to take over as a volume."""

    host: RealName | None = None
    cluster: Annotated[RealName | None, F(since="3.16")] = None
    ref: dict[str, Any] | str
    name: Name | None = None
    description: Name | None = None
    volume_type: Name | None = None
    zone: Annotated[Name | None, F("availability_zone")] = None
    metadata: Metadata | None = None
    bootable: Flag | None = False  # python-openstackclient says null


class ManageSnapshot(Wire, kw_only=True):
    """A disk to take over as a snapshot."""

    volume_id: Uuid
    ref: dict[str, Any] | str
    name: Name | None = None
    description: Name | None = None
    metadata: Metadata | None = None


def _place(query: PlaceQuery) -> str:
    if query.cluster is not None and query.host:
        raise errors.BadRequest(why="Host and cluster cannot both be specified.")
    if query.cluster is not None:
        raise errors.ClusterNotFound(cluster=query.cluster)
    if not query.host:
        raise errors.BadRequest(why="Host must be specified in query parameters")
    return query.host


def _ref(ref: dict[str, Any] | str) -> str:
    found = ref if isinstance(ref, str) else ref.get("source-name") or ref.get("source-id")
    if not isinstance(found, str) or not found:
        raise errors.BadRequest(why="ref must hold the disk's source-name.")
    return found


SORTED_BY: dict[str, Callable[[commands.Found], Any]] = {
    "size": lambda one: one.size,
    "reference": lambda one: one.name,
}


def _listed(call: Call[BlockStorage], page: Page, found: list[commands.Found]) -> list[commands.Found]:
    skip = offset_of(call)
    for key, way in reversed(page.sort or [("reference", "asc")]):
        if key not in SORTED_BY:
            raise errors.InvalidInput(why=f"Sort key {key} is invalid: it is one of {', '.join(SORTED_BY)}.")
        found = sorted(found, key=SORTED_BY[key], reverse=way == "desc")
    chosen = found[skip:][: MOST if page.limit is None else page.limit]
    page.limit = None  # these lists are paged by offset, without links
    return chosen


def _brief(found: commands.Found) -> dict[str, Any]:
    free = found.managed_as is None
    shown = {"reference": {"source-name": found.name}, "size": found.size, "safe_to_manage": free}
    reason = None if free else "already managed"
    return {**shown, "reason_not_safe": reason, "cinder_id": found.managed_as, "extra_info": None}


BRIEFLY = ("reference", "size", "safe_to_manage", "source_reference")


async def volumes_index(call: Call[BlockStorage], query: PlaceQuery, page: Page) -> dict[str, Any]:
    """List disks that could be volumes."""
    found = _listed(call, page, await commands.manageable_volumes(call.app, _place(query)))
    return {"manageable-volumes": [{key: v for key, v in _brief(each).items() if key in BRIEFLY} for each in found]}


async def volumes_detail(call: Call[BlockStorage], query: PlaceQuery, page: Page) -> dict[str, Any]:
    """List disks that could be volumes, and why those that could not."""
    found = _listed(call, page, await commands.manageable_volumes(call.app, _place(query)))
    return {"manageable-volumes": [_brief(each) for each in found]}


async def volume_manage(call: Call[BlockStorage], body: ManageVolume) -> VolumeView:
    """Take a disk over as a volume."""
    place = _place(PlaceQuery(host=body.host, cluster=body.cluster))
    taken = commands.Taken(
        ref=_ref(body.ref),
        name=body.name,
        description=body.description,
        metadata=body.metadata or {},
        type=body.volume_type,
        bootable=flag(body.bootable or False, "bootable"),
    )
    made = await commands.manage_volume(call.app, call.caller, place, taken, call.request_id)
    return await volume_view(call, made)


def _snapshot(found: commands.Found) -> dict[str, Any]:
    of = {"source-name": found.volume_id} if found.volume_id is not None else {}
    return {**_brief(found), "source_reference": of}


async def snapshots_index(call: Call[BlockStorage], query: PlaceQuery, page: Page) -> dict[str, Any]:
    """List disks that could be snapshots."""
    found = _listed(call, page, await commands.manageable_snapshots(call.app, _place(query)))
    return {
        "manageable-snapshots": [{key: v for key, v in _snapshot(each).items() if key in BRIEFLY} for each in found]
    }


async def snapshots_detail(call: Call[BlockStorage], query: PlaceQuery, page: Page) -> dict[str, Any]:
    """List disks that could be snapshots, and why those that could not."""
    found = _listed(call, page, await commands.manageable_snapshots(call.app, _place(query)))
    return {"manageable-snapshots": [_snapshot(each) for each in found]}


async def snapshot_manage(call: Call[BlockStorage], body: ManageSnapshot) -> SnapshotView:
    """Take a disk over as a snapshot."""
    volume = await volume_get(call.app, call.caller, body.volume_id)
    taken = commands.Taken(
        ref=_ref(body.ref), name=body.name, description=body.description, metadata=body.metadata or {}
    )
    return brief(await commands.manage_snapshot(call.app, call.caller, volume, taken, call.request_id))


def _declare(paths: tuple[str, str], rules: Any, handlers: tuple[Handler, Handler, Handler], key: str) -> None:
    """The three verbs at both addresses."""
    index, detail, manage = handlers
    for path, since in zip(paths, ("3.8", "0.0"), strict=True):
        api.get(path, rules[0], since=since)(index)
        api.get(path + "/detail", rules[0], since=since)(detail)
        api.post(path, rules[1], key=key, status=202, since=since)(manage)


_declare(
    ("/manageable_volumes", "/os-volume-manage"),
    (LIST_VOLUMES, MANAGE_VOLUME),
    (volumes_index, volumes_detail, volume_manage),
    "volume",
)
_declare(
    ("/manageable_snapshots", "/os-snapshot-manage"),
    (LIST_SNAPSHOTS, MANAGE_SNAPSHOT),
    (snapshots_index, snapshots_detail, snapshot_manage),
    "snapshot",
)
