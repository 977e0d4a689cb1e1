"""A whole Linux guest and its volumes: what it writes is there for whoever has the volume next, and it boots from one."""

import uuid
from pathlib import Path

import msgspec
import pytest
from tests.compute.drivers.contract import Watcher, has
from tests.hosts.qemu_world import qemu_world
from tests.hosts.test_qemu_changes import MARK, UNTIL, Files, a_guest, guest, shell

from pileus.compute.drivers.interface import Power, PowerSeen, Seen, Volume
from pileus.guest import Guest
from pileus.kit.run import run

__all__ = ["guest"]
pytestmark = [pytest.mark.host, pytest.mark.scale, pytest.mark.timeout(480)]

SIZE = 64 * 2**20
SERIALS = "/sys/block/*/serial"


def a_volume(folder: Path, place: int = 1, **more: object) -> Volume:
    """A blank volume that only root may read."""
    id = str(uuid.uuid4())
    file = folder / f"{id}.raw"
    with file.open("wb") as out:
        out.truncate(SIZE)
    file.chmod(0o600)
    return msgspec.structs.replace(Volume(id=id, kind="file", path=str(file), place=place), **more)


def holds(*volumes: Volume):
    """Whether the server has these volumes, and none is on its way."""
    ids = tuple(sorted(volume.id for volume in volumes))

    def reached(seen: Seen) -> bool:
        return seen.volumes == ids and not seen.volumes_changing and seen.doing is None

    return reached


async def test_bytes_written_to_a_volume_are_there_for_the_next_server(guest: Guest, tmp_path: Path) -> None:
    volume, limited = a_volume(tmp_path), a_volume(tmp_path, 2, limits={"total_iops": 500})
    async with qemu_world(tmp_path, images=Files(guest)) as world:
        first, second, watcher = a_guest(), a_guest(), Watcher(world.hypervisor)
        had = await watcher.make(first, has(PowerSeen.ON))
        async with shell(world, first.id) as it:
            both = msgspec.structs.replace(first, volumes=(volume, limited))
            now = await watcher.make(both, holds(volume, limited))
            assert had.pid == now.pid
            found = await it.say(f"{UNTIL} sh -c 'grep -qs {limited.id[:20]} {SERIALS}'; cat {SERIALS}")
            assert volume.id[:20] in found
            assert limited.id[:20] in found
            assert SIZE == int(await it.say("echo $(($(cat /sys/block/vdb/size) * 512))"))
            written = await it.say("dd if=/dev/urandom of=/dev/vdb bs=1M count=8 2>/dev/null; sync; "
                                   "dd if=/dev/vdb bs=1M count=8 2>/dev/null | md5sum")  # fmt: skip
            await world.hypervisor.close()
            world.begin_anew()  # What comes after us finds the volumes, and takes one out.
            watcher = Watcher(world.hypervisor)
            one = msgspec.structs.replace(first, volumes=(limited,))
            after = await watcher.make(one, holds(limited))
            assert had.pid == after.pid
            assert volume.id[:20] not in await it.say(f"cat {SERIALS}")
            again = await watcher.make(both, holds(volume, limited))
            assert had.pid == again.pid
            assert volume.id[:20] in await it.say(f"{UNTIL} sh -c 'grep -qs {volume.id[:20]} {SERIALS}'; cat {SERIALS}")
            await watcher.make(first, holds())
        await watcher.make(msgspec.structs.replace(first, power=Power.OFF), has(PowerSeen.OFF))
        # It comes to the next one at its start, and is there again after that was turned off and on.
        with_it = msgspec.structs.replace(second, volumes=(volume,))
        for power, seen in ((Power.ON, PowerSeen.ON), (Power.OFF, PowerSeen.OFF)):
            await watcher.make(msgspec.structs.replace(with_it, power=power), has(seen))
        on = msgspec.structs.replace(with_it, restarts=msgspec.structs.replace(with_it.restarts, start=1))
        await watcher.make(on, has(PowerSeen.ON))
        async with shell(world, second.id) as it:
            read = await it.say("dd if=/dev/vdb bs=1M count=8 2>/dev/null | md5sum")
            assert written.split()[0] == read.split()[0]


async def test_boots_from_a_volume_and_keeps_what_it_writes_there(guest: Guest, tmp_path: Path) -> None:
    volume = a_volume(tmp_path, 0)
    await run(["qemu-img", "convert", "-n", "-O", "raw", str(guest.image), volume.path])
    async with qemu_world(tmp_path, images=Files(guest)) as world:
        server = msgspec.structs.replace(a_guest(), root=None, volumes=(volume,))
        watcher = Watcher(world.hypervisor)
        await watcher.make(server, has(PowerSeen.ON))
        async with shell(world, server.id) as it:
            assert volume.id[:20] == await it.say("cat /sys/block/vda/serial")
            await it.say(f"echo {MARK} | dd of=/dev/vda bs=512 seek=100000 conv=notrunc 2>/dev/null; sync")
        await watcher.make(msgspec.structs.replace(server, power=Power.OFF), has(PowerSeen.OFF))
    with Path(volume.path).open("rb") as file:
        file.seek(512 * 100000)
        assert MARK.encode() == file.read(len(MARK))
