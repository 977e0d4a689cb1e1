"""Rebuild, rescue and unrescue: the server gets another disk to boot from, and keeps its ports and its place.

What it shall be stands in its row (rebuild) or in the operation (rescue) before its host is told.
"""

import msgspec

from pileus.compute.app import Compute
from pileus.compute.drivers.interface import Power
from pileus.compute.flows import document
from pileus.compute.flows.boot import server_id
from pileus.compute.flows.trust import distrusted
from pileus.compute.flows.turn import as_before
from pileus.compute.models.servers import BootImage, Fault, PowerWanted, Server, ServerState
from pileus.compute.store.passwords import password_forget
from pileus.compute.store.servers import server_change, server_find
from pileus.kit.flow.operation import Operation, State
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step, Wait

DEADLINE_S = 1800.0  # an image may have to be fetched first
GONE = Fail("The server is gone.")


async def tell_host(app: Compute, op: Operation) -> Outcome:
    """The server's host knows of the new disk."""
    server = await server_find(app, server_id(op))
    if server is None:
        return GONE
    if (why := await distrusted(app, server)) is not None:
        return Fail(why)
    await document.want_as_settled(app, server)
    return Done({"host": server.host})


async def rebuild(app: Compute, op: Operation) -> Outcome:
    """The server is as it is after a boot, or off as it was."""
    server = await server_find(app, server_id(op))
    if server is None:
        return GONE
    seen = await document.bring(app, server, document.settled_power(server))
    if isinstance(seen, (Wait, Fail)):
        return seen
    return Done(also=lambda: _rebuilt(app, op, server))


async def _rebuilt(app: Compute, op: Operation, server: Server) -> None:
    await server_change(app, server, launched_at=app.clock.now(), broken=False, fault=None)
    await app.events.tell("server.rebuilt", server.subject, server.project_id, op.request_id, user_id=op.user_id)


async def rebuild_ended(app: Compute, op: Operation) -> None:
    """A server that could not be rebuilt is in error: its old disk may be gone, unless its host was not even told."""
    server = await server_find(app, server_id(op))
    if server is None or op.state is State.DONE or op.turn_back is not None:
        return
    fault = Fault(500, op.failure or "It could not be rebuilt.", app.clock.now())
    changes: dict[str, object] = {"broken": True, "fault": fault}
    if "host" not in op.facts and op.args.get("was") is not None:  # its host never heard of it: it has what it had
        was = msgspec.convert(op.args["was"], BootImage)
        changes |= {"image": was, "disk_generation": server.disk_generation - 1}
    await server_change(app, server, **changes)
    await app.events.tell("server.failed", server.subject, server.project_id, op.request_id, {"why": fault.message})


async def power_off(app: Compute, op: Operation) -> Outcome:
    """The server does not run, and its guest had the time to put its disks in order."""
    server = await server_find(app, server_id(op))
    if server is None:
        return GONE
    seen = await document.bring(app, server, Power.OFF)
    return seen if isinstance(seen, (Wait, Fail)) else Done({"host": server.host})


async def rescue(app: Compute, op: Operation) -> Outcome:
    """The server runs from the rescue image, with its own disks beside."""
    server = await server_find(app, server_id(op))
    if server is None:
        return GONE
    image = msgspec.convert(op.args["image"], BootImage)
    seen = await document.bring(app, msgspec.structs.replace(server, rescue=image), Power.ON)
    if isinstance(seen, (Wait, Fail)):
        return seen
    return Done(also=lambda: _moved(app, op, server, image, ServerState.RESCUED, "server.rescued"))


async def unrescue(app: Compute, op: Operation) -> Outcome:
    """The server runs from its own disk again."""
    server = await server_find(app, server_id(op))
    if server is None:
        return GONE
    seen = await document.bring(app, msgspec.structs.replace(server, rescue=None), Power.ON)
    if isinstance(seen, (Wait, Fail)):
        return seen
    return Done(also=lambda: _moved(app, op, server, None, None, "server.unrescued"))


async def _moved(
    app: Compute, op: Operation, server: Server, image: BootImage | None, phase: ServerState | None, event: str
) -> None:
    await server_change(app, server, rescue=image, phase=phase, power_wanted=PowerWanted.ON, broken=False, fault=None)
    if image is None:
        await password_forget(app, server.id, rescue=True)
    await app.events.tell(event, server.subject, server.project_id, op.request_id, user_id=op.user_id)


REBUILD = Flow(
    "server.rebuild",
    (
        Step("tell the host", tell_host, shows="rebuilding"),
        Step("rebuild", rebuild, shows="rebuild_spawning", deadline_s=DEADLINE_S),
    ),
    ended=rebuild_ended,
)
RESCUE = Flow(
    "server.rescue",
    (
        Step("power off", power_off, as_before, shows="rescuing", deadline_s=DEADLINE_S),
        Step("rescue", rescue, as_before, shows="rescuing", deadline_s=DEADLINE_S),
    ),
)
UNRESCUE = Flow("server.unrescue", (Step("unrescue", unrescue, as_before, shows="unrescuing", deadline_s=DEADLINE_S),))
