"""Volumes that grow while a server has them."""

from typing import Any

from tests.compute.test_volumes import attach, status
from tests.compute.world import World, a_world


async def extend(world: World, volume: str, size: int) -> int:
    body = {"os-extend": {"new_size": size}}
    return (await world.ask("POST", f"/v3/volumes/{volume}/action", body, of="volume")).status


async def sizes(world: World, id: str) -> dict[str, int]:
    return (await world.drivers["h1"].look(id)).volume_sizes


async def actions(world: World, id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.ask("GET", f"/v2.1/servers/{id}/os-instance-actions")).body[
        "instanceActions"
    ]
    return found


async def a_server_with_a_volume(world: World) -> tuple[str, str]:
    id, volume = await world.boot(), await world.volume()
    assert 200 == (await attach(world, id, volume)).status
    await world.settle()
    return id, volume


async def test_a_guest_is_told_that_its_volume_has_grown() -> None:
    async with a_world(volumes=True) as world:
        id, volume = await a_server_with_a_volume(world)
        assert {volume: 1} == await sizes(world, id)
        assert 202 == await extend(world, volume, 3)
        await world.settle()
        assert ("in-use", 3) == (await status(world, volume), (await world.volume_shown(volume))["size"])
        assert {volume: 3} == await sizes(world, id)
        action = (await actions(world, id))[0]
        assert ("extend_volume", (await world.show(id))["user_id"]) == (action["action"], action["user_id"])
        told = await world.ask("GET", f"/v2.1/servers/{id}/os-instance-actions/{action['request_id']}")
        assert (200, "extend_volume") == (told.status, told.body["instanceAction"]["action"])


async def test_a_server_that_is_off_or_busy_learns_of_it_too() -> None:
    async with a_world(volumes=True) as world:
        id, volume = await a_server_with_a_volume(world)
        world.drivers["h1"].deafen(id)
        assert 202 == (await world.act(id, os_stop=None)).status
        assert 202 == await extend(world, volume, 2)
        await world.settle(until_s=20)
        assert "extend_volume" not in [each["action"] for each in await actions(world, id)]
        assert {volume: 2} == await sizes(world, id)
        world.drivers["h1"].run_out_of_patience(id)
        await world.settle()
        assert "SHUTOFF" == (await world.show(id))["status"]
        assert 202 == await extend(world, volume, 4)
        await world.settle()
        assert {volume: 4} == await sizes(world, id)


async def test_who_may_tell_of_events_tells_of_a_growth_again() -> None:
    async with a_world(volumes=True) as world:
        id, volume = await a_server_with_a_volume(world)
        event = {"name": "volume-extended", "server_uuid": id, "tag": volume}
        answered = await world.ask("POST", "/v2.1/os-server-external-events", {"events": [event]}, by="root", at="2.51")
        assert (200, 200) == (answered.status, answered.body["events"][0]["code"])
        await world.settle()
        assert "extend_volume" == (await actions(world, id))[0]["action"]
        assert "ACTIVE" == (await world.show(id))["status"]
