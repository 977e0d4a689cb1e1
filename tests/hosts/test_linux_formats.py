"""A whole Linux boots from an image of every format, and from a disc, behind which it finds a blank disk."""

import asyncio
import base64
import contextlib
import shutil
from pathlib import Path

import pytest
from tests.compute.drivers.contract import Watcher, a_server, has
from tests.hosts.bootable_disc import AS_A_DISK, disc
from tests.hosts.qemu_world import QemuWorld, qemu_world
from tests.kit.test_disk_images import MADE

from pileus.compute.drivers.interface import Bus, ConsoleKind, Disk, Image, ImageFormat, PowerSeen, Stored
from pileus.guest import Guest, ensure
from pileus.guest.disk import FAT16_LBA
from pileus.kit.run import run
from pileus.kit.timely import timely
from pileus.main.state import guest_cache

pytestmark = [pytest.mark.host, pytest.mark.scale, pytest.mark.timeout(900)]

BOOT_S = 400.0
RAM_MIB = 128


class Files:
    """ImageFiles of what lies in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def fetch(self, image_id: str, destination: Path) -> None:
        await asyncio.to_thread(shutil.copyfile, self.folder / image_id, destination)


@pytest.fixture(scope="module")
def guest() -> Guest:
    """The built-in guest, as this machine's clouds have it."""
    return asyncio.run(ensure(guest_cache(), print))


async def printed(world: QemuWorld, id: str, words: str) -> str:
    """What the guest has printed on its serial console, the words included."""
    reader, writer = await world.hypervisor.open(id, ConsoleKind.SERIAL)
    try:
        async with asyncio.timeout(BOOT_S):
            while words not in (said := await world.hypervisor.console_log(id)):
                # It says something new, or is made to.
                writer.write(b"\r")
                with contextlib.suppress(TimeoutError):
                    await timely(reader.read(4096), 2)
    finally:
        writer.close()
        await writer.wait_closed()
    return said


async def test_linux_boots_from_an_image_of_every_format(guest: Guest, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    async with qemu_world(tmp_path / "host", images=Files(folder)) as world:
        for name, how in MADE.items():
            if name == "qcow2":
                continue
            await run(["qemu-img", "convert", "-f", "qcow2", "-O", *how, str(guest.image), str(folder / name)])
            image = Image(name, ImageFormat.RAW, stored=Stored(name.partition(" ")[0]))
            server = a_server(root=Disk(1, image), ram_mib=RAM_MIB)
            await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
            await printed(world, server.id, "login: ")
            await world.hypervisor.ensure_gone(server.id)


async def test_linux_boots_from_a_disc_and_finds_a_blank_disk(guest: Guest, tmp_path: Path) -> None:
    """The firmware lets it be booted from as from a disk; what it then works with is in memory."""
    raw = tmp_path / "raw"
    await run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(guest.image), str(raw)])
    (tmp_path / "cd").write_bytes(disc(raw.read_bytes(), how=AS_A_DISK, kind=FAT16_LBA))
    found = {"cd": "head -c 32774 /dev/sr0 | tail -c 5", "size": "cat /sys/block/vda/size",
             "bytes": "head -c 1048576 /dev/vda | tr -d '\\0' | wc -c"}  # fmt: skip
    script = "#!/bin/sh\n" + "".join(f'echo "{name} is $({words})." >/dev/ttyS0\n' for name, words in found.items())
    told = {"meta_data.json": b'{"uuid": "u", "name": "from-a-disc"}', "user_data": script.encode()}
    drive = {f"openstack/latest/{name}": base64.b64encode(content).decode() for name, content in told.items()}
    image = Image("cd", ImageFormat.RAW, stored=Stored.ISO, drive=Bus.IDE)
    async with qemu_world(tmp_path / "host", images=Files(tmp_path)) as world:
        server = a_server(root=Disk(1, image), disks=(Disk(2),), ram_mib=RAM_MIB, config_drive=drive)
        await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
        said = await printed(world, server.id, "bytes is 0.")
        assert "cd is CD001." in said
        # Which disk came first is the guest's to choose: the other is the one that tells it who it is.
        assert f"size is {2 * 2**30 // 512}." in said
