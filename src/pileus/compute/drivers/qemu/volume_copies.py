"""Copies of volumes as they are at one moment, while servers have them: by the QEMU that has the file, or with qemu-img where none has.

    the file system copies by reference: a reference to all that is there now
    QEMU runs: open the target -> mirror to it -> (the same on both, and every write goes to both) -> end the mirror there
    none runs: qemu-img, which gives way to a server that is about to have the volume; then it is begun anew, by its QEMU

The guest's file systems hold still for that moment, where its agent sees to it. What is encrypted is copied as it lies in the file, below QEMU's decryption: such a copy keeps what is overwritten meanwhile, and
is of the moment it begins.
"""

import asyncio
import contextlib
import ctypes
import errno
import fcntl
import os
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path

import msgspec

from pileus.compute.drivers.interface import DriverError, Volume
from pileus.compute.drivers.qemu.blocks import Chain
from pileus.compute.drivers.qemu.jail import IMAGE_TOOL
from pileus.compute.drivers.qemu.monitor import Monitor
from pileus.compute.drivers.qemu.nodes import GONE_ALREADY
from pileus.compute.drivers.qemu.swaps import OVER, job_named
from pileus.kit.flow.failpoint import failpoint
from pileus.kit.lent import lent
from pileus.kit.run import ProgramFailed, run
from pileus.kit.timely import timely

COPY_S = 7200.0
FICLONE = 0x40049409  # linux/fs.h
PUNCH_HOLE = 3  # linux/falloc.h: and the file keeps its size
NUMBER = 200  # above those of volumes
NOTES = 300  # and of copies
READY = "ready"
Moment = Callable[[], contextlib.AbstractAsyncContextManager[None]]


class ImageOf(msgspec.Struct, rename="kebab"):
    """What a node holds."""

    virtual_size: int


class Bitmap(msgspec.Struct, rename="kebab"):
    """A bitmap of a node: what is written to it is noted there."""

    name: str = ""
    recording: bool = False
    persistent: bool = False
    busy: bool = False
    inconsistent: bool = False


class Node(msgspec.Struct, rename="kebab"):
    """A node of QEMU's."""

    node_name: str
    image: ImageOf
    dirty_bitmaps: tuple[Bitmap, ...] = ()


class VolumeCopies:
    """The copies that are being made on this host of volumes that servers have."""

    def __init__(self) -> None:
        self._plain: dict[str, asyncio.Task[None]] = {}

    async def yield_(self, volume_id: str) -> None:
        """Nobody reads the volume's file: it is about to be written to."""
        task = self._plain.get(volume_id)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def begin_plain(self, volume_id: str, source: Path, target: Path, format: str) -> asyncio.Task[None]:
        """A copy of a file that nobody has open; it ends, cancelled, when a server is to have the volume."""
        return self.begin_at_rest(volume_id, _copy_plain(source, target, format))

    def begin_at_rest(self, volume_id: str, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Work on a file that nobody has open; it ends, cancelled, when a server is to have the volume."""
        task = asyncio.create_task(work, name=f"copy volume {volume_id}")
        self._plain[volume_id] = task
        task.add_done_callback(lambda done: self._plain.pop(volume_id, None) and None)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def busy(self, slot: int, monitor: Monitor) -> bool:
        """Whether QEMU copies the volume in that slot."""
        return await job_named(job_of(slot), monitor) is not None

    async def give_up(self, slot: int, monitor: Monitor) -> bool:
        """Whether QEMU copies nothing of the volume in that slot; if it does it is told to end."""
        job = await job_named(job_of(slot), monitor)
        if job is not None and job.status != OVER:
            with contextlib.suppress(DriverError):  # It may be ending already.
                await monitor.execute("job-cancel", id=job_of(slot))
            return False
        await _clean(slot, monitor, dismiss=job is not None)
        return True

    async def close(self) -> None:
        """No copy is made here any more."""
        for id in list(self._plain):
            await self.yield_(id)


async def begin(volume: Volume, chain: Chain, target: Path, monitor: Monitor) -> None:
    """QEMU copies the volume to the target; what was left of a copy that nobody waits for is gone."""
    slot = chain.slot
    of = chain.bytes_(volume) if volume.encrypted else chain.top(volume)
    size = (await node_named(of, monitor)).image.virtual_size
    await open_target(target, size, slot, monitor)
    options: dict[str, object] = {"job-id": job_of(slot), "device": of, "target": job_of(slot), "sync": "full"}
    if volume.encrypted:
        await monitor.execute("blockdev-backup", **options, **{"auto-dismiss": False})
    else:
        await monitor.execute("blockdev-mirror", **options, **{"copy-mode": "write-blocking", "auto-dismiss": False})
    failpoint("qemu.copy", "begun")


async def go_on(slot: int, monitor: Monitor, moment: Moment) -> bool | None:
    """Whether the copy is whole (True), or was given up (False); None: QEMU will say when to look again."""
    job = await job_named(job_of(slot), monitor)
    if job is None:
        return False
    if job.status == READY:
        async with moment():
            # Unlike job-cancel, this ends a mirror that is ready without giving it up.
            await monitor.execute("block-job-cancel", device=job_of(slot))
            while (job := await job_named(job_of(slot), monitor)) is not None and job.status != OVER:  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # QEMU writes down what is left; that takes a few turns of its loop
        failpoint("qemu.copy", "ended")
    if job is None or job.status != OVER:
        return None
    await _clean(slot, monitor, dismiss=True)
    if job.error is not None:
        raise DriverError("The volume cannot be copied", job.error)
    return True


async def settle(source: Path | None, target: Path, *, encrypted: bool) -> None:
    """The copy is on the disk, as sparse as it can be, and as large as its source, where that is a raw file."""
    if encrypted:
        # QEMU makes room for what it copies, holes included: zeros it wrote, and room it only took.
        await _run("fallocate", "--dig-holes", str(target))
        await asyncio.to_thread(_free, target)
    await asyncio.to_thread(_finish, source, target)


async def wait(stirred: asyncio.Event, look: Callable[[], Awaitable[bool | None]]) -> bool:
    """What `look` says once it says something; it is asked whenever QEMU has stirred, or after a while."""
    async with asyncio.timeout(COPY_S):
        while (said := await look()) is None:
            stirred.clear()
            with contextlib.suppress(TimeoutError):
                await timely(stirred.wait(), 1)
    return said


async def open_target(target: Path, size: int, slot: int, monitor: Monitor) -> None:
    """QEMU has the target, an empty file of that size, open for the copy of that slot's volume."""
    await _clean(slot, monitor, dismiss=False)
    target.unlink(missing_ok=True)
    file = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        os.ftruncate(file, size)
        await monitor.hand_set(NUMBER + slot, file)
    finally:
        os.close(file)
    name = job_of(slot)
    bytes_ = {"driver": "file", "node-name": f"{name}-file", "filename": f"/dev/fdset/{NUMBER + slot}"}
    await monitor.execute("blockdev-add", **bytes_, discard="unmap")
    await monitor.execute(
        "blockdev-add", **{"driver": "raw", "node-name": name, "file": f"{name}-file"}, discard="unmap"
    )


async def _clean(slot: int, monitor: Monitor, *, dismiss: bool) -> None:
    """Nothing is left in QEMU of a copy that has ended."""
    if dismiss:
        await monitor.execute("job-dismiss", id=job_of(slot))
    for name in (job_of(slot), f"{job_of(slot)}-file", notes_of(slot), f"{notes_of(slot)}-file"):
        try:
            await monitor.execute("blockdev-del", **{"node-name": name})
        except DriverError as refused:
            if not any(word in refused.why for word in GONE_ALREADY):
                raise
    for number in (NUMBER + slot, NOTES + slot):
        with contextlib.suppress(DriverError):  # There is one only if a copy was begun.
            await monitor.execute("remove-fd", **{"fdset-id": number})


async def node_named(name: str, monitor: Monitor) -> Node:
    """The node of that name, which QEMU has."""
    found = msgspec.convert(await monitor.execute("query-named-block-nodes", flat=True), list[Node])
    return next(each for each in found if each.node_name == name)


async def _copy_plain(source: Path, target: Path, format: str) -> None:
    """The target is a copy of a disk that no server of this host has open; raises DriverError if anybody else writes to it."""
    if format == "raw" and await asyncio.to_thread(clones, source, target.parent):
        await clone(source, target)
        return
    # It asks for QEMU's locks: a server of another host may have the volume, by a daemon that has the file open here.
    target.unlink(missing_ok=True)
    target.touch(mode=0o600, exist_ok=False)
    async with lent(source, target) as them:
        words = them.around([*IMAGE_TOOL, "qemu-img", "convert", "-f", format, "-O", "raw", *them.names])
        await _run(*words, pass_fds=them.descriptors)


async def _run(*words: str, pass_fds: Sequence[int] = ()) -> None:
    try:
        await run(words, pass_fds=pass_fds, deadline_s=COPY_S)
    except ProgramFailed as failed:
        raise DriverError("The volume cannot be copied", failed.why) from failed


def _free(target: Path) -> None:
    """Nothing of the file takes room that holds nothing."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    with target.open("r+b") as out:
        file, size, at = out.fileno(), os.fstat(out.fileno()).st_size, 0
        while at < size and (hole := os.lseek(file, at, os.SEEK_HOLE)) < size:
            try:
                at = os.lseek(file, hole, os.SEEK_DATA)
            except OSError as failed:
                if failed.errno != errno.ENXIO:
                    raise
                at = size  # there is nothing after it
            if libc.fallocate(file, PUNCH_HOLE, hole, at - hole) != 0 and ctypes.get_errno() != errno.EOPNOTSUPP:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(target))


def _finish(source: Path | None, target: Path) -> None:
    with target.open("r+b") as out:
        if source is not None and os.fstat(out.fileno()).st_size < source.stat().st_size:
            out.truncate(source.stat().st_size)
        os.fsync(out.fileno())


def clones(source: Path, folder: Path) -> bool:
    """Whether the file's file system, which is the folder's, copies by reference."""
    if source.stat().st_dev != folder.stat().st_dev:
        return False
    with tempfile.TemporaryFile(dir=folder) as one, tempfile.TemporaryFile(dir=folder) as other:
        one.write(b"\0")
        one.flush()
        try:
            fcntl.ioctl(other.fileno(), FICLONE, one.fileno())
        except OSError:
            return False
    return True


async def clone(source: Path, target: Path) -> None:
    """The target is a copy by reference: of one moment, whoever writes to the source."""
    await _run("cp", "--reflink=always", "--", str(source), str(target))


def job_of(slot: int) -> str:
    """The job that copies the volume in that slot, and the node it writes to."""
    return f"copy{slot}"


def notes_of(slot: int) -> str:
    """The node with the file that gets the notes of what is copied."""
    return f"notes{slot}"
