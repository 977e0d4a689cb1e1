"""Volumes of a server that change while it has them: one has grown.

extend: tell the host -> the host tells the guest
"""

import msgspec

from pileus.compute.app import Compute
from pileus.compute.drivers.interface import PowerSeen, Seen
from pileus.compute.flows import document
from pileus.compute.flows.boot import server_id
from pileus.compute.flows.disks import connect_at, storage
from pileus.compute.flows.remake import GONE
from pileus.compute.models.servers import Server
from pileus.compute.models.volumes import Connected, ServerVolume, Successor
from pileus.compute.store.servers import server_find
from pileus.compute.store.volumes import volume_change, volume_find
from pileus.kit.flow.operation import Operation
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step, Wait

EXTEND_S = 300.0
SWAP_S = 7200.0
RUNNING = (PowerSeen.ON, PowerSeen.PAUSED)


async def tell_size(app: Compute, op: Operation) -> Outcome:
    """The guest sees how large the volume is, if it runs; else it will."""
    server, volume = await _both(app, op)
    if server is None or server.host is None or volume is None:
        return Done()
    async with app.db.transaction():
        how = await connect_at(app, volume, server.host)
    await document.want_as_settled(app, server)
    seen = await document.answer(app, server, server.host)
    if not isinstance(seen, Seen):
        return seen
    # What an earlier release's host says nothing of is seen when the guest is next started.
    if seen.power is PowerSeen.ON and seen.volume_sizes.get(volume.key, how.size_gib) < how.size_gib:
        return Wait(document.LOOK_AGAIN_S, f"host {server.host} tells the guest")
    return Done({"host": server.host})


async def connect(app: Compute, op: Operation) -> Outcome:
    """It is known how the server's host gets at the volume that takes the other's place."""
    server, volume = await _both(app, op)
    if server is None or server.host is None or volume is None or volume.successor is None:
        return GONE
    after = volume.successor
    if after.connected is None:
        moves = after.volume_id == volume.volume_id
        why = None if moves else await storage(app).ways.prepare(after.attachment_id, server.host)
        if why is not None:
            return Wait(document.LOOK_AGAIN_S, why)
        async with app.db.transaction():
            how = await storage(app).connect(after.attachment_id, server.host, device=volume.device, moving=moves)
            connected = Connected(host=server.host, how=how)
            await volume_change(app, volume, successor=msgspec.structs.replace(after, connected=connected))
    return Done({"host": server.host})


async def give_back(app: Compute, op: Operation) -> Outcome:
    """The volume that was to come is free, and the server has its own as before."""
    _, volume = await _both(app, op)
    if volume is None:
        return Done()
    return Done(also=lambda: _given_back(app, volume))


async def _given_back(app: Compute, volume: ServerVolume) -> None:
    if volume.successor is not None and volume.successor.attachment_id != volume.attachment_id:
        await storage(app).release(volume.successor.attachment_id)
        await storage(app).roll_detaching(volume.attachment_id)
    await volume_change(app, volume, successor=None)


async def mirror(app: Compute, op: Operation) -> Outcome:
    """The guest's disk stands on the other volume, and what was on the old one is on that."""
    server, volume = await _both(app, op)
    if server is None or server.host is None or volume is None or volume.successor is None:
        return GONE
    await document.want_as_settled(app, server)
    seen = await document.answer(app, server, server.host)
    if isinstance(seen, Seen) and volume.successor.key in seen.volumes:
        return Done(also=lambda: _taken(app, op, server, volume, volume.successor))
    if isinstance(seen, (Wait, Fail)):
        return seen
    if seen.power not in RUNNING:
        return Fail("The server does not run, and only the guest's own QEMU can take a volume's bytes to another.")
    return Wait(document.LOOK_AGAIN_S, f"host {server.host} copies the volume")


async def _taken(app: Compute, op: Operation, server: Server, volume: ServerVolume, after: Successor | None) -> None:
    """The row says that the server has the other volume; that is so, whatever happens now."""
    assert after is not None, "it is what was waited for"
    if after.attachment_id != volume.attachment_id:
        await storage(app).complete(after.attachment_id)
        await storage(app).release(volume.attachment_id)
    await volume_change(
        app, volume, volume_id=after.volume_id, attachment_id=after.attachment_id, edition=after.edition,
        connected=after.connected, successor=None,
    )  # fmt: skip
    payload: dict[str, object] = {"volume": after.volume_id, "instead_of": volume.volume_id}
    await app.events.tell(
        "server.volume_swapped", server.subject, server.project_id, op.request_id, payload, user_id=op.user_id
    )


async def as_before(app: Compute, op: Operation) -> Outcome:
    """The server's host has the old volume, and lets go of the other."""
    server, volume = await _both(app, op)
    if server is None or server.host is None or volume is None or volume.successor is None:
        return Done()
    await volume_change(app, volume, successor=msgspec.structs.replace(volume.successor, connected=None))
    await document.want_as_settled(app, server)
    seen = await document.answer(app, server, server.host)
    if isinstance(seen, Wait):
        return seen
    # What a host cannot do now it does when it can: the document stays.
    if isinstance(seen, Seen) and volume.successor.key in (*seen.volumes, *seen.volumes_changing):
        return Wait(document.LOOK_AGAIN_S, f"host {server.host} lets go of the volume")
    return Done()


async def tell_host(app: Compute, op: Operation) -> Outcome:
    """The host is told of what it has and nothing else."""
    server = await server_find(app, server_id(op))
    if server is not None:
        await document.want_as_settled(app, server)
    return Done()


async def _both(app: Compute, op: Operation) -> tuple[Server | None, ServerVolume | None]:
    server = await server_find(app, server_id(op))
    return server, await volume_find(app, server_id(op), op.args["volume_id"])


EXTEND_VOLUME = Flow("server.extend_volume", (Step("tell the guest", tell_size, deadline_s=EXTEND_S),))
SWAP_STEPS = (
    Step("connect", connect, undo=give_back, deadline_s=EXTEND_S),
    Step("mirror", mirror, undo=as_before, deadline_s=SWAP_S),
    Step("tell the host", tell_host, final=True),
)
SWAP_VOLUME = Flow("server.swap_volume", SWAP_STEPS)
