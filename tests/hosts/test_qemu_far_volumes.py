"""Volumes that are no files: images of a real Ceph, plain and encrypted, and block devices. A whole guest writes to them."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.ceph import Ceph, ceph
from tests.compute.drivers.contract import Watcher, has
from tests.hosts.qemu_world import qemu_world
from tests.hosts.test_qemu_changes import UNTIL, Files, a_guest, guest, shell
from tests.hosts.test_qemu_volume_changes import MIB, READ, SECRET, Keys, digest, sees, with_volumes, written
from tests.hosts.test_qemu_volumes import holds

from pileus.block_storage.drivers import luks
from pileus.compute.drivers.interface import Cluster, PowerSeen, Volume
from pileus.guest import Guest

__all__ = ["ceph", "guest"]
pytestmark = [pytest.mark.host, pytest.mark.scale, pytest.mark.timeout(600)]


def an_image(ceph: Ceph, pool: str, place: int, **more: object) -> Volume:
    """A volume of 1 GiB in the pool."""
    id = str(uuid.uuid4())
    if more.get("encrypted"):
        ceph.rbd("import", "-", f"{pool}/{id}", stdin=luks.header(SECRET))
        ceph.rbd("resize", "--size", f"{1024 * MIB + luks.PAYLOAD}B", f"{pool}/{id}")
    else:
        ceph.rbd("create", "--size", "1024", f"{pool}/{id}")
    made = Volume(id=id, kind="rbd", path=f"{pool}/{id}", place=place, size_gib=1, cluster=Cluster(ceph.conf, "admin"))
    return msgspec.structs.replace(made, **more)


async def test_a_guest_uses_volumes_in_ceph(guest: Guest, ceph: Ceph, tmp_path: Path) -> None:
    pool = ceph.pool()
    plain, closed = an_image(ceph, pool, 1), an_image(ceph, pool, 2, encrypted=True)
    other = an_image(ceph, pool, 1)
    async with qemu_world(tmp_path, images=Files(guest), keys=Keys()) as world:
        server, watcher = a_guest(), Watcher(world.hypervisor)
        seen = await watcher.make(with_volumes(server, plain), has(PowerSeen.ON))
        ring = Path(ceph.conf).with_name("keyring").read_text()
        key = next(line.split("= ")[1].strip() for line in ring.splitlines() if "key =" in line)
        assert key.encode() not in Path(f"/proc/{seen.pid}/cmdline").read_bytes()
        async with shell(world, server.id) as it:
            first = await written(it, "vdb")
            await watcher.make(with_volumes(server, plain, closed), holds(plain, closed))
            await it.say(f"{UNTIL} [ -b /dev/vdc ]")
            second = await written(it, "vdc")
            ceph.rbd("resize", "--size", "2048", plain.path)
            plain = msgspec.structs.replace(plain, size_gib=2)
            await watcher.make(with_volumes(server, plain, closed), sees(plain, 2))
            await it.say(f"{UNTIL} grep -q {2048 * MIB // 512} /sys/block/vdb/size")
            ceph.rbd("resize", "--size", "2048", other.path)
            after = msgspec.structs.replace(other, size_gib=2, instead_of=plain.key)
            await watcher.make(with_volumes(server, plain, after, closed), holds(other, closed))
            now = msgspec.structs.replace(after, instead_of=None)
            await watcher.make(with_volumes(server, now, closed), holds(other, closed))
            assert first == (await it.say(READ.format("vdb"))).split()[0]
            await watcher.make(server, holds())
        for files in (world.state.rglob("*.json"), world.state.rglob("*.conf"), world.state.rglob("*.log")):
            assert not [file for file in files if key.encode() in file.read_bytes() or SECRET in file.read_bytes()]
        copy = tmp_path / "exported"
        ceph.rbd("export", other.path, str(copy))
        assert first == digest(copy)
        again = a_guest()
        await watcher.make(with_volumes(again, closed), has(PowerSeen.ON))
        async with shell(world, again.id) as it:
            assert second == (await it.say(READ.format("vdb"))).split()[0]


@pytest.fixture
def device(tmp_path: Path) -> Iterator[str]:
    """A block device of 64 MiB."""
    file = tmp_path / "device"
    with file.open("wb") as out:
        out.truncate(64 * MIB)
    words = ["losetup", "--find", "--show", str(file)]
    made = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    try:
        yield made
    finally:
        subprocess.run(["losetup", "--detach", made], check=True)


async def test_a_guest_uses_a_block_device(guest: Guest, device: str, tmp_path: Path) -> None:
    volume = Volume(id=str(uuid.uuid4()), kind="file", path=device, place=1)
    async with qemu_world(tmp_path / "state", images=Files(guest)) as world:
        server, watcher = a_guest(), Watcher(world.hypervisor)
        await watcher.make(with_volumes(server, volume), has(PowerSeen.ON))
        async with shell(world, server.id) as it:
            bytes_ = await written(it, "vdb")
            await watcher.make(server, holds())
            await watcher.make(with_volumes(server, volume), holds(volume))
            await it.say(f"{UNTIL} [ -b /dev/vdb ]")
            assert bytes_ == (await it.say(READ.format("vdb"))).split()[0]
    assert bytes_ == digest(device)
