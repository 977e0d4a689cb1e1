"""What lies on hosts without a row here: listed, and taken over as a volume or snapshot without its bytes being touched.

A volume that is unmanaged leaves its bytes where they are; so do disks that an earlier cloud made. Who takes one over gets a new
id, after which the host calls the disk from then on.
"""

import uuid
from collections.abc import Mapping

import msgspec

from pileus.block_storage import errors
from pileus.block_storage.agent import disk_seen
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import quotas
from pileus.block_storage.commands.types import default_type, type_chosen
from pileus.block_storage.drivers.interface import FOUND, DiskSeen, Kind
from pileus.block_storage.flows.pools import pool_list
from pileus.block_storage.models.services import Pool
from pileus.block_storage.models.types import VolumeType
from pileus.block_storage.models.volumes import CREATING, MANAGING, Origin, Snapshot, Volume, place_of
from pileus.block_storage.store.types import types
from pileus.block_storage.store.volumes import snapshots, volumes
from pileus.kit.auth import Caller


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A disk on a host, and whose it is if it is not free to be taken over."""

    name: str
    size: int
    managed_as: str | None  # the volume or snapshot it is
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
    pool = await pool_at(app, place)
    disks = await _disks(app, Kind.VOLUME, pool)
    known = {id: id for id in await volumes.many(app, list(disks))} | await _being_taken(app, pool)
    return [Found(name=name, size=disk.size_gib, managed_as=known.get(name)) for name, disk in sorted(disks.items())]


async def _being_taken(app: BlockStorage, pool: Pool) -> dict[str, str]:
    """The names of disks of a back end that are just taken over, and the volumes they become."""
    taking = await volumes.list(app, {"status": MANAGING, "host": pool.host, "backend": pool.backend})
    return {each.origin.id: each.id for each in taking if each.origin is not None}


async def manageable_snapshots(app: BlockStorage, place: str) -> list[Found]:
    """The disks at a place that are, or could be, snapshots."""
    disks = await _disks(app, Kind.SNAPSHOT, await pool_at(app, place))
    known = await snapshots.many(app, list(disks))
    return [
        Found(
            name=name,
            size=disk.size_gib,
            managed_as=name if name in known else None,
            volume_id=known[name].volume_id if name in known else None,
        )
        for name, disk in sorted(disks.items())
    ]


async def _type(app: BlockStorage, caller: Caller, named: str | None) -> VolumeType | None:
    """The type a disk is to have; raises InvalidType for one whose volumes are encrypted, as nobody knows what opens this one."""
    type = await (type_chosen(app, caller, named) if named is not None else default_type(app, caller.project_id))
    if type is not None and type.encryption is not None:
        raise errors.InvalidType(why=f"volumes of type {type.name} are encrypted; a disk that is taken over is not.")
    return type


async def manage_volume(app: BlockStorage, caller: Caller, place: str, taken: Taken, request_id: str) -> Volume:
    """The disk is becoming a volume of the caller's project; raises what speaks against that."""
    pool = await pool_at(app, place)
    ref = taken.ref.removeprefix("volume-")
    disk = (await _disks(app, Kind.VOLUME, pool)).get(ref)
    async with app.db.transaction():
        if disk is None or await volumes.find(app, ref) is not None or ref in await _being_taken(app, pool):
            raise errors.InvalidReference(ref=taken.ref, place=place)
        type, size = await _type(app, caller, taken.type), max(1, disk.size_gib)
        await quotas.check(app, caller.project_id or "", {"volumes": 1, "gigabytes": size}, type)
        made = Volume(
            id=str(uuid.uuid4()),
            project_id=caller.project_id or "",
            user_id=caller.user_id,
            name=taken.name,
            description=taken.description,
            size=size,
            status=MANAGING,
            type_id=type.id if type is not None else None,
            zone=app.config.zone,
            host=pool.host,
            backend=pool.backend,
            content=disk.content or 0,
            origin=Origin(kind=FOUND, id=ref),
            bootable=taken.bootable,
            multiattach=type is not None and type.multiattach,
            metadata=dict(taken.metadata),
            created_at=app.clock.now(),
        )
        await volumes.create(app, made)
        await _begin(app, caller, "volume.manage", made, ref, request_id)
    return made


async def _begin(
    app: BlockStorage, caller: Caller, flow: str, made: Volume | Snapshot, ref: str, request_id: str
) -> None:
    await app.engine.begin(
        flow, made.subject, {"ref": ref}, project_id=made.project_id, user_id=caller.user_id, request_id=request_id
    )


async def manage_snapshot(app: BlockStorage, caller: Caller, volume: Volume, taken: Taken, request_id: str) -> Snapshot:
    """The disk is becoming a snapshot of the volume; raises what speaks against that."""
    pool = await pool_at(app, volume.place or "")
    ref = taken.ref.removeprefix("_").removeprefix("snapshot-")
    disk = (await _disks(app, Kind.SNAPSHOT, pool)).get(ref)
    async with app.db.transaction():
        if disk is None or await snapshots.find(app, ref) is not None:
            raise errors.InvalidReference(ref=taken.ref, place=pool.name)
        type, size = await types.find(app, volume.type_id), max(1, disk.size_gib)
        await quotas.check(app, volume.project_id, {"snapshots": 1, "gigabytes": size}, type)
        made = Snapshot(
            id=str(uuid.uuid4()),
            volume_id=volume.id,
            project_id=volume.project_id,
            user_id=caller.user_id,
            name=taken.name,
            description=taken.description,
            status=CREATING,
            size=size,
            type_id=volume.type_id,
            host=volume.host,
            backend=volume.backend,
            metadata=dict(taken.metadata),
            created_at=app.clock.now(),
        )
        await snapshots.create(app, made)
        await _begin(app, caller, "snapshot.manage", made, ref, request_id)
    return made
