"""A whole Linux guest that is suspended, copied, rescued, resized and taken back: its memory and its files are the judges."""

import asyncio
import base64
import contextlib
import filecmp
import os
import re
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.compute.drivers.contract import Watcher, a_server, has
from tests.hosts.console_words import without_news
from tests.hosts.qemu_world import QemuWorld, a_nic, qemu_world

from pileus.compute.drivers.interface import (
    ConsoleKind,
    Disk,
    DriverError,
    Image,
    ImageFormat,
    Power,
    PowerSeen,
    Wanted,
)
from pileus.guest import Guest, ensure

pytestmark = [pytest.mark.host, pytest.mark.timeout(480)]  # each boots a system or two, without help of the processor

ANSWER_S = 180.0
FORMAT = ImageFormat.QCOW2
MARK = "hostapd-of-the-sea"
SECOND_MAC = "fa:16:3e:00:00:02"
MACS = "/sys/class/net/*/address"
UNTIL = 'wait_for() { n=0; until "$@" || [ $n = 300 ]; do n=$((n+1)); sleep 0.1; done; }; wait_for'


class Files:
    """ImageFiles with the built-in guest, and whatever else was put there."""

    def __init__(self, guest: Guest) -> None:
        self.files: dict[str, Path] = {"guest": guest.image}

    async def fetch(self, image_id: str, destination: Path) -> None:
        await asyncio.to_thread(shutil.copyfile, self.files[image_id], destination)


class Shell:
    """A shell on a server's serial console."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._asked = 0

    async def log_in(self) -> None:
        async with asyncio.timeout(ANSWER_S):
            self._writer.write(b"\r")
            await self._reader.readuntil(b"login: ")
            self._writer.write(b"root\r")  # who has no password at the console
            await self._reader.readuntil(b"# ")

    async def say(self, command: str) -> str:
        """What a command prints."""
        self._asked += 1
        async with asyncio.timeout(ANSWER_S):
            # The echo of what we type must not look like the answer.
            self._writer.write(f"echo beg''in{self._asked}; {command}; echo e''nd{self._asked}\r".encode())
            said = await self._reader.readuntil(f"end{self._asked}".encode())
        answer = said.decode().partition(f"begin{self._asked}")[2].rpartition("end")[0]
        return without_news(answer)


@contextlib.asynccontextmanager
async def shell(world: QemuWorld, id: str, *, log_in: bool = True) -> AsyncIterator[Shell]:
    reader, writer = await world.hypervisor.open(id, ConsoleKind.SERIAL)
    it = Shell(reader, writer)
    try:
        if log_in:
            await it.log_in()
        yield it
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """The built-in guest, made anew."""
    cache = tmp_path_factory.mktemp("guest")
    yield asyncio.run(ensure(cache, print))
    shutil.rmtree(cache)


def a_guest(**changes: object) -> Wanted:
    return a_server(root=Disk(1, Image("guest", FORMAT)), ram_mib=128, **changes)


async def test_memory_survives_a_suspension(guest: Guest, tmp_path: Path) -> None:
    async with qemu_world(tmp_path, images=Files(guest)) as world:
        server, watcher = a_guest(), Watcher(world.hypervisor)
        await watcher.make(server, has(PowerSeen.ON))
        async with shell(world, server.id) as before:
            await before.say(f"KEPT={MARK}")
            boot = await before.say("cat /proc/sys/kernel/random/boot_id")
            uptime = float((await before.say("cat /proc/uptime")).split()[0])
        first = await world.hypervisor.look(server.id)
        await watcher.make(msgspec.structs.replace(server, power=Power.SUSPENDED), has(PowerSeen.SUSPENDED))
        world.begin_anew()  # A new agent finds it asleep.
        watcher = Watcher(world.hypervisor)
        second = await watcher.make(server, has(PowerSeen.ON))
        assert first.pid != second.pid
        async with shell(world, server.id, log_in=False) as after:
            assert boot == await after.say("cat /proc/sys/kernel/random/boot_id")
            assert MARK == await after.say("echo $KEPT")
            assert float((await after.say("cat /proc/uptime")).split()[0]) >= uptime


async def test_a_copy_boots_with_what_was_written_before_it(guest: Guest, tmp_path: Path) -> None:
    images = Files(guest)
    async with qemu_world(tmp_path, images=images) as world:
        server, watcher = a_guest(), Watcher(world.hypervisor)
        await watcher.make(server, has(PowerSeen.ON))
        async with shell(world, server.id) as it:
            await it.say(f"echo {MARK} | dd of=/dev/vda bs=512 seek=2000000 conv=notrunc 2>/dev/null; sync")
            copying = msgspec.structs.replace(server, snapshot="one")
            seen = await watcher.make(copying, lambda seen: seen.snapshot is not None)
            assert "alive" == await it.say("echo alive")
        assert seen.snapshot is not None
        images.files["copy"] = tmp_path / "copy.qcow2"
        shutil.copyfile(seen.snapshot.file, images.files["copy"])
        await watcher.make(msgspec.structs.replace(server, power=Power.OFF), has(PowerSeen.OFF))
        other = msgspec.structs.replace(a_guest(), root=Disk(1, Image("copy", FORMAT)))
        await watcher.make(other, has(PowerSeen.ON))
        async with shell(world, other.id) as it:
            assert MARK in await it.say("dd if=/dev/vda bs=512 skip=2000000 count=1 2>/dev/null | head -c 30")


async def test_is_resized_and_taken_back(guest: Guest, tmp_path: Path) -> None:
    async with qemu_world(tmp_path, images=Files(guest)) as world:
        server, watcher = a_guest(), Watcher(world.hypervisor)
        await watcher.make(server, has(PowerSeen.ON))
        async with shell(world, server.id) as it:
            assert 2**31 == 2 * int(await it.say("echo $(($(cat /sys/block/vda/size) * 512))"))
        off = msgspec.structs.replace(server, power=Power.OFF)
        await watcher.make(off, has(PowerSeen.OFF))
        big = msgspec.structs.replace(
            server, root=Disk(2, Image("guest", FORMAT)), vcpus=2, ram_mib=192, checkpoint="op"
        )
        await watcher.make(big, lambda seen: seen.shape == big.shape and seen.power is PowerSeen.ON)
        async with shell(world, server.id) as it:
            assert 2**31 == int(await it.say("echo $(($(cat /sys/block/vda/size) * 512))"))
            assert "2" == await it.say("grep -c ^processor /proc/cpuinfo")
            memory = re.search(r"MemTotal: +(\d+)", await it.say("cat /proc/meminfo"))
            assert memory is not None
            assert int(memory[1]) > 140_000
            await it.say(f"echo {MARK} | dd of=/dev/vda bs=512 seek=2000000 conv=notrunc 2>/dev/null; sync")
        await watcher.make(msgspec.structs.replace(big, power=Power.OFF), has(PowerSeen.OFF))
        await watcher.make(msgspec.structs.replace(off, rollback="op"), lambda seen: seen.shape == off.shape)
        await watcher.make(server, has(PowerSeen.ON))
        async with shell(world, server.id) as it:
            assert 2**30 == int(await it.say("echo $(($(cat /sys/block/vda/size) * 512))"))
            assert MARK not in await it.say("dd if=/dev/vda bs=512 skip=2000000 count=1 2>/dev/null | head -c 30")


async def test_a_card_comes_into_a_guest_that_runs_and_leaves_it(guest: Guest, tmp_path: Path) -> None:
    first, second = a_nic(str(uuid.uuid4())), msgspec.structs.replace(a_nic(str(uuid.uuid4())), mac=SECOND_MAC)
    async with qemu_world(tmp_path, images=Files(guest)) as world:
        server, watcher = a_guest(nics=(first,)), Watcher(world.hypervisor)
        had = await watcher.make(server, has(PowerSeen.ON))
        async with shell(world, server.id) as it:
            more = msgspec.structs.replace(server, nics=(first, second))
            await watcher.make(more, lambda seen: second.port_id in seen.cards)
            assert SECOND_MAC in await it.say(
                f"{UNTIL} sh -c 'grep -qs {SECOND_MAC} /sys/class/net/*/address'; cat {MACS}"
            )
            await world.hypervisor.close()
            world.begin_anew()  # What comes after us finds the card, and takes it out.
            watcher = Watcher(world.hypervisor)
            gone = await watcher.make(server, lambda seen: (first.port_id,) == seen.cards and not seen.cards_changing)
            assert SECOND_MAC not in await it.say(f"cat {MACS}")
            assert had.pid == gone.pid
            assert {second.port_id} == world.plug.unplugged
            again = msgspec.structs.replace(second, port_id=str(uuid.uuid4()))
            await watcher.make(
                msgspec.structs.replace(server, nics=(first, again)), lambda seen: again.port_id in seen.cards
            )
            assert SECOND_MAC in await it.say(
                f"{UNTIL} sh -c 'grep -qs {SECOND_MAC} /sys/class/net/*/address'; cat {MACS}"
            )


class OtherHost:
    """ServerFiles from a hypervisor on the same machine."""

    def __init__(self, origin: QemuWorld) -> None:
        self._origin = origin

    async def fetch(self, host: str, server_id: str, name: str, destination: Path) -> None:
        file = await self._origin.hypervisor.give(server_id, name)
        with os.fdopen(file, "rb") as source, destination.open("wb") as target:
            await asyncio.to_thread(shutil.copyfileobj, source, target)


async def test_its_disks_go_to_another_host_whole(guest: Guest, tmp_path: Path) -> None:
    server = a_guest(disks=(Disk(1),))
    off = msgspec.structs.replace(server, power=Power.OFF)
    async with (
        qemu_world(tmp_path / "a", images=Files(guest)) as a,
        qemu_world(tmp_path / "b", images=Files(guest), files=OtherHost(a)) as b,
    ):
        watcher = Watcher(a.hypervisor)
        await watcher.make(server, has(PowerSeen.ON))
        with pytest.raises(DriverError, match="runs"):
            await a.hypervisor.give(server.id, "disk0.qcow2")
        async with shell(a, server.id) as it:
            await it.say(
                f"for d in vda vdb; do echo {MARK}-$d | dd of=/dev/$d bs=512 seek=2000000 conv=notrunc; done; sync"
            )
        await watcher.make(off, has(PowerSeen.OFF))
        for name in ("wanted.json", "../wanted.json", "disk9.qcow2"):
            with pytest.raises(DriverError, match="no such file"):
                await a.hypervisor.give(server.id, name)
        moved = Watcher(b.hypervisor)
        arriving = msgspec.structs.replace(off, origin="a")
        await moved.make(arriving, lambda seen: seen.disks_ready and seen.shape == off.shape)
        for name in ("disk0.qcow2", "disk1.qcow2"):
            first, second = (world.state / "servers" / server.id / "guest" / name for world in (a, b))
            assert filecmp.cmp(first, second, shallow=False)
        await moved.make(server, has(PowerSeen.ON))
        async with shell(b, server.id) as it:
            for disk in ("vda", "vdb"):
                said = await it.say(f"dd if=/dev/{disk} bs=512 skip=2000000 count=1 2>/dev/null | head -c 30")
                assert f"{MARK}-{disk}" in said


async def test_is_rescued_with_its_own_disk_beside(guest: Guest, tmp_path: Path) -> None:
    async with qemu_world(tmp_path, images=Files(guest)) as world:
        server, watcher = a_guest(), Watcher(world.hypervisor)
        await watcher.make(server, has(PowerSeen.ON))
        async with shell(world, server.id) as it:
            await it.say(f"echo {MARK} | dd of=/dev/vda bs=512 seek=2000000 conv=notrunc 2>/dev/null; sync")
        rescued = msgspec.structs.replace(server, rescue=Image("guest", FORMAT))
        await watcher.make(rescued, lambda seen: seen.shape == rescued.shape and seen.power is PowerSeen.ON)
        async with shell(world, server.id) as it:
            assert MARK not in await it.say("dd if=/dev/vda bs=512 skip=2000000 count=1 2>/dev/null | head -c 30")
            assert MARK in await it.say("dd if=/dev/vdb bs=512 skip=2000000 count=1 2>/dev/null | head -c 30")
        await watcher.make(server, lambda seen: seen.shape == server.shape and seen.power is PowerSeen.ON)
        async with shell(world, server.id) as it:
            assert MARK in await it.say("dd if=/dev/vda bs=512 skip=2000000 count=1 2>/dev/null | head -c 30")


async def test_reads_what_it_is_from_its_config_drive(guest: Guest, tmp_path: Path) -> None:
    async with qemu_world(tmp_path, images=Files(guest)) as world:
        about = base64.b64encode(b'{"name": "from-the-disc"}').decode()
        files = {f"openstack/{date}/meta_data.json": about for date in ("2018-08-27", "latest")}
        server, watcher = a_guest(config_drive=files), Watcher(world.hypervisor)
        await watcher.make(server, has(PowerSeen.ON))
        async with shell(world, server.id) as it:
            drive = await it.say("findfs LABEL=config-2")
            await it.say(f"mkdir -p /tmp/disc; mount -o ro -t iso9660 {drive} /tmp/disc")
            assert "from-the-disc" in await it.say("cat /tmp/disc/openstack/latest/meta_data.json")
            assert "latest" in await it.say("ls /tmp/disc/openstack")
