"""Snapshots, backups, clones, groups and images of volumes hold what the volume held."""

import base64
import json
from typing import Any

import pytest
from tests.block_storage.world import IMAGE, World, a_world
from tests.compute.fakes import an_image

from pileus.block_storage.drivers.interface import Kind

OF_SERVER = "22222222-2222-4222-8222-222222222222"


async def a_snapshot(world: World, volume: str, **more: Any) -> str:
    made = await world.got("POST", "/snapshots", {"snapshot": {"volume_id": volume, "name": "s", **more}})
    await world.settle()
    return str(made["snapshot"]["id"])


async def a_backup(world: World, volume: str, **more: Any) -> str:
    made = await world.got("POST", "/backups", {"backup": {"volume_id": volume, "name": "b", **more}})
    await world.settle()
    return str(made["backup"]["id"])


def written(world: World, volume: str, content: bytes | None = None) -> bytes:
    if content is not None:
        world.backends["h1"].write(Kind.VOLUME, volume, content)
    return world.backends["h1"].read(Kind.VOLUME, volume)


async def test_an_image_that_boots_from_a_snapshot_stands_for_that_since_3_46() -> None:
    async with a_world() as world:
        volume = await world.volume(imageRef=IMAGE)
        written(world, volume, b"then")
        snapshot = await a_snapshot(world, volume)
        disks = [{"source_type": "blank"}, {"source_type": "snapshot", "boot_index": 0, "snapshot_id": snapshot}]
        says = {"block_device_mapping": json.dumps(disks), "bdm_v2": "True"}
        world.images.images[OF_SERVER] = an_image(
            id=OF_SERVER, name="of a server", size=0, disk_format="raw", properties=says
        )
        asked = {"volume": {"size": 1, "imageRef": OF_SERVER}}
        made = (await world.got("POST", "/volumes", asked, at="3.46"))["volume"]
        sizeless = (await world.got("POST", "/volumes", {"volume": {"imageRef": OF_SERVER}}))["volume"]
        blank = (await world.got("POST", "/volumes", asked, at="3.45"))["volume"]
        await world.settle()
        assert (snapshot, snapshot, None) == (made["snapshot_id"], sizeless["snapshot_id"], blank["snapshot_id"])
        assert 2 * [b"then"] == [written(world, each["id"]) for each in (made, sizeless)]
        for each in (made, sizeless):
            await world.ask("DELETE", f"/volumes/{each['id']}")
        await world.ask("DELETE", f"/snapshots/{snapshot}")
        await world.settle()
        gone = await world.ask("POST", "/volumes", asked)
        assert (404, True) == (gone.status, f"boot volume snapshot id:{snapshot}" in str(gone.body))
        for odd in ("no list", '[{"source_type": "volume", "boot_index": 0}]', '[{"boot_index": "x"}]'):
            world.images.images[OF_SERVER] = an_image(id=OF_SERVER, properties={"block_device_mapping": odd})
            assert (await world.got("POST", "/volumes", asked))["volume"]["snapshot_id"] is None


async def test_a_volume_made_of_a_snapshot_holds_what_was_there_then() -> None:
    async with a_world() as world:
        volume = await world.volume(size=2)
        written(world, volume, b"then")
        snapshot = await a_snapshot(world, volume)
        shown = await world.show(snapshot, of="snapshot")
        assert ("available", 2, "100%") == (
            shown["status"], shown["size"], shown["os-extended-snapshot-attributes:progress"],
        )  # fmt: skip
        written(world, volume, b"now")
        assert 400 == (await world.ask("POST", "/volumes", {"volume": {"size": 1, "snapshot_id": snapshot}})).status
        clone = await world.volume(size=3, snapshot_id=snapshot)
        assert (b"then", 3) == (written(world, clone), (await world.show(clone))["size"])
        copy = await world.volume(source_volid=volume, size=2)
        assert b"now" == written(world, copy)


async def test_a_volume_with_snapshots_is_deleted_only_with_them() -> None:
    async with a_world() as world:
        volume = await world.volume()
        snapshot = await a_snapshot(world, volume)
        refused = await world.ask("DELETE", f"/volumes/{volume}")
        assert 400 == refused.status
        assert "snapshots" in refused.body["badRequest"]["message"]
        assert 202 == (await world.ask("DELETE", f"/volumes/{volume}?cascade=true")).status
        await world.settle()
        assert 404 == (await world.ask("GET", f"/snapshots/{snapshot}")).status
        assert 404 == (await world.ask("GET", f"/volumes/{volume}")).status
        assert {} == await world.backends["h1"].observe(Kind.SNAPSHOT)


async def test_a_volume_goes_back_to_its_newest_snapshot_only() -> None:
    async with a_world() as world:
        volume = await world.volume()
        written(world, volume, b"one")
        old = await a_snapshot(world, volume)
        written(world, volume, b"two")
        world.clock.move(1)
        new = await a_snapshot(world, volume)
        written(world, volume, b"three")
        assert 400 == (await world.act(volume, revert={"snapshot_id": old})).status
        assert 202 == (await world.act(volume, revert={"snapshot_id": new})).status
        assert "reverting" == (await world.show(volume))["status"]
        await world.settle()
        assert ("available", b"two") == ((await world.show(volume))["status"], written(world, volume))


async def test_backups_are_restored_to_new_and_to_existing_volumes() -> None:
    async with a_world() as world:
        volume = await world.volume(metadata={"kept": "yes"})
        written(world, volume, b"monday")
        full = await a_backup(world, volume)
        assert "available" == (await world.show(volume))["status"]
        written(world, volume, b"tuesday")
        more = await a_backup(world, volume, incremental=True)
        shown = await world.show(full, of="backup")
        assert ("available", False, True) == tuple(
            shown[name] for name in ("status", "is_incremental", "has_dependent_backups")
        )
        assert 400 == (await world.ask("DELETE", f"/backups/{full}")).status
        made = await world.got("POST", f"/backups/{more}/restore", {"restore": {}})
        assert "restoring-backup" == (await world.show(made["restore"]["volume_id"]))["status"]
        await world.settle()
        assert b"tuesday" == written(world, made["restore"]["volume_id"])
        assert {"kept": "yes"} == (await world.show(made["restore"]["volume_id"]))["metadata"]
        await world.got("POST", f"/backups/{full}/restore", {"restore": {"volume_id": volume}})
        await world.settle()
        assert ("available", b"monday") == ((await world.show(volume))["status"], written(world, volume))
        assert "available" == (await world.show(full, of="backup"))["status"]
        for backup in (more, full):
            assert 202 == (await world.ask("DELETE", f"/backups/{backup}")).status
            await world.settle()
        assert {} == await world.backends["h1"].observe(Kind.BACKUP)


async def test_an_incremental_backup_needs_one_before() -> None:
    async with a_world() as world:
        volume = await world.volume()
        asked = {"backup": {"volume_id": volume, "incremental": True}}
        assert 400 == (await world.ask("POST", "/backups", asked)).status


async def test_a_backup_can_be_known_once_more_by_its_record_and_its_bytes_stay_for_the_other() -> None:
    async with a_world() as world:
        volume = await world.volume()
        written(world, volume, b"monday")
        backup = await a_backup(world, volume)
        record = await world.got("GET", f"/backups/{backup}/export_record", by="root")
        assert 400 == (await world.ask("POST", "/backups/import_record", record, by="root")).status
        said = json.loads(base64.b64decode(record["backup-record"]["backup_url"]))
        said["id"] = "77777777-7777-4777-8777-777777777777"
        record["backup-record"]["backup_url"] = base64.b64encode(json.dumps(said).encode()).decode()
        known = (await world.got("POST", "/backups/import_record", record, by="root"))["backup"]["id"]
        assert 202 == (await world.ask("DELETE", f"/backups/{backup}")).status
        await world.settle()
        made = await world.got("POST", f"/backups/{known}/restore", {"restore": {}}, by="root")
        await world.settle()
        assert b"monday" == written(world, made["restore"]["volume_id"])
        record["backup-record"]["backup_url"] = "bm90IGEgcmVjb3Jk"
        assert 400 == (await world.ask("POST", "/backups/import_record", record, by="root")).status


async def test_an_image_of_a_volume_holds_it() -> None:
    async with a_world() as world:
        volume = await world.volume()
        answered = await world.act(volume, os__volume_upload_image={"image_name": "i", "disk_format": "raw"})
        assert 202 == answered.status
        image = answered.body["os-volume_upload_image"]["image_id"]
        assert "uploading" == (await world.show(volume))["status"]
        await world.settle()
        assert "available" == (await world.show(volume))["status"]
        assert "active" == world.images.images[image].status


async def test_an_image_that_could_not_be_made_is_not_left_over() -> None:
    async with a_world() as world:
        volume = await world.volume()
        world.images.full = True
        await world.act(volume, os__volume_upload_image={"image_name": "i"})
        await world.settle()
        assert ("available", {IMAGE}) == ((await world.show(volume))["status"], set(world.images.images))


async def test_a_volume_is_made_anew_of_an_image() -> None:
    async with a_world() as world:
        volume = await world.volume()
        written(world, volume, b"old")
        assert 202 == (await world.act(volume, os__reimage={"image_id": IMAGE})).status
        await world.settle()
        shown = await world.show(volume)
        assert ("available", "true", IMAGE.encode()) == (shown["status"], shown["bootable"], written(world, volume))


async def test_a_transferred_volume_is_the_other_projects_with_its_snapshots() -> None:
    async with a_world() as world:
        volume = await world.volume()
        snapshot = await a_snapshot(world, volume)
        offer = (await world.got("POST", "/volume-transfers", {"transfer": {"volume_id": volume}}))["transfer"]
        assert "awaiting-transfer" == (await world.show(volume))["status"]
        path = f"/volume-transfers/{offer['id']}/accept"
        assert 400 == (await world.ask("POST", path, {"accept": {"auth_key": "wrong"}}, by="bob")).status
        await world.got("POST", path, {"accept": {"auth_key": offer["auth_key"]}}, by="bob")
        assert 404 == (await world.ask("GET", f"/volumes/{volume}")).status
        assert "available" == (await world.show(volume, by="bob"))["status"]
        assert snapshot == (await world.show(snapshot, by="bob", of="snapshot"))["id"]


async def test_groups_are_snapshot_and_copied_as_one() -> None:
    async with a_world() as world:
        type = (await world.got("POST", "/group_types", {"group_type": {"name": "g"}}, by="root"))["group_type"]["id"]
        default = (await world.got("GET", "/types/default"))["volume_type"]["id"]
        asked = {"group": {"name": "g", "group_type": type, "volume_types": [default]}}
        group = (await world.got("POST", "/groups", asked))["group"]["id"]
        one = await world.volume(group_id=group, volume_type=default)
        two = await world.volume()
        assert 202 == (await world.ask("PUT", f"/groups/{group}", {"group": {"add_volumes": two}})).status
        shown = (await world.got("GET", f"/groups/{group}?list_volume=true"))["group"]
        assert {one, two} == set(shown["volumes"])
        written(world, one, b"1")
        made = await world.got("POST", "/group_snapshots", {"group_snapshot": {"group_id": group, "name": "gs"}})
        taken = made["group_snapshot"]["id"]
        await world.settle()
        assert "available" == (await world.show(taken, of="group_snapshot"))["status"]
        asked = {"create-from-src": {"name": "copy", "group_snapshot_id": taken}}
        copy = (await world.got("POST", "/groups/action", asked))["group"]["id"]
        await world.settle()
        assert "available" == (await world.show(copy, of="group"))["status"]
        inside = (await world.got("GET", f"/groups/{copy}?list_volume=true"))["group"]["volumes"]
        assert {b"1", b""} == {written(world, volume) for volume in inside}
        assert 400 == (await world.act(copy, of="group", delete={"delete-volumes": False})).status
        assert 202 == (await world.act(copy, of="group", delete={"delete-volumes": True})).status
        assert 202 == (await world.ask("DELETE", f"/group_snapshots/{taken}")).status
        await world.settle()
        assert 404 == (await world.ask("GET", f"/groups/{copy}")).status
        assert [] == (await world.got("GET", "/snapshots"))["snapshots"]


@pytest.mark.parametrize("what", ["volume", "snapshot"])
async def test_metadata_is_set_shown_and_dropped(what: str) -> None:
    async with a_world() as world:
        id = await world.volume()
        if what == "snapshot":
            id = await a_snapshot(world, id)
        path = f"/{what}s/{id}/metadata"
        first = await world.ask("POST", path, {"metadata": {"a": "1", "b": "2"}})
        assert {"a": "1", "b": "2"} == first.body["metadata"]
        assert 412 == (await world.ask("PUT", path, {"metadata": {}}, headers={"if-match": '"nonsense"'})).status
        assert {"meta": {"a": "3"}} == await world.got("PUT", path + "/a", {"meta": {"a": "3"}})
        assert 200 == (await world.ask("DELETE", path + "/b")).status
        assert 404 == (await world.ask("GET", path + "/b")).status
        assert {"metadata": {"a": "3"}} == await world.got("GET", path)


async def test_older_clients_know_groups_as_consistency_groups() -> None:
    async with a_world() as world:
        asked = {"consistencygroup": {"name": "c", "volume_types": "__DEFAULT__"}}
        group = (await world.got("POST", "/consistencygroups", asked, at="3.0"))["consistencygroup"]["id"]
        volume = await world.volume()
        added = {"consistencygroup": {"add_volumes": volume}}
        assert 202 == (await world.ask("PUT", f"/consistencygroups/{group}/update", added)).status
        made = await world.got("POST", "/cgsnapshots", {"cgsnapshot": {"consistencygroup_id": group}})
        taken = made["cgsnapshot"]["id"]
        await world.settle()
        assert ["available"] == [
            each["status"] for each in (await world.got("GET", "/cgsnapshots/detail"))["cgsnapshots"]
        ]
        copied = {"consistencygroup-from-src": {"name": "d", "cgsnapshot_id": taken}}
        copy = (await world.got("POST", "/consistencygroups/create_from_src", copied))["consistencygroup"]["id"]
        await world.settle()
        shown = (await world.got("GET", f"/consistencygroups/{copy}"))["consistencygroup"]
        assert ("d", "available") == (shown["name"], shown["status"])
        assert 202 == (await world.ask("DELETE", f"/cgsnapshots/{taken}")).status
        await world.settle()
        for each in (group, copy):
            path = f"/consistencygroups/{each}/delete"
            assert 400 == (await world.ask("POST", path, {"consistencygroup": {"force": False}})).status
            assert 202 == (await world.ask("POST", path, {"consistencygroup": {"force": True}})).status
        await world.settle()
        assert [] == (await world.got("GET", "/consistencygroups"))["consistencygroups"]
        assert [] == (await world.got("GET", "/volumes"))["volumes"]
