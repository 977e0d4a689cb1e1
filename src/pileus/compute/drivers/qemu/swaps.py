"""A volume takes another's place under a guest that goes on: all that is on the one is on the other first.

    open it -> mirror the old one to it -> (the same on both, and every write goes to both) -> stop there
            -> note which counts -> let the guest's disk stand on the new one -> close the old one

While QEMU stops there the guest's writes wait, and both hold the same; so whichever the note says, nothing that the guest was
told is written can be missing. Whoever comes after us goes on from what QEMU and the note say.
"""

import contextlib

import msgspec

from pileus.compute.drivers.interface import DriverError, Volume
from pileus.compute.drivers.qemu.blocks import Chain, nodes
from pileus.compute.drivers.qemu.home import Home
from pileus.compute.drivers.qemu.monitor import Monitor
from pileus.compute.drivers.qemu.nodes import add_nodes, remove_nodes
from pileus.kit.flow.failpoint import failpoint
from pileus.ports.volume_keys import VolumeKeys

SWAP_AGAIN_S = 2.0
GIB = 2**30
STOPPED, OVER = "pending", "concluded"


class Job(msgspec.Struct):
    """A job of QEMU's."""

    id: str
    status: str
    error: str | None = None


async def job_named(name: str, monitor: Monitor) -> Job | None:
    """QEMU's job of that name, if it knows one."""
    jobs = msgspec.convert(await monitor.execute("query-jobs"), list[Job])
    return next((job for job in jobs if job.id == name), None)


async def resize(volume: Volume, chain: Chain, size_gib: int, monitor: Monitor) -> None:
    """QEMU, and the guest, have the volume in that size."""
    if chain.other and not volume.encrypted:
        # It was opened as large as the one whose place it took.
        own = next(node for node in nodes(volume, chain) if node["node-name"] == chain.name)
        await monitor.execute("blockdev-reopen", options=[own])
    await monitor.execute("block_resize", **{"node-name": chain.top(volume), "size": size_gib * GIB})


class Swaps:
    """The swaps of one server's volumes."""

    def __init__(self, home: Home, keys: VolumeKeys | None) -> None:
        self._home = home
        self._keys = keys

    async def go_on(self, volume: Volume, before: Volume, slot: int, monitor: Monitor) -> None:
        """What can be done now is done; QEMU says when there is more."""
        run = self._home.run()
        if volume.key in run.volumes:
            await self.finish(volume.key, slot, monitor)
            return
        job = await job_named(_name(slot), monitor)
        match job.status if job is not None else None:
            case None:
                await self._begin(volume, before, slot, monitor)
            case "ready":
                failpoint("qemu.swap", "ready")
                await monitor.execute("job-complete", id=_name(slot))
            case "pending":
                failpoint("qemu.swap", "stopped")
                self._note(volume, before, slot)
                failpoint("qemu.swap", "noted")
                await self.finish(volume.key, slot, monitor)
            case "concluded":
                why = job.error if job is not None else None
                await self.give_up(volume.key, slot, monitor)
                raise DriverError(f"Volume {volume.id} cannot take the place of {before.id}", why or "it was given up")
            case _:
                pass  # It copies, or is about to end.

    async def finish(self, key: str, slot: int, monitor: Monitor) -> None:
        """The guest's disk stands on the new volume, and the old one is closed; or QEMU will say when."""
        job = await job_named(_name(slot), monitor)
        if job is not None and job.status == STOPPED:
            await monitor.execute("job-finalize", id=_name(slot))
            failpoint("qemu.swap", "finalized")
            job = await job_named(_name(slot), monitor)
        if job is not None:
            if job.status != OVER:
                return
            await monitor.execute("job-dismiss", id=_name(slot))
        run = self._home.run()
        await remove_nodes(Chain(slot, key not in run.others), monitor)
        self._forget(key)

    async def give_up(self, key: str, slot: int, monitor: Monitor) -> None:
        """The guest's disk stands on the old volume as before, and the new one is closed; or QEMU will say when."""
        job = await job_named(_name(slot), monitor)
        if job is not None and job.status != OVER:
            with contextlib.suppress(DriverError):  # It may be ending already.
                await monitor.execute("job-cancel", id=_name(slot))
            job = await job_named(_name(slot), monitor)
        if job is not None:
            if job.status != OVER:
                return
            await monitor.execute("job-dismiss", id=_name(slot))
        run = self._home.run()
        await remove_nodes(Chain(slot, run.swaps[key] not in run.others), monitor)
        self._forget(key)

    async def _begin(self, volume: Volume, before: Volume, slot: int, monitor: Monitor) -> None:
        run = self._home.run()
        known = run.volume_sizes.get(before.key, before.size_gib)
        old, new = Chain(slot, before.key in run.others), Chain(slot, before.key not in run.others)
        await remove_nodes(new, monitor)  # left by whoever died on this way
        # QEMU takes only what is of one size; the rest is shown once it stands in the other's place.
        size = known * GIB if known != volume.size_gib and known else None
        await add_nodes(volume, new, monitor, self._home, self._keys, size=size)
        failpoint("qemu.swap", "opened")
        await monitor.execute(
            "blockdev-mirror", **{"job-id": _name(slot), "device": old.top(before), "target": new.top(volume),
            "sync": "full", "copy-mode": "write-blocking", "auto-finalize": False, "auto-dismiss": False},
        )  # fmt: skip
        failpoint("qemu.swap", "begun")

    def _note(self, volume: Volume, before: Volume, slot: int) -> None:
        """From now on the new volume counts."""
        run = self._home.run()
        known = run.volume_sizes.get(before.key, before.size_gib)
        others = {*run.others} - {before.key}
        if before.key not in run.others:
            others.add(volume.key)
        rest = {key: at for key, at in run.volumes.items() if key != before.key}
        sizes = {key: size for key, size in run.volume_sizes.items() if key != before.key}
        self._home.keep_run(
            msgspec.structs.replace(
                run,
                volumes={**rest, volume.key: slot},
                volume_sizes={**sizes, volume.key: known},
                others=tuple(sorted(others)),
            )
        )

    def _forget(self, key: str) -> None:
        run = self._home.run()
        changing = {each: slot for each, slot in run.volumes_changing.items() if each != key}
        swaps = {each: other for each, other in run.swaps.items() if each != key}
        self._home.keep_run(msgspec.structs.replace(run, volumes_changing=changing, swaps=swaps))


def _name(slot: int) -> str:
    """The job's name."""
    return f"swap{slot}"
