"""A volume takes another's place under a server that goes on."""

from typing import Any

import pytest
from tests.compute.test_volume_growth import a_server_with_a_volume, actions
from tests.compute.test_volumes import NOWHERE, attach, detach, listed, seen, status
from tests.compute.world import Answered, World, a_world


async def swap(world: World, id: str, volume: str, other: str, *, by: str = "root", at: str = "2.1") -> Answered:
    body = {"volumeAttachment": {"volumeId": other}}
    return await world.ask("PUT", f"/v2.1/servers/{id}/os-volume_attachments/{volume}", body, by=by, at=at)


@pytest.mark.parametrize("at", ["2.1", "2.85"])
async def test_a_volume_takes_the_place_of_another(at: str) -> None:
    async with a_world(volumes=True) as world:
        id, old = await a_server_with_a_volume(world)
        new = await world.volume(size=2)
        assert 202 == (await swap(world, id, old, new, at=at)).status
        assert ("detaching", "reserved") == (await status(world, old), await status(world, new))
        await world.settle()
        assert ("available", "in-use") == (await status(world, old), await status(world, new))
        assert [(new, "/dev/vdb")] == [(one["volumeId"], one["device"]) for one in await listed(world, id)]
        assert {new} == await seen(world, id)
        assert "swap_volume" == (await actions(world, id))[0]["action"]
        assert 202 == (await detach(world, id, new)).status
        await world.settle()
        assert "available" == await status(world, new)
        assert set() == await seen(world, id)


async def test_a_swap_that_fails_leaves_the_server_the_volume_it_had() -> None:
    async with a_world(volumes=True) as world:
        id, old = await a_server_with_a_volume(world)
        new = await world.volume()
        world.drivers["h1"].fail_next("ensure", "no such file")
        assert 202 == (await swap(world, id, old, new)).status
        await world.settle()
        assert ("in-use", "available") == (await status(world, old), await status(world, new))
        assert {old} == await seen(world, id)
        assert [old] == [one["volumeId"] for one in await listed(world, id)]


async def test_a_server_that_ends_meanwhile_keeps_the_volume_it_had() -> None:
    async with a_world(volumes=True) as world:
        id, old = await a_server_with_a_volume(world)
        new = await world.volume()
        world.drivers["h1"].lose_power(id)
        assert 202 == (await swap(world, id, old, new)).status
        await world.settle()
        assert ("in-use", "available") == (await status(world, old), await status(world, new))
        assert {old} == await seen(world, id)


async def test_swaps_that_cannot_be_are_refused_before_anything_is_done() -> None:
    async with a_world(volumes=True) as world:
        id, old = await a_server_with_a_volume(world)
        big, small = await world.volume(size=2), await world.volume()
        held: Any = await a_server_with_a_volume(world)
        assert 403 == (await swap(world, id, old, small, by="alice")).status
        assert 404 == (await swap(world, id, old, NOWHERE)).status
        assert 404 == (await swap(world, id, small, big)).status
        assert 400 == (await swap(world, id, old, held[1])).status
        assert 400 == (await swap(world, id, old, old)).status
        await attach(world, id, big)
        await world.settle()
        refused = await swap(world, id, big, small)
        assert (400, "Invalid volume: New volume must be the same size or larger.") == (
            refused.status, refused.body["badRequest"]["message"],
        )  # fmt: skip
        await world.act(id, os_stop=None)
        await world.settle()
        assert 409 == (await swap(world, id, old, small)).status
        assert ("in-use", "available") == (await status(world, old), await status(world, small))
