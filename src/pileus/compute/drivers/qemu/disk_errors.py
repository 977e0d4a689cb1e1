"""Disks that cannot be read or written under a guest: what is kept of it, and when a guest that stands still is to go on.

QEMU tells the guest of an error by its disk, except of a lack of room: then the guest stands still (QEMU's `io-error`), with the
write kept, and goes on by itself where it was as soon as there is room.
"""

import asyncio
import datetime as dt
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from pileus.compute.drivers.interface import DiskError, DriverError, Wanted
from pileus.compute.drivers.qemu.blocks import is_device
from pileus.compute.drivers.qemu.home import Home, Run
from pileus.compute.drivers.qemu.monitor import Monitor

IO_ERROR = "BLOCK_IO_ERROR"
SAME_FOR = dt.timedelta(minutes=15)  # what comes again within that time is the same trouble, and is not told anew
ENOUGH = 16 * 2**20  # bytes that have to be free before the guest may try
LOOK_S = 5.0
BLIND_S = 60.0  # between tries where nobody can tell whether there is room
NO_ROOM = "No space left on device"
VOLUME_NODE = re.compile(r"(?:volume|other)(\d+)(?:-.*)?")


def with_event(run: Run, said: Mapping[str, object], now: dt.datetime) -> dict[str, DiskError]:
    """What is known of the server's disks after an event of QEMU's; the same as before if it is an old story."""
    if said.get("action") == "ignore":
        return run.disk_errors
    stopped = said.get("action") == "stop"
    return _with(
        run, str(said.get("node-name")), str(said.get("operation")), str(said.get("reason")), now, stopped=stopped
    )


def _with(run: Run, node: str, operation: str, why: str, now: dt.datetime, *, stopped: bool) -> dict[str, DiskError]:
    key = f"{node} {operation}"
    known = run.disk_errors.get(key)
    if known is not None and (known.why, known.stopped) == (why, stopped) and now - known.at < SAME_FOR:
        return run.disk_errors
    volume = _volume(run, node)
    disk = node if volume is None else f"volume {volume}"
    found = DiskError(disk=disk, operation=operation, why=why, at=now, stopped=stopped, volume=volume)
    return {**run.disk_errors, key: found}


def _volume(run: Run, node: str) -> str | None:
    """The volume whose node that is; None where it is none's."""
    matched = VOLUME_NODE.fullmatch(node)
    slot = int(matched[1]) if matched is not None else None
    return next((key.partition("#")[0] for key, its in run.volumes.items() if its == slot), None)


def why_still(run: Run) -> str:
    """Why a server that stands still does."""
    stopped = sorted((each for each in run.disk_errors.values() if each.stopped), key=lambda each: each.at)
    disks = "; ".join(f"{each.disk}: {each.why}" for each in stopped) or "the host's may be full"
    return f"The server stands still, for its disk cannot be written: {disks}. It goes on by itself once there is room."


class Standstill:
    """One server that may stand still: when it is to try to go on."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._tried = -BLIND_S

    async def over(self, wanted: Wanted, monitor: Monitor) -> bool:
        """Whether a server that stands still is to go on now: there is room, as far as one can tell, and it was not just tried."""
        if not any(each.stopped for each in self._home.run().disk_errors.values()):
            await self._learn(monitor)
        room = await self._room(wanted)
        now = time.monotonic()
        if room is False or now - self._tried < (BLIND_S if room is None else 2 * LOOK_S):
            return False
        self._tried = now
        return True

    async def _learn(self, monitor: Monitor) -> None:
        """It is known which disks have no room, though it was told while nobody listened."""
        answer = await monitor.execute("query-block")
        if not isinstance(answer, list):
            raise DriverError("QEMU's answer makes no sense", str(answer)[:200])
        for each in answer:
            if each.get("io-status") == "nospace":
                node, now = str(each["inserted"]["node-name"]), dt.datetime.now(dt.UTC)
                self._home.remember(disk_errors=_with(self._home.run(), node, "write", NO_ROOM, now, stopped=True))

    async def _room(self, wanted: Wanted) -> bool | None:
        """Whether all its full disks have room again; None where that cannot be told."""
        full = {each.volume for each in self._home.run().disk_errors.values() if each.stopped}
        volumes = [volume for volume in wanted.volumes if volume.id in full]
        files = [Path(each.path) for each in volumes if each.kind == "file" and not is_device(each)]
        if None in full:
            files.append(self._home.guest)
        rooms = await asyncio.to_thread(lambda: [_free(file) for file in files])
        if any(room is not None and room < ENOUGH for room in rooms):
            return False
        return True if files and len(files) >= len(full) and None not in rooms else None


def _free(file: Path) -> int | None:
    """How many bytes the file may grow by; None where its file system does not say."""
    try:
        found = os.statvfs(file)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize if found.f_blocks else None
