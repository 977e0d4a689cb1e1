"""What python-cinderclient, python-openstackclient and the SDK send and look for beyond what the API's reference says."""

import pytest
from tests.block_storage.test_attachments import CONNECTOR, SERVER, reserved
from tests.block_storage.test_copies import a_snapshot
from tests.block_storage.world import a_world


@pytest.mark.parametrize("by_query", [True, False])
async def test_force_takes_no_disk_from_a_server_and_no_snapshot_with_it(by_query: bool) -> None:
    async with a_world() as world:
        volume = await world.volume()
        attachment = await reserved(world, volume)
        await world.got("PUT", f"/attachments/{attachment}", {"attachment": {"connector": CONNECTOR}})
        await world.ask("POST", f"/attachments/{attachment}/action", {"os-complete": {}})
        other = await world.volume()
        taken = await a_snapshot(world, other)
        for id in (volume, other):
            if by_query:
                refused = await world.ask("DELETE", f"/volumes/{id}?force=true", by="root")
            else:
                refused = await world.act(id, by="root", os__force_delete=None)
            assert 400 == refused.status, refused.body
        await world.settle()
        assert "in-use" == (await world.show(volume))["status"]
        assert "available" == (await world.show(taken, of="snapshot"))["status"]


async def test_force_deletes_what_is_kept_for_a_server_that_never_came() -> None:
    async with a_world() as world:
        volume = await world.volume()
        await reserved(world, volume)
        assert 400 == (await world.ask("DELETE", f"/volumes/{volume}")).status
        assert 202 == (await world.act(volume, by="root", os__force_delete=None)).status
        await world.settle()
        assert 404 == (await world.ask("GET", f"/volumes/{volume}")).status
        assert [] == (await world.got("GET", "/attachments"))["attachments"]


async def test_consistency_groups_are_changed_where_the_sdk_says_and_made_as_the_oldest_client_does() -> None:
    async with a_world() as world:
        asked = {"name": "c", "volume_types": "__DEFAULT__,", "user_id": None, "project_id": None, "status": "creating"}
        group = (await world.got("POST", "/consistencygroups", {"consistencygroup": asked}))["consistencygroup"]["id"]
        volume = await world.volume()
        changed = {"consistencygroup": {"name": "d", "add_volumes": volume}}
        assert 202 == (await world.ask("PUT", f"/consistencygroups/{group}", changed)).status
        assert "d" == (await world.got("GET", f"/consistencygroups/{group}"))["consistencygroup"]["name"]
        snapshot = {
            "consistencygroup_id": group,
            "name": "s",
            "description": None,
            "user_id": None,
            "status": "creating",
        }
        assert 202 == (await world.ask("POST", "/cgsnapshots", {"cgsnapshot": snapshot})).status
        await world.settle()
        (taken,) = (await world.got("GET", "/cgsnapshots"))["cgsnapshots"]
        await world.ask("DELETE", f"/cgsnapshots/{taken['id']}")
        removed = {"consistencygroup": {"remove_volumes": volume}}
        assert 202 == (await world.ask("PUT", f"/consistencygroups/{group}", removed)).status
        await world.settle()
        path = f"/consistencygroups/{group}/delete"
        assert 400 == (await world.ask("POST", path, {"consistencygruop": {"force": True}})).status
        assert 202 == (await world.ask("POST", path, {"consistency_group": {"force": True}})).status


async def test_replication_of_a_group_is_refused_with_the_reason_however_it_is_asked() -> None:
    async with a_world() as world:
        type = (await world.got("GET", "/group_types"))["group_types"][0]["id"]
        asked = {"group": {"name": "g", "group_type": type, "volume_types": ["__DEFAULT__"]}}
        group = (await world.got("POST", "/groups", asked))["group"]["id"]
        for body in (None, {}):
            refused = await world.act(group, of="group", enable_replication=body)
            assert "do not replicate" in refused.body["badRequest"]["message"]


async def test_who_names_no_mode_attaches_at_any_version() -> None:
    async with a_world() as world:
        asked = {"volume_uuid": await world.volume(), "instance_uuid": SERVER, "mode": None, "connector": {}}
        made = await world.got("POST", "/attachments", {"attachment": asked}, at="3.27")
        await world.got("DELETE", f"/attachments/{made['attachment']['id']}")
        for at, mode in (("3.27", "ro"), ("3.54", "rx")):
            refused = await world.ask("POST", "/attachments", {"attachment": {**asked, "mode": mode}}, at=at)
            assert (400, True) == (refused.status, "mode" in refused.body["badRequest"]["message"])


async def test_who_has_too_much_is_told_in_the_words_and_with_the_header_clients_know() -> None:
    async with a_world() as world:
        refused = await world.ask("POST", "/volumes", {"volume": {"size": 1001}})
        assert (413, "0") == (refused.status, refused.headers["retry-after"])
        told = refused.body["overLimit"]
        assert ("0", True) == (told["retryAfter"], told["message"].startswith("VolumeSizeExceedsAvailableQuota: "))


async def test_a_backup_is_made_in_a_zone_there_is() -> None:
    async with a_world() as world:
        volume = await world.volume()
        refused = await world.ask("POST", "/backups", {"backup": {"volume_id": volume, "availability_zone": "moon"}})
        assert (400, True) == (refused.status, "moon" in refused.body["badRequest"]["message"])
        assert "available" == (await world.show(volume))["status"]


async def test_what_is_no_id_is_said_to_be_none() -> None:
    async with a_world() as world:
        refused = await world.ask("POST", "/volumes", {"volume": {"size": 1, "snapshot_id": "first"}})
        message = refused.body["badRequest"]["message"]
        assert "Invalid input for field/attribute volume.snapshot_id: it is not a UUID." == message


@pytest.mark.parametrize("said", [None, {}, "the attachment's id", ""])
async def test_an_attachment_is_complete_whatever_is_said_beside(said: object) -> None:
    async with a_world() as world:
        volume = await world.volume()
        id = await reserved(world, volume)
        await world.got("PUT", f"/attachments/{id}", {"attachment": {"connector": CONNECTOR}})
        assert 204 == (await world.ask("POST", f"/attachments/{id}/action", {"os-complete": said})).status
        assert "in-use" == (await world.show(volume))["status"]
