"""One server on this host: brings it from whatever is there to what is wanted, one act at a time.

    disks -> ports -> QEMU -> power        and back: QEMU -> ports -> directory

Nothing here is needed to continue: process, monitor and timer are found or made again from the directory.
"""

import asyncio
import contextlib
import datetime as dt
import signal
import time
from collections.abc import AsyncIterator, Callable

import msgspec

from pileus.compute.drivers.interface import (
    ABSENT,
    ConsoleAddresses,
    DriverError,
    Move,
    Power,
    PowerSeen,
    Seen,
    Stage,
    Wanted,
    lasting,
)
from pileus.compute.drivers.qemu import blocks, landing, memory, taps
from pileus.compute.drivers.qemu import process as processes
from pileus.compute.drivers.qemu.accel import Acceleration
from pileus.compute.drivers.qemu.argv import CONSOLE_LOG, VNC_SOCKET, Accel, argv
from pileus.compute.drivers.qemu.arrivals import given
from pileus.compute.drivers.qemu.cards import Cards, placed
from pileus.compute.drivers.qemu.cgroup import Groups
from pileus.compute.drivers.qemu.console import tail, trim
from pileus.compute.drivers.qemu.copies import Copies
from pileus.compute.drivers.qemu.descriptors import descriptors
from pileus.compute.drivers.qemu.disks import Disks, write_config
from pileus.compute.drivers.qemu.home import Ended, Home, Run
from pileus.compute.drivers.qemu.jail import Jail, kvm_groups
from pileus.compute.drivers.qemu.leaving import Leaving
from pileus.compute.drivers.qemu.monitor import Monitor
from pileus.compute.drivers.qemu.opening import forget
from pileus.compute.drivers.qemu.plan import GUEST_OFF, LOADING, SAVED, Act, next_act
from pileus.compute.drivers.qemu.shape import forget_checkpoint, reshape
from pileus.compute.drivers.qemu.volume_copies import VolumeCopies
from pileus.compute.drivers.qemu.volumes import Volumes, standing
from pileus.kit.flow.failpoint import failpoint
from pileus.kit.timely import timely
from pileus.ports.given_passwords import GivenPasswords
from pileus.ports.plug import Plug, PortPlug
from pileus.ports.server_streams import ServerStreams
from pileus.ports.volume_keys import VolumeKeys

END_S = 5.0
MOST_ACTS = 10  # A hard reboot of a paused server takes the most: kill, shape, cards, start, pause, rest.
PRESS_AGAIN_S = 10.0
BY_GUEST = "the guest powered off"
UNWATCHED = "QEMU ended while nobody watched"
POWERS = {
    "paused": PowerSeen.PAUSED,
    SAVED: PowerSeen.PAUSED,
    LOADING: PowerSeen.PAUSED,
    "io-error": PowerSeen.PAUSED,
    GUEST_OFF: PowerSeen.OFF,
}
FAILURES = {"io-error": "The server stands still: its disk cannot be written, the host's may be full."}
CRASHED = ("guest-panicked", "internal-error")


class Means(msgspec.Struct, frozen=True):
    """What servers are made with, the same for all of a host."""

    disks: Disks
    plug: Plug
    accel: Acceleration
    groups: Groups
    changed: Callable[[str], None]
    stop_s: float
    resume_after_reboot: bool
    volume_copies: VolumeCopies
    keys: VolumeKeys | None = None
    streams: ServerStreams | None = None
    passwords: GivenPasswords | None = None


class Server:
    """One server's process, monitor and timer."""

    def __init__(self, home: Home, means: Means) -> None:
        self._home = home
        self._means = means
        self._process: processes.Process | None = None
        self._monitor: Monitor | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiting_for: str | None = None
        self._searched = False
        self._pressed = 0.0
        self._panicked_at: dt.datetime | None = None
        self._copies = Copies(home, self._tell)
        self._cards = Cards(home, means.plug)
        self._volumes = Volumes(home, means.keys, means.volume_copies)
        self._leaving = Leaving(home, means.streams)
        self._working = asyncio.Lock()
        self._connecting = asyncio.Lock()
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
            if self._process is not None:
                cards = self._home.run().cards or {}
                here = [nic for nic in wanted.nics if nic.port_id in cards]
                await taps.mend(self._process.pid, here, cards, self._means.plug)
            await self._copies.ensure(wanted, None if await self._status() is None else await self._connected())

    async def _recollect(self) -> None:
        """It is known what became of cards and volumes of a QEMU that runs. One about to be ended may hang, and is not asked."""
        if not (self._cards.doubtful or self._volumes.doubtful) or await self._status() is None:
            return
        monitor = await self._connected()
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
        """QEMU's word for its state. One that hangs does not give it, and a hard reboot is what people then ask for."""
        try:
            return await self._status()
        except DriverError:
            if wanted.restarts.hard > self._home.run().done.hard:
                return "running"
            raise

    def _keep(self, wanted: Wanted) -> None:
        before, run = self._home.wanted(), self._home.run()
        if before is not None and run.pid is not None and not run.shape:
            self._remember(shape=before.shape)  # An earlier release started it, and did not write that down.
        if run.cards is None:
            arrives = wanted.arrival.slots if wanted.arrival is not None else {}
            self._remember(cards=placed(before.nics, {}) if before is not None else arrives)
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
            self._attend()
            if self._home.path.exists():
                self._remember(ran=False)  # Half removed and then wanted again, it is to start.
            await self._end(signal.SIGKILL)
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
            status = await self._status()
        except DriverError as failed:
            status, failure = "running", str(failed)
        run, wanted = self._home.run(), self._home.wanted()
        seen = Seen(
            power=self._power(run, status),
            restarts=run.done,
            disks_ready=run.disks_ready,
            doing=self._doing(run),
            failure=failure or FAILURES.get(status or ""),
            started_at=run.started_at,
            exit_reason=_exit_reason(run, status),
            panicked_at=self._panicked_at if status is not None else None,
            shape=run.shape,
            snapshot=self._copies.ready(wanted.snapshot if wanted is not None else None),
            move=self._move(wanted, run, status) if wanted is not None else None,
            cards=tuple(sorted(run.cards or {})),
            cards_changing=tuple(sorted(run.changing)),
            volumes=tuple(sorted(run.volumes.keys() - run.swaps.keys())),
            volumes_changing=tuple(sorted(run.volumes_changing)),
            volume_sizes=run.volume_sizes,
        )
        if status is None or self._process is None:
            return seen
        await trim(self._home.guest / CONSOLE_LOG)
        seen = msgspec.structs.replace(seen, machine=run.machine, slots=run.cards or {})
        return msgspec.structs.replace(seen, pid=self._process.pid, consoles=self._consoles())

    async def give(self, name: str) -> int:
        """An open descriptor of a disk of a server at rest, or of a copy."""
        async with self._working:
            return given(self._home, self._home.wanted(), name, at_rest=await self._status() is None)

    async def let_go(self) -> None:
        """Watch no longer; QEMU goes on, and what it sends to another host breaks off."""
        await self._leaving.close()
        await self._copies.close()
        if self._timer is not None:
            self._timer.cancel()
        if self._monitor is not None:
            await self._monitor.close()
            self._monitor = None
        if self._process is not None:
            self._process.let_go()
            self._process = None
            self._searched = False

    async def landing(self, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to what waits for the server's disks or memory."""
        return await landing.connection(self._home, name)

    # Looking.

    def _tell(self) -> None:
        self._means.changed(self._home.id)

    def _attend(self) -> None:
        """The process is known if there is one, and its end has been noted if it ended."""
        if not self._searched:
            self._searched = True
            self._search()
        if self._process is not None and self._process.ended.is_set():
            if self._process.expected:
                self._forget_process()
                if self._home.run().ending:
                    self._remember(pid=None, born=None, ending=False)
            else:
                self._note_end(self._process.cause or UNWATCHED)

    def _search(self) -> None:
        """What runs is watched again; what ran when we were last here, and runs no more, has ended."""
        run = self._home.run()
        found = processes.find(self._home.id, run.pid, run.born, self._home.guest)
        if found is not None:
            found.expected = run.ending
            self._watch(found)
            if run.pid != found.pid:
                self._home.keep_run(msgspec.structs.replace(run, ran=True, pid=found.pid, born=found.born))
        elif run.pid is not None and run.ending:
            self._remember(pid=None, born=None, ending=False)
        elif run.pid is not None:
            self._note_end(UNWATCHED)

    def _watch(self, process: processes.Process) -> None:
        self._process = process
        process.watch(self._tell)

    def _note_end(self, cause: str) -> None:
        """QEMU ended by itself: remember that, and why."""
        run = self._home.run()
        if run.boot_id not in ("", processes.boot_id()):
            ended = Ended("the host was restarted", crashed=False)
            run = msgspec.structs.replace(run, ran=not self._means.resume_after_reboot)
        else:
            ended = Ended(f"{cause}{self._last_words()}", crashed=True)
        self._forget_process()
        self._home.keep_run(msgspec.structs.replace(run, pid=None, born=None, ended=run.ended or ended))

    def _forget_process(self) -> None:
        self._panicked_at = None
        if self._process is not None:
            self._process.let_go()
            self._process = None

    def _last_words(self) -> str:
        words = tail(self._home.log, 1).strip()
        return f"; QEMU's last words: {words}" if words else ""

    async def _status(self) -> str | None:
        self._attend()
        if self._process is None:
            if self._monitor is not None:
                await self._monitor.close()
                self._monitor = None
            return None
        try:
            return await (await self._connected()).status()
        except DriverError:
            # It may have ended under our question, which the kernel tells a moment later.
            with contextlib.suppress(TimeoutError):
                await timely(self._process.ended.wait(), 0.2)
            self._attend()
            if self._gone():
                return None
            raise

    def _gone(self) -> bool:
        return self._process is None

    async def _connected(self) -> Monitor:
        async with self._connecting:
            if self._monitor is not None and self._monitor.lost:
                await self._monitor.close()
                self._monitor = None
            if self._monitor is None:
                self._monitor = await Monitor.connect(self._home.monitor, self._heard)
            return self._monitor

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[Monitor | None]:
        """Nobody else is at work on the server while the block lasts; what is given is the monitor of its QEMU, if one runs."""
        async with self._working:
            yield None if await self._status() is None else await self._connected()

    def _heard(self, event: str) -> None:
        self.stirred.set()
        self._cards.doubtful = self._cards.doubtful or event == "DEVICE_DELETED"
        if event in {"GUEST_PANICKED", "RESET"}:
            self._panicked_at = dt.datetime.now(dt.UTC) if event == "GUEST_PANICKED" else None
        self._tell()

    def _power(self, run: Run, status: str | None) -> PowerSeen:
        if status is None and run.saved:
            return PowerSeen.SUSPENDED
        if status is None:
            return PowerSeen.CRASHED if run.ended is not None and run.ended.crashed else PowerSeen.OFF
        return PowerSeen.CRASHED if status in CRASHED else POWERS.get(status, PowerSeen.ON)

    def _doing(self, run: Run) -> str | None:
        if self._waiting_for is not None:
            return self._waiting_for
        return "waiting for the guest to power off" if run.stop_by is not None and run.pid is not None else None

    def _consoles(self) -> ConsoleAddresses:
        vnc, serial = self._home.guest / VNC_SOCKET, self._home.serial
        return ConsoleAddresses(
            vnc=str(vnc) if vnc.is_socket() else None, serial=str(serial) if serial.is_socket() else None
        )

    # Acting.

    async def _still_missing(self, wanted: Wanted) -> str | None:
        """What must come by itself before we can act; we are told when it has."""
        # Begun first, for it takes its time while the image is fetched.
        accel = None if wanted.power is Power.OFF else self._means.accel.ready(self._tell)
        if not await self._means.disks.ensure(wanted, self._home, self._tell):
            return "fetching the image" if wanted.origin is None else f"fetching the disks from host {wanted.origin}"
        self._attend()
        if accel is None and wanted.power is not Power.OFF and self._process is None:
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
                await self._start(wanted)
            case Act.ASK | Act.FORGET:
                self._remember(stop_by=time.time() + self._means.stop_s if act is Act.ASK else None)
            case Act.KILL:
                await self._end(signal.SIGTERM)
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
                await (await self._connected()).execute("inject-nmi")
                self._remember(done=msgspec.structs.replace(self._home.run().done, nmi=wanted.restarts.nmi))
            case Act.SAVE:
                await memory.save(await self._connected(), self._home)
                self._come_again(memory.ASK_AGAIN_S)
            case Act.LOAD:
                self._come_again(memory.ASK_AGAIN_S)
            case Act.STORE:
                await asyncio.to_thread(memory.settle, self._home)
                self._remember(saved=True)
                await self._end(signal.SIGTERM)
            case _:
                await self._move_on(act, wanted)

    async def _move_on(self, act: Act, wanted: Wanted) -> None:
        monitor = await self._connected()
        again_in_s: float | None = landing.ASK_AGAIN_S
        if act is Act.LAND and wanted.arrival is not None:
            await landing.make_ready(wanted, wanted.arrival, monitor, self._home)
        elif act is Act.LEAVE and wanted.departure is not None and not self.copying:  # a copy is QEMU's to end
            again_in_s = await self._leaving.go_on(wanted, wanted.departure, monitor)
        elif act is Act.OWN:
            await landing.take_over(wanted, monitor, self._home)
            self._remember(arrival=None, done=wanted.restarts)
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
        if self._process is not None:
            await forget_checkpoint(wanted, self._home, await self._connected())
            self._remember(checkpoint=None)
            return
        await reshape(wanted, self._home)
        ran = run.ran and run.shape in ("", wanted.shape)
        self._remember(shape=wanted.shape, checkpoint=wanted.checkpoint, ran=ran)

    async def _change_devices(self, wanted: Wanted) -> None:
        if self._process is None:
            await self._cards.settle_at_rest(wanted)
            self._volumes.settle_at_rest(wanted)
            return
        again = [await kind.settle_running(wanted, await self._connected()) for kind in (self._cards, self._volumes)]
        if any(again):
            self._come_again(max(seconds or 0 for seconds in again))
            self._rest(wanted)

    async def _bury(self) -> None:
        asked = self._home.run().stop_by is not None
        self._remember(ended=None if asked else Ended(BY_GUEST, crashed=False))
        await self._end(signal.SIGTERM)

    async def _pause(self, wanted: Wanted, *, on: bool) -> None:
        await (await self._connected()).execute("stop" if on else "cont")
        if not on:
            self._remember(done=msgspec.structs.replace(self._home.run().done, start=wanted.restarts.start))

    def _remember(self, **changes: object) -> None:
        self._home.keep_run(msgspec.structs.replace(self._home.run(), **changes))

    def _rest(self, wanted: Wanted) -> None:
        run = self._home.run()
        settled = msgspec.structs.replace(run, done=wanted.restarts, disks_ready=True)
        if self._process is not None and self._home.memory.exists():
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
            await (await self._connected()).execute("system_powerdown")
        stop_by = self._home.run().stop_by or now
        self._come_again(max(0.0, min(stop_by - now, PRESS_AGAIN_S)))

    def _come_again(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._tell)

    async def _start(self, wanted: Wanted) -> None:
        for nic in wanted.nics:
            await self._means.plug.ensure_plugged(PortPlug(nic.port_id, nic.mac, nic.mtu))
        if wanted.arrival is None:
            await write_config(wanted, self._home, self._means.passwords)
        accel = await self._means.accel.choose()
        with contextlib.ExitStack() as ours:
            before = self._home.run()
            # Of two of which one takes the other's place it starts with the one that has the bytes.
            starts = msgspec.structs.replace(wanted, volumes=lasting(wanted, before.volumes))
            for volume in starts.volumes:
                await self._means.volume_copies.yield_(volume.id)
            fds = await descriptors(starts, self._home, self._means.plug, self._means.keys, ours)
            slots = placed(wanted.nics, before.cards or {})
            words = Jail(self._home.uid).around(argv(starts, accel, fds, slots), _groups(accel))
            process = processes.start(words, self._home.guest, fds.numbers, self._home.log)
        failpoint("qemu.start", "started")
        run = Run(
            done=wanted.restarts,
            ran=True,
            pid=process.pid,
            born=process.born,
            boot_id=processes.boot_id(),
            started_at=dt.datetime.now(dt.UTC),
            disks_ready=True,
            shape=wanted.shape,
            checkpoint=before.checkpoint,
            cards=slots,
            arrival=wanted.arrival.id if wanted.arrival is not None else None,
        )
        self._home.keep_run(standing(wanted, before, run))
        failpoint("qemu.start", "written")
        self._pressed = 0.0
        self._watch(process)
        self._means.groups.place(self._home.id, process.pid, wanted.vcpus)
        await self._await_greeting(before)
        for volume in starts.volumes:
            await forget(await self._connected(), blocks.Chain(blocks.slots(starts)[volume.key]))
        self._remember(machine=await (await self._connected()).machine())
        failpoint("qemu.start", "greeted")

    async def _await_greeting(self, before: Run) -> None:
        """QEMU answers; or it ended at once, is as good as never started, and this raises its last words."""
        process = self._process
        if self._monitor is not None:
            await self._monitor.close()
            self._monitor = None
        try:
            await self._connected()
        except DriverError:
            if process is None:
                raise
            with contextlib.suppress(TimeoutError):
                await timely(process.ended.wait(), 1)
            if not process.ended.is_set():
                raise
            self._forget_process()
            # Its disk may be locked by a QEMU that we did not see when we looked for one.
            self._searched = False
            self._home.keep_run(msgspec.structs.replace(before, pid=None, born=None, disks_ready=True))
            raise DriverError("QEMU did not start", tail(self._home.log, 3).strip() or "it said nothing") from None

    async def _end(self, first: signal.Signals) -> None:
        """QEMU is gone: asked first, which lets it put its disks in order, killed if it does not go."""
        process = self._process
        if process is None:
            return
        process.expected = True
        if self._home.path.exists():
            self._remember(ending=True)
        for word in (first, signal.SIGKILL):
            process.send(word)
            with contextlib.suppress(TimeoutError):
                await timely(process.ended.wait(), END_S)
                break
        else:
            raise DriverError("QEMU does not end", f"process {process.pid} ignores SIGKILL, its disk may hang")
        self._forget_process()
        if self._home.path.exists():
            self._remember(pid=None, born=None, ending=False)


def _exit_reason(run: Run, status: str | None) -> str | None:
    if run.ended is not None:
        return run.ended.reason
    return BY_GUEST if status == GUEST_OFF and run.stop_by is None else None


def _groups(accel: Accel) -> tuple[int, ...]:
    return kvm_groups() if accel == "kvm" else ()
