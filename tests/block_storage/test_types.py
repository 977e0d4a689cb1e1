"""Types, QoS specs, quotas and defaults are what operators say, and nobody else sees what says where volumes lie."""

from typing import Any

import pytest
from tests.block_storage.world import World, a_world


async def a_type(world: World, name: str = "gold", **more: Any) -> str:
    made = await world.got("POST", "/types", {"volume_type": {"name": name, **more}}, by="root")
    return str(made["volume_type"]["id"])


async def test_a_private_type_is_for_those_who_were_let() -> None:
    async with a_world() as world:
        id = await a_type(world, **{"os-volume-type-access:is_public": False})
        assert 404 == (await world.ask("GET", f"/types/{id}")).status
        assert 404 == (await world.ask("POST", "/volumes", {"volume": {"size": 1, "volume_type": "gold"}})).status
        await world.got("POST", f"/types/{id}/action", {"addProjectAccess": {"project": "p1"}}, by="root")
        assert "gold" == (await world.got("GET", f"/types/{id}"))["volume_type"]["name"]
        assert "available" == (await world.show(await world.volume(volume_type="gold")))["status"]
        access = await world.got("GET", f"/types/{id}/os-volume-type-access", by="root")
        assert {"p1"} == {each["project_id"] for each in access["volume_type_access"]}
        await world.got("POST", f"/types/{id}/action", {"removeProjectAccess": {"project": "p1"}}, by="root")
        assert 404 == (await world.ask("GET", f"/types/{id}")).status


async def test_extra_specs_choose_back_ends_and_are_the_operators_affair() -> None:
    async with a_world() as world:
        id = await a_type(world, extra_specs={"volume_backend_name": "tape"})
        volume = await world.volume(volume_type="gold")
        assert "error" == (await world.show(volume))["status"]
        (message,) = (await world.got("GET", "/messages"))["messages"]
        assert "does not have what type gold asks for: volume_backend_name" in message["user_message"]
        said = {"extra_specs": {"volume_backend_name": "fake", "multiattach": "<is> False"}}
        refused = await world.ask("POST", f"/types/{id}/extra_specs", said, by="root")
        assert 400 == refused.status
        await world.got(
            "PUT", f"/types/{id}/extra_specs/volume_backend_name", {"volume_backend_name": "fake"}, by="root"
        )
        assert {"extra_specs": {}} == await world.got("GET", f"/types/{id}/extra_specs")
        assert "available" == (await world.show(await world.volume(volume_type="gold")))["status"]


async def test_the_default_type_is_the_projects_else_the_clouds() -> None:
    async with a_world() as world:
        id = await a_type(world)
        await world.got("PUT", "/default-types/p1", {"default_type": {"volume_type": "gold"}}, by="root")
        assert id == (await world.got("GET", "/types/default"))["volume_type"]["id"]
        assert "gold" == (await world.show(await world.volume()))["volume_type"]
        assert 400 == (await world.ask("DELETE", f"/types/{id}", by="root")).status
        assert 204 == (await world.ask("DELETE", "/default-types/p1", by="root")).status
        assert 404 == (await world.ask("GET", "/default-types/p1", by="root")).status
        assert "__DEFAULT__" == (await world.got("GET", "/types/default"))["volume_type"]["name"]


async def test_a_type_in_use_stays_and_another_can_be_given() -> None:
    async with a_world() as world:
        id = await a_type(world)
        volume = await world.volume(volume_type="gold")
        assert 400 == (await world.ask("DELETE", f"/types/{id}", by="root")).status
        assert 202 == (await world.act(volume, os__retype={"new_type": "__DEFAULT__"})).status
        assert "__DEFAULT__" == (await world.show(volume))["volume_type"]
        assert 202 == (await world.ask("DELETE", f"/types/{id}", by="root")).status


async def test_quotas_are_set_shown_and_forgotten() -> None:
    async with a_world() as world:
        path = "/os-quota-sets/p1"
        changed = await world.got("PUT", path, {"quota_set": {"volumes": 1, "volumes___DEFAULT__": 1}}, by="root")
        assert 1 == changed["quota_set"]["volumes"]
        await world.volume()
        assert 413 == (await world.ask("POST", "/volumes", {"volume": {"size": 1}})).status
        usage = (await world.got("GET", path + "?usage=True"))["quota_set"]
        assert {"limit": 1, "in_use": 1, "reserved": 0, "allocated": 0} == usage["volumes"]
        assert 403 == (await world.ask("GET", "/os-quota-sets/p2")).status
        assert 400 == (await world.ask("PUT", path, {"quota_set": {"colours": 1}}, by="root")).status
        await world.got("DELETE", path, by="root")
        assert 10 == (await world.got("GET", path))["quota_set"]["volumes"]
        named = await world.got("PUT", "/os-quota-class-sets/default", {"quota_class_set": {"volumes": 3}}, by="root")
        assert 3 == named["quota_class_set"]["volumes"]
        assert 3 == (await world.got("GET", path + "/defaults"))["quota_set"]["volumes"]


async def test_qos_specs_are_given_to_types() -> None:
    async with a_world() as world:
        asked = {"qos_specs": {"name": "q", "consumer": "front-end", "total_iops_sec": "100"}}
        made = (await world.got("POST", "/qos-specs", asked, by="root"))["qos_specs"]
        assert {"total_iops_sec": "100"} == made["specs"]
        path, type = f"/qos-specs/{made['id']}", await a_type(world)
        assert 202 == (await world.ask("GET", f"{path}/associate?vol_type_id={type}", by="root")).status
        (held,) = (await world.got("GET", path + "/associations", by="root"))["qos_associations"]
        assert type == held["id"]
        assert 400 == (await world.ask("DELETE", path, by="root")).status
        assert {"qos_specs": {"a": "b"}} == await world.got("PUT", path, {"qos_specs": {"a": "b"}}, by="root")
        assert 202 == (await world.ask("PUT", path + "/delete_keys", {"keys": ["a"]}, by="root")).status
        assert 202 == (await world.ask("DELETE", path + "?force=true", by="root")).status


async def test_encryption_of_a_type_is_said_before_it_has_volumes() -> None:
    async with a_world() as world:
        id = await a_type(world)
        path = f"/types/{id}/encryption"
        asked = {"encryption": {"provider": "luks", "control_location": "front-end", "cipher": "aes", "key_size": 256}}
        made = (await world.got("POST", path, asked, by="root"))["encryption"]
        assert ("luks", id) == (made["provider"], made["volume_type_id"])
        assert 400 == (await world.ask("POST", path, asked, by="root")).status
        changed = {"encryption": {"key_size": 512}}
        assert changed == await world.got("PUT", f"{path}/{made['encryption_id']}", changed, by="root")
        assert {"key_size": 512} == await world.got("GET", path + "/key_size", by="root")
        assert 202 == (await world.ask("DELETE", f"{path}/{made['encryption_id']}", by="root")).status
        assert {} == await world.got("GET", path, by="root")


@pytest.mark.parametrize(
    "path",
    [
        "/resource_filters", "/extensions", "/os-availability-zone", "/clusters", "/os-hosts", "/group_types",
        "/os-volume-transfer", "/os-volume-transfer/detail", "/capabilities/h1@fake", "/os-hosts/h1@fake",
        "/groups/detail", "/group_snapshots/detail", "/attachments/detail", "/volumes/summary", "/default-types",
        "/qos-specs", "/backups/detail", "/snapshots/detail", "/extensions/os-services",
    ],
)  # fmt: skip
async def test_everything_that_can_be_listed_is_answered(path: str) -> None:
    async with a_world() as world:
        await world.volume()
        await world.got("GET", path, by="root")
