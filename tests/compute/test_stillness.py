"""Copies of a running server's disk, for the moment of which its guest holds still."""

from tests.compute.fakes import IMAGE, an_image
from tests.compute.world import World, a_world

AGENT, MUST = {"hw_qemu_guest_agent": "yes"}, {"os_require_quiesce": "yes"}


async def a_server(world: World, properties: dict[str, str]) -> str:
    world.images.images[IMAGE] = an_image(properties=properties)
    return await world.boot()


async def copied(world: World, id: str) -> tuple[int, int]:
    """What was answered, and how many images are whole then."""
    status = (await world.act(id, createImage={"name": "s"})).status
    await world.settle()
    return status, len(world.images.taken)


def times_still(world: World, id: str) -> int:
    return world.drivers["h1"]._servers[id].held_still


async def test_a_guest_with_an_agent_holds_still_for_a_moment() -> None:
    async with a_world() as world:
        id = await a_server(world, AGENT)
        assert (202, 1) == await copied(world, id)
        assert 1 == times_still(world, id)


async def from_volume(world: World, properties: dict[str, str]) -> str:
    """A server that boots from a volume made of the image."""
    world.images.images[IMAGE] = an_image(properties=properties)
    root = {"boot_index": 0, "source_type": "image", "destination_type": "volume", "uuid": IMAGE, "volume_size": 1}
    return await world.boot(imageRef="", block_device_mapping_v2=[root])


async def test_a_server_that_boots_from_a_volume_has_what_the_volumes_image_says() -> None:
    async with a_world(volumes=True) as world:
        for properties, agent, stillness in (
            ({}, False, "none"), (AGENT, True, "try"), (AGENT | MUST, True, "must"),
        ):  # fmt: skip
            id = await from_volume(world, properties)
            (wish,) = [wish for wish in await world.hosts.wanted_list("h1", "server") if wish.id == id]
            assert (agent, stillness) == (wish.body["agent"], wish.body["stillness"])
            assert 202 == (await world.act(id, createImage={"name": "s"})).status
            await world.settle()
        id = await from_volume(world, MUST)
        refused = await world.act(id, createImage={"name": "s"})
        assert 400 == refused.status, refused.body


async def test_a_guest_without_one_is_copied_as_it_is() -> None:
    async with a_world() as world:
        id = await a_server(world, {})
        assert (202, 1) == await copied(world, id)
        assert 0 == times_still(world, id)


async def test_an_agent_that_does_not_answer_keeps_no_copy_from_being_made() -> None:
    async with a_world() as world:
        id = await a_server(world, AGENT)
        world.drivers["h1"].deafen(id)
        assert (202, 1) == await copied(world, id)


async def test_where_stillness_is_required_no_other_copy_is_made() -> None:
    async with a_world() as world:
        id = await a_server(world, AGENT | MUST)
        world.drivers["h1"].deafen(id)
        assert (202, 0) == await copied(world, id)
        assert [IMAGE] == list(world.images.images)
        path = f"/v2.1/servers/{id}/os-instance-actions"
        assert "Error" == (await world.ask("GET", path)).body["instanceActions"][0]["message"]
        world.drivers["h1"].run_out_of_patience(id)
        assert (202, 1) == await copied(world, id)
        assert 1 == times_still(world, id)


async def test_what_nobody_in_the_guest_can_do_is_refused_at_once() -> None:
    async with a_world() as world:
        id = await a_server(world, MUST)
        refused = await world.act(id, createImage={"name": "s"})
        assert 400 == refused.status
        assert "hw_qemu_guest_agent" in refused.body["badRequest"]["message"]
        backup = {"name": "b", "backup_type": "daily", "rotation": 1}
        assert 400 == (await world.act(id, createBackup=backup)).status
        assert [IMAGE] == list(world.images.images)


async def test_a_server_that_does_not_run_is_still_already() -> None:
    async with a_world() as world:
        for properties in (MUST, AGENT | MUST):
            id = await a_server(world, properties)
            await world.act(id, os_stop=None)
            await world.settle()
            assert 202 == (await copied(world, id))[0]
            assert 0 == times_still(world, id)
        assert 2 == len(world.images.taken)


async def test_shelving_does_not_need_it_since_the_guest_is_off() -> None:
    async with a_world() as world:
        id = await a_server(world, MUST)
        assert 202 == (await world.act(id, shelve=None)).status
        await world.settle()
        assert "SHELVED_OFFLOADED" == (await world.show(id))["status"]
