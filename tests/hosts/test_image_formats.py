"""Real QEMU boots from images of every format, and from discs; what it boots from is raw by then, and made once."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from tests.compute.drivers.contract import Watcher, a_server, has
from tests.compute.drivers.contract_live import LiveContract
from tests.hosts.bootable_disc import disc
from tests.hosts.qemu_world import QemuWorld, qemu_world
from tests.hosts.test_qemu_live import TwoQemus, two_of
from tests.image.hostile import qcow2
from tests.kit.test_disk_images import MADE, an_image

from pileus.compute.drivers.interface import Bus, Disk, DriverError, Image, ImageFormat, PowerSeen, Stored, Wanted
from pileus.guest.sector import boot_sector

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]
RAW, QCOW2 = ImageFormat.RAW, ImageFormat.QCOW2
GIB = 1 << 30


class Shelf:
    """ImageFiles of what was put there."""

    def __init__(self, **images: bytes) -> None:
        self.images = images
        self.fetched: list[str] = []

    async def fetch(self, image_id: str, destination: Path) -> None:
        self.fetched.append(image_id)
        await asyncio.to_thread(destination.write_bytes, self.images[image_id])


def in_cache(world: QemuWorld) -> list[str]:
    """The images the host keeps."""
    return sorted(file.name for file in (world.state / "cache" / "images").iterdir())


async def boots(world: QemuWorld, image: Image) -> Wanted:
    """A server whose guest has come up from the image."""
    server = a_server(root=Disk(1, image), disks=(Disk(1),))
    await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
    await world.guest_prints(server.id)
    return server


async def test_a_guest_boots_from_an_image_of_every_format(tmp_path: Path) -> None:
    shelf = Shelf()
    async with qemu_world(tmp_path / "host", images=shelf) as world:
        made = {name: name.partition(" ")[0] for name in MADE if name != "qcow2"}
        for at, (name, format) in enumerate(made.items()):
            shelf.images[str(at)] = (await an_image(tmp_path, name, boot_sector())).read_bytes()
            image = Image(str(at), RAW, stored=Stored(format))
            servers = [await boots(world, image) for _ in range(2 if at == 0 else 1)]
            assert f"{at}.raw" in in_cache(world)
            assert str(at) not in in_cache(world)
            for server in servers:
                await world.hypervisor.ensure_gone(server.id)
        assert [str(at) for at in range(len(made))] == shelf.fetched


@pytest.mark.parametrize("bus", Bus)
async def test_a_guest_boots_from_a_disc_in_any_drive(bus: Bus, tmp_path: Path) -> None:
    content = disc(boot_sector())
    async with qemu_world(tmp_path, images=Shelf(cd=content)) as world:
        server = await boots(world, Image("cd", RAW, stored=Stored.ISO, drive=bus))
        assert ["cd"] == in_cache(world)
        assert content == (tmp_path / "cache" / "images" / "cd").read_bytes()
        # It is as large as it is, however large the server's disk may be; what is written to lies behind it.
        assert len(content) == size_of(world, server, "disk0.qcow2")
        assert GIB == size_of(world, server, "disk1.qcow2")


class DiscQemus(TwoQemus):
    """Of which the first boots from a disc."""

    def __init__(self, path: Path, bus: Bus) -> None:
        super().__init__(path, Shelf(cd=disc(boot_sector())))
        self.bus = bus

    def wanted(self) -> Wanted:
        return a_server(root=Disk(1, Image("cd", RAW, stored=Stored.ISO, drive=self.bus)), disks=(Disk(1),))


class Discs(LiveContract):
    """Some of the promises about servers that move, of those with a disc."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    def two(self, tmp_path: Path) -> contextlib.AbstractAsyncContextManager[TwoQemus]:
        return two_of(DiscQemus(tmp_path, self.bus), tmp_path)


async def test_a_disc_goes_along_with_a_server_that_moves_while_it_runs(tmp_path: Path) -> None:
    await Discs(Bus.IDE).test_a_running_server_goes_there_with_memory_and_disk(tmp_path)


async def test_what_does_not_fit_the_flavor_is_refused_before_a_byte_of_it_is_written(tmp_path: Path) -> None:
    content = bytes(2 << 20)
    images = {name.partition(" ")[0]: (await an_image(tmp_path, name, content)).read_bytes() for name in MADE}
    shelf = Shelf(**images, large=qcow2(size=2 * GIB, l1=4), raw=content)
    async with qemu_world(tmp_path / "host", images=shelf) as world:
        watcher = Watcher(world.hypervisor)
        for id, format in (*((name, name) for name in images), ("raw", "raw"), ("large", "qcow2")):
            stored = Stored(format) if format in set(Stored) else None
            image = Image(id, QCOW2 if format == "qcow2" else RAW, stored=stored)
            small = a_server(root=Disk(0, image, size_mib=1))
            with pytest.raises(DriverError, match=f"{1 << 20}"):
                await watcher.make(small, has(PowerSeen.ON))
            assert [] == list((tmp_path / "host" / "servers" / small.id).rglob("*disk*"))
        assert sorted([*images, "raw", "large"]) == in_cache(world)
        # The next flavor is large enough; and one without a disk takes what there is.
        for disk in (Disk(1, Image("vmdk", RAW, stored=Stored.VMDK)), Disk(0, Image("large", QCOW2))):
            server = a_server(root=disk)
            await watcher.make(server, has(PowerSeen.ON))
            assert max(disk.room, 1) <= size_of(world, server, "disk0.qcow2")


def size_of(world: QemuWorld, server: Wanted, name: str) -> int:
    """How large the guest sees its disk, as the disk's header says."""
    with (world.state / "servers" / server.id / "guest" / name).open("rb") as disk:
        return int.from_bytes(disk.read(32)[24:], "big")
