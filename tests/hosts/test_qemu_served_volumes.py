"""A whole Linux guest and a volume that another host serves: its bytes are on that host, also when what serves it was killed meanwhile."""

import hashlib
import os
from pathlib import Path

import msgspec
import pytest
from tests.block_storage.drivers.test_nbd import kill9, some_ways
from tests.compute.drivers.contract import Watcher, has
from tests.hosts.qemu_world import qemu_world
from tests.hosts.test_qemu_changes import UNTIL, Files, a_guest, guest, shell
from tests.hosts.test_qemu_volumes import SERIALS, holds

from pileus.block_storage.drivers.interface import Kind
from pileus.compute.drivers.interface import Power, PowerSeen, Volume
from pileus.guest import Guest

__all__ = ["guest"]
pytestmark = [pytest.mark.host, pytest.mark.scale, pytest.mark.timeout(480)]

MIB = 1 << 20


def digest(folder: Path, at: int) -> str:
    """Of eight MiB of the volume, as its host has it."""
    (file,) = folder.glob("*.raw")
    with file.open("rb") as disk:
        return hashlib.md5(os.pread(disk.fileno(), 8 * MIB, at), usedforsecurity=False).hexdigest()


async def test_what_a_guest_writes_is_on_the_host_that_serves_the_volume(guest: Guest, tmp_path: Path) -> None:
    own = tmp_path / "volumes" / Kind.VOLUME
    async with some_ways(tmp_path) as ways, qemu_world(tmp_path / "qemu", images=Files(guest)) as world:
        await ways.open("h2")
        volume = Volume(id=ways.disk.id, kind="file", path=str(await ways.go()), place=1)
        server, watcher = a_guest(), Watcher(world.hypervisor)
        await watcher.make(server, has(PowerSeen.ON))
        async with shell(world, server.id) as it:
            await watcher.make(msgspec.structs.replace(server, volumes=(volume,)), holds(volume))
            await it.say(f"{UNTIL} sh -c 'grep -qs {volume.id[:20]} {SERIALS}'")
            assert 2**30 == int(await it.say("echo $(($(cat /sys/block/vdb/size) * 512))"))
            for at in (0, 64):
                await it.say(f"dd if=/dev/urandom of=/dev/vdb bs=1M count=8 seek={at} 2>/dev/null; sync; echo done")
                said = await it.say(f"dd if=/dev/vdb bs=1M count=8 skip={at} 2>/dev/null | md5sum")
                assert said.split()[0] == digest(own / volume.id, at * MIB)
                kill9(ways.pid("doors"))
                await ways.open("h2")
            await watcher.make(server, holds())
        await watcher.make(msgspec.structs.replace(server, power=Power.OFF), has(PowerSeen.OFF))
