"""Volumes are made, shown, listed, changed, grown and deleted; what cannot be is told, and why."""

import pytest
from tests.block_storage.world import IMAGE, a_world

from pileus.block_storage.config import BlockStorageConfig
from pileus.block_storage.drivers.interface import Kind, Room


async def test_a_volume_is_made_where_there_is_room_and_shown() -> None:
    async with a_world("h1") as world:
        made = await world.ask("POST", "/volumes", {"volume": {"name": "v", "size": 2, "metadata": {"a": "b"}}})
        assert 202 == made.status
        assert "creating" == made.body["volume"]["status"]
        await world.settle()
        volume = await world.show(made.body["volume"]["id"])
        assert ("available", 2, "v") == (volume["status"], volume["size"], volume["name"])
        assert {"a": "b"} == volume["metadata"]
        assert "__DEFAULT__" == volume["volume_type"]
        assert "os-vol-host-attr:host" not in volume
        assert "h1@fake#fake" == (await world.show(volume["id"], by="root"))["os-vol-host-attr:host"]


async def test_a_deleted_volume_is_gone_from_its_host_too() -> None:
    async with a_world() as world:
        id = await world.volume()
        assert {id} == set(await world.backends["h1"].observe(Kind.VOLUME))
        assert 202 == (await world.ask("DELETE", f"/volumes/{id}")).status
        await world.settle()
        assert 404 == (await world.ask("GET", f"/volumes/{id}")).status
        assert {} == await world.backends["h1"].observe(Kind.VOLUME)


async def test_others_do_not_know_of_a_volume() -> None:
    async with a_world() as world:
        id = await world.volume()
        answered = await world.ask("GET", f"/volumes/{id}", by="bob")
        assert 404 == answered.status
        assert f"Volume {id} could not be found." == answered.body["itemNotFound"]["message"]
        assert [] == (await world.got("GET", "/volumes", by="bob"))["volumes"]
        assert [id] == [v["id"] for v in (await world.got("GET", "/volumes?all_tenants=1", by="root"))["volumes"]]


async def test_readers_make_nothing() -> None:
    async with a_world() as world:
        assert 403 == (await world.ask("POST", "/volumes", {"volume": {"size": 1}}, by="rita")).status


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 400),
        ({"size": 0}, 400),
        ({"size": "x"}, 400),
        ({"size": 1, "availability_zone": "mars"}, 400),
        ({"size": 1, "volume_type": "gold"}, 404),
        ({"size": 1, "snapshot_id": "11111111-1111-4111-8111-111111111119"}, 404),
        ({"size": 1, "imageRef": "11111111-1111-4111-8111-111111111119"}, 400),
        ({"size": 1, "colour": "red"}, 400),
        ({"size": 5000}, 413),
    ],
)
async def test_wrong_requests_make_nothing(asked: dict[str, object], status: int) -> None:
    async with a_world() as world:
        answered = await world.ask("POST", "/volumes", {"volume": asked})
        assert status == answered.status, answered.body
        assert [] == (await world.got("GET", "/volumes"))["volumes"]


async def test_clients_before_3_53_may_say_what_nobody_knows() -> None:
    async with a_world() as world:
        asked = {"volume": {"size": 1, "colour": "red"}}
        assert 202 == (await world.ask("POST", "/volumes", asked, at="3.52")).status


async def test_when_no_back_end_will_do_a_message_says_what_spoke_against_each() -> None:
    async with a_world("h1", "h2") as world:
        small = Room(name="fake", driver="fake", total_gib=1, free_gib=1, capabilities={})
        for name, agent in world.agents.items():
            await agent.set_facts(
                {"volume_backends": [{"name": "fake", "driver": "fake", "total_gib": 1, "free_gib": 1}]}
            )
            assert small.total_gib == 1, name
        id = await world.volume(size=9)
        assert "error" == (await world.show(id))["status"]
        (message,) = (await world.got("GET", "/messages"))["messages"]
        assert id == message["resource_uuid"]
        for host in ("h1", "h2"):
            assert f"{host}@fake#fake: has 1 GiB left of the 9 it takes" in message["user_message"]


async def test_what_one_back_end_cannot_make_another_does() -> None:
    async with a_world("h1", "h2") as world:
        world.backends["h2"].fail_next("ensure_disk", "disk full", times=100)
        id = await world.volume()
        volume = await world.show(id, by="root")
        assert ("available", "h1@fake#fake") == (volume["status"], volume["os-vol-host-attr:host"])
        assert {} == await world.backends["h2"].observe(Kind.VOLUME)


async def test_volumes_grow_but_never_shrink() -> None:
    async with a_world() as world:
        id = await world.volume(size=2)
        assert 400 == (await world.act(id, os__extend={"new_size": 2})).status
        assert 202 == (await world.act(id, os__extend={"new_size": 5})).status
        assert "extending" == (await world.show(id))["status"]
        await world.settle()
        volume = await world.show(id)
        assert ("available", 5) == (volume["status"], volume["size"])


async def test_what_cannot_grow_says_so() -> None:
    async with a_world() as world:
        id = await world.volume()
        world.backends["h1"].fail_next("ensure_disk", "no room")
        await world.act(id, os__extend={"new_size": 5})
        await world.settle()
        volume = await world.show(id)
        assert ("error_extending", 1) == (volume["status"], volume["size"])


async def test_the_quota_counts_volumes_and_gigabytes() -> None:
    async with a_world(config=BlockStorageConfig(quota_volumes=2, quota_gigabytes=10)) as world:
        await world.volume(size=6)
        answered = await world.ask("POST", "/volumes", {"volume": {"size": 6}})
        assert 413 == answered.status
        assert "Requested 6G, quota is 10G and 6G has been consumed" in answered.body["overLimit"]["message"]
        await world.volume(size=1)
        assert 413 == (await world.ask("POST", "/volumes", {"volume": {"size": 1}})).status
        absolute = (await world.got("GET", "/limits"))["limits"]["absolute"]
        assert (2, 7, 2) == (absolute["totalVolumesUsed"], absolute["totalGigabytesUsed"], absolute["maxTotalVolumes"])


async def test_lists_are_paged_filtered_and_counted() -> None:
    async with a_world() as world:
        ids = [await world.volume(name=f"v{n}") for n in range(3)]
        page = await world.got("GET", "/volumes/detail?limit=2&sort=name:asc&with_count=true")
        assert ids[:2] == [volume["id"] for volume in page["volumes"]]
        assert 3 == page["count"]
        assert "marker=" + ids[1] in page["volumes_links"][0]["href"]
        rest = await world.got("GET", f"/volumes?limit=2&sort=name:asc&marker={ids[1]}")
        assert [ids[2]] == [volume["id"] for volume in rest["volumes"]]
        skipped = await world.got("GET", "/volumes?sort=name:asc&offset=1")
        assert ids[1:] == [volume["id"] for volume in skipped["volumes"]]
        assert [ids[0]] == [v["id"] for v in (await world.got("GET", "/volumes?name=v0"))["volumes"]]
        assert 3 == len((await world.got("GET", "/volumes?name~=v"))["volumes"])
        assert [] == (await world.got("GET", "/volumes?status=error"))["volumes"]


async def test_a_volume_of_an_image_is_bootable_and_remembers_it() -> None:
    async with a_world() as world:
        made = await world.got("POST", "/volumes", {"volume": {"size": 1, "imageRef": IMAGE}})
        assert "creating" == made["volume"]["status"]
        await world.settle()
        volume = await world.show(made["volume"]["id"])
        assert ("available", "true") == (volume["status"], volume["bootable"])
        assert IMAGE == volume["volume_image_metadata"]["image_id"]
        assert IMAGE.encode() == world.backends["h1"].read(Kind.VOLUME, volume["id"])


async def test_services_pools_and_capabilities_tell_of_back_ends() -> None:
    async with a_world("h1") as world:
        services = (await world.got("GET", "/os-services", by="root"))["services"]
        assert ["cinder-scheduler", "cinder-volume", "cinder-backup"] == [one["binary"] for one in services]
        assert {"up"} == {one["state"] for one in services}
        (pool,) = (await world.got("GET", "/scheduler-stats/get_pools?detail=true", by="root"))["pools"]
        assert "h1@fake#fake" == pool["name"]
        assert "fake" == pool["capabilities"]["storage_protocol"]
        asked = {"binary": "cinder-volume", "host": "h1@fake", "disabled_reason": "repairs"}
        await world.got("PUT", "/os-services/disable-log-reason", asked, by="root")
        id = await world.volume()
        assert "error" == (await world.show(id))["status"]
