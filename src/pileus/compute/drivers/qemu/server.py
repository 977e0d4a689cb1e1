"""One server on this host: brings it from whatever is there to what is wanted, one act at a time.

    disks -> ports -> QEMU -> power        and back: QEMU -> ports -> directory

Nothing here is needed to continue: process, monitor and timer are found or made again from the directory.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator

import msgspec

from pileus.compute.drivers.interface import ABSENT, DriverError, Move, Power, Seen, Stage, Wanted
from pileus.compute.drivers.qemu import landing, memory, sight, starting, taps
from pileus.compute.drivers.qemu.argv import CONSOLE_LOG
from pileus.compute.drivers.qemu.arrivals import given
from pileus.compute.drivers.qemu.cards import Cards, placed
from pileus.compute.drivers.qemu.console import trim
from pileus.compute.drivers.qemu.copies import Copies
from pileus.compute.drivers.qemu.disk_errors import LOOK_S, Standstill
from pileus.compute.drivers.qemu.emulator import Emulator
from pileus.compute.drivers.qemu.home import Ended, Home, Run
from pileus.compute.drivers.qemu.leaving import Leaving
from pileus.compute.drivers.qemu.means import Means
from pileus.compute.drivers.qemu.monitor import Monitor
from pileus.compute.drivers.qemu.plan import STANDS_STILL, Act, next_act
from pileus.compute.drivers.qemu.shape import forget_checkpoint, reshape
from pileus.compute.drivers.qemu.volumes import Volumes
from pileus.kit.flow.failpoint import failpoint

MOST_ACTS = 10  # A hard reboot of a paused server takes the most: kill, shape, cards, start, pause, rest.
PRESS_AGAIN_S = 10.0


class Server:
    """One server: its QEMU, its devices and what is under way with them."""

    def __init__(self, home: Home, means: Means) -> None:
        self._home = home
        self._means = means
        self._emulator = Emulator(home, self._tell, self._heard, resume_after_reboot=means.resume_after_reboot)
        self._timer: asyncio.TimerHandle | None = None
        self._waiting_for: str | None = None
        self._pressed = 0.0
        self._copies = Copies(home, self._tell)
        self._cards = Cards(home, means.plug)
        self._volumes = Volumes(home, means.keys, means.volume_copies)
        self._leaving = Leaving(home, means.streams)
        self._standstill = Standstill(home)
        self._working = asyncio.Lock()
        self.copying: set[int] = set()  # the slots of volumes that are being copied
        self.stirred = asyncio.Event()  # QEMU told something

    async def ensure(self, wanted: Wanted) -> None:
        """The server is, or is becoming, as wanted."""
        async with self._working:
            self._home.ensure()
            self._keep(wanted)
            self._waiting_for = None
            self._waiting_for = await self._still_missing(wanted)
            if self._waiting_for is not None:
                return
            if wanted.restarts.hard <= self._home.run().done.hard:
                await self._recollect()
            await self._bring(wanted)
            if (pid := self._emulator.pid) is not None:
                cards = self._home.run().cards or {}
                here = [nic for nic in wanted.nics if nic.port_id in cards]
                await taps.mend(pid, here, cards, self._means.plug)
            await self._copies.ensure(
                wanted, None if await self._emulator.status() is None else await self._emulator.monitor()
            )

    async def _recollect(self) -> None:
        """It is known what became of cards and volumes of a QEMU that runs. One about to be ended may hang, and is not asked."""
        if not (self._cards.doubtful or self._volumes.doubtful) or await self._emulator.status() is None:
            return
        monitor = await self._emulator.monitor()
        if self._cards.doubtful:
            await self._cards.doubt(monitor)
            await self._volumes.doubt(monitor)
        await self._volumes.forget_copies(self.copying, monitor)

    async def _bring(self, wanted: Wanted) -> None:
        acts: list[Act] = []
        while len(acts) < MOST_ACTS:
            acts.append(next_act(wanted, self._home.run(), await self._status_for(wanted), time.time()))
            if not await self._do(acts[-1], wanted):
                return
        raise DriverError("The server does not settle", ", ".join(act.name for act in acts).lower())

    async def _status_for(self, wanted: Wanted) -> str | None:
        """QEMU's word for its state. One that hangs does not give it, and a hard reboot is what people then ask for.

        One that stands still for lack of room is as good as paused once there is some.
        """
        try:
            status = await self._emulator.status()
            if status == STANDS_STILL and wanted.power is Power.ON:
                if await self._standstill.over(wanted, await self._emulator.monitor()):
                    return "paused"
                self._come_again(LOOK_S)
        except DriverError:
            if wanted.restarts.hard > self._home.run().done.hard:
                return "running"
            raise
        return status

    def _keep(self, wanted: Wanted) -> None:
        before, run = self._home.wanted(), self._home.run()
        if before is not None and run.pid is not None and not run.shape:
            self._home.remember(shape=before.shape)  # An earlier release started it, and did not write that down.
        if run.cards is None:
            arrives = wanted.arrival.slots if wanted.arrival is not None else {}
            self._home.remember(cards=placed(before.nics, {}) if before is not None else arrives)
        if before != wanted:
            self._home.keep_wanted(wanted)

    async def ensure_power(self, power: Power) -> None:
        """The server is as it was last wanted, but for its power."""
        wanted = self._home.wanted()
        if wanted is None:
            raise DriverError("The server is not here", self._home.id)
        asked = wanted.restarts
        if power is Power.ON:
            asked = msgspec.structs.replace(asked, start=self._home.run().done.start + 1)
        await self.ensure(msgspec.structs.replace(wanted, power=power, restarts=asked))

    async def remove(self) -> None:
        """Nothing of the server is left."""
        async with self._working:
            self._emulator.attend()
            if self._home.path.exists():
                # Half removed and then wanted again, it is to be made, and to start.
                self._home.remember(ran=False, disks_ready=False)
            await self._emulator.end(signal.SIGKILL)
            failpoint("qemu.remove", "ended")
            await self.let_go()
            await self._means.disks.arrivals.give_up(self._home.id)
            wanted, run = self._home.wanted(), self._home.run()
            ports = {nic.port_id for nic in wanted.nics} if wanted is not None else set()
            for port_id in sorted({*ports, *(run.cards or {}), *run.changing}):
                await self._means.plug.ensure_unplugged(port_id)
            failpoint("qemu.remove", "unplugged")
            self._means.groups.remove(self._home.id)
            await asyncio.to_thread(self._home.remove)

    def has(self, port_id: str) -> bool:
        """Whether one of its cards is at this port."""
        return port_id in (self._home.run().cards or {})

    async def look(self) -> Seen:
        """The server as it is now."""
        if not self._home.path.exists():
            return ABSENT
        failure = None
        try:
            status = await self._emulator.status()
        except DriverError as failed:
            status, failure = "running", str(failed)
        run, wanted = self._home.run(), self._home.wanted()
        seen = sight.seen(run, status, wanted)
        seen = msgspec.structs.replace(
            seen,
            doing=self._doing(run),
            failure=failure or seen.failure,
            panicked_at=self._emulator.panicked_at if status is not None else None,
            snapshot=self._copies.ready(wanted.snapshot if wanted is not None else None),
            move=self._move(wanted, run, status) if wanted is not None else None,
        )
        if status is None or self._emulator.pid is None:
            return seen
        await trim(self._home.guest / CONSOLE_LOG)
        seen = msgspec.structs.replace(seen, machine=run.machine, slots=run.cards or {})
        return msgspec.structs.replace(seen, pid=self._emulator.pid, consoles=sight.consoles(self._home))

    async def give(self, name: str) -> int:
        """An open descriptor of a disk of a server at rest, or of a copy."""
        async with self._working:
            return given(self._home, self._home.wanted(), name, at_rest=await self._emulator.status() is None)

    async def let_go(self) -> None:
        """Watch no longer; QEMU goes on, and what it sends to another host breaks off."""
        await self._leaving.close()
        await self._copies.close()
        if self._timer is not None:
            self._timer.cancel()
        await self._emulator.let_go()

    async def landing(self, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to what waits for the server's disks or memory."""
        return await landing.connection(self._home, name)

    # Looking.

    def _tell(self) -> None:
        self._means.changed(self._home.id)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[Monitor | None]:
        """Nobody else is at work on the server while the block lasts; what is given is the monitor of its QEMU, if one runs."""
        async with self._working:
            yield None if await self._emulator.status() is None else await self._emulator.monitor()

    def _heard(self, event: str) -> None:
        self.stirred.set()
        self._cards.doubtful = self._cards.doubtful or event == "DEVICE_DELETED"
        self._tell()

    def _doing(self, run: Run) -> str | None:
        if self._waiting_for is not None:
            return self._waiting_for
        return "waiting for the guest to power off" if run.stop_by is not None and run.pid is not None else None

    # Acting.

    async def _still_missing(self, wanted: Wanted) -> str | None:
        """What must come by itself before we can act; we are told when it has."""
        # Begun first, for it takes its time while the image is fetched.
        accel = None if wanted.power is Power.OFF else self._means.accel.ready(self._tell)
        if not await self._means.disks.ensure(wanted, self._home, self._tell):
            return "fetching the image" if wanted.origin is None else f"fetching the disks from host {wanted.origin}"
        self._emulator.attend()
        if accel is None and wanted.power is not Power.OFF and self._emulator.pid is None:
            return "trying whether KVM works"
        return None

    async def _do(self, act: Act, wanted: Wanted) -> bool:
        """The act is done; whether to look for more."""
        match act:
            case Act.REST:
                self._rest(wanted)
            case Act.WAIT:
                await self._wait()
            case Act.START:
                self._pressed = 0.0
                await starting.start(wanted, self._home, self._means, self._emulator)
            case Act.ASK | Act.FORGET:
                self._home.remember(stop_by=time.time() + self._means.stop_s if act is Act.ASK else None)
            case Act.KILL:
                await self._emulator.end(signal.SIGTERM)
            case Act.BURY:
                await self._bury()
            case Act.PAUSE | Act.RESUME:
                await self._pause(wanted, on=act is Act.PAUSE)
            case _:
                await self._do_seldom(act, wanted)
        return act not in (Act.REST, Act.WAIT, Act.SAVE, Act.LOAD, Act.LAND, Act.LEAVE, Act.DEVICES) or (
            act is Act.DEVICES and not (self._home.run().changing or self._home.run().volumes_changing)
        )

    async def _do_seldom(self, act: Act, wanted: Wanted) -> None:
        match act:
            case Act.SHAPE:
                await self._reshape(wanted)
            case Act.DEVICES:
                await self._change_devices(wanted)
            case Act.NMI:
                await (await self._emulator.monitor()).execute("inject-nmi")
                self._home.remember(done=msgspec.structs.replace(self._home.run().done, nmi=wanted.restarts.nmi))
            case Act.SAVE:
                await memory.save(await self._emulator.monitor(), self._home)
                self._come_again(memory.ASK_AGAIN_S)
            case Act.LOAD:
                self._come_again(memory.ASK_AGAIN_S)
            case Act.STORE:
                await asyncio.to_thread(memory.settle, self._home)
                self._home.remember(saved=True)
                await self._emulator.end(signal.SIGTERM)
            case _:
                await self._move_on(act, wanted)

    async def _move_on(self, act: Act, wanted: Wanted) -> None:
        monitor = await self._emulator.monitor()
        again_in_s: float | None = landing.ASK_AGAIN_S
        if act is Act.LAND and wanted.arrival is not None:
            await landing.make_ready(wanted, wanted.arrival, monitor, self._home)
        elif act is Act.LEAVE and wanted.departure is not None and not self.copying:  # a copy is QEMU's to end
            again_in_s = await self._leaving.go_on(wanted, wanted.departure, monitor)
        elif act is Act.OWN:
            await landing.take_over(wanted, monitor, self._home)
            self._home.remember(arrival=None, done=wanted.restarts)
        elif act is Act.STAY:
            await self._leaving.stay(monitor)
        if again_in_s is not None:
            self._come_again(again_in_s)

    def _move(self, wanted: Wanted, run: Run, status: str | None) -> Move | None:
        if wanted.arrival is not None:
            return landing.move_here(wanted.arrival, run, status)
        if wanted.departure is None:
            return None
        if status is None:
            return Move(wanted.departure.id, Stage.FAILED, "the server does not run")
        return self._leaving.seen(wanted.departure)

    async def _reshape(self, wanted: Wanted) -> None:
        """The disks have the shape that is wanted; what has another shape than before starts again."""
        run = self._home.run()
        if self._emulator.pid is not None:
            await forget_checkpoint(wanted, self._home, await self._emulator.monitor())
            self._home.remember(checkpoint=None)
            return
        await reshape(wanted, self._home)
        ran = run.ran and run.shape in ("", wanted.shape)
        self._home.remember(shape=wanted.shape, checkpoint=wanted.checkpoint, ran=ran)

    async def _change_devices(self, wanted: Wanted) -> None:
        if self._emulator.pid is None:
            await self._cards.settle_at_rest(wanted)
            self._volumes.settle_at_rest(wanted)
            return
        again = [
            await kind.settle_running(wanted, await self._emulator.monitor()) for kind in (self._cards, self._volumes)
        ]
        if any(again):
            self._come_again(max(seconds or 0 for seconds in again))
            self._rest(wanted)

    async def _bury(self) -> None:
        asked = self._home.run().stop_by is not None
        self._home.remember(ended=None if asked else Ended(sight.BY_GUEST, crashed=False))
        await self._emulator.end(signal.SIGTERM)

    async def _pause(self, wanted: Wanted, *, on: bool) -> None:
        await (await self._emulator.monitor()).execute("stop" if on else "cont")
        if not on:
            self._home.remember(done=msgspec.structs.replace(self._home.run().done, start=wanted.restarts.start))

    def _rest(self, wanted: Wanted) -> None:
        run = self._home.run()
        settled = msgspec.structs.replace(run, done=wanted.restarts, disks_ready=True)
        if self._emulator.pid is not None and self._home.memory.exists():
            self._home.memory.unlink()  # It was read; the server has gone on since.
        if wanted.power is Power.OFF:
            settled = msgspec.structs.replace(settled, ran=False, stop_by=None, ended=None, saved=False)
        if settled != run:
            self._home.keep_run(settled)

    async def _wait(self) -> None:
        """The guest hears its power button again and again: a guest that still boots does not listen."""
        now = time.time()
        if now - self._pressed > PRESS_AGAIN_S - 1:
            self._pressed = now
            await (await self._emulator.monitor()).execute("system_powerdown")
        stop_by = self._home.run().stop_by or now
        self._come_again(max(0.0, min(stop_by - now, PRESS_AGAIN_S)))

    def _come_again(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._tell)
