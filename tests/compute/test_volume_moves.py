"""Volumes go to another back end while servers have them, and the servers go on with them there."""

from tests.compute.test_volume_growth import a_server_with_a_volume, actions
from tests.compute.test_volumes import attach, detach, listed, seen, status
from tests.compute.world import Answered, World, a_world

from pileus.block_storage.drivers.interface import Kind

PLACES = ("h1", "h1/fast")


async def migrate(world: World, volume: str, place: str) -> Answered:
    body = {"os-migrate_volume": {"host": place}}
    return await world.ask("POST", f"/v3/volumes/{volume}/action", body, by="root", of="volume")


async def place(world: World, volume: str) -> str:
    shown = await world.ask("GET", f"/v3/volumes/{volume}", by="root", of="volume")
    return str(shown.body["volume"]["os-vol-host-attr:host"])


async def the_other(world: World, volume: str) -> str:
    (other,) = {"h1@file#file", "h1@fast#fast"} - {await place(world, volume)}
    return other


async def test_a_volume_moves_with_the_server_that_has_it() -> None:
    async with a_world(volumes=PLACES) as world:
        id, volume = await a_server_with_a_volume(world)
        for _ in range(2):
            to = await the_other(world, volume)
            assert 202 == (await migrate(world, volume, to)).status
            await world.settle(until_s=0.5)
            await world.settle()
            assert ("in-use", to) == (await status(world, volume), await place(world, volume))
            assert [volume] == [one["volumeId"] for one in await listed(world, id)]
            (key,) = await seen(world, id)
            assert (volume, "swap_volume") == (key.partition("#")[0], (await actions(world, id))[0]["action"])
            kept = [name for name, backend in world.backends.items() if volume in await backend.observe(Kind.VOLUME)]
            assert [to.partition("@")[2].partition("#")[0]] == [name.partition("/")[2] or "file" for name in kept]
        assert 202 == (await detach(world, id, volume)).status
        await world.settle()
        assert ("available", set()) == (await status(world, volume), await seen(world, id))


async def test_a_move_that_fails_leaves_the_volume_where_the_server_has_it() -> None:
    async with a_world(volumes=PLACES) as world:
        id, volume = await a_server_with_a_volume(world)
        home, to = await place(world, volume), await the_other(world, volume)
        world.drivers["h1"].fail_next("ensure", "no such file")
        assert 202 == (await migrate(world, volume, to)).status
        await world.settle()
        assert ("in-use", home) == (await status(world, volume), await place(world, volume))
        assert {volume} == await seen(world, id)
        assert 202 == (await migrate(world, volume, to)).status
        await world.settle()
        assert to == await place(world, volume)


async def test_a_volume_of_a_server_that_is_off_stays_where_it_is() -> None:
    async with a_world(volumes=PLACES) as world:
        id, volume = await a_server_with_a_volume(world)
        await world.act(id, os_stop=None)
        await world.settle()
        home = await place(world, volume)
        assert 202 == (await migrate(world, volume, await the_other(world, volume))).status
        await world.settle()
        assert ("in-use", home) == (await status(world, volume), await place(world, volume))
        await world.act(id, os_start=None)
        await world.settle()
        assert {volume} == await seen(world, id)


async def test_where_a_server_could_not_get_at_it_no_volume_goes() -> None:
    async with a_world("h1", "h2", volumes=True) as world:
        id = await world.boot(availability_zone="nova:h1", by="root")
        volume = await world.volume(by="root")
        if await place(world, volume) == "h2@file#file":
            assert 202 == (await migrate(world, volume, "h1@file#file")).status
            await world.settle()
        assert 200 == (await attach(world, id, volume, by="root")).status
        await world.settle()
        refused = await migrate(world, volume, "h2@file#file")
        assert (409, True) == (refused.status, "kept by host h2 alone" in str(refused.body))
