"""Hosts that are emptied: servers leave by themselves, running where they can, and those that cannot are told of."""

from tests.compute.test_live_migration import AUTO
from tests.compute.test_moves import migrations, other, placed, powers, rooms
from tests.compute.world import World, a_world

from pileus.compute.commands.drains import AGAIN_S, begin_drain, end_drain
from pileus.compute.models.drains import Drained
from pileus.compute.store.drains import drain_list, drained_list
from pileus.kit.hosts.registry import UP_FOR


async def drain(world: World, host: str, *, moves: bool = True, live_only: bool = False) -> None:
    await begin_drain(world.app, host, "new memory", moves_servers=moves, live_only=live_only)


async def fates(world: World, host: str) -> dict[str, Drained]:
    return {drained.server_id: drained for drained in await drained_list(world.app, host)}


async def together(world: World, count: int) -> tuple[str, list[str]]:
    """Servers on one host, which they were put on by keeping the other one away from them."""
    first = await world.boot()
    _, here = await placed(world, first)
    await drain(world, other(here), moves=False)
    rest = [await world.boot() for _ in range(count - 1)]
    await end_drain(world.app, other(here))
    return here, [first, *rest]


async def test_those_that_run_leave_running_and_those_that_do_not_leave_standing_still() -> None:
    async with a_world("h1", "h2") as world:
        here, (runs, off, paused) = await together(world, 3)
        before = await world.drivers[here].look(runs)
        await world.act(off, os_stop=None)
        await world.act(paused, pause=None)
        await world.settle()
        await drain(world, here)
        await world.settle()
        there = other(here)
        assert [("ACTIVE", there), ("SHUTOFF", there), ("PAUSED", there)] == [
            await placed(world, id) for id in (runs, off, paused)
        ]
        assert before.started_at == (await world.drivers[there].look(runs)).started_at
        assert {} == await world.drivers[here].observe()
        assert [there] * 3 == rooms(world)
        found = await fates(world, here)
        assert {runs: ("live", "moved"), off: ("cold", "moved"), paused: ("live", "moved")} == {
            id: (drained.way, drained.state) for id, drained in found.items()
        }
        assert "confirmed" == (await migrations(world, off))[0]["status"]


async def test_few_leave_at_once_and_the_rest_after_them() -> None:
    async with a_world("h1", "h2") as world:
        here, ids = await together(world, 4)
        for id in ids:
            world.drivers[here].hold(id)
        await drain(world, here)
        await world.settle(until_s=1)
        assert 2 == len(await fates(world, here))
        for id in ids:
            world.drivers[here].release(id)
        await world.settle()
        assert {("ACTIVE", other(here))} == {await placed(world, id) for id in ids}


async def test_it_goes_on_where_the_last_controller_left_it() -> None:
    async with a_world("h1", "h2") as world:
        here, ids = await together(world, 3)
        world.drivers[here].hold(ids[0])
        await drain(world, here)
        await world.settle(until_s=1)
        world.drivers[here].release(ids[0])
        successor = World(world.db, world.clock, tuple(world.drivers), world.app.config, world)
        await successor.settle()
        assert {("ACTIVE", other(here))} == {await placed(successor, id) for id in ids}
        assert {"moved"} == {drained.state for drained in (await fates(successor, here)).values()}


async def test_one_that_cannot_is_told_of_and_leaves_when_it_can() -> None:
    async with a_world("h1", "h2") as world:
        here, (id,) = await together(world, 1)
        await world.act(id, suspend=None)
        await world.settle()
        await drain(world, here)
        await world.settle()
        fate = (await fates(world, here))[id]
        assert ("stays", "it is suspended: resume it") == (fate.state, fate.why)
        await world.act(id, resume=None)
        await world.settle()
        world.clock.move(AGAIN_S)
        for name in world.agents:
            await world.hosts.heard(name)
        await world.settle()
        assert ("ACTIVE", other(here)) == await placed(world, id)


async def test_where_no_host_is_left_each_server_says_why() -> None:
    async with a_world("h1") as world:
        id = await world.boot()
        await drain(world, "h1", live_only=True)
        await world.settle()
        fate = (await fates(world, "h1"))[id]
        assert ("stays", True) == (fate.state, "No valid host" in (fate.why or ""))
        assert ("ACTIVE", "h1") == await placed(world, id)


async def test_one_that_fails_to_leave_running_is_stopped_for_it_unless_that_is_forbidden() -> None:
    for live_only in (True, False):
        async with a_world("h1", "h2") as world:
            here, (id,) = await together(world, 1)
            world.drivers[here].fail_next("depart", "no such memory", times=1000)
            await drain(world, here, live_only=live_only)
            await world.settle()
            world.clock.move(AGAIN_S)
            for name in world.agents:
                await world.hosts.heard(name)
            await world.settle()
            fate = (await fates(world, here))[id]
            expected = ("stays", "live", here) if live_only else ("moved", "cold", other(here))
            assert expected == (fate.state, fate.way, (await placed(world, id))[1])
            assert 1 == len(await powers(world, id))


async def test_enabling_the_host_ends_it() -> None:
    async with a_world("h1", "h2") as world:
        here, (id,) = await together(world, 1)
        await world.act(id, suspend=None)
        await drain(world, here)
        await world.settle()
        service = next(
            each
            for each in (await world.ask("GET", "/v2.1/os-services", by="root", at="2.53")).body["services"]
            if each["host"] == here
        )
        body = {"status": "enabled"}
        answered = await world.ask("PUT", f"/v2.1/os-services/{service['id']}", body, by="root", at="2.53")
        assert 200 == answered.status, answered.body
        world.clock.move(UP_FOR.total_seconds() / 2)
        await world.settle()
        assert [] == await drain_list(world.app)


async def test_one_that_somebody_else_moves_is_left_to_him() -> None:
    async with a_world("h1", "h2") as world:
        here, (id,) = await together(world, 1)
        world.drivers[here].hold(id)
        await world.ask("POST", f"/v2.1/servers/{id}/action", {"os-migrateLive": AUTO}, by="root", at="2.90")
        await world.settle(until_s=1)
        await drain(world, here)
        await world.settle(until_s=10)
        fate = (await fates(world, here))[id]
        assert ("stays", "it is busy: migrating") == (fate.state, fate.why)
        world.drivers[here].release(id)
        await world.settle()
        assert ("ACTIVE", other(here)) == await placed(world, id)
