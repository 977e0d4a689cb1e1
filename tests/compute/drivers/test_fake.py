"""The fake hypervisor keeps the promises of a real one, and does what its script says."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.compute.drivers.contract import HypervisorContract, Watcher, a_server, has
from tests.compute.drivers.contract_changes import ChangeContract
from tests.compute.drivers.contract_volumes import VolumeContract
from tests.image.hostile import disks, hostile, qcow2

from pileus.compute.drivers.fake import Fake
from pileus.compute.drivers.interface import (
    Disk,
    DriverError,
    Image,
    ImageFormat,
    Nic,
    Power,
    PowerSeen,
    Stored,
    Wanted,
)
from pileus.image.errors import NoSuchImage
from pileus.ports.plug import PortPlug


class FakeWorld:
    def __init__(self) -> None:
        self.hypervisor = Fake()

    def wanted(self) -> Wanted:
        return a_server()

    async def guest_powers_off(self, id: str) -> None:
        self.hypervisor.guest_powers_off(id)

    async def lose_power(self, id: str) -> None:
        self.hypervisor.lose_power(id)

    async def guest_prints(self, id: str) -> str:
        self.hypervisor.print(id, "hello\n")
        return "hello"


class TestFake(HypervisorContract, ChangeContract, VolumeContract):
    @contextlib.asynccontextmanager
    async def world(self, tmp_path: Path) -> AsyncIterator[FakeWorld]:
        world = FakeWorld()
        yield world
        await world.hypervisor.close()


async def test_fails_as_often_as_told_in_the_words_told() -> None:
    fake, server = Fake(), a_server()
    fake.fail_next("ensure", "disk full", times=2)
    for _ in range(2):
        with pytest.raises(DriverError, match="disk full"):
            await fake.ensure(server)
    await fake.ensure(server)
    assert (await fake.look(server.id)).power is PowerSeen.ON


async def test_a_deaf_guest_stops_when_patience_runs_out() -> None:
    fake, server = Fake(), a_server()
    watcher = Watcher(fake)
    await watcher.make(server, has(PowerSeen.ON))
    fake.deafen(server.id)
    off = msgspec.structs.replace(server, power=Power.OFF)
    waiting = await watcher.make(off, lambda seen: seen.doing is not None)
    assert waiting.power is PowerSeen.ON
    fake.run_out_of_patience(server.id)
    await watcher.until(server.id, has(PowerSeen.OFF))


async def test_holds_thousands() -> None:
    fake = Fake()
    for _ in range(3000):
        await fake.ensure(a_server())
    assert 3000 == len(await fake.observe())


class Sockets:
    """A `Plug` that remembers what is plugged."""

    def __init__(self) -> None:
        self.plugged: set[str] = set()

    async def ensure_plugged(self, port: PortPlug) -> str:
        self.plugged.add(port.id)
        return f"tap{port.id}"

    async def open_tap(self, port_id: str) -> int:
        raise AssertionError("a pretended server opens nothing")

    async def ensure_unplugged(self, port_id: str) -> None:
        self.plugged.discard(port_id)


async def test_plugs_the_ports_that_a_server_has() -> None:
    sockets = Sockets()
    fake, server = Fake(plug=sockets), a_server(nics=(Nic("a", "fa:16:3e:00:00:01"), Nic("b", "fa:16:3e:00:00:02")))
    await fake.ensure(server)
    assert {"a", "b"} == sockets.plugged
    await fake.ensure(msgspec.structs.replace(server, nics=server.nics[:1]))
    assert {"a"} == sockets.plugged
    await fake.ensure_gone(server.id)
    assert set() == sockets.plugged


async def test_copies_are_disks_that_tools_take() -> None:
    fake = Fake()
    await fake.ensure(a_server(snapshot="one"))
    (seen,) = (await fake.observe()).values()
    assert seen.snapshot is not None
    disk = Path(seen.snapshot.file).read_bytes()
    assert (b"QFI\xfb", 2**30) == (disk[:4], int.from_bytes(disk[24:32], "big"))
    await fake.close()
    assert not Path(seen.snapshot.file).exists()


class Unlooked:
    """ImageFiles of an image service that does not look at what is uploaded."""

    def __init__(self) -> None:
        self.content: bytes | None = None
        self.fetched = 0

    async def fetch(self, image_id: str, destination: Path) -> None:
        self.fetched += 1
        if self.content is None:
            raise NoSuchImage(image=image_id)
        destination.write_bytes(self.content)


def an_image(format: str, id: str) -> Image:
    over = ImageFormat.QCOW2 if format == "qcow2" else ImageFormat.RAW
    return Image(id, over, stored=Stored(format) if format in set(Stored) else None)


async def test_a_pretended_host_refuses_what_a_real_one_refuses() -> None:
    images = Unlooked()
    fake = Fake(images=images)
    for at, one in enumerate(hostile("/etc/canary")):
        images.content = one.content
        server = a_server(root=Disk(1, an_image(one.format, str(at))))
        with pytest.raises(DriverError, match=f"Image {at} is refused by this host"):
            await fake.ensure(server)
        with pytest.raises(DriverError, match="refused"):
            await fake.ensure(msgspec.structs.replace(a_server(), rescue=an_image(one.format, str(at))))
    assert {} == await fake.observe()


async def test_a_pretended_host_looks_at_an_image_once_and_at_what_it_is_given_next() -> None:
    images = Unlooked()
    fake = Fake(images=images)
    for at, (format, content) in enumerate(disks().items()):
        images.content = content
        for _ in range(2):
            server = a_server(root=Disk(1, an_image(format, str(at))))
            await fake.ensure(server)
            assert (await fake.look(server.id)).power is PowerSeen.ON
        assert at + 1 == images.fetched
    images.content = qcow2(size=2 << 30)
    another = msgspec.structs.replace(server, root=Disk(1, an_image("qcow2", "large")), disk_generation=1)
    with pytest.raises(DriverError, match=f"has {1 << 30} bytes, and the image {2 << 30}"):
        await fake.ensure(another)
    images.content = None
    await fake.ensure(a_server(root=Disk(1, an_image("qcow2", "deleted"))))
