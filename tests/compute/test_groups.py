"""Server groups and hints: where servers come to lie beside each other, and why they do not."""

from typing import Any

from tests.compute.world import World, a_world

from pileus.compute.config import ComputeConfig

GROUPS = "/v2.1/os-server-groups"


async def a_group(world: World, policy: str, **rules: int) -> str:
    body: dict[str, Any] = {"name": "g", "policy": policy}
    if rules:
        body["rules"] = rules
    answered = await world.ask("POST", GROUPS, {"server_group": body}, at="2.64")
    assert 200 == answered.status, answered.body
    return str(answered.body["server_group"]["id"])


async def boot(world: World, by: str = "alice", **hints: object) -> str:
    server = {"name": "one", "flavorRef": "small", "imageRef": "11111111-1111-4111-8111-111111111111"}
    body = {"server": server, "os:scheduler_hints": hints}
    answered = await world.ask("POST", "/v2.1/servers", body, by=by)
    assert 202 == answered.status, answered.body
    await world.settle()
    return str(answered.body["server"]["id"])


async def host_of(world: World, id: str) -> str | None:
    host: str | None = (await world.show(id, by="root"))["OS-EXT-SRV-ATTR:host"]
    return host


async def test_shows_groups_in_the_words_of_each_version() -> None:
    async with a_world() as world:
        body = {"server_group": {"name": "g", "policies": ["affinity"]}}
        made = (await world.ask("POST", GROUPS, body)).body["server_group"]
        assert {"id", "name", "policies", "members", "metadata"} == set(made)
        assert (
            400
            == (await world.ask("POST", GROUPS, {"server_group": {"name": "g", "policies": ["soft-affinity"]}})).status
        )
        assert 400 == (await world.ask("POST", GROUPS, body, at="2.64")).status
        shown = (await world.ask("GET", f"{GROUPS}/{made['id']}", at="2.64")).body["server_group"]
        assert {"policy": "affinity", "rules": {}, "project_id": "p1", "user_id": "alice"}.items() <= shown.items()
        assert "policies" not in shown
        assert 404 == (await world.ask("GET", f"{GROUPS}/{made['id']}", by="bob")).status
        assert [] == (await world.ask("GET", GROUPS, by="bob")).body["server_groups"]
        assert 1 == len((await world.ask("GET", f"{GROUPS}?all_projects=1", by="root")).body["server_groups"])
        assert 204 == (await world.ask("DELETE", f"{GROUPS}/{made['id']}")).status
        assert 404 == (await world.ask("DELETE", f"{GROUPS}/{made['id']}")).status


async def test_rules_are_for_anti_affinity_alone() -> None:
    async with a_world() as world:
        body = {"server_group": {"name": "g", "policy": "affinity", "rules": {"max_server_per_host": 2}}}
        assert 400 == (await world.ask("POST", GROUPS, body, at="2.64")).status


async def test_a_project_has_so_many_groups_and_a_group_so_many_servers() -> None:
    config = ComputeConfig(quota_server_groups=1, quota_server_group_members=1)
    async with a_world("h1", "h2", config=config) as world:
        group = await a_group(world, "anti-affinity")
        again = await world.ask("POST", GROUPS, {"server_group": {"name": "h", "policies": ["affinity"]}})
        assert (403, "Quota exceeded, too many server groups.") == (again.status, again.body["forbidden"]["message"])
        await boot(world, group=group)
        server = {"name": "two", "flavorRef": "small", "imageRef": "11111111-1111-4111-8111-111111111111"}
        body = {"server": server, "os:scheduler_hints": {"group": group}}
        assert 403 == (await world.ask("POST", "/v2.1/servers", body)).status
        absolute = (await world.ask("GET", "/v2.1/limits")).body["limits"]["absolute"]
        assert 1 == absolute["totalServerGroupsUsed"]


async def test_affinity_keeps_servers_together() -> None:
    async with a_world("h1", "h2", "h3") as world:
        group = await a_group(world, "affinity")
        first, second = await boot(world, group=group), await boot(world, group=group)
        assert await host_of(world, first) == await host_of(world, second)
        shown = (await world.ask("GET", f"{GROUPS}/{group}")).body["server_group"]
        assert {first, second} == set(shown["members"])
        assert [group] == (await world.show(first, at="2.71"))["server_groups"]


async def test_anti_affinity_keeps_servers_apart_and_says_why_there_is_no_host() -> None:
    async with a_world("h1", "h2") as world:
        group = await a_group(world, "anti-affinity")
        ids = [await boot(world, group=group) for _ in range(3)]
        assert {"h1", "h2"} == {await host_of(world, id) for id in ids[:2]}
        failed = await world.show(ids[2])
        assert "ERROR" == failed["status"]
        assert "h1: has 1 of server group g, which allows 1 on a host" in failed["fault"]["message"]


async def test_servers_of_one_request_are_kept_apart_too() -> None:
    async with a_world("h1", "h2") as world:
        group = await a_group(world, "anti-affinity")
        server = {"name": "many", "flavorRef": "small", "imageRef": "11111111-1111-4111-8111-111111111111",
                  "min_count": 2}  # fmt: skip
        await world.ask("POST", "/v2.1/servers", {"server": server, "os:scheduler_hints": {"group": group}})
        await world.settle()
        members = (await world.ask("GET", f"{GROUPS}/{group}")).body["server_group"]["members"]
        assert {"h1", "h2"} == {await host_of(world, id) for id in members}


async def test_a_group_may_allow_several_on_a_host() -> None:
    async with a_world("h1") as world:
        group = await a_group(world, "anti-affinity", max_server_per_host=2)
        ids = [await boot(world, group=group) for _ in range(3)]
        assert ["ACTIVE", "ACTIVE", "ERROR"] == [(await world.show(id))["status"] for id in ids]


async def test_soft_policies_hold_as_far_as_there_is_room() -> None:
    async with a_world("h1", "h2") as world:
        apart, together = await a_group(world, "soft-anti-affinity"), await a_group(world, "soft-affinity")
        ids = [await boot(world, group=apart) for _ in range(3)]
        assert {"h1", "h2"} == {await host_of(world, id) for id in ids[:2]}
        assert "ACTIVE" == (await world.show(ids[2]))["status"]
        pair = [await boot(world, group=together) for _ in range(2)]
        assert 1 == len({await host_of(world, id) for id in pair})


async def test_hints_name_servers_to_be_with_or_away_from() -> None:
    async with a_world("h1", "h2") as world:
        first = await boot(world)
        near = await boot(world, same_host=[first])
        far = await boot(world, different_host=first)
        assert await host_of(world, first) == await host_of(world, near)
        assert await host_of(world, first) != await host_of(world, far)


async def test_hints_name_servers_of_other_projects_too() -> None:
    async with a_world("h1", "h2") as world:
        first = await boot(world)
        apart = {await host_of(world, await boot(world, by="bob", different_host=[first])) for _ in range(3)}
        assert len(apart) == 1
        assert await host_of(world, first) not in apart


async def test_refuses_a_group_that_does_not_exist_and_hints_that_are_no_ids() -> None:
    async with a_world() as world:
        server = {"name": "one", "flavorRef": "small", "imageRef": "11111111-1111-4111-8111-111111111111"}
        for hints in ({"group": "no-id"}, {"same_host": ["no"]}, {"group": "11111111-1111-4111-8111-111111111112"}):
            answered = await world.ask("POST", "/v2.1/servers", {"server": server, "os:scheduler_hints": hints})
            assert 400 == answered.status
