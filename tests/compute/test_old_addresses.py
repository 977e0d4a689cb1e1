"""Floating and fixed addresses and networks, as clients asked compute for them in its first versions."""

from pathlib import Path
from typing import Any

from tests.compute.world import World, a_city

NOWHERE = "99999999-9999-4999-8999-999999999999"


async def floating(world: World, pool: str | None = "public", *, by: str = "alice") -> Any:
    answered = await world.ask("POST", "/v2.1/os-floating-ips", {"pool": pool}, by=by)
    assert 200 == answered.status, answered.body
    return answered.body["floating_ip"]


async def listed(world: World) -> Any:
    return (await world.ask("GET", "/v2.1/os-floating-ips")).body["floating_ips"]


async def test_a_floating_ip_is_had_led_to_a_server_and_given_back(tmp_path: Path) -> None:
    async with a_city(tmp_path) as world:
        id = await world.boot()
        (fixed,) = [one["addr"] for one in (await world.show(id))["addresses"]["private"]]
        made = await floating(world)
        assert ("public", None, None) == (made["pool"], made["fixed_ip"], made["instance_id"])
        assert 202 == (await world.act(id, addFloatingIp={"address": made["ip"]})).status
        (shown,) = await listed(world)
        assert {**made, "fixed_ip": fixed, "instance_id": id} == shown
        assert {fixed, made["ip"]} == {one["addr"] for one in (await world.show(id))["addresses"]["private"]}
        assert 202 == (await world.act(id, removeFloatingIp={"address": made["ip"]})).status
        assert [made] == await listed(world)
        assert 409 == (await world.act(id, removeFloatingIp={"address": made["ip"]})).status
        assert 202 == (await world.ask("DELETE", f"/v2.1/os-floating-ips/{made['id']}")).status
        assert 404 == (await world.ask("GET", f"/v2.1/os-floating-ips/{made['id']}")).status


async def test_a_floating_ip_moves_to_another_server(tmp_path: Path) -> None:
    async with a_city(tmp_path) as world:
        first, second = await world.boot(), await world.boot()
        made = await floating(world, None)
        for id in (first, second):
            assert 202 == (await world.act(id, addFloatingIp={"address": made["ip"]})).status
        assert [second] == [one["instance_id"] for one in await listed(world)]


async def test_a_server_has_one_floating_ip_of_a_pool(tmp_path: Path) -> None:
    async with a_city(tmp_path) as world:
        id = await world.boot()
        one, two = await floating(world), await floating(world)
        assert 202 == (await world.act(id, addFloatingIp={"address": one["ip"]})).status
        answered = await world.act(id, addFloatingIp={"address": two["ip"]})
        assert 400 == answered.status
        assert "already has a floating IP" in answered.body["badRequest"]["message"]


async def test_floating_ips_that_cannot_be_are_refused(tmp_path: Path) -> None:
    async with a_city(tmp_path) as world:
        id = await world.boot()
        made = await floating(world)
        assert 404 == (await world.ask("POST", "/v2.1/os-floating-ips", {"pool": "nowhere"})).status
        for body, status in (
            ({"address": "0.0.0.0"}, 404),
            ({"address": ""}, 400),
            ({"address": made["ip"], "fixed_address": "10.9.9.9"}, 400),
        ):
            assert status == (await world.act(id, addFloatingIp=body)).status, body
        assert 404 == (await world.act(id, removeFloatingIp={"address": "0.0.0.0"})).status
        assert 404 == (await world.ask("DELETE", f"/v2.1/os-floating-ips/{NOWHERE}")).status
        assert 404 == (await world.ask("GET", f"/v2.1/os-floating-ips/{made['id']}", by="bob")).status
        assert [{"name": "public"}] == (await world.ask("GET", "/v2.1/os-floating-ip-pools")).body["floating_ip_pools"]


async def test_a_card_gets_another_address_and_loses_it(tmp_path: Path) -> None:
    async with a_city(tmp_path) as world:
        id = await world.boot()
        network, public = (await world.ask("GET", "/v2.1/os-tenant-networks")).body["networks"]
        assert "public" == public["label"]
        assert {"id": network["id"], "label": "private", "cidr": "None"} == network
        before = [one["addr"] for one in (await world.show(id))["addresses"]["private"]]
        assert 202 == (await world.act(id, addFixedIp={"networkId": network["id"]})).status
        after = [one["addr"] for one in (await world.show(id))["addresses"]["private"]]
        (new,) = set(after) - set(before)
        assert 202 == (await world.act(id, removeFixedIp={"address": new})).status
        assert before == [one["addr"] for one in (await world.show(id))["addresses"]["private"]]
        assert 400 == (await world.act(id, removeFixedIp={"address": new})).status
        assert 404 == (await world.act(id, addFixedIp={"networkId": NOWHERE})).status
        assert 400 == (await world.act(id, addFixedIp={"networkId": network["id"]}, at="2.44")).status


async def test_networks_are_listed_and_shown(tmp_path: Path) -> None:
    async with a_city(tmp_path) as world:
        for path in ("/v2.1/os-networks", "/v2.1/os-tenant-networks"):
            network, _ = (await world.ask("GET", path)).body["networks"]
            assert ["private", "public"] == sorted(
                one["label"] for one in (await world.ask("GET", path, by="root")).body["networks"]
            )
            assert network == (await world.ask("GET", f"{path}/{network['id']}")).body["network"]
            assert 404 == (await world.ask("GET", f"{path}/{NOWHERE}")).status
            assert 404 == (await world.ask("GET", f"{path}/{network['id']}", by="bob")).status
            assert 404 == (await world.ask("GET", path, at="2.36")).status
