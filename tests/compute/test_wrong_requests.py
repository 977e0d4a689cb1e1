"""What requests may not say, at the microversions around which that changed; nothing of them is done."""

import uuid
from typing import Any

import pytest
from tests.compute.fakes import NETWORK
from tests.compute.world import a_world

STRANGER = "99999999-9999-4999-8999-999999999999"


async def test_servers_are_not_made_of_nonsense() -> None:
    async with a_world() as world:
        for wrong in (
            {"imageRef": "nonsense"}, {"accessIPv4": None}, {"accessIPv6": None}, {"accessIPv4": "1.2.3"},
            {"max_count": 2, "networks": [{"uuid": NETWORK, "fixed_ip": "10.0.0.9"}]},
        ):  # fmt: skip
            assert 400 == (await world.create(**wrong)).status, wrong
        answered = await world.create(by="root", availability_zone="nova:h1:h1:more")
        assert (400, True) == (answered.status, "Unable to parse" in answered.body["badRequest"]["message"])
        assert {"servers": []} == (await world.ask("GET", "/v2.1/servers?all_tenants=1", by="root")).body


@pytest.mark.parametrize(
    ("hint", "wrong", "right"),
    [
        ("build_near_host_ip", "nowhere", "192.0.2.1"),
        ("cidr", "10.0.0.0", "/24"),
        ("target_cell", ["a"], "cell!1@2"),
        ("different_cell", 7, ["cell!1@2"]),
        ("query", 7, '[">=","$free_ram_mb",1024]'),
        ("group", "mine", None),
        ("same_host", "mine", [STRANGER]),
    ],
)
async def test_hints_have_their_shapes(hint: str, wrong: Any, right: Any) -> None:
    async with a_world() as world:

        async def hinted(value: Any) -> int:
            server = {"name": "one", "flavorRef": "small", "imageRef": "nothing"}
            body = {"server": {**server, "imageRef": STRANGER}, "os:scheduler_hints": {hint: value}}
            answered = await world.ask("POST", "/v2.1/servers", body)
            return "find requested image" in answered.body["badRequest"]["message"]

        assert not await hinted(wrong)
        if right is not None:
            assert await hinted(right)  # what is wrong with it now is the image


async def test_hostnames_have_domains_since_2_94() -> None:
    async with a_world() as world:
        id = await world.boot()
        for minor, hostname, status in (
            (89, "one", 400), (90, "one", 200), (93, "one.test", 400), (93, "o_ne", 400), (93, "o ne", 400), (93, "o", 400),
            (94, "one.test", 200), (94, "o ne", 400),
        ):  # fmt: skip
            at = f"2.{minor}"
            changed = await world.ask("PUT", f"/v2.1/servers/{id}", {"server": {"hostname": hostname}}, at=at)
            assert status == changed.status, (minor, hostname)
            made = await world.create(at=at, networks="none", hostname=hostname)
            assert (202 if status == 200 else 400) == made.status, (minor, hostname)
        assert "one.test" == (await world.show(id, at="2.94"))["OS-EXT-SRV-ATTR:hostname"]
        rebuilt = await world.act(
            id, at="2.93", rebuild={"imageRef": (await world.show(id))["image"]["id"], "hostname": "a.b"}
        )
        assert 400 == rebuilt.status


async def test_a_shelved_server_comes_out_somewhere_or_anywhere_but_not_at_nothing() -> None:
    async with a_world() as world:
        id = await world.boot()
        await world.act(id, shelve=None)
        await world.settle()
        for at, where in (
            ("2.77", {}), ("2.91", {}), ("2.90", {"availability_zone": None}), ("2.90", {"host": "h1"}),
            ("2.91", {"colour": "red"}),
        ):  # fmt: skip
            assert 400 == (await world.act(id, by="root", at=at, unshelve=where)).status, (at, where)
        assert 202 == (await world.act(id, at="2.77", unshelve=None)).status
        await world.settle()
        await world.act(id, shelve=None)
        await world.settle()
        assert 202 == (await world.act(id, at="2.76", unshelve={"whatever": "was said"})).status


async def test_live_migrations_say_what_becomes_of_disks() -> None:
    async with a_world() as world:
        id = await world.boot()
        for at, more in (("2.1", {"disk_over_commit": False}), ("2.25", {}), ("2.68", {})):
            answered = await world.act(id, by="root", at=at, os_migrateLive={"host": None, **more})
            assert 400 == answered.status, at
        assert (await world.show(id))["OS-EXT-STS:task_state"] is None


async def test_ids_of_services_and_hypervisors_are_uuids_since_2_53() -> None:
    async with a_world() as world:
        for method, path, before, since in (
            ("GET", "/os-hypervisors/nonsense", 404, 400),
            ("GET", f"/os-hypervisors/{STRANGER}", 404, 404),
            ("DELETE", "/os-services/nonsense", 400, 400),
            ("DELETE", "/os-services/99", 404, 400),
            ("DELETE", f"/os-services/{STRANGER}", 400, 404),
        ):
            for at, status in (("2.52", before), ("2.53", since)):
                assert status == (await world.ask(method, f"/v2.1{path}", by="root", at=at)).status, (path, at)
        (service,) = (await world.ask("GET", "/v2.1/os-services?host=h1", by="root", at="2.53")).body["services"]
        assert 400 == (await world.ask("PUT", f"/v2.1/os-services/{service['id']}", {}, by="root", at="2.53")).status


async def test_hypervisors_come_in_pages_since_2_33() -> None:
    async with a_world("h1", "h2") as world:
        for at, count in (("2.32", 2), ("2.33", 1)):
            answered = await world.ask("GET", "/v2.1/os-hypervisors?limit=1", by="root", at=at)
            assert count == len(answered.body["hypervisors"])
        none = await world.ask("GET", "/v2.1/os-hypervisors/zzz/search", by="root", at="2.52")
        assert (404, "No hypervisor matching 'zzz' could be found.") == (
            none.status,
            none.body["itemNotFound"]["message"],
        )


async def test_projects_that_do_not_exist_have_no_quotas_and_no_flavors() -> None:
    async with a_world() as world:
        for path in ("", "/detail", "/defaults"):
            answered = await world.ask("GET", f"/v2.1/os-quota-sets/ghost{path}", by="root")
            assert (400, True) == (answered.status, "not a valid project" in answered.body["badRequest"]["message"])
        await world.flavor("private", **{"os-flavor-access:is_public": False})
        path = "/v2.1/flavors/private/action"
        assert 400 == (await world.ask("POST", path, {"addTenantAccess": {"tenant": "ghost"}}, by="root")).status
        assert 404 == (await world.ask("POST", path, {"removeTenantAccess": {"tenant": "ghost"}}, by="root")).status


async def test_classes_of_quotas_had_those_of_networks_until_2_49() -> None:
    async with a_world() as world:
        path, limits = "/v2.1/os-quota-class-sets/default", {"quota_class_set": {"floating_ips": 7}}
        for at, has in (("2.35", True), ("2.49", True), ("2.50", False)):
            shown = (await world.ask("GET", path, by="root", at=at)).body["quota_class_set"]
            assert has == ("floating_ips" in shown)
            assert (200 if has else 400) == (await world.ask("PUT", path, limits, by="root", at=at)).status


async def test_parameters_of_lists_are_what_they_should_be() -> None:
    async with a_world() as world:
        id = await world.boot()
        actions, order = (
            f"/v2.1/servers/{id}/os-instance-actions",
            "changes-since=2026-02-01T00:00:00Z&changes-before=2026-01-01",
        )
        for path, at in (
            ("/v2.1/os-keypairs?limit=-1", "2.35"),
            ("/v2.1/flavors?is_public=perhaps", "2.1"),
            (f"{actions}?limit=-1", "2.58"),
            (f"{actions}?{order}", "2.66"),
            (f"/v2.1/servers?{order}", "2.66"),
            (f"/v2.1/os-migrations?{order}", "2.66"),
            (f"/v2.1/os-simple-tenant-usage/p1?start=2020-01-01T00:00:00&marker={uuid.UUID(int=7)}", "2.40"),
            ("/v2.1/servers?sort_key=locked", "2.72"),
        ):
            assert 400 == (await world.ask("GET", path, by="root", at=at)).status, path
        assert 400 == (await world.act(id, os_getConsoleOutput={"length": -2})).status
        for flavor_id in (" a", "a ", "a/b"):
            flavor = {"name": "f", "ram": 1, "vcpus": 1, "disk": 0, "id": flavor_id}
            assert 400 == (await world.ask("POST", "/v2.1/flavors", {"flavor": flavor}, by="root")).status


async def test_addresses_on_a_network_a_server_is_not_on_are_not_found() -> None:
    async with a_world() as world:
        id = await world.boot()
        answered = await world.ask("GET", f"/v2.1/servers/{id}/ips/elsewhere")
        said = "Instance is not a member of specified network"
        assert (404, said) == (answered.status, answered.body["itemNotFound"]["message"])
