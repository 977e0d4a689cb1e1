"""What lists of block storage are asked for, what they show, and what they refuse."""

import pytest
from tests.block_storage.world import World, a_world

NOWHERE = "99999999-9999-4999-8999-999999999999"
# What lists are of, as their filters are published.
LISTS = {"volumes": "volume", "snapshots": "snapshot", "backups": "backup", "attachments": "attachment",
         "messages": "message", "groups": "group", "group_snapshots": "group_snapshot"}  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
async def test_members_filter_by_what_is_published_and_are_told_of_the_rest(path: str) -> None:
    async with a_world() as world:
        published = await world.got("GET", f"/resource_filters?resource={LISTS[path]}")
        for name in published["resource_filters"][0]["filters"]:
            value = {"metadata": "{}", "bootable": "true", "consumes_quota": "true"}.get(name, "2026-01-01T00:00:00")
            assert 200 == (await world.ask("GET", f"/{path}?{name}={value}&limit=1&sort=id:asc")).status, name
        answered = await world.ask("GET", f"/{path}?colour=red&all_tenants=1", at="3.31")
        assert (400, True) == (answered.status, "Invalid filters colour" in str(answered.body))
        assert 200 == (await world.ask("GET", f"/{path}?colour=red", at="3.30")).status
        assert 200 == (await world.ask("GET", f"/{path}?colour=red", by="root")).status


async def names(world: World, path: str) -> list[str]:
    return [each["name"] for each in next(iter((await world.got("GET", path)).values()))]


async def test_without_a_direction_lists_are_sorted_downwards_and_one_way_of_saying_it_is_enough() -> None:
    async with a_world() as world:
        for name in ("a", "b"):
            await world.volume(name=name)
            await world.got("POST", "/types", {"volume_type": {"name": name}}, by="root")
        assert ["b", "a"] == await names(world, "/volumes?sort=name")
        assert ["a", "b"] == await names(world, "/volumes?sort=name:asc")
        assert ["__DEFAULT__", "a", "b"] == await names(world, "/types?sort=name:asc")
        for query in ("sort=name&sort_key=name", "with_count=perhaps"):
            assert 400 == (await world.ask("GET", f"/volumes?{query}")).status
        assert 404 == (await world.ask("GET", f"/types?marker={NOWHERE}")).status
        assert 400 == (await world.ask("GET", "/types?is_public=perhaps", by="root")).status


async def test_names_are_kept_without_the_spaces_around_them() -> None:
    async with a_world() as world:
        volume = await world.volume(name=" one ", description=" it ")
        assert ("one", "it") == ((shown := await world.show(volume))["name"], shown["description"])
        changed = await world.got("PUT", f"/volumes/{volume}", {"volume": {"name": " two "}})
        assert "two" == changed["volume"]["name"]
        for path in ("snapshots", "backups"):
            made = await world.got("POST", f"/{path}", {path[:-1]: {"volume_id": volume, "name": " three "}})
            assert "three" == made[path[:-1]]["name"]
            await world.settle()


async def test_snapshots_in_lists_tell_what_they_always_told() -> None:
    async with a_world() as world:
        await world.got("POST", "/snapshots", {"snapshot": {"volume_id": await world.volume()}})
        plain = {"id", "created_at", "updated_at", "name", "description", "volume_id", "status", "size", "metadata"}
        for at in ("3.0", "3.71"):
            (one,) = (await world.got("GET", "/snapshots", at=at))["snapshots"]
            assert plain == one.keys()
        (one,) = (await world.got("GET", "/snapshots/detail", at="3.71"))["snapshots"]
        assert plain | {"group_snapshot_id", "user_id", "consumes_quota"} < one.keys()


async def test_messages_have_the_numbers_clients_know_and_are_found_by_them() -> None:
    async with a_world() as world:
        await world.got("POST", "/types", {"volume_type": {"name": "x", "extra_specs": {"a": "b"}}}, by="root")
        await world.volume(volume_type="x")
        volume = await world.volume()
        world.backends["h1"].fail_next("ensure_disk", "disk on fire", times=100)
        await world.got("POST", "/snapshots", {"snapshot": {"volume_id": volume}})
        await world.settle()
        events = {each["event_id"]: each for each in (await world.got("GET", "/messages"))["messages"]}
        assert {"VOLUME_VOLUME_001_003", "VOLUME_VOLUME_SNAPSHOT_009_013"} == set(events)
        words = "schedule allocate volume:Could not find any available weighted backend."
        assert events["VOLUME_VOLUME_001_003"]["user_message"].startswith(words)
        counts = dict.fromkeys(events, 1) | {"VOLUME_VOLUME_001_004": 0, "colour": 0}
        for event, count in counts.items():
            assert count == len((await world.got("GET", f"/messages?event_id={event}"))["messages"]), event
        assert 2 == len((await world.got("GET", "/messages", by="root"))["messages"])
        assert [] == (await world.got("GET", "/messages", by="bob"))["messages"]


async def test_services_are_found_by_their_host_and_nobody_elses() -> None:
    async with a_world("h1", "h10") as world:
        found = (await world.got("GET", "/os-services?host=h1", by="root"))["services"]
        assert {"h1", "h1@fake"} == {each["host"] for each in found}
        reason = {"host": "h1@fake", "binary": "cinder-volume", "disabled_reason": "x" * 256}
        assert 400 == (await world.ask("PUT", "/os-services/disable-log-reason", reason, by="root")).status
        levels = (await world.got("PUT", "/os-services/get-log", {"binary": ""}, by="root"))["log_levels"]
        programs = {"cinder-api", "cinder-backup", "cinder-scheduler", "cinder-volume"}
        assert programs == {each["binary"] for each in levels}


async def test_pools_are_found_by_the_type_they_would_take() -> None:
    async with a_world() as world:
        path = "/scheduler-stats/get_pools"
        for name, backend in (("here", "fake"), ("away", "other")):
            specs = {"volume_backend_name": backend, "multiattach": "<is> True"}
            await world.got("POST", "/types", {"volume_type": {"name": name, "extra_specs": specs}}, by="root")
        assert ["h1@fake#fake"] == await names_of_pools(world, f"{path}?volume_type=here")
        assert [] == await names_of_pools(world, f"{path}?volume_type=away")
        for query in ("volume_type=none", "colour=red", "detail=perhaps"):
            assert (await world.ask("GET", f"{path}?{query}", by="root")).status in {400, 404}, query


async def names_of_pools(world: World, path: str) -> list[str]:
    return [each["name"] for each in (await world.got("GET", path, by="root"))["pools"]]


@pytest.mark.parametrize(
    ("asked", "found"),
    [({}, 2), ({"is_up": False}, 0), ({"disabled": "true"}, 0), ({"host": "h1@fake"}, 1), ({"service_id": 1}, 1),
     ({"cluster_name": "c"}, 0)],
)  # fmt: skip
async def test_leftovers_are_cleared_away_at_the_services_that_were_meant(asked: dict[str, object], found: int) -> None:
    async with a_world() as world:
        answered = await world.got("POST", "/workers/cleanup", asked, by="root")
        assert (found, []) == (len(answered["cleaning"]), answered["unavailable"])
        for wrong in ({"binary": "cinder-backup"}, {"resource_type": "cow"}):
            assert 400 == (await world.ask("POST", "/workers/cleanup", wrong, by="root")).status


async def test_disks_to_take_over_are_sorted_by_size_or_name() -> None:
    async with a_world() as world:
        for size in (2, 1, 3):
            await world.volume(size=size)
        path = "/manageable_volumes?host=h1@fake"
        for query, sizes in (("&sort=size:asc", [1, 2, 3]), ("&sort=size:desc&limit=2", [3, 2])):
            listed = (await world.got("GET", path + query, by="root"))["manageable-volumes"]
            assert sizes == [each["size"] for each in listed]
        for query in ("&sort=colour", "&cluster=c"):
            assert 400 == (await world.ask("GET", path + query, by="root")).status
