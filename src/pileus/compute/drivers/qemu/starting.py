"""A server's QEMU is started: with the taps, volumes and files that it holds from then on.

ports -> config drive -> descriptors -> QEMU -> (remembered) -> cgroup -> it answers
"""

import contextlib
import datetime as dt

import msgspec

from pileus.compute.drivers.interface import Wanted, lasting
from pileus.compute.drivers.qemu import blocks
from pileus.compute.drivers.qemu import process as processes
from pileus.compute.drivers.qemu.argv import Accel, argv
from pileus.compute.drivers.qemu.cards import placed
from pileus.compute.drivers.qemu.descriptors import descriptors
from pileus.compute.drivers.qemu.disks import write_config
from pileus.compute.drivers.qemu.emulator import Emulator
from pileus.compute.drivers.qemu.home import Home, Run
from pileus.compute.drivers.qemu.jail import Jail, kvm_groups
from pileus.compute.drivers.qemu.means import Means
from pileus.compute.drivers.qemu.opening import forget
from pileus.compute.drivers.qemu.volumes import standing
from pileus.kit.flow.failpoint import failpoint
from pileus.ports.plug import PortPlug


async def start(wanted: Wanted, home: Home, means: Means, emulator: Emulator) -> None:
    """The server's QEMU runs, is remembered, and answers; raises DriverError."""
    for nic in wanted.nics:
        await means.plug.ensure_plugged(PortPlug(nic.port_id, nic.mac, nic.mtu))
    if wanted.arrival is None:
        await write_config(wanted, home, means.passwords)
    accel = await means.accel.choose()
    before = home.run()
    slots = placed(wanted.nics, before.cards or {})
    # Of two of which one takes the other's place it starts with the one that has the bytes.
    starts = msgspec.structs.replace(wanted, volumes=lasting(wanted, before.volumes))
    process = await _process(starts, slots, accel, home, means)
    failpoint("qemu.start", "started")
    home.keep_run(standing(wanted, before, _run(wanted, before, process, slots)))
    failpoint("qemu.start", "written")
    emulator.watch(process)
    means.groups.place(home.id, process.pid, wanted.vcpus)
    await emulator.await_greeting(before)
    for volume in starts.volumes:
        await forget(await emulator.monitor(), blocks.Chain(blocks.slots(starts)[volume.key]))
    home.remember(machine=await (await emulator.monitor()).machine())
    failpoint("qemu.start", "greeted")


async def _process(starts: Wanted, slots: dict[str, int], accel: Accel, home: Home, means: Means) -> processes.Process:
    with contextlib.ExitStack() as ours:
        for volume in starts.volumes:
            await means.volume_copies.yield_(volume.id)
        fds = await descriptors(starts, home, means.plug, means.keys, ours)
        words = Jail(home.uid).around(argv(starts, accel, fds, slots), kvm_groups() if accel == "kvm" else ())
        return processes.start(words, home.guest, fds.numbers, home.log)


def _run(wanted: Wanted, before: Run, process: processes.Process, slots: dict[str, int]) -> Run:
    return Run(
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
