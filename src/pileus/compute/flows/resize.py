"""Resize, and what settles it: the server gets another size where it is, and can go back until that is confirmed.

    claim room -> power off -> reshape          confirm: forget the former room and disks
                                                revert: power off -> go back -> give the room back -> start

The room it had belongs to the operation until then, and its disks are remembered under the operation's id. Moving to another
host needs disks that move; so far a server is resized where it is, or not at all.
"""

from functools import partial

import msgspec

from pileus.compute.app import Compute
from pileus.compute.drivers.interface import Power
from pileus.compute.flows import document
from pileus.compute.flows.boot import NO_HOST, server_id
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


async def claim_room(app: Compute, op: Operation) -> Outcome:
    """The server has room for its new size on its host, and the operation holds the room it had."""
    server = await server_find(app, server_id(op))
    if server is None or server.host is None:
        return GONE
    size = msgspec.convert(op.args["flavor"], Size)
    async with app.db.transaction():
        if not await app.placement.claims(op.id):
            await app.placement.hand_over(server.id, op.id)
        claim = await app.placement.claim(
            server.id, size.resources, project_id=server.project_id, user_id=server.user_id, among=[server.host]
        )
        if isinstance(claim, Claim):
            await migration_change(app, op.id, status=MigrationStatus.MIGRATING, dest_host=server.host)
            return Done({"host": server.host})
        await app.placement.hand_over(op.id, server.id)
    return Fail(f"{NO_HOST} {claim}; servers cannot be resized to another host yet")


async def give_room_back(app: Compute, op: Operation) -> Outcome:
    """The server has the room it had."""
    async with app.db.transaction():
        if await app.placement.claims(op.id):
            await app.placement.hand_over(op.id, server_id(op))
    return Done()


async def reshape(app: Compute, op: Operation) -> Outcome:
    """The server has its new size, and runs if it did."""
    server = await server_find(app, server_id(op))
    if server is None:
        return GONE
    size = msgspec.convert(op.args["flavor"], Size)
    before = Resized(operation=op.id, flavor=server.flavor, power=server.power_wanted)
    after = msgspec.structs.replace(server, flavor=size, resized=before)
    seen = await document.bring(app, after, document.settled_power(server))
    if isinstance(seen, (Wait, Fail)):
        return seen
    return Done(also=lambda: _resized(app, op, server, size, before))


async def _resized(app: Compute, op: Operation, server: Server, size: Size, before: Resized) -> None:
    await server_change(app, server, flavor=size, resized=before, phase=ServerState.RESIZED)
    await app.events.tell(
        "server.resized", server.subject, server.project_id, op.request_id, {"flavor": size.id}, user_id=op.user_id
    )


async def unshape(app: Compute, op: Operation) -> Outcome:
    """The server has its former size and disks, and does not run."""
    server = await server_find(app, server_id(op))
    if server is None:
        return Done()
    seen = await document.bring(app, server, Power.OFF, rollback=op.id)
    return seen if isinstance(seen, (Wait, Fail)) else Done()


async def confirm(app: Compute, op: Operation) -> Outcome:
    """Nothing is kept of what the server was."""
    server = await server_find(app, server_id(op))
    if server is None or server.resized is None:
        return Done()
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


async def go_back(app: Compute, op: Operation) -> Outcome:
    """The server has the size and the disks it had, and does not run."""
    server = await server_find(app, server_id(op))
    if server is None or server.resized is None:
        return Done()
    former = _former(server, server.resized)
    seen = await document.bring(app, former, Power.OFF, rollback=server.resized.operation)
    return seen if isinstance(seen, (Wait, Fail)) else Done()


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


RESIZE = Flow(
    "server.resize",
    (
        Step("claim room", claim_room, give_room_back, shows="resize_prep"),
        Step("power off", power_off, as_before, shows="resize_migrating", deadline_s=DEADLINE_S),
        Step("reshape", reshape, unshape, shows="resize_finish", deadline_s=DEADLINE_S),
    ),
    ended=resize_ended,
)
CONFIRM = Flow("server.resize_confirm", (Step("confirm", confirm, final=True),))
REVERT = Flow(
    "server.resize_revert",
    (
        Step("power off", power_off, as_before, shows="resize_reverting", deadline_s=DEADLINE_S),
        Step("go back", go_back, shows="resize_reverting", final=True),
        Step("give the room back", former_room, shows="resize_reverting", final=True),
        Step("start", start_again, shows="resize_reverting", final=True),
    ),
)
