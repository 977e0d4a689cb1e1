"""Volumes of a server that exists: one more, or one less, whether it runs or not.

    attach: connect at the host -> plug -> complete        failed: unplugged and released, and the volume is free
    detach: unplug -> release                              failed: the server keeps it

A guest that runs has to let go of a disk; one that does not keeps it, and the volume stays in use.
"""

from pileus.compute.app import Compute
from pileus.compute.flows import document
from pileus.compute.flows.boot import server_id
from pileus.compute.flows.disks import connect_at, forget, prepared, storage
from pileus.compute.flows.remake import GONE
from pileus.compute.models.servers import Server
from pileus.compute.models.volumes import ServerVolume
from pileus.compute.store.servers import server_find
from pileus.compute.store.volumes import volume_find
from pileus.kit.flow.operation import Operation
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step, Wait

ATTACH_S = 300.0
DETACH_S = 160.0  # as long as upstream asks a guest: eight times for 20 s


async def connect(app: Compute, op: Operation) -> Outcome:
    """It is known how the server's host gets at the volume."""
    server, volume = await _both(app, op)
    if server is None or server.host is None or volume is None:
        return GONE
    waits = await prepared(app, volume, server.host)
    if waits is not None:
        return waits
    async with app.db.transaction():
        await connect_at(app, volume, server.host)
    return Done({"host": server.host})


async def plug(app: Compute, op: Operation) -> Outcome:
    """The server has the disk."""
    server, volume = await _both(app, op)
    if server is None or server.host is None or volume is None:
        return GONE
    await document.want_as_settled(app, server)
    seen = await document.answer(app, server, server.host)
    if isinstance(seen, (Wait, Fail)):
        return seen
    if volume.key not in seen.volumes:
        return Wait(document.LOOK_AGAIN_S, f"host {server.host} attaches the volume")
    return Done(also=lambda: _attached(app, op, server, volume))


async def _attached(app: Compute, op: Operation, server: Server, volume: ServerVolume) -> None:
    await storage(app).complete(volume.attachment_id)
    await _told(app, op, server, "server.volume_attached")


async def unplug(app: Compute, op: Operation) -> Outcome:
    """The server does not have the disk."""
    server, volume = await _both(app, op)
    if server is None or server.host is None or volume is None:
        return Done()
    await document.want(app, server, server.host, document.settled_power(server), without_volume=volume.volume_id)
    seen = await document.answer(app, server, server.host)
    if isinstance(seen, (Wait, Fail)):
        return seen
    if volume.key in (*seen.volumes, *seen.volumes_changing):
        return Wait(document.LOOK_AGAIN_S, "waiting for the guest to let go of the disk")
    return Done({"host": server.host})


async def release(app: Compute, op: Operation) -> Outcome:
    """The volume is not the server's any more, and free if it is nobody else's."""
    server, volume = await _both(app, op)
    if volume is None:
        return Done()
    return Done(also=lambda: _released(app, op, server, volume))


async def _released(app: Compute, op: Operation, server: Server | None, volume: ServerVolume) -> None:
    await forget(app, volume)
    if server is not None and op.flow == DETACH_VOLUME.name:
        await _told(app, op, server, "server.volume_detached")


async def keep(app: Compute, op: Operation) -> Outcome:
    """The server keeps the volume, and its host knows."""
    server, volume = await _both(app, op)
    if server is not None:
        await document.want_as_settled(app, server)
    if volume is not None:
        await storage(app).roll_detaching(volume.attachment_id)
    return Done()


async def _both(app: Compute, op: Operation) -> tuple[Server | None, ServerVolume | None]:
    return await server_find(app, server_id(op)), await volume_find(app, server_id(op), op.args["volume_id"])


async def _told(app: Compute, op: Operation, server: Server, event: str) -> None:
    payload = {"volume": op.args["volume_id"]}
    await app.events.tell(event, server.subject, server.project_id, op.request_id, payload, user_id=op.user_id)


ATTACH_VOLUME = Flow(
    "server.attach_volume",
    (
        Step("connect", connect, undo=release, deadline_s=ATTACH_S),
        Step("plug", plug, undo=unplug, deadline_s=ATTACH_S),
    ),
)
DETACH_VOLUME = Flow(
    "server.detach_volume",
    (
        Step("unplug", unplug, undo=keep, deadline_s=DETACH_S),
        Step("release the volume", release, final=True),
    ),
)
