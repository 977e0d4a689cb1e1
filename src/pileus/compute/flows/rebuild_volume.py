"""Rebuild of a server that boots from a volume: the volume is made anew of the image, while the server does not run.

power off -> remake the volume -> await the volume -> rebuild
"""

from pileus.compute.app import Compute
from pileus.compute.flows.boot import server_id
from pileus.compute.flows.disks import LOOK_AGAIN_S, connect_at, owner_of, storage
from pileus.compute.flows.remake import GONE, power_off, rebuild, rebuild_ended
from pileus.compute.flows.turn import as_before
from pileus.compute.models.servers import Server
from pileus.compute.models.volumes import ServerVolume
from pileus.compute.store.servers import server_find
from pileus.compute.store.volumes import volume_list
from pileus.kit.flow.operation import Operation
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step, Wait

DEADLINE_S = 1800.0
REMAKING = "downloading"


async def remake(app: Compute, op: Operation) -> Outcome:
    """The volume is being made anew."""
    server, root = await _root(app, op)
    if server is None or root is None:
        return GONE
    facts = await storage(app).look(root.volume_id)
    if facts is not None and facts.status == REMAKING:
        return Done()  # Begun by whoever died before he said so.
    await storage(app).lists.remake_volume(owner_of(server), root.volume_id, op.args["image_id"])
    return Done({"host": server.host})


async def await_volume(app: Compute, op: Operation) -> Outcome:
    """The volume holds what the image holds, and the server's host gets at that."""
    server, root = await _root(app, op)
    facts = await storage(app).look(root.volume_id) if root is not None else None
    if server is None or server.host is None or root is None or facts is None:
        return GONE
    if facts.status == REMAKING:
        return Wait(LOOK_AGAIN_S, f"volume {root.volume_id} is {facts.status}")
    if facts.status != "in-use":
        return Fail(f"Volume {root.volume_id} is {facts.status}: {facts.failure or 'it could not be made anew'}")
    async with app.db.transaction():
        await connect_at(app, root, server.host)
    return Done()


async def _root(app: Compute, op: Operation) -> tuple[Server | None, ServerVolume | None]:
    found = await volume_list(app, server_id(op))
    return await server_find(app, server_id(op)), next((volume for volume in found if volume.place == 0), None)


REBUILD_VOLUME = Flow(
    "server.rebuild_volume",
    (
        Step("power off", power_off, as_before, shows="rebuilding", deadline_s=DEADLINE_S),
        Step("remake the volume", remake, shows="rebuild_block_device_mapping"),
        Step("await the volume", await_volume, shows="rebuild_block_device_mapping", deadline_s=DEADLINE_S),
        Step("rebuild", rebuild, shows="rebuild_spawning", deadline_s=DEADLINE_S),
    ),
    ended=rebuild_ended,
)
