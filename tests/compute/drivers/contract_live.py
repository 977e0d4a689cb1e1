"""What every hypervisor promises about servers that go from one host to another while they run."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import msgspec
import pytest
from tests.compute.drivers.contract import SETTLE_S, Watcher, has
from tests.compute.drivers.contract_volumes import two_volumes

from pileus.compute.drivers.interface import (
    Arrival,
    Departure,
    DriverError,
    Hypervisor,
    MovesLive,
    Power,
    PowerSeen,
    Restarts,
    Seen,
    Stage,
    Volume,
    Wanted,
)
from pileus.kit.errors import Unavailable
from pileus.ports.server_streams import Opened


class World(Protocol):
    """Two hypervisors: servers go from the first to the second."""

    here: Hypervisor
    there: Hypervisor

    def wanted(self) -> Wanted: ...
    async def write(self, id: str, text: bytes) -> None:
        """The guest, which runs `here`, keeps this in its memory and on its disk."""

    async def kept(self, id: str) -> bytes:
        """What the guest, which runs `there` now, has kept."""


class Streams:
    """ServerStreams to another hypervisor on this machine."""

    def __init__(self) -> None:
        self.to: Hypervisor | None = None
        self.opened = 0
        self.broken = False

    async def open(self, server_id: str, name: str) -> Opened:
        if self.broken:
            raise Unavailable("the cable is cut")
        assert isinstance(self.to, MovesLive)
        try:
            stream = await self.to.landing(server_id, name)
        except DriverError as refused:
            raise Unavailable(str(refused)) from refused
        self.opened += 1
        return (*stream, b"")


def on_its_way(stage: Stage):
    return lambda seen: seen.move is not None and seen.move.stage is stage


class LiveContract:
    """The promises. A subclass says what the world is."""

    def two(self, tmp_path: Path) -> contextlib.AbstractAsyncContextManager[World]:
        raise NotImplementedError

    @contextlib.asynccontextmanager
    async def moving(
        self, tmp_path: Path, volumes: tuple[Volume, ...] = (), power: Power = Power.ON
    ) -> AsyncIterator[tuple[World, Watcher, Watcher, Wanted]]:
        """A server that runs here, and is awaited there."""
        async with self.two(tmp_path) as world:
            here, there = Watcher(world.here), Watcher(world.there)
            server = msgspec.structs.replace(world.wanted(), volumes=volumes)
            seen = await here.make(server, has(PowerSeen.ON))
            server = msgspec.structs.replace(server, power=power)
            await here.make(server, has(PowerSeen(power)))
            arrival = Arrival("m1", seen.machine, seen.slots)
            comes = msgspec.structs.replace(server, origin="here", arrival=arrival)
            await there.make(comes, on_its_way(Stage.AWAITED))
            await world.there.ensure(comes)
            assert on_its_way(Stage.AWAITED)(await world.there.look(server.id))
            yield world, here, there, server

    async def send(self, here: Watcher, there: Watcher, server: Wanted) -> tuple[Seen, Seen]:
        """The server stands still: all of it was sent, and received."""
        leaving = msgspec.structs.replace(server, departure=Departure("m1", "there"))
        sent = await here.make(leaving, lambda seen: on_its_way(Stage.SENT)(seen) or on_its_way(Stage.FAILED)(seen))
        assert sent.move is not None and Stage.SENT is sent.move.stage, sent
        return sent, await there.until(server.id, on_its_way(Stage.RECEIVED))

    async def test_a_running_server_goes_there_with_memory_and_disk(self, tmp_path: Path) -> None:
        async with self.moving(tmp_path) as (world, here, there, server):
            await world.write(server.id, b"remembered")
            sent, received = await self.send(here, there, server)
            assert (PowerSeen.PAUSED, PowerSeen.PAUSED) == (sent.power, received.power)
            now = await there.make(server, has(PowerSeen.ON))
            assert now.move is None and now.machine == sent.machine
            await world.here.ensure_gone(server.id)
            assert {} == await world.here.observe()
            assert b"remembered" in await world.kept(server.id)

    async def test_what_was_sent_goes_on_here_if_it_is_not_to_go_after_all(self, tmp_path: Path) -> None:
        async with self.moving(tmp_path) as (world, here, there, server):
            before = await world.here.look(server.id)
            await self.send(here, there, server)
            await world.there.ensure_gone(server.id)
            after = await here.make(server, has(PowerSeen.ON))
            assert (before.pid, None) == (after.pid, after.move)
            assert {} == await world.there.observe()
            paused = await here.make(msgspec.structs.replace(server, power=Power.SUSPENDED), has(PowerSeen.SUSPENDED))
            assert paused.pid is None  # Its memory can be written to a file as ever.

    @pytest.mark.parametrize("power", [Power.ON, Power.PAUSED])
    async def test_volumes_are_at_both_until_it_is_there(self, tmp_path: Path, power: Power) -> None:
        async with self.moving(tmp_path, two_volumes(tmp_path), power) as (world, here, there, server):
            sent, received = await self.send(here, there, server)
            assert 2 == len(sent.volumes) == len(received.volumes)
            await there.make(server, lambda now: now.power == str(power) and now.move is None)
            await world.here.ensure_gone(server.id)
            without = msgspec.structs.replace(server, power=Power.OFF, volumes=())
            await there.make(without, lambda now: now.power is PowerSeen.OFF and not now.volumes)

    async def test_volumes_are_not_locked_there_before_it_runs_there(self, tmp_path: Path) -> None:
        async with self.moving(tmp_path, two_volumes(tmp_path)) as (world, here, there, server):
            before = await world.here.look(server.id)
            await self.send(here, there, server)
            after = await here.make(server, has(PowerSeen.ON))
            assert (before.pid, before.volumes, None) == (after.pid, after.volumes, after.move)
            await world.there.ensure_gone(server.id)

    async def test_where_nobody_waits_a_departure_fails_and_the_server_runs_on(self, tmp_path: Path) -> None:
        async with self.moving(tmp_path) as (world, here, _, server):
            before = await world.here.look(server.id)
            await world.there.ensure_gone(server.id)
            leaving = msgspec.structs.replace(server, departure=Departure("m1", "there"))
            failed = await here.make(leaving, on_its_way(Stage.FAILED))
            assert (PowerSeen.ON, before.pid) == (failed.power, failed.pid)
            assert failed.move is not None and failed.move.why
            stays = await here.make(server, lambda seen: seen.move is None)
            assert (PowerSeen.ON, before.pid) == (stays.power, stays.pid)

    async def test_a_second_attempt_succeeds_where_the_first_was_given_up(self, tmp_path: Path) -> None:
        async with self.moving(tmp_path) as (world, here, there, server):
            await world.write(server.id, b"remembered")
            await self.send(here, there, server)
            await world.there.ensure_gone(server.id)
            seen = await here.make(server, has(PowerSeen.ON))
            arrival = Arrival("m2", seen.machine, seen.slots)
            comes = msgspec.structs.replace(server, origin="here", arrival=arrival)
            await there.make(comes, on_its_way(Stage.AWAITED))
            leaves = msgspec.structs.replace(server, departure=Departure("m2", "there"))
            await here.make(leaves, on_its_way(Stage.SENT))
            await there.until(server.id, on_its_way(Stage.RECEIVED))
            await there.make(server, has(PowerSeen.ON))
            assert b"remembered" in await world.kept(server.id)

    async def test_a_paused_server_goes_there_paused(self, tmp_path: Path) -> None:
        async with self.moving(tmp_path) as (_, here, there, server):
            still = msgspec.structs.replace(server, power=Power.PAUSED)
            await here.make(still, has(PowerSeen.PAUSED))
            await self.send(here, there, still)
            await there.make(still, lambda seen: seen.power is PowerSeen.PAUSED and seen.move is None)
            await there.make(msgspec.structs.replace(server, restarts=Restarts(start=1)), has(PowerSeen.ON))

    async def test_in_a_hurry_it_stands_still_and_runs_again_there(self, tmp_path: Path) -> None:
        async with self.moving(tmp_path) as (_, here, there, server):
            leaving = msgspec.structs.replace(server, departure=Departure("m1", "there", hurry=True))
            await here.make(leaving, on_its_way(Stage.SENT))
            await there.until(server.id, on_its_way(Stage.RECEIVED))
            async with asyncio.timeout(SETTLE_S):
                await there.make(server, has(PowerSeen.ON))

    async def test_nothing_is_to_be_had_where_nothing_is_awaited(self, tmp_path: Path) -> None:
        async with self.two(tmp_path) as world:
            server = world.wanted()
            await Watcher(world.there).make(server, has(PowerSeen.ON))
            assert isinstance(world.there, MovesLive)
            for name in ("memory", "disks", "monitor"):
                with pytest.raises(DriverError):
                    await world.there.landing(server.id, name)
