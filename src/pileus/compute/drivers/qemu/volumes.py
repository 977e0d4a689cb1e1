"""Volumes that come and go: their files are handed to QEMU, and a guest that runs is asked to let go of what it loses.

    new: hand the open file over -> add the nodes -> add the disk
    old: ask the guest -> (it lets go, DEVICE_DELETED) -> remove the nodes -> close the file

A volume on its way in or out stands in `Run.volumes_changing`, so whoever comes after us finds it whatever we were doing;
which of their disks QEMU has is asked of QEMU.
"""

import contextlib
import os
import time
from collections.abc import Mapping

import msgspec

from pileus.compute.drivers.interface import DriverError, Volume, Wanted
from pileus.compute.drivers.qemu import blocks
from pileus.compute.drivers.qemu.cards import ASK_AGAIN_S, devices
from pileus.compute.drivers.qemu.home import Home
from pileus.compute.drivers.qemu.monitor import Monitor

GONE_ALREADY = ("Failed to find node", "Cannot find node")


def open_volume(volume: Volume) -> int:
    """The volume's open file, which the caller closes; raises DriverError."""
    if volume.kind != "file":
        raise DriverError(
            f"Volume {volume.id} cannot be attached here", f"QEMU is given files, and it is {volume.kind}"
        )
    flags = os.O_RDONLY if volume.readonly else os.O_RDWR
    try:
        return os.open(volume.path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as failed:
        raise DriverError(f"Volume {volume.id} cannot be opened", f"{volume.path}: {failed.strerror}") from failed


class Volumes:
    """The volumes of one server."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._asked: dict[str, float] = {}

    def settle_at_rest(self, wanted: Wanted) -> None:
        """A server that does not run will have the volumes that are wanted."""
        self._keep(blocks.slots(wanted), {})

    async def settle_running(self, wanted: Wanted, monitor: Monitor) -> float | None:
        """Every volume came or went that could; returns after how many seconds to come again for those that did not."""
        self._note_changes(wanted)
        there = await devices(monitor)
        volumes = {volume.id: volume for volume in wanted.volumes}
        for id, slot in self._home.run().volumes_changing.items():
            volume = volumes.get(id)
            if volume is not None:
                await self._add(volume, slot, monitor, there)
            elif blocks.disk(slot) in there:
                await self._ask_to_let_go(id, slot, monitor)
            else:
                await self._drop(id, slot, monitor)
        return ASK_AGAIN_S if self._home.run().volumes_changing else None

    async def doubt(self, monitor: Monitor) -> None:
        """Volumes that QEMU does not have are on their way in again: a guest let go of one after that had been taken back."""
        run, there = self._home.run(), await devices(monitor)
        lost = {id: slot for id, slot in run.volumes.items() if blocks.disk(slot) not in there}
        if lost:
            rest = {id: slot for id, slot in run.volumes.items() if id not in lost}
            self._keep(rest, {**run.volumes_changing, **lost})

    def _note_changes(self, wanted: Wanted) -> None:
        run, slots = self._home.run(), blocks.slots(wanted)
        have, changing = dict(run.volumes), dict(run.volumes_changing)
        changing |= {id: have.pop(id) for id in run.volumes.keys() - slots.keys()}
        taken = {*have.values(), *changing.values()}
        for id, slot in slots.items():
            # A place that is about to be free is taken by who comes next, once it is.
            if id not in have and id not in changing and slot not in taken:
                changing[id] = slot
        self._keep(have, changing)

    async def _add(self, volume: Volume, slot: int, monitor: Monitor, there: set[str]) -> None:
        if blocks.disk(slot) not in there:
            await self._remove_nodes(slot, monitor)  # left by whoever died on this way
            file = open_volume(volume)
            try:
                await monitor.hand_set(slot, file)
            finally:
                os.close(file)
            try:
                await _plug(volume, slot, monitor)
            except DriverError:
                await self._remove_nodes(slot, monitor)
                raise
        run = self._home.run()
        self._keep({**run.volumes, volume.id: slot}, _without(run.volumes_changing, volume.id))

    async def _ask_to_let_go(self, id: str, slot: int, monitor: Monitor) -> None:
        now = time.monotonic()
        if now - self._asked.get(id, -ASK_AGAIN_S) < ASK_AGAIN_S:
            return
        self._asked[id] = now
        try:
            await monitor.execute("device_del", id=blocks.disk(slot))
        except DriverError as refused:
            # Whoever was here before us asked just now.
            if "in the process of unplug" not in refused.why:
                raise

    async def _drop(self, id: str, slot: int, monitor: Monitor) -> None:
        await self._remove_nodes(slot, monitor)
        self._asked.pop(id, None)
        run = self._home.run()
        self._keep(run.volumes, _without(run.volumes_changing, id))

    async def _remove_nodes(self, slot: int, monitor: Monitor) -> None:
        """Nothing is left of what the disk in that slot stood on, and its file is closed."""
        for name in blocks.names(slot):
            try:
                await monitor.execute("blockdev-del", **{"node-name": name})
            except DriverError as refused:
                if not any(word in refused.why for word in GONE_ALREADY):
                    raise
        with contextlib.suppress(DriverError):  # There is one only where there are limits.
            await monitor.execute("object-del", id=f"limits{slot}")
        with contextlib.suppress(DriverError):  # Removed already by whoever died before noting it.
            await monitor.execute("remove-fd", **{"fdset-id": slot})

    def _keep(self, volumes: Mapping[str, int], changing: Mapping[str, int]) -> None:
        run = self._home.run()
        now = msgspec.structs.replace(run, volumes=dict(volumes), volumes_changing=dict(changing))
        if now != run:
            self._home.keep_run(now)


async def _plug(volume: Volume, slot: int, monitor: Monitor) -> None:
    group = blocks.limits(volume, slot)
    if group is not None:
        await monitor.execute("object-add", **group)
    for node in blocks.nodes(volume, slot):
        await monitor.execute("blockdev-add", **node)
    await monitor.execute("device_add", **blocks.device(volume, slot))


def _without(volumes: Mapping[str, int], id: str) -> dict[str, int]:
    return {each: slot for each, slot in volumes.items() if each != id}
