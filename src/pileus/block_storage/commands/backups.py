"""Backups: what can be asked of them."""

import base64
import uuid
from collections.abc import Mapping

import msgspec

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import quotas
from pileus.block_storage.commands.changes import remade
from pileus.block_storage.commands.create import NewVolume, create_volume, origin_of_backup
from pileus.block_storage.commands.volumes import busy, held, mine, volume_get
from pileus.block_storage.drivers.interface import Kind
from pileus.block_storage.flows.pools import hosts_with, store_at
from pileus.block_storage.models import backups as states
from pileus.block_storage.models.backups import Backup, Kept
from pileus.block_storage.models.volumes import AVAILABLE, BACKING_UP, IN_USE, RESTORING, Snapshot, Volume
from pileus.block_storage.store.backups import backups, has_children, newest_of
from pileus.block_storage.store.volumes import snapshots
from pileus.kit.auth import Caller
from pileus.kit.db import UniqueViolation

# As clients know what keeps backups: in files of a host, or in the stores that hosts share.
SERVICE = "cinder.backup.drivers.posix.PosixBackupDriver"
SERVICES = {
    "shared": "cinder.backup.drivers.nfs.NFSBackupDriver",
    "objects": "cinder.backup.drivers.swift.SwiftBackupDriver",
    "swift": "cinder.backup.drivers.swift.SwiftBackupDriver",
}


class NewBackup(msgspec.Struct, kw_only=True):
    """What a caller says to get a backup."""

    name: str | None = None
    description: str | None = None
    container: str | None = None
    snapshot_id: str | None = None
    incremental: bool = False
    force: bool = False
    metadata: Mapping[str, str] = {}
    zone: str | None = None


async def backup_get(app: BlockStorage, caller: Caller, id: str) -> Backup:
    """The backup, if it is the caller's project's; raises BackupNotFound."""
    found = await backups.find(app, id)
    if found is None or not mine(found.project_id, caller):
        raise errors.BackupNotFound(backup=id)
    return found


async def create_backup(app: BlockStorage, caller: Caller, volume: Volume, new: NewBackup, request_id: str) -> Backup:
    """The backup exists and is written in the background; raises what speaks against it."""
    if new.zone not in {None, app.config.zone}:
        raise errors.InvalidInput(why=f"Availability zone '{new.zone}' is invalid.")
    async with app.db.transaction():
        # Of a snapshot the volume may be what it likes.
        allowed = {AVAILABLE, IN_USE} if new.force or new.snapshot_id else {AVAILABLE}
        needs_force = "Backing up an in-use volume must use the force flag."
        now = await held(app, volume, allowed, needs_force if volume.status == IN_USE else None)
        copied = await _copied(app, now, new.snapshot_id) if new.snapshot_id is not None else None
        store = await store_at(app, now.host, now.backend)
        parent = await newest_of(app, now, store) if new.incremental else None
        if new.incremental and parent is None:
            raise errors.InvalidBackup(why="No backups available to do an incremental backup.")
        await quotas.check(app, now.project_id, {"backups": 1, "backup_gigabytes": now.size})
        made = msgspec.structs.replace(_row(app, caller, now, new, copied, parent), store=store)
        await backups.create(app, made)
        await app.engine.begin(
            "backup.create", made.subject, project_id=made.project_id, user_id=caller.user_id, request_id=request_id
        )
        if copied is not None:
            await snapshots.change(app, copied, status=BACKING_UP)
        else:
            await busy(app, now, BACKING_UP)
    return made


def _row(
    app: BlockStorage, caller: Caller, volume: Volume, new: NewBackup, copied: Snapshot | None, parent: Backup | None
) -> Backup:
    return Backup(
        id=str(uuid.uuid4()),
        volume_id=volume.id,
        snapshot_id=new.snapshot_id,
        parent_id=parent.id if parent is not None else None,
        kept=Kept(
            metadata=volume.metadata,
            image_metadata=volume.image_metadata,
            bootable=volume.bootable,
            type_id=volume.type_id,
        ),
        key_id=str(uuid.uuid4()) if volume.sealed_key is not None else None,
        sealed_key=volume.sealed_key,
        project_id=volume.project_id,
        user_id=caller.user_id,
        name=new.name,
        description=new.description,
        size=volume.size,
        container=new.container or (parent.container if parent is not None else "volumebackups"),
        host=volume.host,
        backend=volume.backend,
        zone=new.zone or app.config.zone,
        metadata=dict(new.metadata),
        snapshot_at=copied.created_at if copied is not None else app.clock.now(),
        created_at=app.clock.now(),
    )


async def _copied(app: BlockStorage, volume: Volume, snapshot_id: str) -> Snapshot:
    """The snapshot to be backed up; raises SnapshotNotFound or InvalidSnapshot."""
    found = await snapshots.find(app, snapshot_id)
    if found is None or found.volume_id != volume.id:
        raise errors.SnapshotNotFound(snapshot=snapshot_id)
    if found.status != AVAILABLE:
        raise errors.InvalidSnapshot(why=f"Snapshot to be backed up must be available, not {found.status}")
    return found


async def delete_backup(
    app: BlockStorage, caller: Caller, backup: Backup, request_id: str, *, force: bool = False
) -> None:
    """The backup is being deleted; raises InvalidBackup if that does not fit what it is."""
    async with app.db.transaction():
        now = await backups.find(app, backup.id)
        if now is None:
            return
        if not force and now.status not in {states.AVAILABLE, states.ERROR, states.ERROR_DELETING}:
            raise errors.InvalidBackup(why=f"Backup status must be available or error, not {now.status}")
        if await has_children(app, [now.id]):
            raise errors.InvalidBackup(why="Incremental backups exist for this backup.")
        await backups.change(app, now, status=states.DELETING)
        await app.engine.begin(
            "backup.delete",
            now.subject,
            project_id=now.project_id,
            user_id=caller.user_id,
            request_id=request_id,
            overtake="The backup is being deleted.",
        )


async def restore_backup(
    app: BlockStorage, caller: Caller, backup: Backup, volume_id: str | None, name: str | None, request_id: str
) -> tuple[str, str | None]:
    """The backup is being written to a volume, a new one unless one is named; returns that volume's id and name."""
    async with app.db.transaction():
        now = await backups.find(app, backup.id)
        if now is None or now.status != states.AVAILABLE:
            raise errors.InvalidBackup(why="Backup status must be available")
        if volume_id is None:
            called = name or f"restore_backup_{now.id}"
            new = NewVolume(name=called, description="auto-created_from_restore_from_backup", size=now.size,
                            backup_id=now.id, status=RESTORING)  # fmt: skip
            volume = await create_volume(app, caller, new, request_id)
        else:
            volume = await held(app, await volume_get(app, caller, volume_id), {AVAILABLE})
            if volume.size < now.size:
                raise errors.InvalidVolume(
                    why=f"volume size {volume.size} is too small to restore backup of size {now.size}."
                )
            if (volume.sealed_key is None) != (now.sealed_key is None):
                raise errors.InvalidVolume(why=f"What is encrypted stays so, what is not does too: volume {volume.id} "
                                               f"and backup {now.id} differ in that.")  # fmt: skip
            if now.store is not None and volume.host not in await hosts_with(app, now.store):
                why = f"Backup {now.id} is in {now.store}, where host {volume.host} of volume {volume.id} does not get at it."
                raise errors.InvalidVolume(why=why)
            if now.store is None and volume.host != now.host and not await app.hosts.is_up(now.host or ""):
                raise errors.InvalidVolume(why=f"Backup {now.id} is on host {now.host}, which is not heard now.")
            origin = await origin_of_backup(app, now)
            await remade(
                app, caller, volume, origin, "volume.restored", status=RESTORING, request_id=request_id,
                restores=now.id, changes={"sealed_key": now.sealed_key} if now.sealed_key is not None else None,
            )  # fmt: skip
        await backups.change(app, now, status=states.RESTORING, restores=volume.id)
    return volume.id, volume.name


async def reset_backup(app: BlockStorage, backup: Backup, status: str) -> None:
    """The backup is what an admin says it is."""
    await backups.change(app, backup, status=status)


def exported(backup: Backup) -> str:
    """What another cloud has to know of the backup; raises InvalidBackup."""
    if backup.status != states.AVAILABLE:
        raise errors.InvalidBackup(why=f"Backup status must be available and not {backup.status}.")
    return base64.b64encode(msgspec.json.encode(msgspec.structs.replace(backup, stored_as=backup.disk_id))).decode()


def service_of(backup: Backup) -> str:
    """What keeps the backup's bytes, as clients call it."""
    return SERVICE if backup.store is None else SERVICES[backup.store.partition(":")[0]]


async def import_backup(app: BlockStorage, caller: Caller, service: str, text: str, request_id: str) -> Backup:
    """The backup that was exported is known here, or, from a store, is being looked at; raises InvalidBackup or InvalidInput."""
    try:
        record = msgspec.json.decode(base64.b64decode(text, validate=True), type=Backup)
        wanted = service_of(record)
    except (ValueError, msgspec.DecodeError, KeyError) as bad:
        raise errors.InvalidInput(why=f"Can't parse backup record: {bad}") from bad
    if service != wanted:
        raise errors.InvalidInput(why=f"Can't parse backup record: service {service} is not {wanted}.")
    owner = {"project_id": caller.project_id or "", "user_id": caller.user_id}
    backup = msgspec.structs.replace(record, **owner, created_at=app.clock.now())
    if backup.store is not None:
        return await _take_over(app, backup, request_id)
    seen = await app.hosts.seen(backup.host or "", Kind.BACKUP, backup.disk_id)
    if seen is None or not seen.present:
        raise errors.InvalidBackup(why=f"The bytes of backup {backup.disk_id} are not on host {backup.host}.")
    return await _known(app, backup)


async def _take_over(app: BlockStorage, backup: Backup, request_id: str) -> Backup:
    """The backup is being looked at by a host that has its store; raises InvalidBackup."""
    hosts = await hosts_with(app, backup.store or "")
    if not hosts:
        raise errors.InvalidBackup(why=f"No host has {backup.store}, where the bytes of backup {backup.id} are.")
    host = backup.host if backup.host in hosts else min(hosts)
    here = msgspec.structs.replace(
        backup, host=host, backend=hosts[host or ""], status=states.CREATING, fail_reason=None
    )
    async with app.db.transaction():
        await _known(app, here)
        await app.engine.begin(
            "backup.create", here.subject, {"adopt": True},
            project_id=here.project_id, user_id=here.user_id, request_id=request_id,
        )  # fmt: skip
    return here


async def _known(app: BlockStorage, backup: Backup) -> Backup:
    async with app.db.transaction():
        await quotas.check(app, backup.project_id, {"backups": 1, "backup_gigabytes": backup.size})
        try:
            await backups.create(app, backup)
        except UniqueViolation:
            raise errors.InvalidBackup(why=f"Backup {backup.id} already exists in database.") from None
    return backup
