"""The agent in the built-in guest, over the channel that QEMU gives it: passwords, and disks that hold still."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.compute.drivers.contract import Watcher, a_server, has
from tests.hosts.qemu_world import QemuWorld, qemu_world
from tests.hosts.test_qemu_guest import GuestImage

from pileus.compute.drivers.guest_agent import GuestAgent, Refused
from pileus.compute.drivers.interface import ConsoleKind, Disk, Image, ImageFormat, PowerSeen, Stillness, Wanted
from pileus.guest import Guest, ensure

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

LONG_S = 120.0


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """The built-in guest, made anew."""
    cache = tmp_path_factory.mktemp("guest")
    yield asyncio.run(ensure(cache, print))
    shutil.rmtree(cache)


@contextlib.asynccontextmanager
async def agent_in(world: QemuWorld, id: str) -> AsyncIterator[GuestAgent]:
    """A talk with the agent, once it answers."""
    async with asyncio.timeout(LONG_S):
        reader, writer = await world.hypervisor.open(id, ConsoleKind.AGENT)
        agent = GuestAgent(reader, writer)
        await agent.greet()
    try:
        yield agent
    finally:
        writer.close()
        await writer.wait_closed()


class Terminal:
    """Somebody at the serial console."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def says(self, words: str) -> None:
        """The guest has said so."""
        async with asyncio.timeout(LONG_S):
            await self._reader.readuntil(words.encode())

    async def type(self, line: str) -> None:
        self._writer.write(f"{line}\n".encode())
        await self._writer.drain()

    async def log_in(self, user: str, password: str) -> None:
        await self.type("")
        await self.says("login: ")
        await self.type(user)
        await self.says("Password: ")
        await self.type(password)


@contextlib.asynccontextmanager
async def terminal(world: QemuWorld, id: str) -> AsyncIterator[Terminal]:
    reader, writer = await world.hypervisor.open(id, ConsoleKind.SERIAL)
    try:
        yield Terminal(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def running(guest: Guest, tmp_path: Path) -> AsyncIterator[tuple[QemuWorld, Watcher, Wanted]]:
    async with qemu_world(tmp_path, images=GuestImage(guest)) as world:
        server = a_server(root=Disk(1, Image("guest", ImageFormat.QCOW2)), ram_mib=128, agent=True)
        watcher = Watcher(world.hypervisor)
        await watcher.make(server, has(PowerSeen.ON))
        yield world, watcher, server


async def test_root_logs_in_with_the_password_the_agent_set_and_disks_stay_frozen(guest: Guest, tmp_path: Path) -> None:
    async with running(guest, tmp_path) as (world, _, server), terminal(world, server.id) as screen:
        async with agent_in(world, server.id) as agent:
            await agent.set_password("root", "correct horse '$7")
            with pytest.raises(Refused, match="no user"):
                await agent.set_password("nobody-knows", "x")
        await screen.log_in("root", "correct horse '$7")
        await screen.says("# ")
        await screen.type("su pileus -c 'sudo -n id'")
        await screen.says("uid=0(root)")
        await screen.type("until grep -q ' /data ' /proc/mounts; do usleep 100000; done; echo it is $((40 + 2))")
        await screen.says("it is 42")
        async with agent_in(world, server.id) as agent:
            assert 1 == await agent.freeze()
            assert 0 == await agent.freeze()
            await screen.type("(touch /data/late; echo written $((40 + 2))) & sleep 1; echo waited $((20 + 1))")
            await screen.says("waited 21")
            assert "written 42" not in await world.hypervisor.console_log(server.id)
            assert 1 == await agent.thaw()
        await screen.says("written 42")


async def test_a_guest_holds_still_for_a_copy_and_is_thawed_by_whoever_comes_next(guest: Guest, tmp_path: Path) -> None:
    async with running(guest, tmp_path) as (world, watcher, server):
        note = tmp_path / "servers" / server.id / "frozen"
        async with agent_in(world, server.id):
            pass
        copying = msgspec.structs.replace(server, snapshot="one", stillness=Stillness.MUST)
        seen = await watcher.make(copying, lambda seen: seen.snapshot is not None)
        assert seen.snapshot is not None
        assert not note.exists()

        async with agent_in(world, server.id) as agent:
            assert 0 == await agent.thaw()
            await agent.freeze()
        note.touch()  # and who froze it is killed
        await world.hypervisor.close()
        successor = Watcher(world.begin_anew())
        async with asyncio.timeout(LONG_S):
            while note.exists():
                await successor.make(server, has(PowerSeen.ON))
                await asyncio.sleep(0.1)
        async with agent_in(world, server.id) as agent:
            assert 0 == await agent.thaw()
