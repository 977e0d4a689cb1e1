"""A running server on its way to another host, seen from the host it leaves.

    doors -> mirror each disk until it is the same there -> send the memory -> (QEMU stands still) -> end the mirrors
          -> send the rest -> sent

Each call does what can be done now; QEMU's events and a timer bring the next. Whatever breaks, QEMU lets the guest go on here.
Once all is sent it stands still until its document says what becomes of it: that it goes on here, or is gone.
"""

import asyncio
import contextlib
import time

import msgspec

from pileus.compute.drivers.interface import Departure, DriverError, Move, Stage, Wanted
from pileus.compute.drivers.qemu.argv import disk_files
from pileus.compute.drivers.qemu.doors import Doors
from pileus.compute.drivers.qemu.home import Home, Left
from pileus.compute.drivers.qemu.memory import UNDER_WAY
from pileus.compute.drivers.qemu.monitor import Monitor
from pileus.kit.flow.failpoint import failpoint
from pileus.ports.server_streams import ServerStreams

ASK_AGAIN_S = 1.0
STILL_S = 30.0  # the longest the guest may stand still before it is let go on here
DOWNTIME_MS = 300
BANDWIDTH = 2**40
CAPABILITIES = ("pause-before-switchover", "return-path", "auto-converge", "events")
BROKEN_OFF = "the agent of the host was restarted on the way"


class Ram(msgspec.Struct, frozen=True):
    """How much memory there is, and how much is yet to be sent."""

    total: int = 0
    remaining: int = 0
    transferred: int = 0


class Migration(msgspec.Struct, rename="kebab"):
    """How QEMU gets on with the memory."""

    status: str = "none"
    error_desc: str | None = None
    ram: Ram = Ram()


class Job(msgspec.Struct, rename="kebab"):
    """A job of QEMU's."""

    id: str
    status: str
    current_progress: int = 0
    total_progress: int = 0
    error: str | None = None


class Leaving:
    """One server's way to another host."""

    def __init__(self, home: Home, streams: ServerStreams | None) -> None:
        self._home = home
        self._doors = Doors(home, streams)
        self._sending = False
        self._still_since: float | None = None
        self._move: Move | None = None

    def seen(self, departure: Departure) -> Move | None:
        """How far it is, as of the last call."""
        left = self._home.run().departure
        if left is None or left.id != departure.id:
            return None
        if left.failed is not None:
            return Move(left.id, Stage.FAILED, left.failed)
        stage = Stage.SENT if left.sent else Stage.DISKS
        known = self._move if self._move is not None and self._move.id == left.id else Move(left.id, stage)
        return msgspec.structs.replace(known, stage=Stage.SENT) if left.sent else known

    async def go_on(self, wanted: Wanted, departure: Departure, monitor: Monitor) -> float | None:
        """What can be done now is done; returns after how many seconds to come again, None when it is over."""
        left = self._home.run().departure
        if left is None or left.id != departure.id:
            await self.stay(monitor)
            self._keep(Left(departure.id))
            left = Left(departure.id)
            try:
                await self._set_out(wanted, departure, monitor)
            except DriverError as failed:
                await self._fail(str(failed), monitor)
                return None
        if left.failed is not None or left.sent:
            return None
        try:
            if not self._doors.open_:
                raise DriverError("The way to the other host is broken off", BROKEN_OFF)
            return await self._advance(departure, monitor)
        except DriverError as failed:
            await self._fail(str(failed), monitor)
            return None

    async def stay(self, monitor: Monitor) -> None:
        """Nothing is left in QEMU of a departure; if it stood still for that, it can be let go on."""
        await self._clear(monitor)
        if self._home.run().departure is not None:
            self._keep(None)

    async def close(self) -> None:
        """Nothing is carried any more."""
        await self._doors.close()

    async def _set_out(self, wanted: Wanted, departure: Departure, monitor: Monitor) -> None:
        numbers = moving(wanted, departure.disks)
        await self._doors.open("memory", 1)
        path = await self._doors.open("disks", len(numbers)) if numbers else ""
        failpoint("qemu.leave", "opened")
        for at in numbers:
            server = {"type": "unix", "path": path}
            node = {"node-name": _name(at), "driver": "nbd", "server": server, "export": _name(at)}
            await monitor.execute("blockdev-add", **node)
            await monitor.execute(
                "blockdev-mirror", **{"job-id": _name(at), "device": f"disk{at}", "target": _name(at), "sync": "top",
                "auto-dismiss": False},
            )  # fmt: skip
        failpoint("qemu.leave", "mirrored")

    async def _advance(self, departure: Departure, monitor: Monitor) -> float | None:
        migration, jobs = await _migration(monitor), await _jobs(monitor)
        self._note(departure, migration, jobs)
        for job in jobs:
            if job.error is not None or (job.status in ("concluded", "aborting") and not self._sending):
                raise DriverError("The disks cannot be copied", job.error or "the copy ended too soon")
        if self._sending:
            return await self._send_on(departure, migration, jobs, monitor)
        if all(job.status == "ready" for job in jobs):
            await self._send(monitor)
        return ASK_AGAIN_S

    async def _send_on(
        self, departure: Departure, migration: Migration, jobs: list[Job], monitor: Monitor
    ) -> float | None:
        match migration.status:
            case "pre-switchover":
                return await self._switch(jobs, monitor)
            case "completed":
                self._keep(Left(departure.id, sent=True))
                await self._doors.close()
                failpoint("qemu.leave", "sent")
                return None
            case status if status in UNDER_WAY:
                if departure.hurry and await monitor.status() == "running":
                    await monitor.execute("stop")
                return self._patience()
            case status:
                raise DriverError("The memory cannot be sent", migration.error_desc or f"QEMU says: {status}")

    async def _send(self, monitor: Monitor) -> None:
        await _capable(monitor, on=True)
        limits = {"downtime-limit": DOWNTIME_MS, "max-bandwidth": BANDWIDTH}
        await monitor.execute("migrate-set-parameters", **limits)
        await monitor.execute("migrate", uri="unix:leave-memory.sock")
        self._sending = True
        failpoint("qemu.leave", "sending")

    async def _switch(self, jobs: list[Job], monitor: Monitor) -> float:
        """The guest stands still: its disks are the same there once the mirrors have ended, and then the rest is sent."""
        self._still_since = self._still_since or time.monotonic()
        for job in jobs:
            if job.status == "ready":
                # Unlike job-cancel, this ends a mirror that is ready without giving it up.
                await monitor.execute("block-job-cancel", device=job.id)
        if all(job.status == "concluded" for job in jobs):
            for job in jobs:
                await monitor.execute("job-dismiss", id=job.id)
                await monitor.execute("blockdev-del", **{"node-name": job.id})
            await monitor.execute("migrate-continue", state="pre-switchover")
        return min(self._patience(), 0.2)

    def _patience(self) -> float:
        if self._still_since is not None and time.monotonic() - self._still_since > STILL_S:
            raise DriverError("The server cannot be handed over", f"it stood still for {STILL_S:g} s")
        return ASK_AGAIN_S

    async def _fail(self, why: str, monitor: Monitor) -> None:
        await self._clear(monitor)
        left = self._home.run().departure
        if left is not None:
            self._keep(Left(left.id, failed=why))

    async def _clear(self, monitor: Monitor) -> None:
        """QEMU sends nothing, and nothing is carried. Where the way is broken off, that is what ends it."""
        migration = await _migration(monitor)
        if migration.status in UNDER_WAY:
            await monitor.execute("migrate_cancel")
        await self._doors.close()
        self._sending, self._still_since = False, None
        try:
            async with asyncio.timeout(STILL_S):
                # QEMU's word is the only sign, and it takes a few rounds of its main loop to give things up.
                while (await _migration(monitor)).status in UNDER_WAY:  # noqa: ASYNC110 - see above
                    await asyncio.sleep(0.05)
                while jobs := await _jobs(monitor):
                    for job in jobs:
                        await _end(job, monitor)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise DriverError("QEMU does not give up what it sends", f"it has had {STILL_S:g} s") from None
        for at in _nodes(await monitor.execute("query-named-block-nodes", flat=True)):
            await monitor.execute("blockdev-del", **{"node-name": at})
        await _capable(monitor, on=False)

    def _note(self, departure: Departure, migration: Migration, jobs: list[Job]) -> None:
        ram = migration.ram if self._sending else Ram()
        known = (
            self._move if self._move is not None and self._move.id == departure.id else Move(departure.id, Stage.DISKS)
        )
        self._move = Move(
            id=departure.id,
            stage=Stage.MEMORY if self._sending else Stage.DISKS,
            memory_total=ram.total,
            memory_left=ram.remaining,
            memory_sent=ram.transferred,
            disk_total=sum(job.total_progress for job in jobs) or known.disk_total,
            disk_sent=sum(job.current_progress for job in jobs) or known.disk_sent,
        )

    def _keep(self, left: Left | None) -> None:
        self._home.keep_run(msgspec.structs.replace(self._home.run(), departure=left))


def moving(wanted: Wanted, chosen: tuple[int, ...] | None) -> list[int]:
    """The server's own disks that go along, by number."""
    return [files.at for files in disk_files(wanted) if chosen is None or files.at in chosen]


def _name(at: int) -> str:
    """What a disk's copy is called: the job, its target, and the export there."""
    return f"move{at}"


async def _end(job: Job, monitor: Monitor) -> None:
    with contextlib.suppress(DriverError):  # It may have gone on to its end meanwhile; we look again.
        if job.status == "concluded":
            await monitor.execute("job-dismiss", id=job.id)
        elif job.status not in ("aborting", "null"):
            await monitor.execute("block-job-cancel", device=job.id, force=True)


async def _migration(monitor: Monitor) -> Migration:
    return msgspec.convert(await monitor.execute("query-migrate"), Migration)


async def _jobs(monitor: Monitor) -> list[Job]:
    found = msgspec.convert(await monitor.execute("query-jobs"), list[Job])
    return [job for job in found if job.id.startswith("move")]


def _nodes(found: object) -> list[str]:
    nodes = msgspec.convert(found, list[dict[str, object]])
    return [name for node in nodes if (name := str(node.get("node-name", ""))).startswith("move")]


async def _capable(monitor: Monitor, *, on: bool) -> None:
    """QEMU's migrations are those of servers that move, or as they are by default, which is what suspending needs."""
    told = [{"capability": name, "state": on} for name in CAPABILITIES]
    await monitor.execute("migrate-set-capabilities", capabilities=told)
