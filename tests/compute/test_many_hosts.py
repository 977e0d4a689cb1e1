"""Of many hosts some are drawn by lot first; that none of those has room does not mean that none has."""

import pytest
from tests.compute.world import a_world

from pileus.compute.flows.choice import DRAWN


@pytest.mark.slow
async def test_the_one_host_with_room_is_found_among_many() -> None:
    names = [f"h{number:03}" for number in range(3 * DRAWN)]
    async with a_world(*names) as world:
        for name in names:
            full = {kind: stock.__class__(total=0) for kind, stock in world.placement.providers[name].items()}
            if name != names[100]:
                world.placement.providers[name] = full
        for _ in range(3):
            server = await world.boot()
            assert names[100] == (await world.show(server, by="root"))["OS-EXT-SRV-ATTR:host"]


@pytest.mark.slow
async def test_a_refusal_names_every_host_however_many() -> None:
    names = [f"h{number:03}" for number in range(3 * DRAWN)]
    async with a_world(*names) as world:
        for name, stocks in list(world.placement.providers.items()):
            world.placement.providers[name] = {kind: stock.__class__(total=0) for kind, stock in stocks.items()}
        server = (await world.create()).body["server"]["id"]
        await world.settle()
        message = (await world.show(server))["fault"]["message"]
        assert [] == [name for name in names if f"{name}: has not enough" not in message]
