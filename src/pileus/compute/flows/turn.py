"""Start, stop and reboot: one step each, since the host does all of it.

What was asked is counted in the server's row together with the request; the row says how the power should be only once
the host has confirmed it. A step that fails tells the host again what the row says.
"""

from collections.abc import Callable

from pileus.compute.app import Compute
from pileus.compute.drivers.interface import Power, PowerSeen, Restarts, Seen
from pileus.compute.flows import document
from pileus.compute.flows.boot import server_id
from pileus.compute.models.servers import PowerWanted, Server
from pileus.compute.store.servers import server_change, server_find
from pileus.kit.flow.operation import Operation
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step, Wait

DEADLINE_S = 600.0
ENDED = (PowerSeen.OFF, PowerSeen.CRASHED, PowerSeen.ABSENT)
Reached = Callable[[Seen, Server], bool]


def _off(seen: Seen, _server: Server) -> bool:
    return seen.power in ENDED


def _restarted(seen: Seen, server: Server) -> bool:
    """Every restart that was asked for was done; whether the guest still runs is its own affair."""
    asked = Restarts(server.restarts.start, server.restarts.soft, server.restarts.hard)
    done = seen.restarts
    counted = done.start >= asked.start and done.soft >= asked.soft and done.hard >= asked.hard
    return counted and (seen.power is PowerSeen.ON or seen.exit_reason is not None)


async def _turn(app: Compute, op: Operation, power: Power, reached: Reached, event: str) -> Outcome:
    server = await server_find(app, server_id(op))
    if server is None or server.host is None:
        return Fail("The server is on no host.")
    await document.want(app, server, server.host, power)
    seen = await document.answer(app, server, server.host)
    if isinstance(seen, (Wait, Fail)):
        return seen
    if not reached(seen, server):
        return Wait(document.LOOK_AGAIN_S, seen.doing or f"waiting for power {power}")
    if power is Power.ON and seen.power is PowerSeen.CRASHED:
        return Fail(seen.exit_reason or "The server ended at once.")
    return Done({"host": server.host}, also=lambda: _turned(app, op, server, power, event))


async def _turned(app: Compute, op: Operation, server: Server, power: Power, event: str) -> None:
    wanted = PowerWanted.ON if power is Power.ON else PowerWanted.OFF
    await server_change(app, server, power_wanted=wanted, broken=False, fault=None)
    await app.events.tell(event, server.subject, server.project_id, op.request_id, user_id=op.user_id)


async def start(app: Compute, op: Operation) -> Outcome:
    """The server runs."""
    return await _turn(app, op, Power.ON, _restarted, "server.started")


async def stop(app: Compute, op: Operation) -> Outcome:
    """The server does not run."""
    return await _turn(app, op, Power.OFF, _off, "server.stopped")


async def reboot(app: Compute, op: Operation) -> Outcome:
    """The server has begun anew."""
    return await _turn(app, op, Power.ON, _restarted, "server.rebooted")


async def as_before(app: Compute, op: Operation) -> Outcome:
    """The host has been told again what the server's row says."""
    server = await server_find(app, server_id(op))
    if server is not None:
        await document.want_as_settled(app, server)
    return Done()


START = Flow("server.start", (Step("power on", start, as_before, "powering-on", deadline_s=DEADLINE_S),))
STOP = Flow("server.stop", (Step("power off", stop, as_before, "powering-off", deadline_s=DEADLINE_S),))
REBOOT = Flow("server.reboot", (Step("reboot", reboot, as_before, "rebooting", deadline_s=DEADLINE_S),))
REBOOT_HARD = Flow("server.reboot_hard", (Step("reboot", reboot, as_before, "rebooting_hard", deadline_s=DEADLINE_S),))
