"""What a host is told about volumes, snapshots and backups, derived from their rows; and what to make of the answer."""

import msgspec

from pileus.block_storage.agent import backup_seen, disk_seen
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.drivers import interface
from pileus.block_storage.drivers.interface import BackupSeen, Disk, DiskSeen, Export, Kind
from pileus.block_storage.drivers.luks import Cipherment, cipherment
from pileus.block_storage.models.volumes import ATTACHED, DETACHING, IN_USE, Origin, Snapshot, Volume
from pileus.block_storage.store.volumes import attachments_of
from pileus.kit.flow.operation import Operation
from pileus.kit.flow.step import Fail, Wait
from pileus.kit.hosts.exchange import Body

LOOK_AGAIN_S = 30.0  # a report wakes the operation; this is for a wake-up that was lost


def subject_id(op: Operation) -> str:
    """The thing an operation is about."""
    return op.subject.partition(":")[2]


def origin_of(
    origin: Origin | None, host: str | None, backend: str | None, holder: str | None = None
) -> interface.Origin | None:
    """The same, as that host is told for that back end: places are named only where they are others."""
    if origin is None:
        return None
    kinds = {"snapshot": Kind.SNAPSHOT, "backup": Kind.BACKUP}
    elsewhere = origin.host not in {None, host}
    return interface.Origin(
        kind=kinds.get(origin.kind, origin.kind),
        id=origin.id,
        format=origin.format,
        host=origin.host if elsewhere else None,
        backend=origin.backend if elsewhere or origin.backend not in {None, backend} else None,
        chain=origin.chain,
        shared=origin.shared,
        holder=holder,
        claim=origin.claim,
    )


def volume_disk(
    volume: Volume,
    *,
    live: bool = False,
    mirrored: bool = False,
    export: Export | None = None,
    holder: str | None = None,
) -> Disk:
    """All a host is told about a volume; `holder`: who has it, or, of one that is being made, what it is made of."""
    return Disk(
        id=volume.id,
        backend=volume.backend or "",
        size_gib=volume.size,
        content=volume.content,
        origin=origin_of(volume.origin, volume.host, volume.backend, holder if export is None else None),
        live=live,
        mirrored=mirrored,
        export=export,
        holder=holder if export is not None else None,
        luks=interface.Luks(volume_id=volume.id, how=cipherment_of(volume)) if volume.sealed_key is not None else None,
    )


def cipherment_of(volume: Volume) -> Cipherment:
    """How the volume's bytes are encrypted, by what its type said when it was made."""
    said = volume.encryption or {}
    return cipherment(said.get("cipher"), said.get("key_size")) or Cipherment()


def snapshot_disk(snapshot: Snapshot, *, live: bool = False, holder: str | None = None) -> Disk:
    """All a host is told about a snapshot."""
    return Disk(
        id=snapshot.id,
        backend=snapshot.backend or "",
        size_gib=snapshot.size,
        origin=interface.Origin(kind=Kind.VOLUME, id=snapshot.volume_id, holder=holder),
        live=live,
    )


def itself(id: str) -> Origin:
    """What a disk that was made whole is made of from then on: where it is no more, nothing is made in its place."""
    return Origin(kind=interface.FOUND, id=id)


def left(disk: Disk) -> Disk:
    """The same, of which nothing is made any more: it is what the host has."""
    return msgspec.structs.replace(disk, origin=interface.Origin(kind=interface.FOUND, id=disk.id), live=False)


async def want(app: BlockStorage, kind: Kind, host: str, thing: Disk | interface.Backup) -> None:
    """The host is told."""
    body: Body = msgspec.to_builtins(thing)
    await app.hosts.want(host, kind, thing.id, body)


async def want_as_settled(app: BlockStorage, volume: Volume) -> None:
    """The volume's host is told what the row says."""
    if volume.host is not None:
        await want(app, Kind.VOLUME, volume.host, volume_disk(volume))


async def _answer(app: BlockStorage, kind: Kind, host: str, id: str) -> Body | Wait | Fail:
    report = await app.hosts.answer(host, kind, id)
    if report is None:
        return Wait(LOOK_AGAIN_S, f"waiting for host {host}")
    return Fail(report.failure) if report.failure is not None else report.body


async def bring(app: BlockStorage, kind: Kind, host: str, disk: Disk) -> DiskSeen | Wait | Fail:
    """The host has made the disk what it is here; or has to be waited for, or cannot."""
    await want(app, kind, host, disk)
    body = await _answer(app, kind, host, disk.id)
    if isinstance(body, (Wait, Fail)):
        return body
    seen = disk_seen(body)
    if disk.left and seen.content is None:
        return Fail(f"Back end {disk.backend} of host {host} does not have {disk.id} any more.")
    if seen.content == disk.content and seen.size_gib >= disk.size_gib and seen.doing is None:
        return seen
    return Wait(LOOK_AGAIN_S, seen.doing or f"waiting for host {host}")


async def bring_backup(app: BlockStorage, host: str, backup: interface.Backup) -> BackupSeen | Wait | Fail:
    """The host has made the backup; or has to be waited for, or cannot."""
    await want(app, Kind.BACKUP, host, backup)
    body = await _answer(app, Kind.BACKUP, host, backup.id)
    if isinstance(body, (Wait, Fail)):
        return body
    seen = backup_seen(body)
    return seen if seen.whole else Wait(LOOK_AGAIN_S, seen.doing or f"waiting for host {host}")


async def gone(app: BlockStorage, kind: Kind, id: str, host: str | None) -> Wait | None:
    """Nothing of the thing is left on the host, or the host has to be waited for.

    A host that is not heard is not waited for: it reads that the thing is unwanted as soon as it returns.
    """
    if host is None:
        return None
    await app.hosts.unwant(host, kind, id)
    if await app.hosts.settled_gone(host, kind, id) or not await app.hosts.is_up(host):
        return None
    report = await app.hosts.seen(host, kind, id)
    why = report.failure if report is not None else None
    return Wait(LOOK_AGAIN_S, why or f"waiting for host {host} to remove {id}")


async def let_lie(app: BlockStorage, kind: Kind, host: str | None, disk: Disk) -> Wait | None:
    """The host leaves the disk as it is, and forgets it if there is none; or has to be waited for."""
    if host is None:
        return None
    await want(app, kind, host, left(disk))
    report = await app.hosts.answer(host, kind, disk.id)
    if report is None:
        return Wait(LOOK_AGAIN_S, f"waiting for host {host}") if await app.hosts.is_up(host) else None
    if report.failure is None and disk_seen(report.body).content is None:
        await app.hosts.unwant(host, kind, disk.id)
    return None


def is_live(volume: Volume) -> bool:
    """Whether the volume's bytes may change while they are read."""
    return IN_USE in (volume.status, volume.previous_status)


async def holder_of(app: BlockStorage, volume: Volume | None) -> str | None:
    """The host whose server has the volume, where that is not the one that keeps it; None also where several hosts have it."""
    if volume is None or not is_live(volume):
        return None
    found = (await attachments_of(app, [volume.id]))[volume.id]
    hosts = {each.host for each in found if each.status in {ATTACHED, DETACHING} and each.host is not None}
    return hosts.pop() if len(hosts) == 1 and volume.host not in hosts else None
