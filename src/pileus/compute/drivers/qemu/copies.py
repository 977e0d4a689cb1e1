"""Whole copies of a server's root disk, as it was at one moment, while the server goes on.

A running QEMU copies its own disk: what the guest writes meanwhile is kept out by copying the old blocks first. Without one
qemu-img does. A copy becomes visible under its name, where only we can write, when it is whole; one that was interrupted
begins anew.
"""

import asyncio
import contextlib
import os
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path

import msgspec

from pileus.compute.drivers.interface import Copy, DriverError, Wanted
from pileus.compute.drivers.qemu.argv import disk_files
from pileus.compute.drivers.qemu.disks import look_at, qemu_img
from pileus.compute.drivers.qemu.home import Home
from pileus.compute.drivers.qemu.jail import Jail
from pileus.compute.drivers.qemu.monitor import Monitor
from pileus.compute.drivers.qemu.stillness import Still

JOB = "snapshot"
PART = "snapshot.part"
CONVERT_S = 7200.0
THAW_AGAIN_S = 5.0
PREFIX, SUFFIX = "snapshot-", ".qcow2"


class Job(msgspec.Struct):
    """A job of QEMU's."""

    id: str
    status: str
    error: str | None = None


class Copies:
    """The copies of one server's disk."""

    def __init__(self, home: Home, tell: Callable[[], None]) -> None:
        self._home = home
        self._tell = tell
        self._convert: asyncio.Task[str] | None = None
        self._talk: asyncio.Task[bool] | None = None
        self._still = Still(home)

    def ready(self, name: str | None) -> Copy | None:
        """The copy of that name, if it is whole."""
        file = self._file(name) if name is not None else None
        return Copy(name, str(file)) if name is not None and file is not None and file.exists() else None

    async def ensure(self, wanted: Wanted, monitor: Monitor | None) -> None:
        """The copy that is wanted exists or is being made, and no other is; `monitor` is that of the QEMU that runs, if one does."""
        if self._talks(wanted) or self._frozen(monitor):
            return
        for file in self._home.path.glob(f"{PREFIX}*{SUFFIX}"):
            if wanted.snapshot is None or file != self._file(wanted.snapshot):
                file.unlink()
        part = self._home.guest / PART
        if wanted.snapshot is None:
            await self._give_up(part, monitor)
        elif self._file(wanted.snapshot).exists():
            return
        elif monitor is not None:
            await self._ask_qemu(wanted, part, monitor)
        else:
            await self._ask_tool(wanted, part)

    async def close(self) -> None:
        """No copy is being made by us; QEMU goes on with its own."""
        if self._talk is not None:
            self._talk.cancel()
            await asyncio.gather(self._talk, return_exceptions=True)
            self._talk = None
        if self._convert is not None:
            self._convert.cancel()
            await asyncio.gather(self._convert, return_exceptions=True)
            self._convert = None

    def _file(self, name: str) -> Path:
        return self._home.path / f"{PREFIX}{name}{SUFFIX}"

    async def _give_up(self, part: Path, monitor: Monitor | None) -> None:
        await self.close()
        if not part.exists():
            return
        if monitor is not None:
            job = await _job(monitor)
            if job is not None and job.status != "concluded":
                await monitor.execute("job-cancel", id=JOB)
                return  # It says when it has ended, and we come again.
            await _clean(monitor, job)
        part.unlink()

    async def _ask_qemu(self, wanted: Wanted, part: Path, monitor: Monitor) -> None:
        await self.close()
        job = await _job(monitor)
        if job is None:
            await self._prepare(wanted, part, monitor)
            self._talk_with(self._begin(wanted, monitor))
        elif job.status == "concluded":
            await _clean(monitor, job)
            if job.error is not None:
                part.unlink(missing_ok=True)
                raise DriverError("The disk cannot be copied", job.error)
            self._settle(part, wanted)

    def _talks(self, wanted: Wanted) -> bool:
        """Whether a talk with the guest's agent is under way; what it failed with is raised once, if that still matters."""
        if self._talk is None or not self._talk.done():
            return self._talk is not None
        talk, self._talk = self._talk, None
        if wanted.snapshot is not None:
            talk.result()
        return False

    def _frozen(self, monitor: Monitor | None) -> bool:
        """Whether a guest that runs is still frozen, for whoever froze it was killed; it is being thawed then."""
        if monitor is None:
            self._still.forget()
        elif self._still.frozen:
            self._talk_with(self._thawed())
            return True
        return False

    def _talk_with(self, talk: Coroutine[None, None, bool]) -> None:
        """Guests take their time, so nobody waits for this; we come again when it has ended."""
        self._talk = asyncio.create_task(talk, name=f"talk with the guest of {self._home.id}")
        self._talk.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._talk.add_done_callback(lambda done: None if done.cancelled() else self._tell())

    async def _thawed(self) -> bool:
        if not await self._still.thaw():
            await asyncio.sleep(THAW_AGAIN_S)
            return False
        return True

    async def _prepare(self, wanted: Wanted, part: Path, monitor: Monitor) -> None:
        await _clean(monitor, None)
        jail, disk = Jail(self._home.uid), self._home.guest / disk_files(wanted)[0].file
        part.unlink(missing_ok=True)
        size = (await look_at(jail, disk, "qcow2")).virtual_size
        await qemu_img(jail, self._home.guest, "create", "-q", "-f", "qcow2", part.name, str(size))
        target = {"driver": "file", "filename": part.name}
        await monitor.execute("blockdev-add", **{"node-name": JOB, "driver": "qcow2", "file": target})

    async def _begin(self, wanted: Wanted, monitor: Monitor) -> bool:
        options = {"job-id": JOB, "device": "disk0", "target": JOB, "sync": "full", "auto-dismiss": False}
        async with self._still.held(wanted.stillness):
            await monitor.execute("blockdev-backup", **options)
        return True

    async def _ask_tool(self, wanted: Wanted, part: Path) -> None:
        task = self._convert
        if task is None:
            part.unlink(missing_ok=True)
            words = ("convert", "-f", "qcow2", "-O", "qcow2", disk_files(wanted)[0].file, part.name)
            convert = qemu_img(Jail(self._home.uid), self._home.guest, *words, deadline_s=CONVERT_S)
            self._convert = task = asyncio.create_task(convert, name=f"copy the disk of {wanted.id}")
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            task.add_done_callback(lambda _: self._tell())
        elif task.done():
            self._convert = None
            if (failed := task.exception()) is not None:
                raise failed
            self._settle(part, wanted)

    def _settle(self, part: Path, wanted: Wanted) -> None:
        """The copy has its name, on the disk too. What a guest's user could have put in its place is not taken."""
        if wanted.snapshot is None:
            return
        handle = os.open(part, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode) or os.fstat(handle).st_nlink != 1:
                raise DriverError("The disk cannot be copied", "the copy is not a file of its own")
            os.fsync(handle)
        finally:
            os.close(handle)
        part.rename(self._file(wanted.snapshot))


async def _job(monitor: Monitor) -> Job | None:
    jobs = msgspec.convert(await monitor.execute("query-jobs"), list[Job])
    return next((job for job in jobs if job.id == JOB), None)


async def _clean(monitor: Monitor, job: Job | None) -> None:
    """Nothing is left in QEMU of a copy that has ended."""
    if job is not None:
        await monitor.execute("job-dismiss", id=JOB)
    with contextlib.suppress(DriverError):  # There may be none.
        await monitor.execute("blockdev-del", **{"node-name": JOB})
