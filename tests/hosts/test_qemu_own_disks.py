"""Scratch and swap disks begin formatted, and as large as was asked for; no disk that was lost is made anew."""

from pathlib import Path

import msgspec
import pytest
from tests.compute.drivers.contract import Watcher
from tests.hosts.qemu_world import qemu_world

from pileus.compute.drivers.interface import Disk, DriverError, Power, PowerSeen
from pileus.compute.drivers.qemu.home import Home
from pileus.kit.run import run

pytestmark = pytest.mark.host

MIB = 2**20


async def test_own_disks_begin_formatted(tmp_path: Path) -> None:
    disks = (
        Disk(1, format="ext4"),
        Disk(0, size_mib=48, format="swap"),
    )
    async with qemu_world(tmp_path / "state") as world:
        server = msgspec.structs.replace(world.wanted(), power=Power.OFF, disks=disks)
        await Watcher(world.hypervisor).make(server, lambda seen: seen.power is PowerSeen.OFF and seen.disks_ready)
        home = Home(world.state / "servers", server.id)
        for at, (disk, label) in enumerate(zip(disks, ("ephemeral0", None), strict=True), 1):
            raw = tmp_path / f"{at}.raw"
            await run(["qemu-img", "convert", "-O", "raw", str(home.guest / f"disk{at}.qcow2"), str(raw)])
            said = dict(
                line.split("=", 1) for line in (await run(["blkid", "-p", "-o", "export", str(raw)])).out.split()
            )
            assert disk.octets == raw.stat().st_size
            assert disk.format == said["TYPE"]
            assert label == said.get("LABEL")
        assert not list(home.guest.glob("*.part"))
        strange = msgspec.structs.replace(world.wanted(), disks=(Disk(1, format="ntfs"),))
        with pytest.raises(DriverError, match="ntfs is not one of"):
            await Watcher(world.hypervisor).make(strange, lambda seen: seen.power is PowerSeen.ON)


async def test_a_disk_that_somebody_removed_is_not_made_anew(tmp_path: Path) -> None:
    async with qemu_world(tmp_path / "state") as world:
        server, watcher = world.wanted(), Watcher(world.hypervisor)
        await watcher.make(server, lambda seen: seen.power is PowerSeen.ON)
        off = msgspec.structs.replace(server, power=Power.OFF)
        await watcher.make(off, lambda seen: seen.power is PowerSeen.OFF)
        disk = Home(world.state / "servers", server.id).guest / "disk0.qcow2"
        kept = disk.rename(tmp_path / "kept")
        again = msgspec.structs.replace(server, restarts=msgspec.structs.replace(server.restarts, start=1))
        with pytest.raises(DriverError, match=r"disk0\.qcow2 is not in its directory any more"):
            await world.hypervisor.ensure(again)
        assert not disk.exists()
        kept.rename(disk)
        await watcher.make(again, lambda seen: seen.power is PowerSeen.ON)
