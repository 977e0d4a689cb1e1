"""Live migration: a server goes to another host and runs on meanwhile.

    claim room -> connect volumes there -> await it there -> send it -> receive it -> switch over -> let go here
                                                                                        └ from here on only forward

Until the switch only the server's row, and nobody else, says where it runs: what waits on the other host does not run before it
is told to, and it is told only once its host has said that it has everything and the old one that it stands still. So whatever
fails before that, and an abort, leave it running where it is, once. The room it had belongs to the operation until it is over.
"""

from typing import Any

import msgspec

from pileus.compute.app import Compute
from pileus.compute.drivers.interface import LIVE, Arrival, Departure, Seen, Stage
from pileus.compute.flows import document
from pileus.compute.flows.boot import NO_HOST, server_id
from pileus.compute.flows.choice import choose_host
from pileus.compute.flows.disks import reach
from pileus.compute.flows.hosts import facts_of, lacking
from pileus.compute.flows.live_volumes import (
    complete_there,
    connect_there,
    disconnect_there,
    release_here,
    take_along,
    volumes_there,
)
from pileus.compute.flows.remake import GONE
from pileus.compute.models.hosts import HostFacts
from pileus.compute.models.migrations import MigrationStatus
from pileus.compute.models.servers import Server
from pileus.compute.store.migrations import migration_change, migration_find
from pileus.compute.store.servers import server_change, server_find
from pileus.kit.flow.operation import Operation, State
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step, Wait
from pileus.ports.placement import Claim

NAME = "server.live_migrate"
SHOWS = "migrating"
READY_S = 1800.0  # what its disks lie above may have to be fetched first
SEND_S = 86_400.0  # as long as it takes: the server runs on
RECEIVE_S = 60.0  # the server stands still
ABORTED = "The migration was given up."


async def claim_room(app: Compute, op: Operation) -> Outcome:
    """The server has room on the host that `to` of the facts names, and the operation holds the room it has."""
    server = await server_find(app, server_id(op))
    if server is None or server.host is None:
        return GONE
    found = await take_room(app, op, server)
    if isinstance(found, str):
        return Fail(f"{NO_HOST} {found}")

    async def preparing() -> None:
        await migration_change(app, op.id, status=MigrationStatus.PREPARING, dest_host=found.host)

    return Done({"to": found.host, "from": server.host, "host": server.host}, also=preparing)


async def take_room(app: Compute, op: Operation, server: Server) -> Claim | str:
    """Room for the server on another host, or why there is none."""
    async with app.db.transaction():
        if not await app.placement.claims(op.id):
            await app.placement.hand_over(server.id, op.id)
        claim = await _claim(app, op, server)
        if isinstance(claim, str):
            await app.placement.hand_over(op.id, server.id)
        return claim


async def _claim(app: Compute, op: Operation, server: Server) -> Claim | str:
    host, unable = op.args["host"], await unfit(app, server)
    if server.host in unable:
        return f"{server.host}: {unable[server.host]}"
    if not await app.hosts.is_up(server.host or ""):
        return f"{server.host}: is not heard now"
    if not op.args.get("force", False):
        # Where it was once wanted says nothing any more: whoever moves a server says where to, or does not care.
        wanted = msgspec.structs.replace(server, host_wanted=host)
        return await choose_host(app, wanted, {**unable, server.host or "": "is where the server is"})
    if host in unable or not await app.hosts.is_up(host):
        return f"{host}: {unable.get(host, 'is not heard now')}"
    claim = await app.placement.claim(
        server.id, server.flavor.resources, project_id=server.project_id, user_id=server.user_id, among=[host]
    )
    return claim if isinstance(claim, Claim) else str(claim)


async def unfit(app: Compute, server: Server) -> dict[str, str]:
    """The hosts among which the server cannot go while it runs, and why."""
    found = await lacking(app, LIVE)
    known = {host.name: facts for host in await app.hosts.list() if (facts := facts_of(host)) is not None}
    here = known.get(server.host or "")
    for name, facts in known.items():
        if here is not None and (why := _differs(here, facts)) is not None:
            found.setdefault(name, why)
    # A volume that another host serves has one writer, and no lock that two hosts would see.
    for volume, hosts in (await reach(app, server, by_themselves=True)).items():
        for name in known.keys() - hosts:
            found.setdefault(name, f"does not get at the store of volume {volume} by itself")
    return found


def _differs(here: HostFacts, there: HostFacts) -> str | None:
    """Why what runs here cannot go on there. A hypervisor takes what an earlier release of it began, not the reverse."""
    if (here.arch, here.hypervisor, here.accel) != (there.arch, there.hypervisor, there.accel):
        return (
            f"runs servers by {there.hypervisor} ({there.accel}) on {there.arch}, which is not what the server runs by"
        )
    if _release(there.hypervisor_version) < _release(here.hypervisor_version):
        return f"has {there.hypervisor} {there.hypervisor_version}, which is older than where the server runs"
    return None


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


async def give_room_back(app: Compute, op: Operation) -> Outcome:
    """The server has the room it had, and no other."""
    async with app.db.transaction():
        if await app.placement.claims(op.id):
            await app.placement.hand_over(op.id, server_id(op))
    return Done()


async def await_there(app: Compute, op: Operation) -> Outcome:
    """The other host has everything ready for the server, and its networks know that it may come there."""
    server, there = await server_find(app, server_id(op)), op.facts["to"]
    if server is None or server.host is None:
        return GONE
    arrival = op.facts.get("arrival")
    if arrival is None:
        if (waits := await document.clean(app, server.id, there)) is not None:
            return waits
        await document.want_as_settled(app, server)
        seen = await document.answer(app, server, server.host)
        if isinstance(seen, (Wait, Fail)):
            return seen
        arrival = {"machine": seen.machine, "slots": seen.slots}
    await app.networks.expect_ports(server.id, there)
    comes = Arrival(op.id, arrival["machine"], arrival["slots"])
    power, volumes = document.settled_power(server), await volumes_there(app, op, server)
    await document.want(app, server, there, power, origin=server.host, arrival=comes, volumes=volumes)
    seen = await document.answer(app, server, there)
    if isinstance(seen, (Wait, Fail)):
        return seen
    return _reached(op, seen, (Stage.AWAITED,), f"host {there} prepares for the server") or Done(
        {"arrival": arrival}, also=lambda: _awaited(app, op)
    )


async def _awaited(app: Compute, op: Operation) -> None:
    await complete_there(app, op)
    await migration_change(app, op.id, status=MigrationStatus.RUNNING)


async def drop_there(app: Compute, op: Operation) -> Outcome:
    """The other host has nothing of the server, and its networks know that it does not come."""
    if (waits := await document.gone(app, server_id(op), op.facts["to"])) is not None:
        return waits
    await app.networks.expect_ports(server_id(op), None)
    return Done()


async def send(app: Compute, op: Operation) -> Outcome:
    """All of the server was sent; it stands still."""
    server, there = await server_find(app, server_id(op)), op.facts["to"]
    if server is None or server.host is None:
        return GONE
    migration = await migration_find(app, op.id)
    leaves = Departure(op.id, there, hurry=migration is not None and migration.hurry)
    await document.want(app, server, server.host, document.settled_power(server), departure=leaves)
    seen = await document.answer(app, server, server.host)
    if not await app.hosts.is_up(there):
        return Fail(f"Host {there}, where the server was to go, is not heard any more.")
    if isinstance(seen, (Wait, Fail)):
        return seen
    return _reached(op, seen, (Stage.SENT,), f"host {server.host} sends the server") or Done(
        also=lambda: _now(app, op, MigrationStatus.POST_MIGRATING)
    )


async def receive(app: Compute, op: Operation) -> Outcome:
    """The other host has all of the server."""
    server = await server_find(app, server_id(op))
    if server is None or server.host is None:
        return GONE
    seen = await document.answer(app, server, op.facts["to"])
    if isinstance(seen, (Wait, Fail)):
        return seen
    return _reached(op, seen, (Stage.RECEIVED,), f"host {op.facts['to']} receives the server") or Done()


def _reached(op: Operation, seen: Seen, stages: tuple[Stage, ...], waiting_for: str) -> Outcome | None:
    """None once the host's part is done; else what to wait for, or why it cannot be."""
    move = seen.move
    if move is None or move.id != op.id:
        return Wait(document.LOOK_AGAIN_S, seen.doing or waiting_for)
    if move.stage is Stage.FAILED:
        return Fail(move.why or "The host does not say why.")
    return None if move.stage in stages else Wait(document.LOOK_AGAIN_S, f"{waiting_for} ({move.stage})")


async def stay(app: Compute, op: Operation) -> Outcome:
    """The server goes on where it is: its host was told, and has done so unless it is away."""
    server = await server_find(app, server_id(op))
    if server is None or server.host is None:
        return Done()
    await document.want_as_settled(app, server)
    if not await app.hosts.is_up(server.host):
        return Done()  # It reads that first when it returns.
    report = await document.answer(app, server, server.host)
    if isinstance(report, Wait) or (isinstance(report, Seen) and report.move is not None):
        return Wait(document.LOOK_AGAIN_S, f"host {server.host} lets the server go on")
    return Done()


async def switch_over(app: Compute, op: Operation) -> Outcome:
    """The server is on the other host, and runs there if it shall."""
    server, there = await server_find(app, server_id(op)), op.facts["to"]
    if server is None:
        return Done()
    if server.host != there:
        async with app.db.transaction():
            await server_change(app, server, host=there)
            await take_along(app, op, server)
            server = msgspec.structs.replace(server, host=there)
            await document.want(app, server, there, document.settled_power(server))
            await app.networks.bind_ports(server.id, there)
    if not await app.hosts.is_up(there):
        return Done({"host": there}, also=lambda: _arrived(app, op, server))  # It reads that first when it returns.
    seen = await document.answer(app, server, there)
    if isinstance(seen, (Wait, Fail)):
        return seen
    return Done({"host": there}, also=lambda: _arrived(app, op, server))


async def _arrived(app: Compute, op: Operation, server: Server) -> None:
    payload = {"from": op.facts["from"], "host": server.host}
    await app.events.tell(
        "server.live_migrated", server.subject, server.project_id, op.request_id, payload, user_id=op.user_id
    )


async def let_go(app: Compute, op: Operation) -> Outcome:
    """The old host has nothing of the server, and the room it had there is free."""
    if (waits := await document.gone(app, server_id(op), op.facts["from"])) is not None:
        return waits
    async with app.db.transaction():
        await release_here(app, op)
        await app.placement.release(op.id)
    return Done()


async def _now(app: Compute, op: Operation, status: MigrationStatus) -> None:
    await migration_change(app, op.id, status=status)


async def ended(app: Compute, op: Operation) -> None:
    """The migration says how it went."""
    if op.state is State.DONE:
        status = MigrationStatus.COMPLETED
    elif op.turn_back is not None:
        status = MigrationStatus.CANCELLED
    else:
        status = MigrationStatus.FAILED if "arrival" in op.facts else MigrationStatus.ERROR
    await migration_change(app, op.id, status=status)
    server = await server_find(app, server_id(op))
    if server is not None and op.state is not State.DONE:
        payload: dict[str, Any] = {"why": op.turn_back or op.failure, "to": op.facts.get("to")}
        kind = "server.live_migration_aborted" if op.turn_back is not None else "server.live_migration_failed"
        await app.events.tell(kind, server.subject, server.project_id, op.request_id, payload, user_id=op.user_id)


LIVE_MIGRATE = Flow(
    NAME,
    (
        Step("claim room", claim_room, give_room_back, shows=SHOWS),
        Step("connect volumes there", connect_there, disconnect_there, shows=SHOWS),
        Step("await it there", await_there, drop_there, shows=SHOWS, deadline_s=READY_S),
        Step("send it", send, stay, shows=SHOWS, deadline_s=SEND_S),
        Step("receive it", receive, shows=SHOWS, deadline_s=RECEIVE_S),
        Step("switch over", switch_over, shows=SHOWS, final=True),
        Step("let go", let_go, shows=SHOWS, final=True),
    ),
    ended=ended,
)
