"""Groups: what is made of many volumes at once is there when all of them are.

await members -> settle
"""

from pileus.block_storage.app import BlockStorage
from pileus.block_storage.flows.document import LOOK_AGAIN_S, subject_id
from pileus.block_storage.flows.ending import tell
from pileus.block_storage.models.volumes import AVAILABLE, CREATING, ERROR
from pileus.block_storage.store.groups import group_snapshots, groups
from pileus.block_storage.store.volumes import snapshots, volumes
from pileus.kit.flow.operation import Operation, State
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step, Wait


async def volumes_made(app: BlockStorage, op: Operation) -> Outcome:
    """Every volume of the group is there."""
    members = await volumes.list(app, {"group_id": subject_id(op)})
    busy = [each.id for each in members if each.status in {CREATING, "downloading"}]
    if busy:
        return Wait(LOOK_AGAIN_S, f"{len(busy)} volumes are being made")
    broken = [each.id for each in members if each.status == ERROR]
    if broken:
        return Fail(f"Volumes could not be made: {', '.join(broken)}")
    group = await groups.find(app, subject_id(op))

    async def made() -> None:
        if group is not None:
            await groups.change(app, group, status=AVAILABLE)
            await tell(app, op, "group.created")

    return Done(also=made)


async def group_ended(app: BlockStorage, op: Operation) -> None:
    """A group of which a volume could not be made is in error."""
    group = await groups.find(app, subject_id(op))
    if group is not None and op.state is not State.DONE and op.turn_back is None:
        await groups.change(app, group, status=ERROR)


async def volumes_gone(app: BlockStorage, op: Operation) -> Outcome:
    """No volume of the group is left."""
    left = await volumes.count(app, {"group_id": subject_id(op)})
    return Wait(LOOK_AGAIN_S, f"{left} volumes are being deleted") if left else Done()


async def forget_group(app: BlockStorage, op: Operation) -> Outcome:
    """There is no such group."""

    async def forget() -> None:
        await groups.delete(app, subject_id(op))
        await tell(app, op, "group.deleted")

    return Done(also=forget)


async def snapshots_made(app: BlockStorage, op: Operation) -> Outcome:
    """Every snapshot of the group snapshot is there."""
    members = await snapshots.list(app, {"group_snapshot_id": subject_id(op)})
    busy = [each.id for each in members if each.status == CREATING]
    if busy:
        return Wait(LOOK_AGAIN_S, f"{len(busy)} snapshots are being made")
    broken = [each.id for each in members if each.status == ERROR]
    if broken:
        return Fail(f"Snapshots could not be made: {', '.join(broken)}")
    found = await group_snapshots.find(app, subject_id(op))

    async def made() -> None:
        if found is not None:
            await group_snapshots.change(app, found, status=AVAILABLE)
            await tell(app, op, "group_snapshot.created")

    return Done(also=made)


async def group_snapshot_ended(app: BlockStorage, op: Operation) -> None:
    """A group snapshot of which a snapshot could not be made is in error."""
    found = await group_snapshots.find(app, subject_id(op))
    if found is not None and op.state is not State.DONE and op.turn_back is None:
        await group_snapshots.change(app, found, status=ERROR)


async def snapshots_gone(app: BlockStorage, op: Operation) -> Outcome:
    """No snapshot of the group snapshot is left."""
    left = await snapshots.count(app, {"group_snapshot_id": subject_id(op)})
    return Wait(LOOK_AGAIN_S, f"{left} snapshots are being deleted") if left else Done()


async def forget_group_snapshot(app: BlockStorage, op: Operation) -> Outcome:
    """There is no such group snapshot."""

    async def forget() -> None:
        await group_snapshots.delete(app, subject_id(op))
        await tell(app, op, "group_snapshot.deleted")

    return Done(also=forget)


GROUP_CREATE = Flow("group.create", (Step("await volumes", volumes_made, shows="creating"),), ended=group_ended)
GROUP_DELETE = Flow(
    "group.delete",
    (
        Step("await volumes", volumes_gone, shows="deleting", final=True),
        Step("forget", forget_group, shows="deleting", final=True),
    ),
)
GROUP_SNAPSHOT = Flow(
    "group_snapshot.create", (Step("await snapshots", snapshots_made, shows="creating"),), ended=group_snapshot_ended
)
GROUP_SNAPSHOT_DELETE = Flow(
    "group_snapshot.delete",
    (
        Step("await snapshots", snapshots_gone, shows="deleting", final=True),
        Step("forget", forget_group_snapshot, shows="deleting", final=True),
    ),
)
