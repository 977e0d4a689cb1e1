"""What every hypervisor promises about servers that change: suspended, copied, of another shape, and back."""

import contextlib
import uuid
from pathlib import Path

import msgspec
import pytest
from tests.compute.drivers.contract import Watcher, World, has

from pileus.compute.drivers.interface import Disk, Image, ImageFormat, Nic, Power, PowerSeen, Restarts, Wanted


def root_of(server: Wanted) -> Disk:
    """The disk of its own that a server boots from."""
    assert server.root is not None
    return server.root


class ChangeContract:
    """Give it `world`, and it tests that hypervisor."""

    def world(self, tmp_path: Path) -> contextlib.AbstractAsyncContextManager[World]:
        raise NotImplementedError

    async def test_suspends_and_goes_on(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            server, watcher = world.wanted(), Watcher(world.hypervisor)
            await watcher.make(server, has(PowerSeen.ON))
            asleep = await watcher.make(
                msgspec.structs.replace(server, power=Power.SUSPENDED), has(PowerSeen.SUSPENDED)
            )
            assert asleep.pid is None
            awake = await watcher.make(server, has(PowerSeen.ON))
            assert awake.pid is not None

    @pytest.mark.parametrize("power", [Power.ON, Power.OFF, Power.PAUSED])
    async def test_copies_a_disk_whole(self, tmp_path: Path, power: Power) -> None:
        async with self.world(tmp_path) as world:
            server = msgspec.structs.replace(world.wanted(), power=power)
            watcher = Watcher(world.hypervisor)
            await watcher.make(server, lambda seen: seen.power == str(power))
            copying = msgspec.structs.replace(server, snapshot="one")
            copied = await watcher.make(copying, lambda seen: seen.snapshot is not None)
            assert copied.power == str(power)
            assert copied.snapshot is not None
            await world.hypervisor.ensure(copying)
            assert copied.snapshot == (await world.hypervisor.look(server.id)).snapshot
            gone = await watcher.make(server, lambda seen: seen.snapshot is None)
            assert gone.power == str(power)

    @pytest.mark.parametrize("change", [{"disk_generation": 1}, {"vcpus": 2}, {"ram_mib": 96}])
    async def test_starts_anew_what_has_another_shape(self, tmp_path: Path, change: dict[str, int]) -> None:
        async with self.world(tmp_path) as world:
            server, watcher = world.wanted(), Watcher(world.hypervisor)
            first = await watcher.make(server, has(PowerSeen.ON))
            other = msgspec.structs.replace(server, **change)
            again = await watcher.make(other, lambda seen: seen.shape == other.shape and seen.power is PowerSeen.ON)
            assert first.pid != again.pid

    async def test_gives_a_server_that_is_off_another_shape(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            server = msgspec.structs.replace(world.wanted(), power=Power.OFF)
            watcher = Watcher(world.hypervisor)
            await watcher.make(server, lambda seen: seen.disks_ready)
            grown = msgspec.structs.replace(server, root=msgspec.structs.replace(root_of(server), size_gib=2))
            seen = await watcher.make(grown, lambda seen: seen.shape == grown.shape)
            assert seen.power is PowerSeen.OFF

    async def test_boots_from_another_image_to_be_rescued(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            server, watcher = world.wanted(), Watcher(world.hypervisor)
            await watcher.make(server, has(PowerSeen.ON))
            rescued = msgspec.structs.replace(server, rescue=root_of(server).image or Image("any", ImageFormat.RAW))
            seen = await watcher.make(rescued, lambda seen: seen.shape == rescued.shape and seen.power is PowerSeen.ON)
            assert "any" in rescued.shape or seen.pid is not None
            await watcher.make(server, lambda seen: seen.shape == server.shape and seen.power is PowerSeen.ON)

    async def test_goes_back_to_a_checkpoint_of_another_size(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            server = msgspec.structs.replace(world.wanted(), power=Power.OFF)
            watcher = Watcher(world.hypervisor)
            await watcher.make(server, lambda seen: seen.disks_ready)
            big = msgspec.structs.replace(root_of(server), size_gib=2)
            grown = msgspec.structs.replace(server, root=big, checkpoint="before", power=Power.ON)
            await watcher.make(grown, lambda seen: seen.shape == grown.shape and seen.power is PowerSeen.ON)
            back = msgspec.structs.replace(server, rollback="before")
            seen = await watcher.make(back, lambda seen: seen.shape == back.shape and seen.power is PowerSeen.OFF)
            assert seen.failure is None
            await watcher.make(msgspec.structs.replace(server, power=Power.ON), has(PowerSeen.ON))

    async def test_forgets_a_checkpoint_while_the_server_runs(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            server, watcher = world.wanted(), Watcher(world.hypervisor)
            first = msgspec.structs.replace(server, checkpoint="before")
            before = await watcher.make(first, has(PowerSeen.ON))
            after = await watcher.make(server, has(PowerSeen.ON))
            assert (before.pid, None) == (after.pid, after.failure)

    async def test_interrupts_a_guest_once_for_each_time_asked(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            server, watcher = world.wanted(), Watcher(world.hypervisor)
            await watcher.make(server, has(PowerSeen.ON))
            asked = msgspec.structs.replace(server, restarts=Restarts(nmi=1))
            seen = await watcher.make(asked, lambda seen: seen.restarts.nmi == 1)
            assert seen.power in (PowerSeen.ON, PowerSeen.CRASHED)

    @pytest.mark.parametrize("power", [Power.ON, Power.OFF, Power.PAUSED])
    async def test_gives_a_server_another_card_as_it_is(self, tmp_path: Path, power: Power) -> None:
        async with self.world(tmp_path) as world:
            first, second = (Nic(str(uuid.uuid4()), f"fa:16:3e:00:00:0{n}") for n in (1, 2))
            server = msgspec.structs.replace(world.wanted(), power=power, nics=(first,))
            watcher = Watcher(world.hypervisor)
            had = await watcher.make(server, lambda seen: seen.power == str(power) and seen.disks_ready)
            assert (first.port_id,) == had.cards
            more = msgspec.structs.replace(server, nics=(first, second))
            has = await watcher.make(more, lambda seen: len(seen.cards) == 2)
            assert tuple(sorted([first.port_id, second.port_id])) == has.cards
            assert (had.pid, had.power, ()) == (has.pid, has.power, has.cards_changing)

    async def test_takes_a_card_from_a_server_that_is_off(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            cards = tuple(Nic(str(uuid.uuid4()), f"fa:16:3e:00:00:0{n}") for n in (1, 2))
            server = msgspec.structs.replace(world.wanted(), power=Power.OFF, nics=cards)
            watcher = Watcher(world.hypervisor)
            await watcher.make(server, lambda seen: len(seen.cards) == 2)
            one = msgspec.structs.replace(server, nics=cards[1:])
            seen = await watcher.make(one, lambda seen: len(seen.cards) == 1)
            assert (cards[1].port_id,) == seen.cards
            again = msgspec.structs.replace(one, power=Power.ON)
            assert (cards[1].port_id,) == (await watcher.make(again, has(PowerSeen.ON))).cards
