"""Deleting servers, whatever they are busy with."""

from tests.compute.test_boot import gone_without_trace
from tests.compute.world import World, a_world


async def deleted(world: World, id: str) -> bool:
    shown = await world.ask("GET", f"/v2.1/servers/{id}")
    listed = (await world.ask("GET", "/v2.1/servers")).body["servers"]
    return shown.status == 404 and not listed and id not in world.networks.ports and await gone_without_trace(world, id)


async def test_a_deleted_server_leaves_nothing_but_its_story() -> None:
    async with a_world() as world:
        id = await world.boot()
        assert 204 == (await world.ask("DELETE", f"/v2.1/servers/{id}")).status
        server = await world.show(id)
        assert ("ACTIVE", "deleting") == (server["status"], server["OS-EXT-STS:task_state"])
        assert 204 == (await world.ask("DELETE", f"/v2.1/servers/{id}")).status
        await world.settle()
        assert await deleted(world, id)
        path = f"/v2.1/servers/{id}/os-instance-actions"
        assert 404 == (await world.ask("GET", path)).status
        actions = (await world.ask("GET", path, at="2.21")).body["instanceActions"]
        assert ["delete", "create"] == [action["action"] for action in actions]


async def test_a_server_is_deleted_at_every_point_of_its_boot() -> None:
    for turns in range(12):
        async with a_world() as world:
            id = (await world.create()).body["server"]["id"]
            for _ in range(turns):
                await world.engine.turn()
                await world.agents["h1"].turn()
            assert 204 == (await world.ask("DELETE", f"/v2.1/servers/{id}")).status, turns
            if not await deleted(world, id):
                assert "deleting" == (await world.show(id))["OS-EXT-STS:task_state"]
            await world.settle()
            assert await deleted(world, id), turns


async def test_a_server_is_deleted_while_its_host_fetches_the_image() -> None:
    async with a_world() as world:
        id = (await world.create()).body["server"]["id"]
        await world.engine.turn()
        assert 204 == (await world.ask("DELETE", f"/v2.1/servers/{id}")).status
        await world.settle()
        assert await deleted(world, id)


async def test_a_server_is_deleted_while_it_stops() -> None:
    async with a_world() as world:
        id = await world.boot()
        world.drivers["h1"].deafen(id)
        await world.act(id, os_stop=None)
        await world.settle(until_s=5)
        assert 204 == (await world.ask("DELETE", f"/v2.1/servers/{id}")).status
        await world.settle()
        assert await deleted(world, id)


async def test_a_server_on_a_silent_host_is_deleted_and_cleaned_up_when_the_host_returns() -> None:
    async with a_world() as world:
        id = await world.boot()
        agent = world.agents.pop("h1")
        world.clock.move(60)
        assert 204 == (await world.ask("DELETE", f"/v2.1/servers/{id}")).status
        await world.settle()
        assert 404 == (await world.ask("GET", f"/v2.1/servers/{id}")).status
        assert {id} == set(await world.drivers["h1"].observe())
        world.agents["h1"] = agent
        await agent.turn()
        assert await deleted(world, id)


async def test_a_host_that_cannot_remove_it_is_asked_until_it_can() -> None:
    async with a_world() as world:
        id = await world.boot()
        world.drivers["h1"].fail_next("ensure_gone", "device busy", times=3)
        await world.ask("DELETE", f"/v2.1/servers/{id}")
        await world.settle()
        assert await deleted(world, id)


async def test_what_a_project_had_counts_no_more() -> None:
    async with a_world() as world:
        id = await world.boot()
        limits = (await world.ask("GET", "/v2.1/limits")).body["limits"]["absolute"]
        assert (1, 1, 512) == (limits["totalInstancesUsed"], limits["totalCoresUsed"], limits["totalRAMUsed"])
        await world.ask("DELETE", f"/v2.1/servers/{id}")
        await world.settle()
        limits = (await world.ask("GET", "/v2.1/limits")).body["limits"]["absolute"]
        assert (0, 0, 0) == (limits["totalInstancesUsed"], limits["totalCoresUsed"], limits["totalRAMUsed"])
