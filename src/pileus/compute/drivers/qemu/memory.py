"""A suspended server's memory: written to a file by the QEMU that ends, read from it by the one that begins.

QEMU gets the file as a descriptor, since it may neither open nor run anything outside its directory. The file counts only
once QEMU has said that it is whole; how far it is has to be asked, so the caller comes again.
"""

import os

import msgspec

from pileus.compute.drivers.interface import DriverError
from pileus.compute.drivers.qemu.home import Home
from pileus.compute.drivers.qemu.monitor import Monitor
from pileus.compute.drivers.qemu.plan import SAVED

FD = "memory"
ASK_AGAIN_S = 0.2
UNDER_WAY = ("setup", "active", "device", "pre-switchover", "cancelling")


class Migration(msgspec.Struct, rename="kebab"):
    """How QEMU gets on with its memory."""

    status: str = "none"
    error_desc: str | None = None


async def save(monitor: Monitor, home: Home) -> None:
    """The server stands still, and its memory is being written; raises DriverError if that failed before."""
    known = msgspec.convert(await monitor.execute("query-migrate"), Migration)
    if known.status in UNDER_WAY or await monitor.status() == SAVED:
        return
    if known.status == "failed" and home.memory.exists():
        home.memory.unlink()
        await monitor.execute("cont")
        raise DriverError("The memory cannot be saved", known.error_desc or "QEMU does not say why")
    await monitor.execute("stop")
    file = os.open(home.memory, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        await monitor.hand(FD, file)
    finally:
        os.close(file)
    # As fast as the disk takes it.
    await monitor.execute("migrate-set-parameters", **{"max-bandwidth": 2**40})
    await monitor.execute("migrate", uri=f"fd:{FD}")


def settle(home: Home) -> None:
    """What was written survives a power cut."""
    with home.memory.open("rb") as file:
        os.fsync(file.fileno())
