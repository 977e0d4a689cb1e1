"""Snapshots and backups are made: what a volume holds at one moment is kept on its host."""

import msgspec

from pileus.block_storage.app import BlockStorage
from pileus.block_storage.drivers import interface
from pileus.block_storage.drivers.interface import BackupSeen, DiskSeen, Kind
from pileus.block_storage.flows import document
from pileus.block_storage.flows.document import subject_id
from pileus.block_storage.flows.ending import explain, settle, tell
from pileus.block_storage.models import backups as states
from pileus.block_storage.models.volumes import AVAILABLE, BACKING_UP, ERROR
from pileus.block_storage.store.backups import backups, chain_of
from pileus.block_storage.store.volumes import snapshots, volumes
from pileus.kit.flow.operation import Operation, State
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step

DEADLINE_S = 7200.0


async def snapshot(app: BlockStorage, op: Operation) -> Outcome:
    """The snapshot is whole."""
    found = await snapshots.find(app, subject_id(op))
    if found is None or found.host is None:
        return Fail("The volume is on no host.")
    volume = await volumes.find(app, found.volume_id)
    live, holder = volume is not None and document.is_live(volume), await document.holder_of(app, volume)
    disk = document.snapshot_disk(found, live=live, holder=holder)
    seen = await document.bring(app, Kind.SNAPSHOT, found.host, disk)
    if not isinstance(seen, DiskSeen):
        return seen

    async def made() -> None:
        await snapshots.change(app, found, status=AVAILABLE, progress="100%")
        await document.want(app, Kind.SNAPSHOT, str(found.host), document.left(document.snapshot_disk(found)))
        await tell(app, op, "snapshot.created", {"volume": found.volume_id})

    return Done({"host": found.host}, also=made)


async def forget_snapshot(app: BlockStorage, op: Operation) -> Outcome:
    """The host has nothing of the snapshot."""
    found = await snapshots.find(app, subject_id(op))
    if found is None:
        return Done()
    return await document.gone(app, Kind.SNAPSHOT, found.id, found.host) or Done()


async def snapshot_ended(app: BlockStorage, op: Operation) -> None:
    """A snapshot that could not be made is in error."""
    found = await snapshots.find(app, subject_id(op))
    if found is None:
        return
    if found.group_snapshot_id is not None:
        app.db.on_commit(lambda: app.engine.wake_subject(f"volume_group_snapshot:{found.group_snapshot_id}"))
    if op.state is not State.DONE and op.turn_back is None:
        await snapshots.change(app, found, status=ERROR)
        await explain(app, op, "VOLUME_SNAPSHOT", "create_snapshot")


async def back_up(app: BlockStorage, op: Operation) -> Outcome:
    """The backup is whole."""
    backup = await backups.find(app, subject_id(op))
    if backup is None or backup.host is None:
        return Fail("The volume is on no host.")
    volume = await volumes.find(app, backup.volume_id)
    parent = await backups.find(app, backup.parent_id)
    source = (
        interface.Origin(kind=Kind.SNAPSHOT, id=backup.snapshot_id)
        if backup.snapshot_id is not None
        else interface.Origin(kind=Kind.VOLUME, id=backup.volume_id, holder=await document.holder_of(app, volume))
    )
    adopted = bool(op.args.get("adopt"))
    wanted = interface.Backup(
        id=backup.disk_id,
        backend=backup.backend or "",
        of=source,
        parent=parent.disk_id if parent is not None and not adopted else None,
        compressed=app.config.compress_backups,
        compression=app.config.backup_compression if app.config.compress_backups else "none",
        chain=await chain_of(app, backup),
        adopt=adopted,
        live=backup.snapshot_id is None and volume is not None and document.is_live(volume),
    )
    seen = await document.bring_backup(app, backup.host, wanted)
    if not isinstance(seen, BackupSeen):
        return seen

    async def made() -> None:
        await backups.change(app, backup, status=states.AVAILABLE, object_count=seen.objects)
        # If it is ever lost, what the volume holds then must not be taken for it.
        kept = msgspec.structs.replace(wanted, adopt=True, parent=None)
        await document.want(app, Kind.BACKUP, str(backup.host), kept)
        await tell(app, op, "backup.created", {"volume": backup.volume_id})

    return Done({"host": backup.host}, also=made)


async def forget_backup(app: BlockStorage, op: Operation) -> Outcome:
    """The host has nothing of the backup."""
    backup = await backups.find(app, subject_id(op))
    if backup is None:
        return Done()
    return await document.gone(app, Kind.BACKUP, backup.disk_id, backup.host) or Done()


async def backup_ended(app: BlockStorage, op: Operation) -> None:
    """The volume is what it was; a backup that could not be made is in error."""
    backup = await backups.find(app, subject_id(op))
    if backup is None:
        return
    volume = await volumes.find(app, backup.volume_id)
    if volume is not None and volume.status == BACKING_UP:
        await settle(app, volume)
    if backup.snapshot_id is not None:
        copied = await snapshots.find(app, backup.snapshot_id)
        if copied is not None and copied.status == BACKING_UP:
            await snapshots.change(app, copied, status=AVAILABLE)
    if op.state is not State.DONE and op.turn_back is None:
        await backups.change(app, backup, status=states.ERROR, fail_reason=op.failure)
        await explain(app, op, "VOLUME_BACKUP", "backup_create")


SNAPSHOT = Flow(
    "snapshot.create",
    (Step("copy", snapshot, forget_snapshot, shows="creating", deadline_s=DEADLINE_S),),
    ended=snapshot_ended,
)
BACKUP = Flow(
    "backup.create",
    (Step("write", back_up, forget_backup, shows="creating", deadline_s=DEADLINE_S),),
    ended=backup_ended,
)
