"""A whole Linux guest in QEMU: boots from its overlay, hears its power button, keeps its disk."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.compute.drivers.contract import Watcher, a_server, has
from tests.hosts.qemu_world import qemu_world

from pileus.compute.drivers.interface import (
    ConsoleKind,
    Disk,
    Image,
    ImageFormat,
    OpensConsole,
    Power,
    PowerSeen,
    Restarts,
)
from pileus.guest import Guest, ensure

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

BOOT_S = 240.0


class GuestImage:
    """ImageFiles with the built-in guest."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest

    async def fetch(self, image_id: str, destination: Path) -> None:
        await asyncio.to_thread(shutil.copyfile, self._guest.image, destination)


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """The built-in guest, made anew."""
    cache = tmp_path_factory.mktemp("guest")
    yield asyncio.run(ensure(cache, print))
    shutil.rmtree(cache)


async def test_boots_reboots_and_stops_as_its_owner_asks(guest: Guest, tmp_path: Path) -> None:
    async with qemu_world(tmp_path, images=GuestImage(guest)) as world:
        server = a_server(root=Disk(1, Image("guest", ImageFormat.QCOW2)), ram_mib=128)
        watcher = Watcher(world.hypervisor)
        await watcher.make(server, has(PowerSeen.ON))
        await _login(world.hypervisor, server.id)

        asked = msgspec.structs.replace(server, restarts=Restarts(soft=1))
        await watcher.make(asked, lambda seen: seen.restarts.soft == 1)
        await _login(world.hypervisor, server.id)

        await watcher.make(msgspec.structs.replace(asked, power=Power.OFF), has(PowerSeen.OFF))
        assert "Power down" in await world.hypervisor.console_log(server.id)


async def _login(hypervisor: OpensConsole, id: str) -> None:
    """The guest asks who is there: it does so again for whoever presses enter."""
    reader, writer = await hypervisor.open(id, ConsoleKind.SERIAL)
    try:
        async with asyncio.timeout(BOOT_S):
            writer.write(b"\r")
            await reader.readuntil(b"login: ")
    finally:
        writer.close()
        await writer.wait_closed()
