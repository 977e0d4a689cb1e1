"""Servers made anew, and servers rescued."""

from typing import Any

from tests.compute.fakes import IMAGE, an_image
from tests.compute.world import World, a_world

OTHER = "44444444-4444-4444-8444-444444444444"


async def ask(world: World, id: str, action: dict[str, Any], at: str = "2.1") -> Any:
    return await world.ask("POST", f"/v2.1/servers/{id}/action", action, at=at)


async def document(world: World) -> dict[str, Any]:
    (found,) = await world.hosts.wanted_list("h1", "server")
    return found.body


async def test_a_rebuilt_server_has_another_disk_and_all_else_as_before() -> None:
    async with a_world() as world:
        world.images.images[OTHER] = an_image(id=OTHER, name="other")
        id = await world.boot()
        before = await world.show(id)
        rebuild = {"imageRef": OTHER, "name": "two", "metadata": {"a": "b"}, "description": "new", "adminPass": "x"}
        answered = await ask(world, id, {"rebuild": rebuild}, at="2.90")
        assert 202 == answered.status, answered.body
        shown = answered.body["server"]
        assert ("REBUILD", "two", OTHER, "x") == (
            shown["status"],
            shown["name"],
            shown["image"]["id"],
            shown["adminPass"],
        )
        assert "REBUILD" == (await world.show(id))["status"]
        await world.settle()
        after = await world.show(id, at="2.90")
        assert ("ACTIVE", "two", "new", {"a": "b"}) == (
            after["status"], after["name"], after["description"], after["metadata"],
        )  # fmt: skip
        assert before["addresses"] == after["addresses"]
        wanted = await document(world)
        assert (1, OTHER) == (wanted["disk_generation"], wanted["root"]["image"]["id"])


async def test_what_a_rebuild_answers_grew_with_the_versions() -> None:
    async with a_world() as world:
        id = await world.boot()
        plain, old = {"key_name", "user_data"}, "OS-EXT-SRV-ATTR:user_data"
        for at, there in (("2.53", set()), ("2.54", {"key_name"}), ("2.57", plain), ("2.74", plain), ("2.75", plain)):
            answered = await world.act(id, by="root", at=at, rebuild={"imageRef": IMAGE})
            assert there == (plain | {old}) & set(answered.body["server"]), at
            await world.settle()
        assert old in await world.show(id, by="root", at="2.75")


async def test_a_stopped_server_is_rebuilt_and_stays_off() -> None:
    async with a_world() as world:
        id = await world.boot()
        await world.act(id, os_stop=None)
        await world.settle()
        assert 202 == (await ask(world, id, {"rebuild": {"imageRef": IMAGE}})).status
        await world.settle()
        assert "SHUTOFF" == (await world.show(id))["status"]


async def test_a_rebuild_that_fails_is_an_error_and_can_be_tried_again() -> None:
    async with a_world() as world:
        id = await world.boot()
        world.drivers["h1"].fail_next("ensure", "image is gone")
        await ask(world, id, {"rebuild": {"imageRef": IMAGE}})
        await world.settle(until_s=10)
        shown = await world.show(id)
        assert ("ERROR", True) == (shown["status"], "image is gone" in shown["fault"]["message"])
        await world.settle(until_s=600)
        assert 202 == (await ask(world, id, {"rebuild": {"imageRef": IMAGE}})).status
        await world.settle()
        assert "ACTIVE" == (await world.show(id))["status"]


async def test_rebuilds_that_do_not_fit_are_refused() -> None:
    async with a_world() as world:
        id = await world.boot()
        assert 400 == (await ask(world, id, {"rebuild": {}})).status
        assert 400 == (await ask(world, id, {"rebuild": {"imageRef": OTHER}})).status
        await world.act(id, pause=None)
        await world.settle()
        answered = await ask(world, id, {"rebuild": {"imageRef": IMAGE}})
        said = f"Cannot 'rebuild' instance {id} while it is in vm_state paused"
        assert (409, said) == (answered.status, answered.body["conflictingRequest"]["message"])


async def test_a_rescued_server_runs_from_another_image_and_comes_back() -> None:
    async with a_world() as world:
        world.images.images[OTHER] = an_image(id=OTHER, name="other")
        id = await world.boot()
        answered = await ask(world, id, {"rescue": {"rescue_image_ref": OTHER, "adminPass": "x"}})
        assert (200, {"adminPass": "x"}) == (answered.status, answered.body)
        assert "rescuing" == (await world.show(id))["OS-EXT-STS:task_state"]
        await world.settle()
        shown = await world.show(id)
        assert ("RESCUE", "rescued") == (shown["status"], shown["OS-EXT-STS:vm_state"])
        assert OTHER == (await document(world))["rescue"]["id"]
        assert 409 == (await world.act(id, os_start=None)).status
        assert 202 == (await world.act(id, unrescue=None)).status
        await world.settle()
        assert "ACTIVE" == (await world.show(id))["status"]
        assert (await document(world))["rescue"] is None


async def test_a_rescue_that_fails_leaves_the_server_as_it_was() -> None:
    async with a_world() as world:
        id = await world.boot()
        await ask(world, id, {"rescue": None})
        world.drivers["h1"].fail_next("ensure", "no such CPU")
        await world.settle()
        assert "ACTIVE" == (await world.show(id))["status"]
