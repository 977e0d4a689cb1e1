"""Block nodes of a QEMU that runs: those of one volume are added, with its file and what opens it, and removed."""

import contextlib

from pileus.compute.drivers.interface import DriverError, Volume
from pileus.compute.drivers.qemu import blocks
from pileus.compute.drivers.qemu.blocks import Chain
from pileus.compute.drivers.qemu.home import Home
from pileus.compute.drivers.qemu.monitor import Monitor
from pileus.compute.drivers.qemu.opening import opened, told
from pileus.ports.volume_keys import VolumeKeys

GONE_ALREADY = ("Failed to find node", "Cannot find node")


async def add_nodes(
    volume: Volume, chain: Chain, monitor: Monitor, home: Home, keys: VolumeKeys | None, *, size: int | None = None
) -> None:
    """QEMU has the volume open, and no guest sees it; or nothing of it, and this raises DriverError."""
    with contextlib.ExitStack() as ours:
        found = await opened(volume, chain, home, keys, ours)
        if found.file is not None:
            await monitor.hand_set(chain.number, found.file)
        try:
            group = blocks.limits(volume, chain)
            if group is not None:
                await monitor.execute("object-add", **group)
            async with told(monitor, chain, found.secrets):
                for node in blocks.nodes(volume, chain, size=size):
                    await monitor.execute("blockdev-add", **node)
        except DriverError:
            await remove_nodes(chain, monitor)
            raise


async def remove_nodes(chain: Chain, monitor: Monitor) -> None:
    """Nothing is left of what a disk stood on, and its file is closed."""
    for name in chain.names:
        try:
            await monitor.execute("blockdev-del", **{"node-name": name})
        except DriverError as refused:
            if not any(word in refused.why for word in GONE_ALREADY):
                raise
    with contextlib.suppress(DriverError):  # There is one only where there are limits.
        await monitor.execute("object-del", id=chain.limits)
    with contextlib.suppress(DriverError):  # Removed already by whoever died before noting it, or Ceph has it.
        await monitor.execute("remove-fd", **{"fdset-id": chain.number})
