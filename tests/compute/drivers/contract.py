"""What every hypervisor promises, as tests that run against each: the fake always, QEMU when marked `host`."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

import msgspec
import pytest

from pileus.compute.drivers.interface import (
    ConsoleKind,
    Disk,
    DriverError,
    Hypervisor,
    OpensConsole,
    Power,
    PowerSeen,
    Restarts,
    Seen,
    ShowsConsoleLog,
    Wanted,
)

SETTLE_S = 60.0


class World(Protocol):
    """A hypervisor under test, and the guests in it."""

    hypervisor: Hypervisor

    def wanted(self) -> Wanted: ...
    async def guest_powers_off(self, id: str) -> None: ...
    async def lose_power(self, id: str) -> None: ...
    async def guest_prints(self, id: str) -> str: ...


def a_server(**changes: object) -> Wanted:
    """A small server without image or ports."""
    plain = Wanted(id=str(uuid.uuid4()), name="s", project_id="p", vcpus=1, ram_mib=64, root=Disk(size_gib=1))
    return msgspec.structs.replace(plain, **changes)


class Watcher:
    """Does what a host's agent does: ensures again whenever the hypervisor says that something changed."""

    def __init__(self, hypervisor: Hypervisor) -> None:
        self._hypervisor = hypervisor
        self._changed = asyncio.Event()
        self._wanted: dict[str, Wanted] = {}
        hypervisor.on_change(lambda id: self._changed.set())

    async def make(self, server: Wanted, when: Callable[[Seen], bool]) -> Seen:
        """Ensure, and go on until what is seen is as expected."""
        self._wanted[server.id] = server
        await self._hypervisor.ensure(server)
        return await self.until(server.id, when)

    async def until(self, id: str, when: Callable[[Seen], bool], timeout_s: float = SETTLE_S) -> Seen:
        """Go on until what is seen is as expected."""
        seen = await self._hypervisor.look(id)
        try:
            async with asyncio.timeout(timeout_s):
                while not when(seen):
                    await self._changed.wait()
                    self._changed.clear()
                    await self._hypervisor.ensure(self._wanted[id])
                    seen = await self._hypervisor.look(id)
        except TimeoutError:
            pytest.fail(f"never came to be: {seen}")
        return seen


def has(power: PowerSeen) -> Callable[[Seen], bool]:
    """Whether power is that, and nothing goes on."""
    return lambda seen: seen.power is power and seen.doing is None


class HypervisorContract:
    """The promises. A subclass says what the world is."""

    @contextlib.asynccontextmanager
    async def world(self, tmp_path: Path) -> AsyncIterator[World]:
        raise NotImplementedError
        yield

    async def test_knows_nothing_of_a_server_that_was_never_wanted(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            assert (await world.hypervisor.look(str(uuid.uuid4()))).power is PowerSeen.ABSENT
            assert {} == await world.hypervisor.observe()

    async def test_starts_what_is_wanted_once_however_often_it_is_asked(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            server = world.wanted()
            first = await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
            await world.hypervisor.ensure(server)
            again = await world.hypervisor.look(server.id)

            assert first.disks_ready
            assert first.started_at is not None
            assert (first.pid, first.started_at) == (again.pid, again.started_at)
            assert [server.id] == list(await world.hypervisor.observe())

    async def test_stops_and_starts_again(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            server, watcher = world.wanted(), Watcher(world.hypervisor)
            await watcher.make(server, has(PowerSeen.ON))
            await world.guest_prints(server.id)
            stopped = await watcher.make(msgspec.structs.replace(server, power=Power.OFF), has(PowerSeen.OFF))
            started = await watcher.make(server, has(PowerSeen.ON))

            assert (None, None) == (stopped.pid, stopped.exit_reason)
            assert started.pid is not None

    async def test_makes_a_server_that_shall_be_off(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            server = msgspec.structs.replace(world.wanted(), power=Power.OFF)
            seen = await Watcher(world.hypervisor).make(server, lambda seen: seen.disks_ready)
            assert seen.power is PowerSeen.OFF

    @pytest.mark.parametrize("restarts", [Restarts(soft=1), Restarts(hard=1)], ids=["soft", "hard"])
    async def test_reboots_once_for_each_time_asked(self, tmp_path: Path, restarts: Restarts) -> None:
        async with self.world(tmp_path) as world:
            server, watcher = world.wanted(), Watcher(world.hypervisor)
            first = await watcher.make(server, has(PowerSeen.ON))
            await world.guest_prints(server.id)
            asked = msgspec.structs.replace(server, restarts=restarts)
            rebooted = await watcher.make(asked, lambda seen: seen.restarts == restarts)
            await world.hypervisor.ensure(asked)

            assert rebooted.power is PowerSeen.ON
            assert rebooted.pid != first.pid
            assert rebooted.pid == (await world.hypervisor.look(server.id)).pid

    async def test_pauses_and_goes_on(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            server, watcher = world.wanted(), Watcher(world.hypervisor)
            first = await watcher.make(server, has(PowerSeen.ON))
            await watcher.make(msgspec.structs.replace(server, power=Power.PAUSED), has(PowerSeen.PAUSED))
            last = await watcher.make(server, has(PowerSeen.ON))
            assert first.pid == last.pid

    async def test_leaves_a_server_off_that_powered_itself_off_until_asked_to_start_it(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            server, watcher = world.wanted(), Watcher(world.hypervisor)
            await watcher.make(server, has(PowerSeen.ON))
            await world.guest_powers_off(server.id)
            seen = await watcher.until(server.id, has(PowerSeen.OFF))
            await world.hypervisor.ensure(server)
            assert (await world.hypervisor.look(server.id)).power is PowerSeen.OFF
            assert "the guest powered off" == seen.exit_reason

            asked = msgspec.structs.replace(server, restarts=Restarts(start=1))
            seen = await watcher.make(asked, has(PowerSeen.ON))
            assert seen.exit_reason is None

    async def test_tells_of_a_server_that_crashed_and_leaves_it(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            server, watcher = world.wanted(), Watcher(world.hypervisor)
            await watcher.make(server, has(PowerSeen.ON))
            await world.lose_power(server.id)
            seen = await watcher.until(server.id, has(PowerSeen.CRASHED))
            assert "signal 9" in (seen.exit_reason or "")
            assert seen.pid is None

    async def test_changes_power_and_nothing_else(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            server, watcher = world.wanted(), Watcher(world.hypervisor)
            await watcher.make(server, has(PowerSeen.ON))
            await world.hypervisor.ensure_power(server.id, Power.PAUSED)
            assert (await world.hypervisor.look(server.id)).power is PowerSeen.PAUSED
            with pytest.raises(DriverError, match="not here"):
                await world.hypervisor.ensure_power(str(uuid.uuid4()), Power.ON)

    async def test_leaves_nothing_of_what_shall_be_gone(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            server = world.wanted()
            await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
            await world.hypervisor.ensure_gone(server.id)
            await world.hypervisor.ensure_gone(server.id)
            assert (await world.hypervisor.look(server.id)).power is PowerSeen.ABSENT
            assert {} == await world.hypervisor.observe()

    async def test_keeps_what_the_console_printed(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            assert isinstance(world.hypervisor, ShowsConsoleLog)
            server, watcher = world.wanted(), Watcher(world.hypervisor)
            await watcher.make(server, has(PowerSeen.ON))
            text = await world.guest_prints(server.id)
            assert text in await world.hypervisor.console_log(server.id)
            assert text in await world.hypervisor.console_log(server.id, lines=2)
            assert "" == await world.hypervisor.console_log(server.id, lines=0)
            assert "" == await world.hypervisor.console_log(str(uuid.uuid4()))

    async def test_opens_consoles_of_running_servers_only(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            assert isinstance(world.hypervisor, OpensConsole)
            server, watcher = world.wanted(), Watcher(world.hypervisor)
            await watcher.make(server, has(PowerSeen.ON))
            await world.guest_prints(server.id)
            async with asyncio.timeout(SETTLE_S):
                serial, to_serial = await world.hypervisor.open(server.id, ConsoleKind.SERIAL)
                to_serial.write(b"echo")
                assert b"echo" == await serial.readexactly(4)
                vnc, to_vnc = await world.hypervisor.open(server.id, ConsoleKind.VNC)
                assert (await vnc.readexactly(12)).startswith(b"RFB 003.")
            for writer in (to_serial, to_vnc):
                writer.close()
                await writer.wait_closed()
            await watcher.make(msgspec.structs.replace(server, power=Power.OFF), has(PowerSeen.OFF))
            with pytest.raises(DriverError, match="serial console"):
                await world.hypervisor.open(server.id, ConsoleKind.SERIAL)
