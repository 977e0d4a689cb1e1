"""Move: a volume's bytes go to another back end, here or on another host, and the volume goes with them.

    copy there -> leave the old place

Of one that a server has, the server's QEMU makes the copy, and the guest's disk stands on it before the row says so.

The row says the new place in the very transaction in which the copy is known to be whole, so at any time exactly one place is
the volume's. Until then the move can be undone: the copy goes. From then on it is only tidied up behind it.
"""

import msgspec

from pileus.block_storage.app import BlockStorage
from pileus.block_storage.drivers.interface import DiskSeen, Kind
from pileus.block_storage.flows import document
from pileus.block_storage.flows.document import subject_id
from pileus.block_storage.flows.ending import explain, settle, tell
from pileus.block_storage.models.volumes import Origin, Volume
from pileus.block_storage.store.volumes import volumes
from pileus.kit.flow.operation import Operation, State
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step, Wait
from pileus.ports.servers import Taken

DEADLINE_S = 4 * 3600.0  # longer than a server is given to copy it
LOOK_AGAIN_S = 2.0  # nobody wakes us when a server has done that


async def copy_there(app: BlockStorage, op: Operation) -> Outcome:
    """The new place has a whole copy, and the row says that it is the volume's."""
    volume = await volumes.find(app, subject_id(op))
    if volume is None or volume.host is None:
        return Fail("The volume is gone.")
    there = _there(op, volume)
    server = op.args.get("server")
    disk = document.volume_disk(there, mirrored=server is not None)
    seen = await document.bring(app, Kind.VOLUME, str(op.args["host"]), disk)
    if not isinstance(seen, DiskSeen):
        return seen
    if server is not None:
        taken = await _taken(app, str(server), there)
        if taken.failed is not None:
            return Fail(f"Server {server} does not go on with the volume elsewhere: {taken.failed}")
        if not taken.done:
            return Wait(LOOK_AGAIN_S, f"server {server} copies the volume")
    return Done({"from": volume.host}, also=lambda: _moved(app, op, volume, there))


async def _taken(app: BlockStorage, server: str, there: Volume) -> Taken:
    if app.servers is None:
        return Taken(failed="there is nobody to ask")
    return await app.servers.take_along(server, there.id, there.content)


async def _moved(app: BlockStorage, op: Operation, volume: Volume, there: Volume) -> None:
    """The row says the new place, and its host what that is."""
    # From now on it is made of nothing: if its bytes are ever lost they must not come from an old place.
    own = document.itself(volume.id)
    changes = {"host": there.host, "backend": there.backend, "content": there.content, "origin": own}
    now = await volumes.change(app, volume, **changes, **dict(op.args.get("changes", {})))
    await document.want_as_settled(app, now)


def _there(op: Operation, volume: Volume) -> Volume:
    """The volume as it is to be."""
    host, backend = str(op.args["host"]), str(op.args["backend"])
    here = Origin(kind="volume", id=volume.id, host=volume.host, backend=volume.backend)
    return msgspec.structs.replace(volume, host=host, backend=backend, content=int(op.args["content"]), origin=here)


async def remove_there(app: BlockStorage, op: Operation) -> Outcome:
    """Only the old place has anything of the volume."""
    volume = await volumes.find(app, subject_id(op))
    if volume is None:
        return Done()
    server = op.args.get("server")
    if server is not None and app.servers is not None:
        there = _there(op, volume)
        if not await app.servers.let_be(str(server), volume.id):
            return Wait(LOOK_AGAIN_S, f"server {server} lets go of the copy")
        if (await app.servers.has(str(server), volume.id)) == there.content:
            # It was too late: the server has it there, and nowhere else is the truth.
            return Done(also=lambda: _moved(app, op, volume, there))
    if volume.host is None or op.args["host"] != volume.host:
        return await document.gone(app, Kind.VOLUME, volume.id, str(op.args["host"])) or Done()
    seen = await document.bring(app, Kind.VOLUME, volume.host, document.volume_disk(volume))
    # What cannot be looked at now is tidied up when the host does what it was told: the document stays.
    return Done() if isinstance(seen, (DiskSeen, Fail)) else seen


async def leave(app: BlockStorage, op: Operation) -> Outcome:
    """Nothing of the volume is left at the old place."""
    volume = await volumes.find(app, subject_id(op))
    if volume is None or volume.host is None:
        return Done()
    origin = op.facts["from"]
    if origin != volume.host:
        waits = await document.gone(app, Kind.VOLUME, volume.id, origin)
        if waits is not None:
            return waits
    else:
        seen = await document.bring(app, Kind.VOLUME, volume.host, document.volume_disk(volume))
        if not isinstance(seen, (DiskSeen, Fail)):
            return seen

    async def moved() -> None:
        await settle(app, volume, migration_status="success")
        await tell(app, op, op.args["event"], {"host": volume.host, "from": origin})

    return Done(also=moved)


async def ended(app: BlockStorage, op: Operation) -> None:
    """A volume that could not be moved is where and what it was."""
    volume = await volumes.find(app, subject_id(op))
    if volume is None or op.state is State.DONE or op.turn_back is not None:
        return
    await settle(app, volume, migration_status="error")
    await explain(app, op, "VOLUME", "migrate_volume" if op.args["event"] == "volume.migrated" else "retype")


MOVE = Flow(
    "volume.move",
    (
        Step("copy there", copy_there, remove_there, shows="migrating", deadline_s=DEADLINE_S),
        Step("leave the old place", leave, shows="migrating", final=True),
    ),
    ended=ended,
)
