"""Volumes that come and go: their files are handed to QEMU, and a guest that runs is asked to let go of what it loses.

    new: hand the open file over -> add the nodes -> add the disk
    old: ask the guest -> (it lets go, DEVICE_DELETED) -> remove the nodes -> close the file
    larger: tell the guest            instead of another: see `swaps`

A volume on its way in or out stands in `Run.volumes_changing`, so whoever comes after us finds it whatever we were doing;
which of their disks QEMU has is asked of QEMU.
"""

import time
from collections.abc import Collection, Mapping
from typing import TypeVar

import msgspec

from pileus.compute.drivers.interface import DriverError, Volume, Wanted, lasting
from pileus.compute.drivers.qemu import blocks
from pileus.compute.drivers.qemu.blocks import Chain
from pileus.compute.drivers.qemu.cards import ASK_AGAIN_S, devices
from pileus.compute.drivers.qemu.home import Home, Run
from pileus.compute.drivers.qemu.monitor import Monitor
from pileus.compute.drivers.qemu.nodes import add_nodes, remove_nodes
from pileus.compute.drivers.qemu.swaps import SWAP_AGAIN_S, Swaps, resize
from pileus.compute.drivers.qemu.volume_copies import VolumeCopies
from pileus.ports.volume_keys import VolumeKeys

V = TypeVar("V")


class Volumes:
    """The volumes of one server."""

    def __init__(self, home: Home, keys: VolumeKeys | None, copies: VolumeCopies) -> None:
        self._home = home
        self._keys = keys
        self._copies = copies
        self._swaps = Swaps(home, keys)
        self._asked: dict[str, float] = {}
        self.doubtful = True  # whether QEMU may copy a volume for somebody who was killed

    def settle_at_rest(self, wanted: Wanted) -> None:
        """A server that does not run will have the volumes that are wanted."""
        run = self._home.run()
        if (now := standing(wanted, run, run)) != run:
            self._home.keep_run(now)

    async def settle_running(self, wanted: Wanted, monitor: Monitor) -> float | None:
        """Every volume came or went that could; returns after how many seconds to come again for those that did not."""
        self._note_changes(wanted)
        there = await devices(monitor)
        volumes = {volume.key: volume for volume in wanted.volumes}
        run = self._home.run()
        for key, slot in run.volumes_changing.items():
            volume = volumes.get(key)
            if key in run.swaps:
                await self._swap(key, slot, volumes, monitor)
            elif volume is not None:
                await self._add(volume, slot, monitor, there)
            elif blocks.disk(slot) in there:
                await self._ask_to_let_go(key, slot, monitor)
            else:
                await self._drop(key, slot, monitor)
        for key, slot in self._home.run().volumes.items():
            if key in volumes:
                await self._enlarge(volumes[key], slot, monitor)
        run = self._home.run()
        return (SWAP_AGAIN_S if run.swaps else ASK_AGAIN_S) if run.volumes_changing else None

    async def doubt(self, monitor: Monitor) -> None:
        """Volumes that QEMU does not have are on their way in again: a guest let go of one after that had been taken back."""
        run, there = self._home.run(), await devices(monitor)
        lost = {key: slot for key, slot in run.volumes.items() if blocks.disk(slot) not in there}
        if lost:
            rest = {key: slot for key, slot in run.volumes.items() if key not in lost}
            self._keep(volumes=rest, volumes_changing={**run.volumes_changing, **lost})

    async def forget_copies(self, mine: Collection[int], monitor: Monitor) -> None:
        """QEMU copies no volume for somebody who was killed and never asked again; looked at once after each start of ours."""
        if self.doubtful:
            slots = {*self._home.run().volumes.values()} - {*mine}
            self.doubtful = not all([await self._copies.give_up(slot, monitor) for slot in sorted(slots)])

    def _note_changes(self, wanted: Wanted) -> None:
        run, slots = self._home.run(), blocks.slots(wanted)
        have, changing, swaps = dict(run.volumes), dict(run.volumes_changing), dict(run.swaps)
        changing |= {key: have.pop(key) for key in run.volumes.keys() - slots.keys()}
        taken = {*have.values(), *changing.values()}
        for volume in wanted.volumes:
            key, slot = volume.key, slots[volume.key]
            if key in have or key in changing:
                continue
            if volume.instead_of in have:
                changing[key], swaps[key] = slot, volume.instead_of
            # A place that is about to be free is taken by who comes next, once it is.
            elif slot not in taken:
                changing[key] = slot
        self._keep(volumes=have, volumes_changing=changing, swaps=swaps)

    async def _add(self, volume: Volume, slot: int, monitor: Monitor, there: set[str]) -> None:
        chain = Chain(slot)
        if blocks.disk(slot) not in there:
            await self._copies.yield_(volume.id)
            await remove_nodes(chain, monitor)  # left by whoever died on this way
            await add_nodes(volume, chain, monitor, self._home, self._keys)
            try:
                await monitor.execute("device_add", **blocks.device(volume, chain))
            except DriverError:
                await remove_nodes(chain, monitor)
                raise
        run = self._home.run()
        self._keep(
            volumes={**run.volumes, volume.key: slot},
            volumes_changing=without(run.volumes_changing, volume.key),
            volume_sizes={**run.volume_sizes, volume.key: volume.size_gib},
            others=tuple(key for key in run.others if key != volume.key),
        )

    async def _swap(self, key: str, slot: int, volumes: Mapping[str, Volume], monitor: Monitor) -> None:
        volume, before = volumes.get(key), volumes.get(self._home.run().swaps[key])
        if volume is not None and before is not None:
            await self._copies.yield_(volume.id)
            if not await self._copies.busy(slot, monitor):
                await self._swaps.go_on(volume, before, slot, monitor)
        elif key in self._home.run().volumes:
            await self._swaps.finish(key, slot, monitor)
        else:
            await self._swaps.give_up(key, slot, monitor)

    async def _enlarge(self, volume: Volume, slot: int, monitor: Monitor) -> None:
        run = self._home.run()
        known = run.volume_sizes.get(volume.key, volume.size_gib)
        if volume.size_gib <= known or volume.key in run.swaps:
            return
        chain = Chain(slot, volume.key in run.others)
        if not volume.readonly:  # What may not be written is measured anew when it is next opened.
            await resize(volume, chain, volume.size_gib, monitor)
        run = self._home.run()
        self._keep(volume_sizes={**run.volume_sizes, volume.key: volume.size_gib})

    async def _ask_to_let_go(self, key: str, slot: int, monitor: Monitor) -> None:
        now = time.monotonic()
        if now - self._asked.get(key, -ASK_AGAIN_S) < ASK_AGAIN_S:
            return
        self._asked[key] = now
        try:
            await monitor.execute("device_del", id=blocks.disk(slot))
        except DriverError as refused:
            # Whoever was here before us asked just now.
            if "in the process of unplug" not in refused.why:
                raise

    async def _drop(self, key: str, slot: int, monitor: Monitor) -> None:
        if not await self._copies.give_up(slot, monitor):
            return  # It says when it has ended, and we come again.
        run = self._home.run()
        await remove_nodes(Chain(slot, key in run.others), monitor)
        self._asked.pop(key, None)
        self._keep(
            volumes_changing=without(run.volumes_changing, key),
            volume_sizes=without(run.volume_sizes, key),
            others=tuple(each for each in run.others if each != key),
        )

    def _keep(self, **changes: object) -> None:
        run = self._home.run()
        now = msgspec.structs.replace(run, **changes)
        if now != run:
            self._home.keep_run(now)


def standing(wanted: Wanted, before: Run, now: Run) -> Run:
    """What is remembered now, with the volumes of a server that does not run, or is about to."""
    stay = lasting(wanted, before.volumes)
    return msgspec.structs.replace(
        now,
        volumes=blocks.slots(wanted, stay),
        volumes_changing={},
        volume_sizes={volume.key: volume.size_gib for volume in stay},
        swaps={},
        others=(),
    )


def without(some: Mapping[str, V], key: str) -> dict[str, V]:
    """The same but for that key."""
    return {each: value for each, value in some.items() if each != key}
