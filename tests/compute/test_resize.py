"""Servers that get another size, and those that go back."""

from typing import Any

import pytest
from tests.compute.world import World, a_world


async def resized(world: World, **more: Any) -> str:
    """A server that waits for its new size to be confirmed."""
    await world.flavor("big", vcpus=2, ram=1024, disk=2)
    id = await world.boot()
    assert 202 == (await world.act(id, resize={"flavorRef": "big"}, **more)).status
    assert ("RESIZE", "resize_prep") == await states(world, id)
    await world.settle()
    assert ("VERIFY_RESIZE", None) == await states(world, id)
    return id


async def states(world: World, id: str) -> tuple[str, str | None]:
    shown = await world.show(id)
    return shown["status"], shown["OS-EXT-STS:task_state"]


def held(world: World) -> list[dict[str, int]]:
    return [dict(claim.resources) for claim in world.placement.held.values()]


SMALL = {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}
BIG = {"VCPU": 2, "MEMORY_MB": 1024, "DISK_GB": 2}


async def test_a_confirmed_size_stays() -> None:
    async with a_world() as world:
        id = await resized(world)
        assert [SMALL, BIG] == sorted(held(world), key=lambda some: some["VCPU"])
        assert "big" == (await world.show(id))["flavor"]["id"]
        (document,) = await world.hosts.wanted_list("h1", "server")
        assert (2, 1024, 2) == (document.body["vcpus"], document.body["ram_mib"], document.body["root"]["size_gib"])
        assert document.body["checkpoint"]
        assert 204 == (await world.act(id, confirmResize=None)).status
        await world.settle()
        assert ("ACTIVE", None) == await states(world, id)
        assert [BIG] == held(world)
        (document,) = await world.hosts.wanted_list("h1", "server")
        assert document.body["checkpoint"] is None
        usage = (await world.ask("GET", "/v2.1/limits")).body["limits"]["absolute"]
        assert (2, 1024) == (usage["totalCoresUsed"], usage["totalRAMUsed"])


async def test_a_resize_may_change_how_the_disk_is_laid_out() -> None:
    async with a_world() as world:
        await world.flavor("big", vcpus=2, ram=1024, disk=2)
        id = await world.boot()
        assert 202 == (await world.act(id, resize={"flavorRef": "big", "OS-DCF:diskConfig": "AUTO"})).status
        assert "AUTO" == (await world.show(id))["OS-DCF:diskConfig"]


async def test_a_reverted_size_is_gone() -> None:
    async with a_world() as world:
        id = await resized(world)
        assert 202 == (await world.act(id, revertResize=None)).status
        assert ("REVERT_RESIZE", "resize_reverting") == await states(world, id)
        await world.settle()
        assert ("ACTIVE", None) == await states(world, id)
        assert "small" == (await world.show(id))["flavor"]["id"]
        assert [SMALL] == held(world)
        assert [id] == list(world.placement.held)
        actions = (await world.ask("GET", f"/v2.1/servers/{id}/os-instance-actions")).body["instanceActions"]
        assert ["revertResize", "resize", "create"] == [action["action"] for action in actions]


async def test_a_stopped_server_is_resized_and_stays_off() -> None:
    async with a_world() as world:
        await world.flavor("big", vcpus=2, ram=1024, disk=2)
        id = await world.boot()
        await world.act(id, os_stop=None)
        await world.settle()
        await world.act(id, resize={"flavorRef": "big"})
        await world.settle()
        assert ("VERIFY_RESIZE", None) == await states(world, id)
        await world.act(id, confirmResize=None)
        await world.settle()
        assert ("SHUTOFF", None) == await states(world, id)


async def test_without_room_the_server_goes_on_as_it_was() -> None:
    async with a_world() as world:
        await world.flavor("huge", vcpus=1, ram=8000, disk=1)
        id = await world.boot()
        await world.act(id, resize={"flavorRef": "huge"})
        await world.settle()
        assert ("ACTIVE", None) == await states(world, id)
        assert [SMALL] == held(world)
        assert [id] == list(world.placement.held)


async def test_a_resize_that_fails_is_undone() -> None:
    async with a_world() as world:
        await world.flavor("big", vcpus=2, ram=1024, disk=2)
        id = await world.boot()
        world.drivers["h1"].fail_next("ensure", "no such CPU")
        await world.act(id, resize={"flavorRef": "big"})
        await world.settle()
        assert ("ACTIVE", None) == await states(world, id)
        assert [SMALL] == held(world)


async def test_a_resized_server_is_deleted_with_all_its_room() -> None:
    async with a_world() as world:
        id = await resized(world)
        assert 204 == (await world.ask("DELETE", f"/v2.1/servers/{id}")).status
        await world.settle()
        assert [] == held(world)


@pytest.mark.parametrize(
    ("flavor", "said"),
    [
        ("small", "When resizing, instances must change flavor!"),
        ("none", "Flavor none could not be found."),
        ("thin", "Unable to resize disk down: the server has 1 GB and 0 GB of ephemeral disk, flavor thin less."),
    ],
)
async def test_sizes_that_do_not_fit_are_refused(flavor: str, said: str) -> None:
    async with a_world() as world:
        await world.flavor("thin", disk=0)
        id = await world.boot()
        answered = await world.act(id, resize={"flavorRef": flavor})
        assert (400, said) == (answered.status, answered.body["badRequest"]["message"])


async def test_a_size_above_the_quota_is_refused() -> None:
    async with a_world() as world:
        await world.flavor("wide", vcpus=64)
        id = await world.boot()
        answered = await world.act(id, resize={"flavorRef": "wide"})
        assert 403 == answered.status
        assert "Quota exceeded for cores" in answered.body["forbidden"]["message"]


async def test_only_a_resized_server_is_confirmed_or_reverted() -> None:
    async with a_world() as world:
        id = await world.boot()
        for action in ("confirmResize", "revertResize"):
            assert 409 == (await world.ask("POST", f"/v2.1/servers/{id}/action", {action: None})).status


async def migrations(world: World, query: str = "", *, by: str = "root", at: str = "2.80") -> Any:
    answered = await world.ask("GET", f"/v2.1/os-migrations{query}", by=by, at=at)
    assert 200 == answered.status, answered.body
    return answered.body["migrations"]


async def test_a_resize_is_a_migration() -> None:
    async with a_world() as world:
        id = await resized(world)
        (found,) = await migrations(world)
        wanted = {"instance_uuid": id, "status": "finished", "migration_type": "resize", "project_id": "p1",
                  "user_id": "alice", "source_compute": "h1", "dest_compute": "h1"}  # fmt: skip
        assert wanted == {name: found[name] for name in wanted}
        await world.act(id, revertResize=None)
        await world.settle()
        assert ["reverted"] == [each["status"] for each in await migrations(world)]
        await world.act(id, resize={"flavorRef": "big"})
        await world.settle()
        await world.act(id, confirmResize=None)
        await world.settle()
        assert ["confirmed", "reverted"] == [each["status"] for each in await migrations(world)]


async def test_a_resize_that_fails_is_a_migration_in_error() -> None:
    async with a_world() as world:
        await world.flavor("huge", vcpus=1, ram=8000, disk=1)
        id = await world.boot()
        await world.act(id, resize={"flavorRef": "huge"})
        await world.settle()
        assert ["error"] == [each["status"] for each in await migrations(world)]


async def test_migrations_are_chosen_and_paged() -> None:
    async with a_world() as world:
        first, second = await resized(world), await world.boot()
        await world.act(second, resize={"flavorRef": "big"})
        await world.settle()
        (page,) = await migrations(world, "?limit=1")
        (rest,) = await migrations(world, f"?marker={page['uuid']}")
        assert [second, first] == [page["instance_uuid"], rest["instance_uuid"]]
        for query, count in ((f"?instance_uuid={first}", 1), ("?status=error", 0), ("?host=h1", 2),
                             ("?source_compute=h2", 0), ("?migration_type=resize", 2), ("?user_id=bob", 0),
                             ("?changes-since=2999-01-01T00:00:00Z", 0)):  # fmt: skip
            assert count == len(await migrations(world, query)), query
        assert "uuid" not in (await migrations(world, at="2.1"))[0]


async def test_a_servers_list_of_migrations_holds_only_live_ones() -> None:
    async with a_world() as world:
        id = await resized(world)
        (found,) = await migrations(world)
        answered = await world.ask("GET", f"/v2.1/servers/{id}/migrations", by="root", at="2.80")
        assert [] == answered.body["migrations"]
        for number in (found["id"], "nothing"):
            answered = await world.ask("GET", f"/v2.1/servers/{id}/migrations/{number}", by="root", at="2.80")
            assert 404 == answered.status
