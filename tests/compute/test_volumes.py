"""Volumes that come to servers and go from them."""

import asyncio
import json
from typing import Any

import pytest
from tests.compute.fakes import NETWORK
from tests.compute.world import Answered, World, a_world

from pileus.compute.port import GuestAnswers

META_DATA = "/openstack/latest/meta_data.json"
NOWHERE = "99999999-9999-4999-8999-999999999999"
LATEST = "2.104"


async def attach(world: World, id: str, volume: str, *, at: str = "2.100", by: str = "alice", **more: Any) -> Answered:
    body = {"volumeAttachment": {"volumeId": volume, **more}}
    return await world.ask("POST", f"/v2.1/servers/{id}/os-volume_attachments", body, at=at, by=by)


async def detach(world: World, id: str, volume: str, **more: Any) -> Answered:
    return await world.ask("DELETE", f"/v2.1/servers/{id}/os-volume_attachments/{volume}", **more)


async def listed(world: World, id: str, *, at: str = LATEST, query: str = "") -> list[dict[str, Any]]:
    answered = await world.ask("GET", f"/v2.1/servers/{id}/os-volume_attachments{query}", at=at)
    assert 200 == answered.status, answered.body
    found: list[dict[str, Any]] = answered.body["volumeAttachments"]
    return found


async def seen(world: World, id: str, host: str = "h1") -> set[str]:
    return set((await world.drivers[host].look(id)).volumes)


async def status(world: World, volume: str) -> str:
    shown = await world.volume_shown(volume)
    return str(shown["status"])


@pytest.mark.parametrize("first", [None, {"os-stop": None}, {"pause": None}])
async def test_a_server_gets_a_volume_and_loses_it_whatever_it_does(first: dict[str, None] | None) -> None:
    async with a_world(volumes=True) as world:
        id, volume = await world.boot(), await world.volume()
        if first is not None:
            await world.ask("POST", f"/v2.1/servers/{id}/action", first)
            await world.settle()
        answered = await attach(world, id, volume, tag="disk", delete_on_termination=True)
        assert 200 == answered.status, answered.body
        made = {"id": volume, "volumeId": volume, "serverId": id, "device": "/dev/vdb"}
        assert made | {"tag": "disk", "delete_on_termination": True} == answered.body["volumeAttachment"]
        assert "reserved" == await status(world, volume)
        await world.settle()
        shown = await world.volume_shown(volume)
        assert ("in-use", id, "/dev/vdb") == (
            shown["status"], shown["attachments"][0]["server_id"], shown["attachments"][0]["device"],
        )  # fmt: skip
        assert {volume} == await seen(world, id)
        assert 202 == (await detach(world, id, volume)).status
        assert "detaching" == await status(world, volume)
        await world.settle()
        assert "available" == await status(world, volume)
        assert [] == (await world.volume_shown(volume))["attachments"]
        assert set() == await seen(world, id)
        assert [] == await listed(world, id)
        actions = (await world.ask("GET", f"/v2.1/servers/{id}/os-instance-actions")).body["instanceActions"]
        assert ["detach_volume", "attach_volume"] == [action["action"] for action in actions[:2]]


async def test_a_server_that_was_stopped_starts_with_its_volume() -> None:
    async with a_world(volumes=True) as world:
        id, volume = await world.boot(), await world.volume()
        await attach(world, id, volume)
        await world.settle()
        for action in ("os-stop", "os-start"):
            await world.ask("POST", f"/v2.1/servers/{id}/action", {action: None})
            await world.settle()
        assert "ACTIVE" == (await world.show(id))["status"]
        assert {volume} == await seen(world, id)
        assert [{"id": volume, "delete_on_termination": False}] == (await world.show(id, at="2.3"))[
            "os-extended-volumes:volumes_attached"
        ]
        assert [{"id": volume}] == (await world.show(id))["os-extended-volumes:volumes_attached"]


async def test_what_is_shown_of_an_attachment_changes_with_the_version() -> None:
    async with a_world(volumes=True) as world:
        id, volume = await world.boot(), await world.volume()
        await attach(world, id, volume, tag="t")
        await world.settle()
        plain = {"id", "serverId", "volumeId", "device"}
        shapes = {
            "2.1": plain,
            "2.70": plain | {"tag"},
            "2.79": plain | {"tag", "delete_on_termination"},
            "2.89": (plain | {"tag", "delete_on_termination", "attachment_id", "bdm_uuid"}) - {"id"},
        }
        path = f"/v2.1/servers/{id}/os-volume_attachments/{volume}"
        for at, shape in shapes.items():
            assert shape == (await listed(world, id, at=at))[0].keys()
            assert shape == (await world.ask("GET", path, at=at)).body["volumeAttachment"].keys()
        (one,) = await listed(world, id)
        attachment = (await world.ask("GET", f"/v3/attachments/{one['attachment_id']}", of="volume")).body["attachment"]
        assert (id, volume, "attached") == (attachment["instance"], attachment["volume_id"], attachment["status"])


async def test_a_guest_is_told_which_disk_bears_a_tag() -> None:
    async with a_world(volumes=True) as world:
        id, volume, plain = await world.boot(networks=[{"uuid": NETWORK}]), await world.volume(), await world.volume()
        for each, more in ((volume, {"tag": "data"}), (plain, {})):
            await attach(world, id, each, **more)
            await world.settle()
        address = (await world.show(id))["addresses"]["private"][0]["addr"]
        told = await GuestAnswers(world.app).answer(NETWORK, address, "GET", META_DATA, {})
        (disk,) = [device for device in json.loads(told.body)["devices"] if device["type"] == "disk"]
        assert (volume[:20], "/dev/vdb", ["data"]) == (disk["serial"], disk["path"], disk["tags"])


async def test_from_2_101_on_the_answer_waits_for_nothing() -> None:
    async with a_world(volumes=True) as world:
        id, volume = await world.boot(), await world.volume()
        answered = await attach(world, id, volume, at="2.101")
        assert (202, b"") == (answered.status, answered.body)
        await world.settle()
        assert {volume} == await seen(world, id)


async def test_volumes_are_listed_in_parts_and_named_in_their_order() -> None:
    async with a_world(volumes=True) as world:
        id = await world.boot()
        volumes = [await world.volume() for _ in range(3)]
        for volume in volumes:
            await attach(world, id, volume)
            await world.settle()
        assert ["/dev/vdb", "/dev/vdc", "/dev/vdd"] == [one["device"] for one in await listed(world, id)]
        assert volumes[1:2] == [one["volumeId"] for one in await listed(world, id, query="?limit=1&offset=1")]
        await detach(world, id, volumes[0])
        await world.settle()
        other = await world.volume()
        assert "/dev/vdp" == (await attach(world, id, other, device="/dev/vdp")).body["volumeAttachment"]["device"]
        await world.settle()
        await attach(world, id, volumes[0])
        await world.settle()
        assert ["/dev/vdb", "/dev/vdc", "/dev/vdd", "/dev/vdp"] == [one["device"] for one in await listed(world, id)]


async def test_a_guest_that_does_not_let_go_keeps_its_volume() -> None:
    async with a_world(volumes=True) as world:
        id, volume = await world.boot(), await world.volume()
        await attach(world, id, volume)
        await world.settle()
        world.drivers["h1"].deafen(id)
        assert 202 == (await detach(world, id, volume)).status
        await world.settle(until_s=30)
        assert "detaching" == await status(world, volume)
        assert 400 == (await detach(world, id, volume)).status
        await world.settle()
        assert "in-use" == await status(world, volume)
        assert [volume] == [one["volumeId"] for one in await listed(world, id)]
        world.drivers["h1"].run_out_of_patience(id)
        assert 202 == (await detach(world, id, volume)).status
        await world.settle()
        assert "available" == await status(world, volume)


async def test_a_volume_the_host_cannot_attach_is_free_again() -> None:
    async with a_world(volumes=True) as world:
        id, volume = await world.boot(), await world.volume()
        world.drivers["h1"].fail_next("ensure", "no such file")
        await attach(world, id, volume)
        await world.settle()
        assert "available" == await status(world, volume)
        assert [] == await listed(world, id)
        assert "ACTIVE" == (await world.show(id))["status"]


async def test_of_fifty_who_attach_one_volume_at_once_exactly_one_has_it() -> None:
    async with a_world(volumes=True) as world:
        volume = await world.volume()
        servers = [await world.boot(name=f"s{at}") for at in range(5)]
        answers = await asyncio.gather(*(attach(world, id, volume) for _ in range(10) for id in servers))
        assert [200] + [400] * 49 == sorted(answer.status for answer in answers)
        await world.settle()
        assert "in-use" == await status(world, volume)
        assert [volume] == [one["volumeId"] for id in servers for one in await listed(world, id)]
        assert 1 == len((await world.volume_shown(volume))["attachments"])


async def test_wishes_that_cannot_be_met_are_refused_before_anything_is_done() -> None:
    async with a_world(volumes=True) as world:
        id, volume = await world.boot(), await world.volume()
        assert 404 == (await attach(world, id, NOWHERE)).status
        assert 400 == (await attach(world, id, "nonsense")).status
        assert 400 == (await attach(world, id, volume, at="2.48", tag="t")).status
        assert 400 == (await attach(world, id, volume, at="2.78", delete_on_termination=True)).status
        for device in ("what is that", "vdb", "", "/dev/"):
            assert 400 == (await attach(world, id, volume, device=device)).status, device
        nothing = {"volumeAttachment": {"delete_on_termination": True}}
        path = f"/v2.1/servers/{id}/os-volume_attachments/{volume}"
        assert 400 == (await world.ask("PUT", path, nothing, at="2.85")).status
        assert 404 == (await attach(world, id, volume, by="bob")).status
        assert 403 == (await attach(world, id, volume, by="rita")).status
        assert 404 == (await attach(world, id, await world.volume(by="bob"))).status
        assert 404 == (await detach(world, id, volume)).status
        assert 200 == (await attach(world, id, volume)).status
        await world.settle()
        assert 400 == (await attach(world, id, volume)).status
        assert 400 == (await attach(world, await world.boot(), volume)).status
        assert "in-use" == await status(world, volume)


async def test_a_volume_of_another_host_is_refused_and_why() -> None:
    async with a_world("h1", "h2", volumes=True) as world:
        servers = {name: await world.boot(availability_zone=f"nova:{name}", by="root") for name in ("h1", "h2")}
        volume = await world.volume(by="root")
        home = (await world.volume_shown(volume, by="root"))["os-vol-host-attr:host"].split("@")[0]
        (other,) = {"h1", "h2"} - {home}
        refused = await attach(world, servers[other], volume, by="root")
        assert 409 == refused.status
        assert f"file of host {home}" in refused.body["conflictingRequest"]["message"]
        assert "available" == (await world.volume_shown(volume, by="root"))["status"]
        assert 200 == (await attach(world, servers[home], volume, by="root")).status


async def test_volumes_stay_while_the_state_does_not_fit_or_the_server_is_locked() -> None:
    async with a_world(volumes=True) as world:
        id, volume, other = await world.boot(), await world.volume(), await world.volume()
        await attach(world, id, volume)
        await world.settle()
        await world.act(id, by="root", lock=None)
        assert 409 == (await attach(world, id, other)).status
        assert 409 == (await detach(world, id, volume)).status
        await world.act(id, by="root", unlock=None)
        await world.act(id, suspend=None)
        assert 409 == (await attach(world, id, other)).status
        await world.settle()
        assert 409 == (await attach(world, id, other)).status
        assert 409 == (await detach(world, id, volume)).status
        assert ("in-use", "available") == (await status(world, volume), await status(world, other))


async def test_volumes_go_with_their_server_only_if_they_are_to() -> None:
    async with a_world(volumes=True) as world:
        id, goes, stays, changed = await world.boot(), await world.volume(), await world.volume(), await world.volume()
        for volume in (goes, stays, changed):
            await attach(world, id, volume, delete_on_termination=volume == goes)
            await world.settle()
        path = f"/v2.1/servers/{id}/os-volume_attachments/{changed}"
        for wrong in ({"id": goes}, {"serverId": NOWHERE}, {"device": "/dev/vdz"}, {"tag": "t"}):
            body = {"volumeAttachment": {"volumeId": changed, **wrong}}
            assert 400 == (await world.ask("PUT", path, body, at="2.85")).status, wrong
        body = {"volumeAttachment": {"volumeId": changed, "delete_on_termination": True, "device": "/dev/vdd"}}
        assert 202 == (await world.ask("PUT", path, body, at="2.85")).status
        assert 403 == (await world.ask("PUT", path, body | {"volumeAttachment": {"volumeId": goes}}, at="2.85")).status
        assert 204 == (await world.ask("DELETE", f"/v2.1/servers/{id}")).status
        await world.settle()
        assert [None, "available", None] == [
            shown and shown["status"] for shown in [await world.volume_shown(each) for each in (goes, stays, changed)]
        ]


async def test_a_server_has_sixteen_disks_and_no_more() -> None:
    async with a_world(volumes=True) as world:
        quota = {"quota_set": {"volumes": 16, "gigabytes": 16}}
        assert 200 == (await world.ask("PUT", "/v3/os-quota-sets/p1", quota, by="root", of="volume")).status
        id = await world.boot()
        for _ in range(15):
            volume = await world.volume()
            assert 200 == (await attach(world, id, volume)).status
            await world.settle()
        assert 403 == (await attach(world, id, await world.volume())).status
        assert 15 == len(await seen(world, id))


async def test_several_servers_have_a_volume_whose_type_allows_that() -> None:
    async with a_world(volumes=True) as world:
        type = {"volume_type": {"name": "shared", "extra_specs": {"multiattach": "<is> True"}}}
        assert 200 == (await world.ask("POST", "/v3/types", type, by="root", of="volume")).status
        first, second = await world.boot(), await world.boot(name="two")
        volume = await world.volume(volume_type="shared")
        assert 400 == (await attach(world, first, volume, at="2.59")).status
        for id in (first, second):
            assert 200 == (await attach(world, id, volume)).status
            await world.settle()
            assert {volume} == await seen(world, id)
        assert 400 == (await attach(world, first, volume)).status
        assert {first, second} == {one["server_id"] for one in (await world.volume_shown(volume))["attachments"]}
        for id, left in ((second, "in-use"), (first, "available")):
            assert 202 == (await detach(world, id, volume)).status
            assert "detaching" == await status(world, volume)
            await world.settle()
            assert left == await status(world, volume)


async def test_only_compute_takes_a_volume_from_the_server_that_has_it() -> None:
    async with a_world(volumes=True) as world:
        id, volume = await world.boot(), await world.volume()
        assert 200 == (await attach(world, id, volume)).status
        await world.settle()
        attachment = (await world.volume_shown(volume))["attachments"][0]["attachment_id"]
        here: dict[str, Any] = {"connector": {"host": "h1"}}
        for by, action in (
            ("alice", {"os-detach": {}}), ("alice", {"os-detach": {"attachment_id": attachment}}),
            ("alice", {"os-terminate_connection": here}), ("root", {"os-force_detach": {"attachment_id": attachment}}),
        ):  # fmt: skip
            answered = await world.ask("POST", f"/v3/volumes/{volume}/action", action, by=by, of="volume")
            assert (409, f"Detach volume from instance {id} using the Compute API") == (
                answered.status, answered.body["conflictingRequest"]["message"],
            ), action  # fmt: skip
        assert 409 == (await world.ask("DELETE", f"/v3/attachments/{attachment}", of="volume")).status
        assert "in-use" == await status(world, volume)
        assert 202 == (await detach(world, id, volume)).status
        await world.settle()
        assert "available" == await status(world, volume)


async def test_an_attachment_that_no_server_knows_of_is_given_back_by_whoever_made_it() -> None:
    async with a_world(volumes=True) as world:
        id, volume = await world.boot(), await world.volume()
        body = {"attachment": {"volume_uuid": volume, "instance_uuid": id, "connector": {"host": "h1"}}}
        made = await world.ask("POST", "/v3/attachments", body, of="volume")
        assert 200 == made.status, made.body
        gone = await world.ask("DELETE", f"/v3/attachments/{made.body['attachment']['id']}", of="volume")
        assert (200, "available") == (gone.status, await status(world, volume))
