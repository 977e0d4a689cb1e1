"""Create an image of a server that boots from a volume: its volumes become snapshots, and the image says how to boot of them.

    take snapshots -> await snapshots -> close the image

The image holds no bytes of its own. When anything fails, neither the image nor any of the snapshots is left.
"""

from pileus.compute.app import Compute
from pileus.compute.flows import snapshot
from pileus.compute.flows.boot import server_id
from pileus.compute.flows.disks import LOOK_AGAIN_S, owner_of, storage
from pileus.compute.flows.remake import GONE
from pileus.compute.models.servers import Server
from pileus.compute.store.servers import server_find
from pileus.kit.errors import NotFound
from pileus.kit.flow.operation import Operation
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step, Wait
from pileus.ports.volume_lists import SnapshotListed

COPY_S = 7200.0
NOTHING = "/dev/null"


async def take(app: Compute, op: Operation) -> Outcome:
    """Each volume is becoming a snapshot."""
    server = await server_find(app, server_id(op))
    if server is None:
        return GONE
    for volume_id, snapshot_id in op.args["snapshots"].items():
        if await _find(app, server, snapshot_id) is None:
            await storage(app).snapshot(snapshot_id, volume_id, op.args["name"])
    return Done({"host": server.host})


async def discard(app: Compute, op: Operation) -> Outcome:
    """None of the snapshots is left."""
    server = await server_find(app, server_id(op))
    if server is None:
        return Done()
    left = [found for id in op.args["snapshots"].values() if (found := await _find(app, server, id)) is not None]
    for found in left:
        if found.status in {"available", "error"}:
            await storage(app).lists.remove_snapshot(owner_of(server), found.id, op.request_id or "")
    return Wait(LOOK_AGAIN_S, f"snapshot {left[0].id} is {left[0].status}") if left else Done()


async def await_all(app: Compute, op: Operation) -> Outcome:
    """Every snapshot is whole."""
    server = await server_find(app, server_id(op))
    if server is None:
        return GONE
    for id in op.args["snapshots"].values():
        found = await _find(app, server, id)
        if found is None or found.status == "error":
            return Fail(f"Snapshot {id} could not be made.")
        if found.status != "available":
            return Wait(LOOK_AGAIN_S, f"snapshot {id} is {found.status}")
    return Done()


async def close(app: Compute, op: Operation) -> Outcome:
    """The image can be booted from."""
    await app.images.take(op.args["image_id"], NOTHING)
    return Done()


async def _find(app: Compute, server: Server, id: str) -> SnapshotListed | None:
    try:
        return await storage(app).lists.snapshot(owner_of(server), id)
    except NotFound:
        return None


SNAPSHOT_VOLUMES = Flow(
    "server.snapshot_volumes",
    (
        Step("take snapshots", take, discard, shows="image_snapshot"),
        Step("await snapshots", await_all, shows="image_pending_upload", deadline_s=COPY_S),
        Step("close the image", close, shows="image_uploading"),
    ),
    ended=snapshot.ended,
)
