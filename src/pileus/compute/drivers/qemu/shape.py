"""Disks that take another shape: they grow, are remembered as they are, and go back to what is remembered.

A checkpoint is kept inside the qcow2 file, so it costs what is written after it, and takes disks of another size back too.
Every function may be repeated after it was interrupted anywhere.
"""

import msgspec

from pileus.compute.drivers.interface import Wanted
from pileus.compute.drivers.qemu.argv import disk_files
from pileus.compute.drivers.qemu.disks import look_at, qemu_img
from pileus.compute.drivers.qemu.home import Home
from pileus.compute.drivers.qemu.jail import Jail
from pileus.compute.drivers.qemu.monitor import Monitor

LEFT_OVER = ("disk*.qcow2", "base*", "rescue-*")


async def reshape(wanted: Wanted, home: Home) -> None:
    """The disks of a server that does not run have the shape that is wanted, and nothing is left of disks it had before."""
    jail, run = Jail(home.uid), home.run()
    for files in disk_files(msgspec.structs.replace(wanted, rescue=None)):
        disk = home.guest / files.file
        known = await look_at(jail, disk, "qcow2")
        names = {checkpoint.name for checkpoint in known.snapshots}
        if wanted.rollback in names and wanted.rollback == run.checkpoint:
            await qemu_img(jail, home.guest, "snapshot", "-a", wanted.rollback, disk.name)
            known = await look_at(jail, disk, "qcow2")
        if run.checkpoint in names and run.checkpoint != wanted.checkpoint:
            await qemu_img(jail, home.guest, "snapshot", "-d", run.checkpoint, disk.name)
        if wanted.checkpoint is not None and wanted.checkpoint not in names:
            await qemu_img(jail, home.guest, "snapshot", "-c", wanted.checkpoint, disk.name)
        if known.virtual_size < files.disk.octets:
            size = str(files.disk.octets)
            await qemu_img(jail, home.guest, "resize", "-q", "-f", "qcow2", disk.name, size)
    _remove_left_over(wanted, home)


async def forget_checkpoint(wanted: Wanted, home: Home, monitor: Monitor) -> None:
    """The disks of a server that runs remember no checkpoint."""
    jail, name = Jail(home.uid), home.run().checkpoint
    for files in disk_files(wanted):
        known = await look_at(jail, home.guest / files.file, "qcow2")
        if name in {checkpoint.name for checkpoint in known.snapshots}:
            await monitor.execute("blockdev-snapshot-delete-internal-sync", device=f"disk{files.at}", name=name)


def _remove_left_over(wanted: Wanted, home: Home) -> None:
    needed = {name for files in disk_files(wanted) for name in (files.file, files.base)}
    for pattern in LEFT_OVER:
        for file in home.guest.glob(pattern):
            if file.name not in needed:
                file.unlink()
