"""Servers that boot from volumes, and those that are given volumes as they are made."""

from typing import Any

import pytest
from tests.compute.fakes import IMAGE
from tests.compute.test_volumes import attach, detach, listed, seen, status
from tests.compute.world import Answered, World, a_world

NOWHERE = "99999999-9999-4999-8999-999999999999"
ROOT = {"boot_index": 0, "source_type": "image", "destination_type": "volume", "uuid": IMAGE, "volume_size": 1}
OWN = {"boot_index": 0, "source_type": "image", "destination_type": "local", "uuid": IMAGE}
BLANK = {"source_type": "blank", "destination_type": "volume", "volume_size": 2}


async def create(world: World, *devices: dict[str, Any], image: str = "", at: str = "2.67", **more: Any) -> Answered:
    return await world.create(imageRef=image, block_device_mapping_v2=list(devices), at=at, networks="auto", **more)


async def boot(world: World, *devices: dict[str, Any], **more: Any) -> str:
    answered = await create(world, *devices, **more)
    assert 202 == answered.status, answered.body
    await world.settle()
    return str(answered.body["server"]["id"])


async def volumes(world: World) -> list[tuple[str, int, str]]:
    """Status, size and whether bootable, of every volume."""
    answered = await world.ask("GET", "/v3/volumes/detail", of="volume")
    return sorted((one["status"], one["size"], one["bootable"]) for one in answered.body["volumes"])


async def test_a_server_boots_from_a_volume_made_of_an_image() -> None:
    async with a_world(volumes=True) as world:
        id = await boot(world, ROOT | {"delete_on_termination": True}, BLANK | {"tag": "data"})
        server = await world.show(id, at="2.3")
        assert ("ACTIVE", "") == (server["status"], server["image"])
        assert [True, False] == [one["delete_on_termination"] for one in server["os-extended-volumes:volumes_attached"]]
        root, data = await listed(world, id)
        assert ("/dev/vda", "/dev/vdb", "data") == (root["device"], data["device"], data["tag"])
        assert [("in-use", 1, "true"), ("in-use", 2, "false")] == await volumes(world)
        assert {root["volumeId"], data["volumeId"]} == await seen(world, id)
        (claim,) = world.placement.held.values()
        assert 0 == claim.resources["DISK_GB"]
        assert 400 == (await detach(world, id, root["volumeId"])).status
        assert 204 == (await world.ask("DELETE", f"/v2.1/servers/{id}")).status
        await world.settle()
        assert [("available", 2, "false")] == await volumes(world)


async def test_a_server_boots_from_a_volume_and_from_a_snapshot_that_are_there() -> None:
    async with a_world("h1", "h2", volumes=True) as world:
        volume = await world.volume(imageRef=IMAGE)
        asked = {"snapshot": {"volume_id": volume, "name": "s"}}
        snapshot = (await world.ask("POST", "/v3/snapshots", asked, of="volume")).body["snapshot"]["id"]
        await world.settle()
        disk = {"boot_index": 0, "source_type": "volume", "destination_type": "volume", "uuid": volume}
        first = await boot(world, disk)
        copied = {"boot_index": 0, "source_type": "snapshot", "destination_type": "volume", "uuid": snapshot}
        second = await boot(world, copied, name="two")
        assert [volume] == [one["volumeId"] for one in await listed(world, first)]
        home = (await world.volume_shown(volume, by="root"))["os-vol-host-attr:host"].split("@")[0]
        for id in (first, second):
            assert ("ACTIVE", home) == (
                (await world.show(id))["status"], (await world.show(id, by="root"))["OS-EXT-SRV-ATTR:host"],
            )  # fmt: skip
        assert [("in-use", 1, "true")] * 2 == await volumes(world)
        assert 400 == (await create(world, disk)).status


async def test_old_words_for_disks_do_the_same() -> None:
    async with a_world(volumes=True) as world:
        volume, data = await world.volume(imageRef=IMAGE), await world.volume()
        old = [{"device_name": "/dev/vdb", "volume_id": data}, {"device_name": "vda", "volume_id": volume}]
        answered = await world.create(imageRef="", block_device_mapping=old)
        assert 202 == answered.status, answered.body
        await world.settle()
        found = await listed(world, answered.body["server"]["id"])
        assert [(volume, "/dev/vda"), (data, "/dev/vdb")] == [(one["volumeId"], one["device"]) for one in found]
        both = await world.create(block_device_mapping=old, block_device_mapping_v2=[OWN])
        assert 400 == both.status


async def test_an_image_and_volumes_beside() -> None:
    async with a_world(volumes=True) as world:
        id = await boot(world, OWN, BLANK | {"device_name": "/dev/vdd"}, image=IMAGE)
        assert IMAGE == (await world.show(id))["image"]["id"]
        assert ["/dev/vdd"] == [one["device"] for one in await listed(world, id)]
        (claim,) = world.placement.held.values()
        assert 1 == claim.resources["DISK_GB"]


async def test_when_the_boot_fails_nothing_is_left_of_what_was_made_for_it() -> None:
    async with a_world("h1", "h2", volumes=True) as world:
        mine = await world.volume()
        for driver in world.drivers.values():
            driver.fail_next("ensure", "no such CPU", times=1000)
        beside = {"source_type": "volume", "destination_type": "volume", "uuid": mine}
        id = await boot(world, ROOT, BLANK, beside | {"delete_on_termination": True})
        server = await world.show(id)
        assert "ERROR" == server["status"]
        assert "no such CPU" in server["fault"]["message"]
        assert [("available", 1, "false")] == await volumes(world)
        assert [] == await listed(world, id)
        assert {} == world.placement.held


async def test_another_host_is_tried_with_volumes_of_its_own() -> None:
    async with a_world("h1", "h2", volumes=True) as world:
        world.drivers["h1"].fail_next("ensure", "no such CPU", times=1000)
        ids = [await boot(world, ROOT, name=f"s{at}") for at in range(3)]
        for id in ids:
            assert "h2" == (await world.show(id, by="root"))["OS-EXT-SRV-ATTR:host"]
        places = (await world.ask("GET", "/v3/volumes/detail?all_tenants=1", by="root", of="volume")).body["volumes"]
        assert {"h2@file#file"} == {one["os-vol-host-attr:host"] for one in places}
        assert 3 == len(places)


async def test_a_volume_that_cannot_be_made_is_told_of() -> None:
    async with a_world(volumes=True) as world:
        world.backends["h1"].fail_next("ensure_disk", "the disk is full", times=1000)
        id = await boot(world, ROOT)
        server = await world.show(id)
        assert "ERROR" == server["status"]
        assert "could not be made" in server["fault"]["message"]
        assert [] == await listed(world, id)


@pytest.mark.parametrize(
    ("devices", "image", "words"),
    [
        ([], "", "imageRef"),
        ([BLANK], "", "Boot sequence"),
        ([ROOT | {"boot_index": 1}], "", "Boot sequence"),
        ([ROOT, ROOT], "", "Boot sequence"),
        ([ROOT, BLANK | {"boot_index": 2}], "", "Boot sequence"),
        ([OWN], "", "Mapping image to local"),
        ([ROOT | {"volume_size": None}], "", "non-zero size"),
        ([ROOT, BLANK | {"volume_size": 0}], "", "non-zero size"),
        ([ROOT, BLANK | {"uuid": NOWHERE}], "", "Invalid device UUID"),
        ([ROOT | {"uuid": NOWHERE}], "", "failed to get image"),
        ([ROOT | {"source_type": "volume", "uuid": NOWHERE}], "", "failed to get volume"),
        ([ROOT | {"source_type": "snapshot", "uuid": NOWHERE}], "", "failed to get snapshot"),
        ([ROOT | {"source_type": "nonsense"}], "", "source_type"),
        ([ROOT | {"destination_type": "nonsense"}], "", "destination_type"),
        ([ROOT | {"volume_size": "big"}], "", "volume_size"),
        ([ROOT, {"source_type": "blank", "destination_type": "local", "volume_size": 1}], "", "Ephemeral disks"),
        ([ROOT, {"source_type": "blank", "destination_type": "local", "guest_format": "swap", "volume_size": 1}], "",
         "Swap drive"),
        ([ROOT, {"source_type": "blank", "destination_type": "local", "volume_type": "x"}], "", "volume_type"),
        ([ROOT | {"delete_on_termination": "perhaps"}], "", "delete_on_termination"),
        ([ROOT], NOWHERE, "Can not find requested image"),
    ],
)  # fmt: skip
async def test_disks_that_make_no_sense_are_refused(devices: list[dict[str, Any]], image: str, words: str) -> None:
    async with a_world(volumes=True) as world:
        answered = await create(world, *devices, image=image)
        assert 400 == answered.status
        assert words in answered.body["badRequest"]["message"]
        assert [] == (await world.ask("GET", "/v2.1/servers")).body["servers"]
        assert [] == await volumes(world)


async def test_a_volume_that_does_not_boot_or_would_have_to_be_shared_is_refused() -> None:
    async with a_world(volumes=True) as world:
        blank, whole = await world.volume(), await world.volume(imageRef=IMAGE)
        disk = {"boot_index": 0, "source_type": "volume", "destination_type": "volume"}
        assert 400 == (await create(world, disk | {"uuid": blank})).status
        assert 400 == (await create(world, disk | {"uuid": whole}, max_count=2)).status
        assert "available" == await status(world, whole)


async def test_without_block_storage_servers_have_no_volumes() -> None:
    async with a_world() as world:
        answered = await create(world, ROOT)
        assert 400 == answered.status
        assert "no block storage" in answered.body["badRequest"]["message"]


async def test_a_server_with_volumes_is_shelved_and_comes_back_with_them() -> None:
    async with a_world(volumes=True) as world:
        id = await boot(world, ROOT)
        data, later = await world.volume(), await world.volume()
        await attach(world, id, data)
        await world.settle()
        assert 202 == (await world.act(id, shelve=None)).status
        await world.settle()
        assert "SHELVED_OFFLOADED" == (await world.show(id))["status"]
        assert ("in-use", [IMAGE]) == (await status(world, data), list(world.images.images)[:1])
        assert 409 == (await attach(world, id, later, at="2.19")).status
        answered = await attach(world, id, later)
        assert (200, None) == (answered.status, answered.body["volumeAttachment"]["device"])
        assert "in-use" == await status(world, later)
        assert 202 == (await detach(world, id, data)).status
        assert "available" == await status(world, data)
        assert 202 == (await world.act(id, unshelve=None)).status
        await world.settle()
        assert "ACTIVE" == (await world.show(id))["status"]
        (root, _) = [one["volumeId"] for one in await listed(world, id)]
        assert {root, later} == await seen(world, id)


async def test_an_image_of_a_server_that_boots_from_a_volume_boots_others_of_its_snapshots() -> None:
    async with a_world(volumes=True) as world:
        id = await boot(world, ROOT, BLANK | {"tag": "data"})
        answered = await world.act(id, at="2.45", createImage={"name": "whole", "metadata": {"a": "b"}})
        assert 202 == answered.status, answered.body
        await world.settle()
        image = world.images.images[answered.body["image_id"]]
        assert ("active", "True", "b") == (image.status, image.properties["bdm_v2"], image.properties["a"])
        snapshots = (await world.ask("GET", "/v3/snapshots", of="volume")).body["snapshots"]
        assert ["available", "available"] == [one["status"] for one in snapshots]
        answered = await world.create(imageRef=image.id, name="two")
        assert 202 == answered.status, answered.body
        await world.settle()
        other = answered.body["server"]["id"]
        assert ("ACTIVE", "") == ((await world.show(other))["status"], (await world.show(other))["image"])
        root, data = await listed(world, other)
        assert ("/dev/vda", "/dev/vdb", "data") == (root["device"], data["device"], data["tag"])
        made_of = {(await world.volume_shown(one["volumeId"]))["snapshot_id"] for one in (root, data)}
        assert {one["id"] for one in snapshots} == made_of


async def test_an_image_that_cannot_be_made_leaves_no_snapshot() -> None:
    async with a_world(volumes=True) as world:
        id = await boot(world, ROOT, BLANK)
        world.images.full = True
        answered = await world.act(id, at="2.45", createImage={"name": "whole"})
        await world.settle()
        assert answered.body["image_id"] not in world.images.images
        assert [] == (await world.ask("GET", "/v3/snapshots", of="volume")).body["snapshots"]
        assert "ACTIVE" == (await world.show(id))["status"]


async def test_what_a_server_that_boots_from_a_volume_cannot_is_refused() -> None:
    async with a_world("h1", "h2", volumes=True) as world:
        id = await boot(world, ROOT)
        backup = {"name": "b", "backup_type": "daily", "rotation": 1}
        assert 400 == (await world.act(id, createBackup=backup)).status
        assert 400 == (await world.act(id, rebuild={"imageRef": IMAGE})).status
        assert 400 == (await world.act(id, at="2.86", rescue={"rescue_image_ref": IMAGE})).status
        moved = await world.act(id, by="root", migrate=None)
        assert 409 == moved.status
        assert "kept by host" in moved.body["conflictingRequest"]["message"]
        assert "ACTIVE" == (await world.show(id))["status"]
        await world.flavor("big", vcpus=2, ram=1024, disk=0)
        assert 202 == (await world.act(id, resize={"flavorRef": "big"})).status
        await world.settle()
        assert 204 == (await world.act(id, confirmResize=None)).status
        await world.settle()
        assert "ACTIVE" == (await world.show(id))["status"]
        assert 200 == (await world.act(id, at="2.87", rescue={"rescue_image_ref": IMAGE})).status
        await world.settle()
        assert "RESCUE" == (await world.show(id))["status"]
        assert 1 == len(await listed(world, id))


async def test_a_server_that_boots_from_a_volume_is_rebuilt_and_keeps_the_volume() -> None:
    async with a_world(volumes=True) as world:
        id = await boot(world, ROOT, BLANK)
        before = await listed(world, id)
        root = before[0]["volumeId"]
        answered = await world.act(id, at="2.93", rebuild={"imageRef": IMAGE, "name": "anew"})
        assert 202 == answered.status, answered.body
        assert "REBUILD" == (await world.show(id))["status"]
        await world.settle()
        server = await world.show(id)
        assert ("ACTIVE", "anew", "") == (server["status"], server["name"], server["image"])
        assert before == await listed(world, id)
        assert ("in-use", {one["volumeId"] for one in before}) == (await status(world, root), await seen(world, id))
        world.backends["h1"].fail_next("ensure_disk", "the disk is full", times=1000)
        await world.act(id, at="2.93", rebuild={"imageRef": IMAGE})
        await world.settle()
        assert "ERROR" == (await world.show(id))["status"]
