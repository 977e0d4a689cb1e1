"""Servers that are put away and taken out again."""

from tests.compute.fakes import IMAGE
from tests.compute.world import World, a_world


async def shelved(world: World) -> str:
    """A server that is put away."""
    id = await world.boot()
    assert 202 == (await world.act(id, shelve=None)).status
    assert "shelving" == (await world.show(id))["OS-EXT-STS:task_state"]
    await world.settle()
    return id


async def test_a_shelved_server_takes_no_room_and_keeps_its_addresses() -> None:
    async with a_world("h1", "h2") as world:
        id = await shelved(world)
        shown = await world.show(id, by="root")
        assert ("SHELVED_OFFLOADED", "shelved_offloaded", None) == (
            shown["status"], shown["OS-EXT-STS:vm_state"], shown["OS-EXT-SRV-ATTR:host"],
        )  # fmt: skip
        assert ["private"] == list(shown["addresses"])
        assert {} == world.placement.held
        assert [{}, {}] == [await driver.observe() for driver in world.drivers.values()]
        (image,) = [image for image in world.images.images.values() if image.id != IMAGE]
        assert ("one-shelved", "active") == (image.name, image.status)
        assert 409 == (await world.act(id, os_start=None)).status


async def test_an_unshelved_server_runs_from_its_image() -> None:
    async with a_world("h1", "h2") as world:
        id = await shelved(world)
        before = (await world.show(id))["addresses"]
        (shelf,) = set(world.images.images) - {IMAGE}
        assert 202 == (await world.act(id, unshelve=None)).status
        await world.settle()
        shown = await world.show(id, by="root")
        assert ("ACTIVE", before) == (shown["status"], shown["addresses"])
        (document,) = await world.hosts.wanted_list(shown["OS-EXT-SRV-ATTR:host"], "server")
        assert shelf == document.body["root"]["image"]["id"]
        assert IMAGE == shown["image"]["id"]
        assert [IMAGE] == list(world.images.images)
        assert [id] == list(world.placement.held)
        await world.act(id, shelve=None)
        await world.settle()
        assert "SHELVED_OFFLOADED" == (await world.show(id))["status"]


async def test_admins_name_the_host_it_comes_back_to() -> None:
    async with a_world("h1", "h2") as world:
        id = await shelved(world)
        path = f"/v2.1/servers/{id}/action"
        assert 403 == (await world.ask("POST", path, {"unshelve": {"host": "h2"}}, at="2.91")).status
        assert 400 == (await world.ask("POST", path, {"unshelve": {"host": "h9"}}, at="2.91", by="root")).status
        assert 202 == (await world.ask("POST", path, {"unshelve": {"host": "h2"}}, at="2.91", by="root")).status
        await world.settle()
        assert "h2" == (await world.show(id, by="root"))["OS-EXT-SRV-ATTR:host"]


async def test_what_cannot_come_back_stays_shelved() -> None:
    async with a_world("h1") as world:
        id = await shelved(world)
        world.drivers["h1"].fail_next("ensure", "no such CPU", times=100)
        await world.act(id, unshelve=None)
        await world.settle()
        assert "SHELVED_OFFLOADED" == (await world.show(id))["status"]
        assert {} == world.placement.held
        assert 2 == len(world.images.images)


async def test_what_cannot_be_shelved_goes_on() -> None:
    async with a_world("h1") as world:
        id = await world.boot()
        world.images.full = True
        await world.act(id, shelve=None)
        await world.settle()
        assert "ACTIVE" == (await world.show(id))["status"]
        assert [IMAGE] == list(world.images.images)


async def test_a_shelved_server_is_deleted_with_its_image() -> None:
    async with a_world("h1") as world:
        id = await shelved(world)
        assert 204 == (await world.ask("DELETE", f"/v2.1/servers/{id}")).status
        await world.settle()
        assert [IMAGE] == list(world.images.images)


async def test_only_what_is_shelved_is_taken_out() -> None:
    async with a_world("h1") as world:
        id = await world.boot()
        answered = await world.act(id, unshelve=None)
        said = f"Cannot 'unshelve' instance {id} while it is in vm_state active"
        assert (409, said) == (answered.status, answered.body["conflictingRequest"]["message"])
        assert 409 == (await world.act(id, by="root", shelveOffload=None)).status
