"""A volume is one holder's at a time, whoever else asks; what was given back is free again."""

import asyncio

from tests.block_storage.world import World, a_world

SERVER = "44444444-4444-4444-8444-444444444444"
OTHER = "55555555-5555-4555-8555-555555555555"
CONNECTOR = {"host": "h1", "mountpoint": "/dev/vdb"}


async def reserved(world: World, volume: str, server: str = SERVER) -> str:
    made = await world.got("POST", "/attachments", {"attachment": {"volume_uuid": volume, "instance_uuid": server}})
    return str(made["attachment"]["id"])


async def test_an_attachment_goes_from_reserved_to_attached_and_away() -> None:
    async with a_world() as world:
        volume = await world.volume()
        id = await reserved(world, volume)
        assert "reserved" == (await world.show(volume))["status"]
        connected = await world.got("PUT", f"/attachments/{id}", {"attachment": {"connector": CONNECTOR}})
        assert f"/fake/volume/{volume}" == connected["attachment"]["connection_info"]["device_path"]
        assert "attaching" == (await world.show(volume))["status"]
        assert 204 == (await world.ask("POST", f"/attachments/{id}/action", {"os-complete": {}})).status
        (hidden,) = (await world.show(volume))["attachments"]
        assert hidden["host_name"] is None, "on which host a server is concerns nobody but those who run hosts"
        shown = await world.show(volume, by="root")
        assert "in-use" == shown["status"]
        (attached,) = shown["attachments"]
        assert (SERVER, "/dev/vdb", "h1", id) == tuple(
            attached[name] for name in ("server_id", "device", "host_name", "attachment_id")
        )
        assert 400 == (await world.ask("DELETE", f"/volumes/{volume}")).status
        await world.got("DELETE", f"/attachments/{id}")
        shown = await world.show(volume)
        assert ("available", []) == (shown["status"], shown["attachments"])
        assert 404 == (await world.ask("GET", f"/attachments/{id}")).status


async def test_a_volume_is_not_detached_by_another_ones_attachment() -> None:
    async with a_world() as world:
        volume, other = await world.volume(), await world.volume()
        id = await reserved(world, other)
        assert 400 == (await world.act(volume, os__detach={"attachment_id": id})).status
        assert "reserved" == (await world.show(other))["status"]


async def test_of_fifty_who_race_for_a_volume_one_has_it() -> None:
    async with a_world() as world:
        volume = await world.volume()
        asked = [
            world.ask(
                "POST",
                "/attachments",
                {"attachment": {"volume_uuid": volume, "instance_uuid": OTHER[:-2] + f"{n:02d}"}},
            )
            for n in range(50)
        ]
        statuses = [answered.status for answered in await asyncio.gather(*asked)]
        assert (1, 49) == (statuses.count(200), statuses.count(400))
        assert 1 == len((await world.got("GET", "/attachments"))["attachments"])


async def test_of_fifty_older_clients_who_race_for_a_volume_one_has_it() -> None:
    async with a_world() as world:
        volume = await world.volume()
        answers = await asyncio.gather(*(world.act(volume, os__reserve=None) for _ in range(50)))
        statuses = [answered.status for answered in answers]
        assert (1, 49) == (statuses.count(202), statuses.count(400))


async def test_whoever_reserved_a_volume_one_way_has_it_the_other_way_too() -> None:
    async with a_world() as world:
        volume = await world.volume()
        wanted = {"attachment": {"volume_uuid": volume, "instance_uuid": SERVER}}
        old = {"instance_uuid": OTHER, "mountpoint": "/dev/vdb"}
        assert 202 == (await world.act(volume, os__reserve={})).status
        assert 400 == (await world.ask("POST", "/attachments", wanted)).status
        assert 202 == (await world.act(volume, os__attach=old)).status
        await world.act(volume, os__detach={})
        id = await reserved(world, volume)
        assert 400 == (await world.act(volume, os__attach=old)).status
        await world.got("PUT", f"/attachments/{id}", {"attachment": {"connector": CONNECTOR}})
        assert "attaching" == (await world.show(volume))["status"]
        assert 400 == (await world.act(volume, os__attach=old)).status
        await world.got("DELETE", f"/attachments/{id}")
        await world.act(volume, by="root", os__reset_status={"status": "in-use"})
        assert 400 == (await world.ask("POST", "/attachments", wanted)).status


async def test_a_multi_attach_volume_has_several_holders_but_no_server_twice() -> None:
    async with a_world() as world:
        asked = {"volume_type": {"name": "shared", "extra_specs": {"multiattach": "<is> True"}}}
        await world.got("POST", "/types", asked, by="root")
        volume = await world.volume(volume_type="shared")
        assert (await world.show(volume))["multiattach"]
        first = await reserved(world, volume)
        await reserved(world, volume, OTHER)
        twice = {"attachment": {"volume_uuid": volume, "instance_uuid": SERVER}}
        assert 400 == (await world.ask("POST", "/attachments", twice)).status
        await world.ask("POST", f"/attachments/{first}/action", {"os-complete": {}})
        await world.got("DELETE", f"/attachments/{first}")
        assert "reserved" == (await world.show(volume))["status"]


async def test_older_clients_attach_and_detach_by_the_volume() -> None:
    async with a_world() as world:
        volume = await world.volume()
        assert 202 == (await world.act(volume, os__reserve=None)).status
        assert "attaching" == (await world.show(volume))["status"]
        said = await world.act(volume, os__initialize_connection={"connector": {"host": "h1"}})
        assert "fake" == said.body["connection_info"]["driver_volume_type"]
        attach = {"instance_uuid": SERVER, "mountpoint": "/dev/vdc", "mode": "rw"}
        assert 202 == (await world.act(volume, os__attach=attach)).status
        assert "in-use" == (await world.show(volume))["status"]
        assert 202 == (await world.act(volume, os__begin_detaching=None)).status
        assert 202 == (await world.act(volume, os__roll_detaching=None)).status
        assert "in-use" == (await world.show(volume))["status"]
        await world.act(volume, os__terminate_connection={"connector": {"host": "h1"}})
        assert 202 == (await world.act(volume, os__detach={})).status
        assert "available" == (await world.show(volume))["status"]


async def test_another_project_attaches_nothing_of_ours() -> None:
    async with a_world() as world:
        volume = await world.volume()
        asked = {"attachment": {"volume_uuid": volume, "instance_uuid": SERVER}}
        assert 404 == (await world.ask("POST", "/attachments", asked, by="bob")).status
        id = await reserved(world, volume)
        assert 404 == (await world.ask("DELETE", f"/attachments/{id}", by="bob")).status
