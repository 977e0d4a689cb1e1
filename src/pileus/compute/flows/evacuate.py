"""Evacuation: the server of a host that is down is made anew on another.

    claim room -> (its host still down?) -> leave -> bind ports -> start

Once the server has left, its host is told to have nothing of it: should that host come back, the first thing it reads is that
the server is gone, and it ends what runs there. Until then the server's ports are bound elsewhere, so what may still run there
reaches nobody. Disks of its own are lost with the host; the server begins with what its image holds.
"""

import msgspec

from pileus.compute.agent import KIND
from pileus.compute.app import Compute
from pileus.compute.flows import document
from pileus.compute.flows.boot import NO_HOST, server_id
from pileus.compute.flows.choice import choose_host
from pileus.compute.flows.disks import make_ready
from pileus.compute.flows.remake import GONE
from pileus.compute.flows.trust import distrusted
from pileus.compute.models.migrations import MigrationStatus
from pileus.compute.models.servers import Fault, PowerWanted, Server
from pileus.compute.store.hosts import setting_list
from pileus.compute.store.migrations import migration_change
from pileus.compute.store.servers import server_change, server_find
from pileus.kit.flow.operation import Operation, State
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step, Wait
from pileus.ports.placement import Claim

DEADLINE_S = 1800.0  # an image may have to be fetched first
SHOWS = "rebuilding"


async def claim_room(app: Compute, op: Operation) -> Outcome:
    """The server has room on another host, which the facts name, and the operation holds what it had."""
    server = await server_find(app, server_id(op))
    if server is None:
        return GONE
    if (why := await distrusted(app, server)) is not None:
        return Fail(why)
    async with app.db.transaction():
        if not await app.placement.claims(op.id):
            await app.placement.hand_over(server.id, op.id)
        claim = await _claim(app, op, server)
        if isinstance(claim, Claim):
            await migration_change(app, op.id, status=MigrationStatus.MIGRATING, dest_host=claim.host)
            return Done({"host": claim.host})
        await app.placement.hand_over(op.id, server.id)
    return Fail(f"{NO_HOST} {claim}")


async def _claim(app: Compute, op: Operation, server: Server) -> Claim | str:
    host = op.args["host"]
    if not op.args["force"]:
        wanted = msgspec.structs.replace(server, host_wanted=host)
        return await choose_host(app, wanted, {op.args["from"]: "is where the server was"})
    # Whoever forces it answers for whether the host fits; it has to have the room all the same.
    claim = await app.placement.claim(
        server.id, server.resources, project_id=server.project_id, user_id=server.user_id, among=[host]
    )
    return claim if isinstance(claim, Claim) else str(claim)


async def give_room_back(app: Compute, op: Operation) -> Outcome:
    """A server that has not left has the room it had."""
    server = await server_find(app, server_id(op))
    async with app.db.transaction():
        if (server is None or server.host == op.args["from"]) and await app.placement.claims(op.id):
            await app.placement.hand_over(op.id, server_id(op))
    return Done()


async def leave(app: Compute, op: Operation) -> Outcome:
    """The server is on its new host as far as anybody knows, and its old one shall have nothing of it."""
    server, host = await server_find(app, server_id(op)), op.facts["host"]
    if server is None:
        return GONE
    if server.host == host:
        return Done()
    said = (await setting_list(app)).get(op.args["from"])
    if await app.hosts.is_up(op.args["from"]) and not (said is not None and said.forced_down):
        return Fail(f"Host {op.args['from']} is up again, and the server is still there.")
    if (waits := await document.clean(app, server.id, host)) is not None:
        return waits

    return Done(also=lambda: _left(app, op, server))


async def _left(app: Compute, op: Operation, server: Server) -> None:
    """What was remembered of disks that are lost with the host is forgotten."""
    await app.hosts.unwant(op.args["from"], KIND, server.id)
    if server.resized is not None:
        await app.placement.release(server.resized.operation)
        if server.resized.host is not None:
            await app.hosts.unwant(server.resized.host, KIND, server.id)
    power = PowerWanted.OFF if op.args["stop"] else server.power_wanted
    await server_change(
        app, server, host=op.facts["host"], power_wanted=power, broken=False, fault=None,
        phase=None, resized=None, rescue=None, shelf=None,
    )  # fmt: skip
    await app.networks.bind_ports(server.id, op.facts["host"])


async def start(app: Compute, op: Operation) -> Outcome:
    """The server is on its new host, and runs if it shall."""
    server = await server_find(app, server_id(op))
    if server is None:
        return Done()
    await app.networks.bind_ports(server.id, server.host or "")
    ready = await make_ready(app, server, server.host or "")
    if not isinstance(ready, Done):
        return ready
    seen = await document.bring(app, server, document.settled_power(server))
    if isinstance(seen, (Wait, Fail)):
        return seen
    return Done({"host": server.host}, also=lambda: _evacuated(app, op, server))


async def _evacuated(app: Compute, op: Operation, server: Server) -> None:
    await app.placement.release(op.id)
    await server_change(app, server, launched_at=app.clock.now())
    payload = {"from": op.args["from"], "host": server.host}
    await app.events.tell(
        "server.evacuated", server.subject, server.project_id, op.request_id, payload, user_id=op.user_id
    )


async def ended(app: Compute, op: Operation) -> None:
    """The migration says how it went; a server that has left and could not be started is in error, with the reason."""
    done = op.state is State.DONE
    await migration_change(app, op.id, status=MigrationStatus.DONE if done else MigrationStatus.ERROR)
    server = await server_find(app, server_id(op))
    if server is None or done or op.turn_back is not None or server.host == op.args["from"]:
        return
    fault = Fault(500, op.failure or "It could not be made anew.", app.clock.now())
    await server_change(app, server, broken=True, fault=fault)
    await app.placement.release(op.id)
    await app.events.tell("server.failed", server.subject, server.project_id, op.request_id, {"why": fault.message})


EVACUATE = Flow(
    "server.evacuate",
    (
        Step("claim room", claim_room, give_room_back, shows=SHOWS),
        Step("leave", leave, shows=SHOWS, deadline_s=DEADLINE_S),
        Step("start", start, shows="rebuild_spawning", deadline_s=DEADLINE_S),
    ),
    ended=ended,
)
