"""Resize and cold migration, and what settles them: the server gets another size or another host, and can go back.

    claim room -> power off -> reshape          confirm: forget the former room and disks
                                                revert: power off -> go back -> give the room back -> start

A resized server stays where it is if there is room, and moves else; one that is migrated moves. A host that cannot take it is left
for another one, three in all, unless somebody named it; meanwhile the server stays off. The room it had belongs to the
operation until it is settled. Where it stays, its disks are remembered under the operation's id; where it moves, they are copied
while it stands still, and the host it left keeps them, and the document that says so, with the power off.
"""

from functools import partial

import msgspec

from pileus.compute.app import Compute
from pileus.compute.drivers.interface import DISKS, Power
from pileus.compute.flows import document
from pileus.compute.flows.boot import HOSTS_TRIED, NO_HOST, server_id
from pileus.compute.flows.choice import choose_host
from pileus.compute.flows.disks import make_ready
from pileus.compute.flows.hosts import lacking
from pileus.compute.flows.remake import GONE, power_off
from pileus.compute.flows.turn import as_before
from pileus.compute.models.flavors import Size
from pileus.compute.models.migrations import MigrationStatus
from pileus.compute.models.servers import PowerWanted, Resized, Server, ServerState
from pileus.compute.store.migrations import migration_change
from pileus.compute.store.servers import server_change, server_find
from pileus.kit.flow.operation import Operation, State
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step, Wait
from pileus.ports.placement import Claim

DEADLINE_S = 1800.0
COPY_S = 7200.0  # disks may have to come from another host
MIGRATE_NAME = "server.migrate"


async def claim_room(app: Compute, op: Operation) -> Outcome:
    """The server has room for what it is to be on the host that `to` of the facts names, and the operation holds the room it had."""
    server = await server_find(app, server_id(op))
    if server is None or server.host is None:
        return GONE
    async with app.db.transaction():
        if not await app.placement.claims(op.id):
            await app.placement.hand_over(server.id, op.id)
        claim = await _claim(app, op, server)
        if isinstance(claim, Claim):
            await migration_change(app, op.id, status=MigrationStatus.MIGRATING, dest_host=claim.host)
            return Done({"to": claim.host})
        await app.placement.hand_over(op.id, server.id)
    return Fail(f"{NO_HOST} {claim}")


async def _claim(app: Compute, op: Operation, server: Server) -> Claim | str:
    """Room where the server is, unless it is to move; else on the best other host."""
    moves, host = op.args.get("moves", False), op.args.get("host")
    size = _size(op, server)
    if not moves:
        here = await app.placement.claim(
            server.id,
            server.resources_of(size),
            project_id=server.project_id,
            user_id=server.user_id,
            among=[server.host or ""],
        )
        if isinstance(here, Claim):
            return here
    # Where it was once wanted says nothing any more: whoever moves a server says where to, or does not care.
    wanted = msgspec.structs.replace(server, flavor=size, host_wanted=host)
    # An agent that does not know where disks come from would make them anew.
    unable = await lacking(app, DISKS)
    if server.host in unable:
        return f"{server.host}: {unable[server.host]}"
    return await choose_host(
        app, wanted, {**unable, **op.facts.get("failed", {}), server.host or "": "is where the server is"}
    )


def _target(op: Operation, server: Server) -> str:
    # Operations begun by an earlier release stay where they are.
    return op.facts.get("to") or server.host or ""


def _size(op: Operation, server: Server) -> Size:
    return msgspec.convert(op.args["flavor"], Size) if "flavor" in op.args else server.flavor


async def give_room_back(app: Compute, op: Operation) -> Outcome:
    """The server has the room it had."""
    async with app.db.transaction():
        if await app.placement.claims(op.id):
            await app.placement.hand_over(op.id, server_id(op))
    # When a host has failed it, the server was off while another was looked for.
    return await on_again(app, op) if "failed" in op.facts else Done()


async def on_again(app: Compute, op: Operation) -> Outcome:
    """The host has been told again what the server's row says, unless another host is tried next."""
    return Done() if op.back_to is not None and op.turn_back is None else await as_before(app, op)


async def reshape(app: Compute, op: Operation) -> Outcome:
    """The server is what it is to be, on the host that has room for that, and runs if it did."""
    server = await server_find(app, server_id(op))
    if server is None or server.host is None:
        return GONE
    host, origin, size = _target(op, server), server.host, _size(op, server)
    elsewhere = host != origin
    before = Resized(
        operation=op.id, flavor=server.flavor, power=server.power_wanted, host=origin if elsewhere else None
    )
    after = msgspec.structs.replace(server, flavor=size, resized=before, host=host)
    if elsewhere:
        if (waits := await document.clean(app, server.id, host)) is not None:
            return waits
        await app.networks.bind_ports(server.id, host)
        ready = await make_ready(app, server, host)
        if not isinstance(ready, Done):
            return ready
    seen = await document.bring(app, after, document.settled_power(server), origin=origin if elsewhere else None)
    if isinstance(seen, Fail) and elsewhere and op.args.get("host") is None:
        return _another(op, host, seen.why)
    if isinstance(seen, (Wait, Fail)):
        return seen
    return Done(also=lambda: _resized(app, op, server, after))


def _another(op: Operation, host: str, why: str) -> Fail:
    failed = {**op.facts.get("failed", {}), host: f"could not take the server: {why}"}
    told = "; ".join(f"{name}: {reason}" for name, reason in sorted(failed.items()))
    return Fail(f"{NO_HOST} {told}", again_from="claim room", facts={"failed": failed})


async def _resized(app: Compute, op: Operation, server: Server, after: Server) -> None:
    await server_change(
        app, server, flavor=after.flavor, host=after.host, resized=after.resized, phase=ServerState.RESIZED
    )
    payload: dict[str, object] = {"flavor": after.flavor.id, "host": after.host}
    event = "server.migrated" if op.flow == MIGRATE_NAME else "server.resized"
    await app.events.tell(event, server.subject, server.project_id, op.request_id, payload, user_id=op.user_id)


async def unshape(app: Compute, op: Operation) -> Outcome:
    """The server has its former size and disks where it was, and does not run."""
    server = await server_find(app, server_id(op))
    if server is None or server.host is None:
        return Done()
    host = _target(op, server)
    if host != server.host:
        if (waits := await document.gone(app, server.id, host)) is not None:
            return waits
        await app.networks.bind_ports(server.id, server.host)
        return await make_ready(app, server, server.host)
    seen = await document.bring(app, server, Power.OFF, rollback=op.id)
    return seen if isinstance(seen, (Wait, Fail)) else Done()


async def confirm(app: Compute, op: Operation) -> Outcome:
    """Nothing is kept of what the server was."""
    server = await server_find(app, server_id(op))
    if server is None or server.resized is None:
        return Done()
    if server.resized.host is not None:
        # What is left there must not come back to life, whoever goes on with this.
        if (waits := await document.gone(app, server.id, server.resized.host)) is not None:
            return waits
    await app.placement.release(server.resized.operation)
    now = msgspec.structs.replace(server, resized=None)
    if server.host is not None:
        await document.want(app, now, server.host, document.settled_power(now))
    also = partial(_settled, app, op, now, server.resized, MigrationStatus.CONFIRMED)
    return Done({"host": server.host}, also=also)


async def _settled(app: Compute, op: Operation, server: Server, resized: Resized, status: MigrationStatus) -> None:
    await migration_change(app, resized.operation, status=status)
    await server_change(app, server, flavor=server.flavor, power_wanted=server.power_wanted, resized=None, phase=None)
    event = f"server.resize_{status}"
    await app.events.tell(event, server.subject, server.project_id, op.request_id, user_id=op.user_id)


def _former(server: Server, resized: Resized) -> Server:
    return msgspec.structs.replace(server, flavor=resized.flavor, power_wanted=resized.power, resized=None, phase=None)


async def look_back(app: Compute, op: Operation) -> Outcome:
    """The host that has what the server was is there to go back to."""
    server = await server_find(app, server_id(op))
    if server is None or server.resized is None or server.resized.host is None:
        return Done()
    back = server.resized.host
    if await app.hosts.is_up(back):
        return Done()
    return Fail(f"Host {back}, which has the server's former disks, is not heard now.")


async def go_back(app: Compute, op: Operation) -> Outcome:
    """The server has the size and the disks it had, and does not run."""
    server = await server_find(app, server_id(op))
    if server is None or server.resized is None:
        return Done()
    former, back = _former(server, server.resized), server.resized.host
    if back is not None:
        if not await app.hosts.is_up(back):
            # What is here goes only when the server can be there again.
            return Wait(document.LOOK_AGAIN_S, f"host {back}, which has the server's former disks, is not heard now")
        waits = await document.gone(app, server.id, server.host) if server.host not in (None, back) else None
        if waits is not None:
            return waits
        await app.networks.bind_ports(server.id, back)
        ready = await make_ready(app, server, back)
        if not isinstance(ready, Done):
            return ready
        return Done({"host": back}, also=lambda: _returned(app, server, back))
    seen = await document.bring(app, former, Power.OFF, rollback=server.resized.operation)
    return seen if isinstance(seen, (Wait, Fail)) else Done()


async def _returned(app: Compute, server: Server, host: str) -> None:
    await server_change(app, server, host=host)


async def former_room(app: Compute, op: Operation) -> Outcome:
    """The server has the room it had, and no other."""
    server = await server_find(app, server_id(op))
    if server is not None and server.resized is not None:
        async with app.db.transaction():
            if await app.placement.claims(server.resized.operation):
                await app.placement.hand_over(server.resized.operation, server.id)
    return Done()


async def start_again(app: Compute, op: Operation) -> Outcome:
    """The server is what it was."""
    server = await server_find(app, server_id(op))
    if server is None or server.resized is None:
        return Done()
    former = _former(server, server.resized)
    power = Power.ON if former.power_wanted is PowerWanted.ON else Power.OFF
    seen = await document.bring(app, former, power)
    if isinstance(seen, (Wait, Fail)):
        return seen
    return Done(also=partial(_settled, app, op, former, server.resized, MigrationStatus.REVERTED))


async def resize_ended(app: Compute, op: Operation) -> None:
    """The migration says how the resize went."""
    done = op.state is State.DONE
    await migration_change(app, op.id, status=MigrationStatus.FINISHED if done else MigrationStatus.ERROR)


STEPS = (
    Step("claim room", claim_room, give_room_back, shows="resize_prep"),
    Step("power off", power_off, on_again, shows="resize_migrating", deadline_s=DEADLINE_S),
    Step("reshape", reshape, unshape, shows="resize_finish", deadline_s=COPY_S),
)
RESIZE = Flow("server.resize", STEPS, tries=HOSTS_TRIED, ended=resize_ended)
MIGRATE = Flow(MIGRATE_NAME, STEPS, tries=HOSTS_TRIED, ended=resize_ended)
CONFIRM = Flow("server.resize_confirm", (Step("confirm", confirm, final=True),))
REVERT = Flow(
    "server.resize_revert",
    (
        Step("look back", look_back, shows="resize_reverting"),
        Step("power off", power_off, as_before, shows="resize_reverting", deadline_s=DEADLINE_S),
        Step("go back", go_back, shows="resize_reverting", final=True),
        Step("give the room back", former_room, shows="resize_reverting", final=True),
        Step("start", start_again, shows="resize_reverting", final=True),
    ),
)
