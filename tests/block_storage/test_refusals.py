"""What is asked of volumes and must not be: each is refused with the status and the words clients know, and nothing is done."""

from typing import Any

import pytest
from tests.block_storage.world import IMAGE, World, a_store, a_world

from pileus.block_storage.config import BlockStorageConfig
from pileus.kit.auth import Caller
from pileus.ports.image import NewImage

SERVER = "44444444-4444-4444-8444-444444444444"
NOWHERE = "99999999-9999-4999-8999-999999999999"
ALICE = Caller(user_id="alice", project_id="p1", roles=frozenset({"member"}))


async def a_type(world: World, name: str, **specs: str) -> str:
    body = {"volume_type": {"name": name, "extra_specs": specs}}
    return str((await world.got("POST", "/types", body, by="root"))["volume_type"]["id"])


async def a_group(world: World, *types: str) -> str:
    kind = await world.got("POST", "/group_types", {"group_type": {"name": "kind"}}, by="root")
    asked = {"group": {"group_type": kind["group_type"]["id"], "volume_types": list(types)}}
    return str((await world.got("POST", "/groups", asked))["group"]["id"])


async def a_snapshot(world: World, volume: str) -> str:
    made = await world.got("POST", "/snapshots", {"snapshot": {"volume_id": volume}})
    await world.settle()
    return str(made["snapshot"]["id"])


async def attached(world: World, volume: str) -> str:
    asked = {"volume_uuid": volume, "instance_uuid": SERVER, "connector": {"host": "h1"}}
    made = await world.got("POST", "/attachments", {"attachment": asked})
    id = str(made["attachment"]["id"])
    await world.got("POST", f"/attachments/{id}/action", {"os-complete": {}})
    return id


async def refused(world: World, status: int, words: str, method: str, path: str, body: Any = None, **more: Any) -> None:
    answered = await world.ask(method, path, body, **more)
    assert status == answered.status, answered.body
    assert words.lower() in str(answered.body).lower(), answered.body


async def force_delete(world: World, id: str, of: str = "volume") -> int:
    return (await world.act(id, of=of, by="root", os__force_delete={})).status


async def test_what_a_server_has_is_not_deleted_by_force_either() -> None:
    async with a_world() as world:
        volume = await world.volume()
        attachment = await attached(world, volume)
        assert 400 == await force_delete(world, volume)
        for query in ("force=true", "force=true&cascade=true"):
            await refused(world, 400, "attached", "DELETE", f"/volumes/{volume}?{query}", by="root")
        await world.got("DELETE", f"/attachments/{attachment}")
        assert "available" == (await world.show(volume))["status"]
        await world.act(volume, by="root", os__reset_status={"status": "creating"})
        assert 202 == await force_delete(world, volume)
        await world.settle()
        assert 404 == (await world.ask("GET", f"/volumes/{volume}")).status


async def test_snapshots_go_with_their_volume_only_if_that_is_said_and_they_may() -> None:
    async with a_world() as world:
        volume = await world.volume()
        snapshot = await a_snapshot(world, volume)
        assert 400 == await force_delete(world, volume)
        await world.act(snapshot, of="snapshot", by="root", os__reset_status={"status": "backing-up"})
        await refused(world, 400, f"snapshot {snapshot} is backing-up", "DELETE", f"/volumes/{volume}?cascade=true")
        await world.act(snapshot, of="snapshot", by="root", os__reset_status={"status": "available"})
        offer = {"transfer": {"volume_id": volume, "no_snapshots": True}}
        made = (await world.got("POST", "/volume-transfers", offer))["transfer"]
        accept = {"accept": {"auth_key": made["auth_key"]}}
        await world.got("POST", f"/volume-transfers/{made['id']}/accept", accept, by="bob")
        path = f"/volumes/{volume}?cascade=true"
        await refused(world, 400, "another project's", "DELETE", path, by="bob")
        assert 202 == (await world.ask("DELETE", path, by="root")).status
        await refused(world, 400, "must be available or error", "DELETE", f"/volumes/{volume}", by="bob")
        await world.settle()
        assert 404 == (await world.ask("GET", f"/snapshots/{snapshot}")).status


async def test_a_group_keeps_its_volumes_and_their_snapshots() -> None:
    async with a_world() as world:
        kind, other = await a_type(world, "kind"), await a_type(world, "other")
        group = await a_group(world, kind)
        volume = await world.volume(volume_type=kind, group_id=group)
        taken = await world.got("POST", "/group_snapshots", {"group_snapshot": {"group_id": group}})
        await world.settle()
        (snapshot,) = (await world.got("GET", "/snapshots"))["snapshots"]
        assert 400 == await force_delete(world, volume)
        assert 400 == await force_delete(world, snapshot["id"], "snapshot")
        await world.got("DELETE", f"/group_snapshots/{taken['group_snapshot']['id']}")
        await world.settle()
        for action in ({"os__retype": {"new_type": other}}, {"os__unmanage": {}}):
            assert 400 == (await world.act(volume, by="root", **action)).status
        path, words = f"/groups/{group}", "both to be added and to be removed"
        await refused(world, 400, words, "PUT", path, {"group": {"add_volumes": volume, "remove_volumes": volume}})
        await refused(world, 400, "nothing to change", "PUT", path, {"group": {"remove_volumes": ""}})
        await refused(world, 400, "volume_types", "POST", "/groups", {"group": {"group_type": "x", "volume_types": []}})
        unnamed = {"volume": {"size": 1, "group_id": group}}
        await refused(world, 400, "volume_type must be provided", "POST", "/volumes", unnamed)


async def test_on_a_frozen_back_end_nothing_is_made_or_removed() -> None:
    async with a_world() as world:
        volume = await world.volume()
        snapshot = await a_snapshot(world, volume)
        await world.ask("PUT", "/os-services/freeze", {"host": "h1@fake"}, by="root")
        await refused(world, 400, "frozen", "DELETE", f"/volumes/{volume}?cascade=true")
        await refused(world, 400, "frozen", "DELETE", f"/snapshots/{snapshot}")
        await refused(world, 400, "frozen", "POST", "/snapshots", {"snapshot": {"volume_id": volume}})
        await world.ask("PUT", "/os-services/thaw", {"host": "h1@fake"}, by="root")
        assert 202 == (await world.ask("DELETE", f"/volumes/{volume}?cascade=true")).status


async def test_a_snapshot_is_not_deleted_while_its_volume_goes_back_to_it() -> None:
    async with a_world() as world:
        volume = await world.volume()
        snapshot = await a_snapshot(world, volume)
        assert 202 == (await world.act(volume, revert={"snapshot_id": snapshot})).status
        assert "restoring" == (await world.show(snapshot, of="snapshot"))["status"]
        await refused(world, 400, "status must be available", "DELETE", f"/snapshots/{snapshot}")
        await world.settle()
        assert "available" == (await world.show(snapshot, of="snapshot"))["status"]
        world.backends["h1"].fail_next("ensure_disk", "broken", times=100)
        await world.act(volume, revert={"snapshot_id": snapshot})
        await world.settle()
        assert "available" == (await world.show(snapshot, of="snapshot"))["status"]


async def test_images_are_named_by_id_address_or_name_and_somebody_says_how_large_the_volume_is() -> None:
    async with a_world() as world:
        image = await world.images.get(IMAGE, ALICE)
        assert image is not None
        for said in (IMAGE, f"http://images/v2/images/{IMAGE}", image.name):
            volume = await world.volume(imageRef=said)
            assert IMAGE == (await world.show(volume))["volume_image_metadata"]["image_id"]
        await refused(world, 400, "must be an integer", "POST", "/volumes", {"volume": {"imageRef": IMAGE}})
        another = NewImage(name=str(image.name), owner="p1", disk_format="raw")
        await world.images.create(NOWHERE, another)
        await refused(world, 409, "Multiple", "POST", "/volumes", {"volume": {"size": 1, "imageRef": image.name}})
        replica = {"volume": {"size": 1, "source_replica": {}}}
        await refused(world, 400, "replica", "POST", "/volumes", replica, at="3.0")


async def test_a_volume_for_no_zone_goes_where_there_is_one_if_operators_said_so() -> None:
    body = {"volume": {"size": 1, "availability_zone": "mars"}}
    async with a_world() as world:
        await refused(world, 400, "'mars' is invalid", "POST", "/volumes", body)
    async with a_world(config=BlockStorageConfig(zone_fallback=True)) as world:
        assert "nova" == (await world.got("POST", "/volumes", body))["volume"]["availability_zone"]


async def test_what_several_servers_share_is_not_encrypted_and_not_cached() -> None:
    async with a_world() as world:
        shared = await a_type(world, "shared", multiattach="<is> True")
        encryption = {"encryption": {"provider": "luks", "control_location": "front-end"}}
        await refused(world, 400, "encrypted", "POST", f"/types/{shared}/encryption", encryption, by="root")
        cached = {"extra_specs": {"cacheable": "<is> True"}}
        await refused(world, 400, "cacheable", "POST", f"/types/{shared}/extra_specs", cached, by="root")
        specs = {"multiattach": "<is> True", "cacheable": "<is> True"}
        await refused(
            world, 400, "cacheable", "POST", "/types", {"volume_type": {"name": "x", "extra_specs": specs}}, by="root"
        )


async def test_older_clients_call_the_encryption_of_a_type_provider() -> None:
    async with a_world() as world:
        kind = await a_type(world, "kind")
        path = f"/types/{kind}/encryption"
        given = {"provider": "luks", "control_location": "front-end", "key_size": "256", "cipher": "aes-xts-plain64"}
        wrong = {"encryption": given | {"key_size": -1}}
        await refused(world, 400, "key_size", "POST", path, wrong, by="root")
        made = await world.got("POST", path, {"encryption": given}, by="root")
        assert 256 == made["encryption"]["key_size"]
        longer = {"encryption": {"key_size": 512}}
        assert longer == await world.got("PUT", f"{path}/provider", longer, by="root")
        volume = await world.volume(volume_type="kind")
        shown = await world.got("GET", f"/volumes/{volume}/encryption")
        assert (await world.show(volume))["encryption_key_id"] == shown["encryption_key_id"]
        plain = await world.volume()
        assert {"encryption_key_id": None} == await world.got("GET", f"/volumes/{plain}/encryption")
        await refused(world, 400, "type in use", "DELETE", f"{path}/provider", by="root")
        await world.got("DELETE", f"/volumes/{volume}")
        await world.settle()
        assert 202 == (await world.ask("DELETE", f"{path}/provider", by="root")).status
        await refused(world, 404, "does not exist", "DELETE", f"{path}/provider", by="root")


async def test_another_type_is_not_given_where_its_quota_is_used_up() -> None:
    async with a_world() as world:
        await a_type(world, "scarce")
        volume = await world.volume(size=2)
        for quota in ({"volumes_scarce": 0}, {"volumes_scarce": 1, "gigabytes_scarce": 1}):
            await world.got("PUT", "/os-quota-sets/p1", {"quota_set": quota}, by="root")
            assert 413 == (await world.act(volume, os__retype={"new_type": "scarce"})).status
        # What it has in all does not become more by that.
        wide = {"gigabytes_scarce": 2, "volumes": 1, "gigabytes": 2}
        await world.got("PUT", "/os-quota-sets/p1", {"quota_set": wide}, by="root")
        assert 202 == (await world.act(volume, os__retype={"new_type": "scarce"})).status


async def test_quotas_below_what_is_used_are_refused_where_that_is_asked_and_classes_have_their_own() -> None:
    async with a_world() as world:
        await world.volume(size=2)
        wanted: dict[str, object] = {"quota_set": {"gigabytes": 1, "skip_validation": False}}
        await refused(world, 400, "existing resources", "PUT", "/os-quota-sets/p1", wanted, by="root")
        assert 200 == (await world.ask("PUT", "/os-quota-sets/p1", {"quota_set": {"gigabytes": 1}}, by="root")).status
        path, gold = "/os-quota-class-sets/gold", {"quota_class_set": {"volumes": 44}}
        assert 44 == (await world.got("PUT", path, gold, by="root"))["quota_class_set"]["volumes"]
        assert 44 == (await world.got("GET", path, by="root"))["quota_class_set"]["volumes"]
        assert 10 == (await world.got("GET", "/os-quota-class-sets/default", by="root"))["quota_class_set"]["volumes"]
        assert 10 == (await world.got("GET", "/os-quota-sets/p1"))["quota_set"]["volumes"]
        await refused(world, 400, "usage", "GET", "/os-quota-sets/p1?usage=perhaps")


@pytest.mark.parametrize(
    "attach",
    [{"instance_uuid": SERVER}, {"instance_uuid": SERVER, "host_name": "h", "mountpoint": "/dev/vdb"},
     {"mountpoint": "/dev/vdb"}, {"instance_uuid": SERVER, "mountpoint": ""}],
)  # fmt: skip
async def test_who_attaches_by_the_volume_says_to_one_thing_and_as_what(attach: dict[str, str]) -> None:
    async with a_world() as world:
        assert 400 == (await world.act(await world.volume(), os__attach=attach)).status


async def test_how_older_clients_have_a_volume_is_shown_and_giving_it_back_twice_is_fine() -> None:
    async with a_world() as world:
        volume = await world.volume()
        await world.act(volume, os__attach={"instance_uuid": SERVER, "mountpoint": "/dev/vdb"})
        assert {"attached_mode": "rw", "readonly": "False"} == (await world.show(volume))["metadata"]
        await world.act(volume, os__begin_detaching={})
        assert 202 == (await world.act(volume, os__detach={"attachment_id": NOWHERE})).status
        assert "in-use" == (await world.show(volume))["status"]
        for _ in range(2):
            assert 202 == (await world.act(volume, os__detach={})).status
        assert ("available", {}) == ((shown := await world.show(volume))["status"], shown["metadata"])
        await world.act(volume, by="root", os__reset_status={"status": "awaiting-transfer"})
        await world.act(volume, os__detach={})
        assert "awaiting-transfer" == (await world.show(volume))["status"]


async def test_a_holder_that_is_detached_by_force_does_not_free_the_volume_of_others() -> None:
    async with a_world() as world:
        await a_type(world, "shared", multiattach="<is> True")
        volume = await world.volume(volume_type="shared")
        for n in "12":
            await world.act(volume, os__attach={"instance_uuid": SERVER[:-1] + n, "mountpoint": f"/dev/vd{n}"})
        first, second = (await world.show(volume))["attachments"]
        await world.act(volume, by="root", os__force_detach={"attachment_id": first["attachment_id"]})
        shown = await world.show(volume)
        assert ("in-use", [second["attachment_id"]]) == (
            shown["status"], [each["attachment_id"] for each in shown["attachments"]],
        )  # fmt: skip


async def test_volumes_grow_by_sizes_in_words_and_are_shown_of_which_type_they_are_uploaded() -> None:
    async with a_world() as world:
        volume = await world.volume()
        assert 202 == (await world.act(volume, os__extend={"new_size": "3"})).status
        await world.settle()
        assert 3 == (await world.show(volume))["size"]
        assert 400 == (await world.act(volume, os__extend={"new_size": "0"})).status
        answered = await world.act(volume, os__volume_upload_image={"image_name": "i"})
        told = answered.body["os-volume_upload_image"]["volume_type"]
        assert ("__DEFAULT__", {}, None) == (told["name"], told["extra_specs"], told["qos_specs_id"])


async def test_admins_say_statuses_in_any_letters_and_properties_of_images_may_be_long() -> None:
    async with a_world() as world:
        volume = await world.volume()
        assert 202 == (await world.act(volume, by="root", os__reset_status={"status": "ERROR"})).status
        assert "error" == (await world.show(volume))["status"]
        properties = {"hw:a/b": "y" * 300}
        assert 200 == (await world.act(volume, os__set_image_metadata={"metadata": properties})).status
        assert properties == (await world.show(volume))["volume_image_metadata"]


async def test_a_volume_that_moves_keeps_its_name_and_nobody_completes_that_for_it() -> None:
    async with a_world("h1", more={"h1": [a_store("second")]}) as world:
        volume = await world.volume()
        place = (await world.show(volume, by="root"))["os-vol-host-attr:host"]
        there = "h1@second#second" if place == "h1@fake#fake" else "h1@fake#fake"
        assert 202 == (await world.act(volume, by="root", os__migrate_volume={"host": there})).status
        await refused(world, 400, "maintenance", "PUT", f"/volumes/{volume}", {"volume": {"name": "two"}})
        end = {"os-migrate_volume_completion": {"new_volume": NOWHERE}}
        await refused(world, 404, NOWHERE, "POST", f"/volumes/{volume}/action", end, by="root")
        await world.settle()
        assert (there, "success") == (
            (shown := await world.show(volume, by="root"))["os-vol-host-attr:host"], shown["migration_status"],
        )  # fmt: skip
        await world.act(volume, by="root", os__reset_status={"migration_status": "migrating"})
        await refused(world, 400, "migrating", "POST", "/snapshots", {"snapshot": {"volume_id": volume}})


async def test_what_is_offered_is_whole() -> None:
    async with a_world() as world:
        volume = await world.volume()
        snapshot = await a_snapshot(world, volume)
        await world.act(snapshot, of="snapshot", by="root", os__reset_status={"status": "error"})
        offer: dict[str, Any] = {"volume_id": volume}
        await refused(
            world, 400, f"{snapshot} status must be available", "POST", "/volume-transfers", {"transfer": offer}
        )
        offer["no_snapshots"] = True
        assert 202 == (await world.ask("POST", "/volume-transfers", {"transfer": offer})).status


async def test_backups_of_what_is_in_use_say_that_they_need_force() -> None:
    async with a_world() as world:
        volume = await world.volume()
        await world.act(volume, os__attach={"instance_uuid": SERVER, "mountpoint": "/dev/vdb"})
        asked = {"backup": {"volume_id": volume}}
        await refused(world, 400, "in-use volume must use the force flag", "POST", "/backups", asked)


async def test_how_far_a_snapshot_is_ends_at_a_hundred() -> None:
    async with a_world() as world:
        snapshot = await a_snapshot(world, await world.volume())
        await world.act(snapshot, of="snapshot", by="root", os__reset_status={"status": "creating"})
        for progress, status in (("101%", 400), ("50", 400), ("100%", 202)):
            said = {"status": "creating", "progress": progress}
            answered = await world.act(snapshot, of="snapshot", os__update_snapshot_status=said)
            assert status == answered.status, progress
        await refused(world, 404, "Volume None", "POST", "/snapshots", {"snapshot": {"volume_id": None}})
