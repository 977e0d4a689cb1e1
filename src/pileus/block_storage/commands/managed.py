"""What lies on hosts without a row here: listed, and taken over as a volume or snapshot without its bytes being touched.

A volume that is unmanaged leaves its bytes where they are; so do disks that an earlier cloud made.
"""

from collections.abc import Mapping

import msgspec

from pileus.block_storage import errors
from pileus.block_storage.agent import disk_seen
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import quotas
from pileus.block_storage.commands.types import default_type, type_chosen
from pileus.block_storage.drivers.interface import DiskSeen, Kind
from pileus.block_storage.flows import document
from pileus.block_storage.flows.pools import pool_list
from pileus.block_storage.models.services import Pool
from pileus.block_storage.models.volumes import AVAILABLE, Snapshot, Volume, place_of
from pileus.block_storage.store.types import types
from pileus.block_storage.store.volumes import snapshots, volumes
from pileus.kit.auth import Caller


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A disk on a host, and why it is not free to be taken over."""

    id: str
    size: int
    managed: bool
    volume_id: str | None = None  # of a snapshot that is known: what it is of


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a disk that is taken over."""

    ref: str
    name: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = {}
    type: str | None = None
    bootable: bool = False


async def pool_at(app: BlockStorage, place: str) -> Pool:
    """The back end at that place; raises HostNotFound."""
    host, backend = place_of(place)
    for pool in await pool_list(app):
        if pool.host == host and backend in {None, pool.backend}:
            return pool
    raise errors.ServiceNotFound(service="cinder-volume", host=place)


async def _disks(app: BlockStorage, kind: Kind, pool: Pool) -> dict[str, DiskSeen]:
    reports = await app.hosts.seen_list(pool.host, kind)
    seen = {report.id: disk_seen(report.body) for report in reports if report.present}
    return {id: disk for id, disk in seen.items() if disk.content is not None and disk.backend in {None, pool.backend}}


async def manageable_volumes(app: BlockStorage, place: str) -> list[Found]:
    """The disks at a place that are, or could be, volumes."""
    disks = await _disks(app, Kind.VOLUME, await pool_at(app, place))
    known = await volumes.many(app, list(disks))
    return [Found(id=id, size=disk.size_gib, managed=id in known) for id, disk in sorted(disks.items())]


async def manageable_snapshots(app: BlockStorage, place: str) -> list[Found]:
    """The disks at a place that are, or could be, snapshots."""
    disks = await _disks(app, Kind.SNAPSHOT, await pool_at(app, place))
    known = await snapshots.many(app, list(disks))
    return [
        Found(id=id, size=disk.size_gib, managed=id in known, volume_id=known[id].volume_id if id in known else None)
        for id, disk in sorted(disks.items())
    ]


async def manage_volume(app: BlockStorage, caller: Caller, place: str, taken: Taken) -> Volume:
    """The disk is a volume of the caller's project; raises what speaks against that."""
    pool = await pool_at(app, place)
    disk = (await _disks(app, Kind.VOLUME, pool)).get(taken.ref)
    async with app.db.transaction():
        if disk is None or await volumes.find(app, taken.ref) is not None:
            raise errors.InvalidReference(ref=taken.ref, place=place)
        named = taken.type is not None
        type = await (type_chosen(app, caller, taken.type) if named else default_type(app, caller.project_id))
        await quotas.check(app, caller.project_id or "", {"volumes": 1, "gigabytes": disk.size_gib}, type)
        made = Volume(
            id=taken.ref,
            project_id=caller.project_id or "",
            user_id=caller.user_id,
            name=taken.name,
            description=taken.description,
            size=disk.size_gib,
            status=AVAILABLE,
            type_id=type.id if type is not None else None,
            zone=app.config.zone,
            host=pool.host,
            backend=pool.backend,
            content=disk.content or 0,
            bootable=taken.bootable,
            multiattach=type is not None and type.multiattach,
            metadata=dict(taken.metadata),
            created_at=app.clock.now(),
            launched_at=app.clock.now(),
        )
        await volumes.create(app, made)
        await document.want_as_settled(app, made)
        await app.events.tell("volume.managed", made.subject, made.project_id)
    return made


async def manage_snapshot(app: BlockStorage, caller: Caller, volume: Volume, taken: Taken) -> Snapshot:
    """The disk is a snapshot of the volume; raises what speaks against that."""
    pool = await pool_at(app, volume.place or "")
    disk = (await _disks(app, Kind.SNAPSHOT, pool)).get(taken.ref)
    async with app.db.transaction():
        if disk is None or await snapshots.find(app, taken.ref) is not None:
            raise errors.InvalidReference(ref=taken.ref, place=pool.name)
        type = await types.find(app, volume.type_id)
        await quotas.check(app, volume.project_id, {"snapshots": 1, "gigabytes": disk.size_gib}, type)
        made = Snapshot(
            id=taken.ref,
            volume_id=volume.id,
            project_id=volume.project_id,
            user_id=caller.user_id,
            name=taken.name,
            description=taken.description,
            status=AVAILABLE,
            progress="100%",
            size=disk.size_gib,
            type_id=volume.type_id,
            host=volume.host,
            backend=volume.backend,
            metadata=dict(taken.metadata),
            created_at=app.clock.now(),
        )
        await snapshots.create(app, made)
        await document.want(app, Kind.SNAPSHOT, pool.host, document.snapshot_disk(made))
        await app.events.tell("snapshot.managed", made.subject, made.project_id)
    return made
