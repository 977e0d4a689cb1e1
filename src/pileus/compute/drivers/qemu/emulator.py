"""One server's QEMU, if one runs: found again, listened to, and ended.

    started (or found in the directory) -> watched -> asked over its monitor -> ended, by itself or by us

How it ended is remembered in the server's directory, so that an end nobody watched is noted by whoever comes after us.
"""

import asyncio
import contextlib
import datetime as dt
import signal
from collections.abc import Callable, Mapping

import msgspec

from pileus.compute.drivers.interface import DriverError
from pileus.compute.drivers.qemu import process as processes
from pileus.compute.drivers.qemu.console import tail
from pileus.compute.drivers.qemu.disk_errors import IO_ERROR, with_event
from pileus.compute.drivers.qemu.home import Ended, Home, Run
from pileus.compute.drivers.qemu.monitor import ANSWER_S, START_S, Monitor
from pileus.compute.drivers.qemu.process import Process
from pileus.kit.timely import timely

END_S = 5.0
UNWATCHED = "QEMU ended while nobody watched"


class Emulator:
    """The process of one server and our connection to it. `ended` and `heard` are called when it ended, or told something."""

    def __init__(
        self, home: Home, ended: Callable[[], None], heard: Callable[[str], None], *, resume_after_reboot: bool
    ) -> None:
        self._home = home
        self._ended = ended
        self._heard = heard
        self._resume_after_reboot = resume_after_reboot
        self._process: Process | None = None
        self._monitor: Monitor | None = None
        self._searched = False
        self._connecting = asyncio.Lock()
        self._panicked_at: dt.datetime | None = None

    @property
    def pid(self) -> int | None:
        """The process, if one ran when we last looked."""
        return self._process.pid if self._process is not None else None

    @property
    def panicked_at(self) -> dt.datetime | None:
        """When the guest panicked, if it did and has not begun anew since."""
        return self._panicked_at

    def attend(self) -> None:
        """The process is known if there is one, and its end has been noted if it ended."""
        if not self._searched:
            self._searched = True
            self._search()
        if self._process is not None and self._process.ended.is_set():
            if self._process.expected:
                self._forget()
                if self._home.run().ending:
                    self._home.remember(pid=None, born=None, ending=False)
            else:
                self._note_end(self._process.cause or UNWATCHED)

    async def status(self) -> str | None:
        """QEMU's word for the server's state, None if none runs; raises DriverError if it runs and does not answer."""
        self.attend()
        if self._process is None:
            await self._part()
            return None
        try:
            return await (await self.monitor()).status()
        except DriverError:
            # It may have ended under our question, which the kernel tells a moment later.
            with contextlib.suppress(TimeoutError):
                await timely(self._process.ended.wait(), 0.2)
            self.attend()
            if self._gone():
                return None
            raise

    async def monitor(self, deadline_s: float = ANSWER_S) -> Monitor:
        """A connection to the QEMU that runs; raises DriverError."""
        async with self._connecting:
            if self._monitor is not None and self._monitor.lost:
                await self._part()
            if self._monitor is None:
                self._monitor = await Monitor.connect(self._home.monitor, self._hear, deadline_s)
            return self._monitor

    def watch(self, process: Process) -> None:
        """This is the server's process."""
        self._process = process
        process.watch(self._ended)

    async def await_greeting(self, before: Run) -> None:
        """QEMU answers; or it ended at once, is as good as never started, and this raises its last words."""
        process = self._process
        await self._part()
        try:
            await self.monitor(START_S)
        except DriverError:
            if process is None:
                raise
            with contextlib.suppress(TimeoutError):
                await timely(process.ended.wait(), 1)
            if not process.ended.is_set():
                raise
            self._forget()
            # Its disk may be locked by a QEMU that we did not see when we looked for one.
            self._searched = False
            self._home.keep_run(msgspec.structs.replace(before, pid=None, born=None, disks_ready=True))
            raise DriverError("QEMU did not start", tail(self._home.log, 3).strip() or "it said nothing") from None

    async def end(self, first: signal.Signals) -> None:
        """QEMU is gone: asked first, which lets it put its disks in order, killed if it does not go."""
        process = self._process
        if process is None:
            return
        process.expected = True
        if self._home.path.exists():
            self._home.remember(ending=True)
        for word in (first, signal.SIGKILL):
            process.send(word)
            with contextlib.suppress(TimeoutError):
                await timely(process.ended.wait(), END_S)
                break
        else:
            raise DriverError("QEMU does not end", f"process {process.pid} ignores SIGKILL, its disk may hang")
        self._forget()
        if self._home.path.exists():
            self._home.remember(pid=None, born=None, ending=False)

    async def let_go(self) -> None:
        """Watch no longer; QEMU goes on."""
        await self._part()
        if self._process is not None:
            self._process.let_go()
            self._process = None
            self._searched = False

    def _search(self) -> None:
        """What runs is watched again; what ran when we were last here, and runs no more, has ended."""
        run = self._home.run()
        found = processes.find(self._home.id, run.pid, run.born, self._home.guest)
        if found is not None:
            found.expected = run.ending
            self.watch(found)
            if run.pid != found.pid:
                self._home.keep_run(msgspec.structs.replace(run, ran=True, pid=found.pid, born=found.born))
        elif run.pid is not None and run.ending:
            self._home.remember(pid=None, born=None, ending=False)
        elif run.pid is not None:
            self._note_end(UNWATCHED)

    def _note_end(self, cause: str) -> None:
        """QEMU ended by itself: remember that, and why."""
        run = self._home.run()
        if run.boot_id not in ("", processes.boot_id()):
            ended = Ended("the host was restarted", crashed=False)
            run = msgspec.structs.replace(run, ran=not self._resume_after_reboot)
        else:
            ended = Ended(f"{cause}{self._last_words()}", crashed=True)
        self._forget()
        self._home.keep_run(msgspec.structs.replace(run, pid=None, born=None, ended=run.ended or ended))

    def _forget(self) -> None:
        self._panicked_at = None
        if self._process is not None:
            self._process.let_go()
            self._process = None

    def _last_words(self) -> str:
        words = tail(self._home.log, 1).strip()
        return f"; QEMU's last words: {words}" if words else ""

    def _gone(self) -> bool:
        return self._process is None

    async def _part(self) -> None:
        if self._monitor is not None:
            await self._monitor.close()
            self._monitor = None

    def _hear(self, event: str, said: Mapping[str, object]) -> None:
        now = dt.datetime.now(dt.UTC)
        if event in {"GUEST_PANICKED", "RESET"}:
            self._panicked_at = now if event == "GUEST_PANICKED" else None
        if event == IO_ERROR:
            run = self._home.run()
            errors = with_event(run, said, now)
            if errors == run.disk_errors or not self._home.path.exists():
                return  # A bad disk is told of a thousand times a second.
            self._home.remember(disk_errors=errors)
        self._heard(event)
