"""Delete: nothing of a volume, a snapshot or a backup is left.

    (its snapshots are gone) -> remove from host -> forget the row

There is no way back: every step is final and repeated until it is done.
"""

from pileus.block_storage.app import BlockStorage
from pileus.block_storage.drivers.interface import Kind
from pileus.block_storage.flows import document
from pileus.block_storage.flows.document import subject_id
from pileus.block_storage.flows.ending import tell
from pileus.block_storage.models.volumes import DELETING
from pileus.block_storage.store.backups import backups, holder_count
from pileus.block_storage.store.volumes import attachments, attachments_of, snapshots, volumes
from pileus.kit.flow.operation import Operation
from pileus.kit.flow.step import Done, Flow, Outcome, Step, Wait


async def snapshots_gone(app: BlockStorage, op: Operation) -> Outcome:
    """No snapshot of the volume is left; if that was asked for they are deleted."""
    async with app.db.transaction():
        left = await snapshots.list(app, {"volume_id": subject_id(op)}) if op.args.get("cascade") else []
        for snapshot in left:
            if await app.engine.open(snapshot.subject) is None:
                await snapshots.change(app, snapshot, status=DELETING)
                await app.engine.begin(
                    "snapshot.delete",
                    snapshot.subject,
                    project_id=snapshot.project_id,
                    user_id=op.user_id,
                    request_id=op.request_id,
                )
    return Wait(document.LOOK_AGAIN_S, f"{len(left)} snapshots are being deleted") if left else Done()


async def volume_off_host(app: BlockStorage, op: Operation) -> Outcome:
    """The volume's host has nothing of it."""
    volume = await volumes.find(app, subject_id(op))
    if volume is None:
        return Done()
    if op.args.get("keep"):
        return await document.let_lie(app, Kind.VOLUME, volume.host, document.volume_disk(volume)) or Done()
    return await document.gone(app, Kind.VOLUME, volume.id, volume.host) or Done({"host": volume.host})


async def forget_volume(app: BlockStorage, op: Operation) -> Outcome:
    """There is no such volume."""
    volume = await volumes.find(app, subject_id(op))
    if volume is None:
        return Done()

    async def forget() -> None:
        for each in (await attachments_of(app, [volume.id]))[volume.id]:
            await attachments.delete(app, each.id)
        await volumes.delete(app, volume.id)
        await tell(app, op, "volume.deleted")
        if volume.group_id is not None:
            app.engine.wake_subject(f"volume_group:{volume.group_id}")

    return Done(also=forget)


async def snapshot_off_host(app: BlockStorage, op: Operation) -> Outcome:
    """The snapshot's host has nothing of it."""
    snapshot = await snapshots.find(app, subject_id(op))
    if snapshot is None:
        return Done()
    return await document.gone(app, Kind.SNAPSHOT, snapshot.id, snapshot.host) or Done({"host": snapshot.host})


async def forget_snapshot(app: BlockStorage, op: Operation) -> Outcome:
    """There is no such snapshot."""
    snapshot = await snapshots.find(app, subject_id(op))
    if snapshot is None:
        return Done()

    async def forget() -> None:
        await snapshots.delete(app, snapshot.id)
        await tell(app, op, "snapshot.deleted")
        app.db.on_commit(lambda: app.engine.wake_subject(f"volume:{snapshot.volume_id}"))
        if snapshot.group_snapshot_id is not None:
            app.db.on_commit(lambda: app.engine.wake_subject(f"volume_group_snapshot:{snapshot.group_snapshot_id}"))

    return Done(also=forget)


async def backup_off_host(app: BlockStorage, op: Operation) -> Outcome:
    """The backup's host has nothing of it."""
    backup = await backups.find(app, subject_id(op))
    if backup is None:
        return Done()
    if await holder_count(app, backup.disk_id) > 1:
        return Done()  # another backup is these bytes too
    return await document.gone(app, Kind.BACKUP, backup.disk_id, backup.host) or Done({"host": backup.host})


async def forget_backup(app: BlockStorage, op: Operation) -> Outcome:
    """There is no such backup."""
    backup = await backups.find(app, subject_id(op))
    if backup is None:
        return Done()

    async def forget() -> None:
        await backups.delete(app, backup.id)
        await tell(app, op, "backup.deleted")

    return Done(also=forget)


DELETE = Flow(
    "volume.delete",
    (
        Step("snapshots gone", snapshots_gone, shows="deleting", final=True),
        Step("remove from host", volume_off_host, shows="deleting", final=True),
        Step("forget", forget_volume, shows="deleting", final=True),
    ),
)
SNAPSHOT_DELETE = Flow(
    "snapshot.delete",
    (
        Step("remove from host", snapshot_off_host, shows="deleting", final=True),
        Step("forget", forget_snapshot, shows="deleting", final=True),
    ),
)
BACKUP_DELETE = Flow(
    "backup.delete",
    (
        Step("remove from host", backup_off_host, shows="deleting", final=True),
        Step("forget", forget_backup, shows="deleting", final=True),
    ),
)
