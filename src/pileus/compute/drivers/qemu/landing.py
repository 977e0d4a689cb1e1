"""A running server on its way here: a QEMU that waits for its disks and its memory, and does not run before it is told to.

It listens on sockets in the server's directory, which only the server's own user may open; we join to them what the hosts'
channel brings.
"""

import asyncio
import contextlib

import msgspec

from pileus.compute.drivers.interface import Arrival, DriverError, Move, Power, Stage, Wanted
from pileus.compute.drivers.qemu.doors import forget_landings, landing_of
from pileus.compute.drivers.qemu.home import Home, Run
from pileus.compute.drivers.qemu.leaving import moving
from pileus.compute.drivers.qemu.monitor import Monitor
from pileus.compute.drivers.qemu.plan import LOADING
from pileus.compute.drivers.qemu.process import dial
from pileus.kit.flow.failpoint import failpoint

ASK_AGAIN_S = 1.0
CAPABILITIES = ("events", "late-block-activate")
# Other machines learn at once where the guest is now.
ANNOUNCED = {"initial": 50, "max": 550, "rounds": 5, "step": 50}


class Incoming(msgspec.Struct):
    """How QEMU gets on with what comes."""

    status: str = "none"


def move_here(arrival: Arrival, run: Run, status: str | None) -> Move | None:
    """How far it is; None while nothing is ready."""
    if run.arrival != arrival.id:
        return None
    if status is None:
        why = run.ended.reason if run.ended is not None else "QEMU has ended"
        return Move(arrival.id, Stage.FAILED, why)
    return Move(arrival.id, Stage.AWAITED if status == LOADING else Stage.RECEIVED)


async def make_ready(wanted: Wanted, arrival: Arrival, monitor: Monitor, home: Home) -> None:
    """QEMU takes the server's disks and memory from whoever comes to its sockets."""
    if msgspec.convert(await monitor.execute("query-migrate"), Incoming).status != "none":
        return
    numbers = moving(wanted, arrival.disks)
    if numbers and not await monitor.execute("query-block-exports"):
        # Left by one that died between two of these words.
        with contextlib.suppress(DriverError):
            await monitor.execute("nbd-server-stop")
        where = {"type": "unix", "data": {"path": landing_of(home, "disks").name}}
        await monitor.execute("nbd-server-start", addr=where)
    known = {str(export["id"]) for export in _exports(await monitor.execute("query-block-exports"))}
    for at in numbers:
        if f"move{at}" not in known:
            export = {"type": "nbd", "id": f"move{at}", "name": f"move{at}", "node-name": f"disk{at}", "writable": True}
            await monitor.execute("block-export-add", **export)
    failpoint("qemu.land", "exported")
    await monitor.execute("migrate-set-capabilities", capabilities=_capabilities(wanted))
    try:
        await monitor.execute("migrate-incoming", uri=f"unix:{landing_of(home, 'memory').name}")
    except DriverError as refused:
        # QEMU tells of no migration before one has come, so whether it waits already is learnt from its refusal.
        if "already been started" not in refused.why:
            raise


async def take_over(wanted: Wanted, monitor: Monitor, home: Home) -> None:
    """The server is this host's: it runs if it shall, and nobody else writes its disks."""
    if wanted.power is Power.ON and await monitor.status() == "paused":
        await monitor.execute("cont")
        failpoint("qemu.land", "runs")
    with contextlib.suppress(DriverError):  # Stopped already by whoever died on this way.
        await monitor.execute("nbd-server-stop")
    await monitor.execute("announce-self", **ANNOUNCED)
    off = [{"capability": name, "state": False} for name in CAPABILITIES]
    await monitor.execute("migrate-set-capabilities", capabilities=off)
    forget_landings(home)


async def connection(home: Home, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to what waits for the server's disks or memory; raises DriverError."""
    if name not in ("disks", "memory"):
        raise DriverError("Nothing waits here for that", name)
    try:
        return await asyncio.open_unix_connection(sock=dial(landing_of(home, name), home.uid))
    except OSError as failed:
        raise DriverError(f"Nothing waits here for the server's {name}", failed.strerror or str(failed)) from failed


def _capabilities(wanted: Wanted) -> list[dict[str, object]]:
    """What is asked of QEMU for a server that comes.

    Volumes are open at both hosts. Whoever opens one for writing locks it, so that is left until the server is told to run here:
    the other host could not let it go on there otherwise. A server that stands still is not told to run, and locks at once.
    """
    late = bool(wanted.volumes) and wanted.power is Power.ON
    on = {"events": True, "late-block-activate": late}
    return [{"capability": name, "state": on[name]} for name in CAPABILITIES]


def _exports(found: object) -> list[dict[str, object]]:
    return msgspec.convert(found, list[dict[str, object]])
