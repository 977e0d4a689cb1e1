"""Start, stop, reboot, pause, suspend, interrupt and back: one step each, since the host does all of it.

What was asked is counted in the server's row together with the request; the row says how the power should be only once
the host has confirmed it. A step that fails tells the host again what the row says.
"""

from collections.abc import Callable

import msgspec

from pileus.compute.app import Compute
from pileus.compute.drivers.interface import Power, PowerSeen, Seen
from pileus.compute.flows import document
from pileus.compute.flows.boot import server_id
from pileus.compute.models.servers import PowerWanted, Server, ServerState
from pileus.compute.store.servers import server_change, server_find
from pileus.kit.flow.operation import Operation
from pileus.kit.flow.step import Act, Done, Fail, Flow, Outcome, Step, Wait

DEADLINE_S = 600.0
ENDED = (PowerSeen.OFF, PowerSeen.CRASHED, PowerSeen.ABSENT)
Reached = Callable[[Seen, Server], bool]


def _off(seen: Seen, _server: Server) -> bool:
    return seen.power in ENDED


def _restarted(seen: Seen, server: Server) -> bool:
    """Every restart that was asked for was done; whether the guest still runs is its own affair."""
    asked, done = document.restarts_of(server), seen.restarts
    counted = done.start >= asked.start and done.soft >= asked.soft and done.hard >= asked.hard
    return counted and (seen.power is PowerSeen.ON or seen.exit_reason is not None)


def _paused(seen: Seen, _server: Server) -> bool:
    return seen.power is PowerSeen.PAUSED


def _suspended(seen: Seen, _server: Server) -> bool:
    return seen.power is PowerSeen.SUSPENDED


def _interrupted(seen: Seen, server: Server) -> bool:
    return seen.restarts.nmi >= server.restarts.nmi


class Goal(msgspec.Struct, frozen=True):
    """What a turn is to reach: the power the host is told, how its success is seen, what the row says then, and the event."""

    power: Power
    reached: Reached
    event: str
    phase: ServerState | None = None
    power_wanted: PowerWanted = PowerWanted.ON


async def _turn(app: Compute, op: Operation, goal: Goal) -> Outcome:
    server = await server_find(app, server_id(op))
    if server is None or server.host is None:
        return Fail("The server is on no host.")
    await document.want(app, server, server.host, goal.power)
    seen = await document.answer(app, server, server.host)
    if isinstance(seen, (Wait, Fail)):
        return seen
    if goal.power is not Power.OFF and seen.power is PowerSeen.CRASHED:
        return Fail(seen.exit_reason or "The server ended at once.")
    if not goal.reached(seen, server):
        return Wait(document.LOOK_AGAIN_S, seen.doing or f"waiting for power {goal.power}")
    return Done({"host": server.host}, also=lambda: _turned(app, op, server, goal))


async def _turned(app: Compute, op: Operation, server: Server, goal: Goal) -> None:
    await server_change(app, server, power_wanted=goal.power_wanted, phase=goal.phase, broken=False, fault=None)
    await app.events.tell(goal.event, server.subject, server.project_id, op.request_id, user_id=op.user_id)


def _step(goal: Goal) -> Act:
    async def do(app: Compute, op: Operation) -> Outcome:
        return await _turn(app, op, goal)

    return do


async def interrupt(app: Compute, op: Operation) -> Outcome:
    """The guest was interrupted; what it makes of that is its own affair."""
    server = await server_find(app, server_id(op))
    if server is None or server.host is None:
        return Fail("The server is on no host.")
    await document.want(app, server, server.host, document.settled_power(server))
    seen = await document.answer(app, server, server.host)
    if isinstance(seen, (Wait, Fail)):
        return seen
    if not _interrupted(seen, server):
        return Wait(document.LOOK_AGAIN_S, "waiting for the interrupt")
    return Done({"host": server.host}, also=lambda: _interrupted_told(app, op, server))


async def _interrupted_told(app: Compute, op: Operation, server: Server) -> None:
    kind = "server.crash_dump_triggered"
    await app.events.tell(kind, server.subject, server.project_id, op.request_id, user_id=op.user_id)


async def as_before(app: Compute, op: Operation) -> Outcome:
    """The host has been told again what the server's row says."""
    server = await server_find(app, server_id(op))
    if server is not None:
        await document.want_as_settled(app, server)
    return Done()


def _flow(name: str, step: str, goal: Goal, shows: str) -> Flow:
    return Flow(name, (Step(step, _step(goal), as_before, shows, deadline_s=DEADLINE_S),))


REBOOTED = Goal(Power.ON, _restarted, "server.rebooted")
PAUSED = Goal(Power.PAUSED, _paused, "server.paused", ServerState.PAUSED)
SUSPENDED = Goal(Power.SUSPENDED, _suspended, "server.suspended", ServerState.SUSPENDED)

START = _flow("server.start", "power on", Goal(Power.ON, _restarted, "server.started"), "powering-on")
STOP = _flow(
    "server.stop", "power off", Goal(Power.OFF, _off, "server.stopped", power_wanted=PowerWanted.OFF), "powering-off"
)
REBOOT = _flow("server.reboot", "reboot", REBOOTED, "rebooting")
REBOOT_HARD = _flow("server.reboot_hard", "reboot", REBOOTED, "rebooting_hard")
PAUSE = _flow("server.pause", "pause", PAUSED, "pausing")
UNPAUSE = _flow("server.unpause", "unpause", Goal(Power.ON, _restarted, "server.unpaused"), "unpausing")
SUSPEND = _flow("server.suspend", "suspend", SUSPENDED, "suspending")
RESUME = _flow("server.resume", "resume", Goal(Power.ON, _restarted, "server.resumed"), "resuming")
CRASH_DUMP = Flow("server.crash_dump", (Step("interrupt", interrupt, as_before, deadline_s=DEADLINE_S),))
TURNS = (START, STOP, REBOOT, REBOOT_HARD, PAUSE, UNPAUSE, SUSPEND, RESUME, CRASH_DUMP)
