"""Manage: a disk that lies on a host under some name becomes a volume or a snapshot, under a new id.

    rename there -> forget the old name

The host renames it in one step, so that it has one of the two names whenever somebody dies. Only when it is known to have the
new one is the old one unwanted. What fails leaves the disk as it is, under whichever name it has; nothing is ever made in its place.
"""

import msgspec

from pileus.block_storage.app import BlockStorage
from pileus.block_storage.drivers import interface
from pileus.block_storage.drivers.interface import FOUND, DiskSeen, Kind
from pileus.block_storage.flows import document
from pileus.block_storage.flows.document import subject_id
from pileus.block_storage.flows.ending import explain, settle, tell
from pileus.block_storage.models.volumes import AVAILABLE, ERROR, ERROR_MANAGING, Snapshot
from pileus.block_storage.store.volumes import snapshots, volumes
from pileus.kit.flow.operation import Operation, State
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step, Wait

DEADLINE_S = 600.0
AGAIN_S = 1.0  # what is gone has another name than what waits for it, and wakes nobody


async def rename_volume(app: BlockStorage, op: Operation) -> Outcome:
    """The disk is called after the volume on its host."""
    volume = await volumes.find(app, subject_id(op))
    if volume is None or volume.host is None:
        return Fail("The volume is gone.")
    seen = await document.bring(app, Kind.VOLUME, volume.host, document.volume_disk(volume))
    return Done() if isinstance(seen, DiskSeen) else seen


async def forget_volume_name(app: BlockStorage, op: Operation) -> Outcome:
    """Nothing on the host has the old name, and the volume is available."""
    volume = await volumes.find(app, subject_id(op))
    if volume is None:
        return Done()
    waits = await document.gone(app, Kind.VOLUME, str(op.args["ref"]), volume.host)
    if waits is not None:
        return Wait(AGAIN_S, waits.why)

    async def managed() -> None:
        now = app.clock.now()
        own = await settle(app, volume, AVAILABLE, origin=document.itself(volume.id), launched_at=now, updated_at=now)
        await document.want_as_settled(app, own)
        await tell(app, op, "volume.managed", {"ref": op.args["ref"], "host": volume.host})

    return Done(also=managed)


async def volume_ended(app: BlockStorage, op: Operation) -> None:
    """A disk that could not be taken over stays as it is."""
    volume = await volumes.find(app, subject_id(op))
    if volume is None or op.state is State.DONE or op.turn_back is not None:
        return
    # The host is not to rename it later, when nobody waits for that any more.
    await document.want_as_settled(app, await settle(app, volume, ERROR_MANAGING, origin=document.itself(volume.id)))
    await explain(app, op, "VOLUME", "manage_existing")


async def rename_snapshot(app: BlockStorage, op: Operation) -> Outcome:
    """The disk is called after the snapshot on its host."""
    snapshot = await snapshots.find(app, subject_id(op))
    if snapshot is None or snapshot.host is None:
        return Fail("The snapshot is gone.")
    origin = interface.Origin(kind=FOUND, id=str(op.args["ref"]))
    disk = msgspec.structs.replace(document.snapshot_disk(snapshot), origin=origin)
    seen = await document.bring(app, Kind.SNAPSHOT, snapshot.host, disk)
    return Done() if isinstance(seen, DiskSeen) else seen


async def forget_snapshot_name(app: BlockStorage, op: Operation) -> Outcome:
    """Nothing on the host has the old name, and the snapshot is available."""
    snapshot = await snapshots.find(app, subject_id(op))
    if snapshot is None:
        return Done()
    waits = await document.gone(app, Kind.SNAPSHOT, str(op.args["ref"]), snapshot.host)
    if waits is not None:
        return Wait(AGAIN_S, waits.why)

    async def managed() -> None:
        await snapshots.change(app, snapshot, status=AVAILABLE, progress="100%")
        await _leave(app, snapshot)
        await tell(app, op, "snapshot.managed", {"ref": op.args["ref"], "volume": snapshot.volume_id})

    return Done(also=managed)


async def snapshot_ended(app: BlockStorage, op: Operation) -> None:
    """A disk that could not be taken over stays as it is."""
    snapshot = await snapshots.find(app, subject_id(op))
    if snapshot is None or op.state is State.DONE or op.turn_back is not None:
        return
    await snapshots.change(app, snapshot, status=ERROR)
    await _leave(app, snapshot)
    await explain(app, op, "VOLUME_SNAPSHOT", "manage_existing_snapshot")


async def _leave(app: BlockStorage, snapshot: Snapshot) -> None:
    if snapshot.host is not None:
        await document.want(app, Kind.SNAPSHOT, snapshot.host, document.left(document.snapshot_disk(snapshot)))


MANAGE = Flow(
    "volume.manage",
    (
        Step("rename there", rename_volume, shows="managing", deadline_s=DEADLINE_S),
        Step("forget the old name", forget_volume_name, shows="managing", final=True),
    ),
    ended=volume_ended,
)
SNAPSHOT_MANAGE = Flow(
    "snapshot.manage",
    (
        Step("rename there", rename_snapshot, shows="managing", deadline_s=DEADLINE_S),
        Step("forget the old name", forget_snapshot_name, shows="managing", final=True),
    ),
    ended=snapshot_ended,
)
