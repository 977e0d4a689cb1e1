"""What every hypervisor promises about servers and volumes."""

import contextlib
import uuid
from pathlib import Path

import msgspec
import pytest
from tests.compute.drivers.contract import Watcher, World, has

from pileus.compute.drivers.interface import Power, PowerSeen, Volume


def two_volumes(folder: Path) -> tuple[Volume, ...]:
    """Volumes whose files are there."""
    found = []
    for place in (1, 2):
        id = str(uuid.uuid4())
        with (folder / id).open("wb") as file:
            file.truncate(2**20)
        found.append(Volume(id=id, kind="file", path=str(folder / id), place=place))
    return tuple(found)


class VolumeContract:
    """Give it `world`, and it tests that hypervisor."""

    def world(self, tmp_path: Path) -> contextlib.AbstractAsyncContextManager[World]:
        raise NotImplementedError

    @pytest.mark.parametrize("power", [Power.ON, Power.OFF, Power.PAUSED])
    async def test_gives_a_server_a_volume_as_it_is(self, tmp_path: Path, power: Power) -> None:
        async with self.world(tmp_path) as world:
            server, volumes = msgspec.structs.replace(world.wanted(), power=power), two_volumes(tmp_path)
            watcher = Watcher(world.hypervisor)
            had = await watcher.make(server, lambda seen: seen.power == str(power) and seen.disks_ready)
            more = msgspec.structs.replace(server, volumes=volumes)
            has = await watcher.make(more, lambda seen: len(seen.volumes) == 2)
            assert tuple(sorted(volume.id for volume in volumes)) == has.volumes
            assert (had.pid, had.power, ()) == (has.pid, has.power, has.volumes_changing)

    async def test_takes_a_volume_from_a_server_that_is_off(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            volumes = two_volumes(tmp_path)
            server = msgspec.structs.replace(world.wanted(), power=Power.OFF, volumes=volumes)
            watcher = Watcher(world.hypervisor)
            await watcher.make(server, lambda seen: len(seen.volumes) == 2)
            one = msgspec.structs.replace(server, volumes=volumes[1:])
            seen = await watcher.make(one, lambda seen: len(seen.volumes) == 1)
            assert (volumes[1].id,) == seen.volumes
            again = await watcher.make(msgspec.structs.replace(one, power=Power.ON), has(PowerSeen.ON))
            assert (volumes[1].id,) == again.volumes

    async def test_boots_from_a_volume(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            volumes = (msgspec.structs.replace(two_volumes(tmp_path)[0], place=0),)
            server = msgspec.structs.replace(world.wanted(), root=None, volumes=volumes)
            seen = await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
            assert (volumes[0].id,) == seen.volumes
