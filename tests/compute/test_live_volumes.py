"""Servers that take their volumes along while they run: both hosts have them for a while, and in the end one."""

from typing import Any

import pytest
from tests.compute.test_crash import FROM_VOLUMES
from tests.compute.test_live_migration import migrate
from tests.compute.test_moves import disk, migrations, other, placed, powers, rooms
from tests.compute.world import World, a_world

SHARED = {"h1": "store", "h2": "store"}


async def with_volume(world: World, **more: Any) -> tuple[str, str, str]:
    """A server with a volume: its id, where it is, the volume's."""
    id = await world.boot(**more)
    _, here = await placed(world, id)
    volume = await world.volume()
    body = {"volumeAttachment": {"volumeId": volume}}
    answered = await world.ask("POST", f"/v2.1/servers/{id}/os-volume_attachments", body)
    assert 200 == answered.status, answered.body
    await world.settle()
    return id, here, volume


async def holds(world: World, volume: str) -> list[str]:
    """The hosts at which the volume is attached, as block storage says."""
    shown = await world.volume_shown(volume, by="root")
    return sorted(each["host_name"] for each in shown["attachments"])


async def hosts_with(world: World, id: str, volume: str) -> set[str]:
    """The hosts whose hypervisor gives the server that volume."""
    return {name for name, driver in world.drivers.items() if volume in (await driver.look(id)).volumes}


async def test_an_attached_volume_comes_along_and_its_own_disk_too() -> None:
    async with a_world("h1", "h2", volumes=True, shared=SHARED) as world:
        id, here, volume = await with_volume(world)
        world.drivers[here].write(id, "kept words")
        (was,) = (await world.volume_shown(volume))["attachments"]
        world.drivers[here].hold(id)
        assert (202, "") == await migrate(world, id)
        await world.settle(until_s=1)
        assert ("in-use", ["h1", "h2"]) == ((await world.volume_shown(volume))["status"], await holds(world, volume))
        assert {"h1", "h2"} == await hosts_with(world, id, volume)
        world.drivers[here].release(id)
        await world.settle()
        there = other(here)
        assert ("ACTIVE", there) == await placed(world, id)
        assert ("in-use", [there]) == ((await world.volume_shown(volume))["status"], await holds(world, volume))
        assert {there} == await hosts_with(world, id, volume)
        assert b"kept words" == disk(world, there, id)
        (now,) = (await world.volume_shown(volume))["attachments"]
        assert (was["device"], was["server_id"]) == (now["device"], now["server_id"])
        assert was["attachment_id"] != now["attachment_id"]
        path = f"/v2.1/servers/{id}/os-volume_attachments"
        (listed,) = (await world.ask("GET", path, at="2.89")).body["volumeAttachments"]
        assert (volume, now["attachment_id"]) == (listed["volumeId"], listed["attachment_id"])
        assert 202 == (await world.ask("DELETE", f"{path}/{volume}")).status
        await world.settle()
        assert "available" == (await world.volume_shown(volume))["status"]


@pytest.mark.parametrize("block", [False, True, "auto"])
async def test_one_that_boots_from_a_volume_needs_no_disks_copied(block: bool | str) -> None:
    async with a_world("h1", "h2", volumes=True, shared=SHARED) as world:
        id = await world.boot(**FROM_VOLUMES)
        _, here = await placed(world, id)
        for host in (other(here), here):
            assert (202, "") == await migrate(world, id, block_migration=block)
            await world.settle()
            assert ("ACTIVE", host) == await placed(world, id)
        volumes = (await world.ask("GET", "/v3/volumes/detail", of="volume")).body["volumes"]
        assert [("in-use", [here])] * 2 == [(each["status"], await holds(world, each["id"])) for each in volumes]


@pytest.mark.parametrize(("host", "verb"), [("here", "depart"), ("there", "ensure"), ("there", "arrive")])
async def test_whatever_fails_its_volumes_stay_with_it(host: str, verb: str) -> None:
    async with a_world("h1", "h2", volumes=True, shared=SHARED) as world:
        id, here, volume = await with_volume(world)
        world.drivers[here if host == "here" else other(here)].fail_next(verb, "on fire", times=1000)
        assert 202 == (await migrate(world, id))[0]
        await world.settle()
        world.drivers[other(here)]._failures.clear()
        await world.settle()
        assert (("ACTIVE", here), [here]) == (await placed(world, id), rooms(world))
        assert ("in-use", [here]) == ((await world.volume_shown(volume))["status"], await holds(world, volume))
        assert {here} == await hosts_with(world, id, volume)


async def test_a_volume_that_only_its_host_gets_at_is_named_in_the_refusal() -> None:
    async with a_world("h1", "h2", volumes=["h1"]) as world:
        id = await world.boot(**FROM_VOLUMES)
        _, here = await placed(world, id)
        status, why = await migrate(world, id)
        assert (400, True, True) == (status, "not on shared storage" in why, "volume " in why), why
        assert ([], ("ACTIVE", here)) == (await migrations(world, id), await placed(world, id))
        assert {here} == set((await powers(world, id)).keys())


async def test_a_host_that_does_not_get_at_a_volume_is_passed_over() -> None:
    async with a_world("h1", "h2", "h3", volumes=["h1", "h3"], shared={"h1": "store", "h3": "store"}) as world:
        id = await world.boot(**FROM_VOLUMES)
        _, here = await placed(world, id)
        status, why = await migrate(world, id, host="h2")
        assert (400, True) == (status, "host h2 does not get" in why), why
        assert (202, "") == await migrate(world, id)
        await world.settle()
        assert ("ACTIVE", "h3" if here == "h1" else "h1") == await placed(world, id)
