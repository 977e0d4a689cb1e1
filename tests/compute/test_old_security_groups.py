"""Security groups as clients asked compute for them until 2.35, handed on to the network service."""

from pathlib import Path
from typing import Any

import pytest
from tests.compute.world import World, a_city

NOWHERE = "99999999-9999-4999-8999-999999999999"


async def group(world: World, name: str = "web", *, by: str = "alice") -> Any:
    body = {"security_group": {"name": name, "description": "d"}}
    answered = await world.ask("POST", "/v2.1/os-security-groups", body, by=by)
    assert 200 == answered.status, answered.body
    return answered.body["security_group"]


async def rule(world: World, id: str, **values: Any) -> Any:
    given = {"parent_group_id": id, "ip_protocol": "tcp", "from_port": 22, "to_port": 22, **values}
    return await world.ask("POST", "/v2.1/os-security-group-rules", {"security_group_rule": given})


async def test_a_group_is_made_shown_changed_and_deleted(tmp_path: Path) -> None:
    async with a_city(tmp_path) as world:
        made = await group(world, " web ")
        assert {"id": made["id"], "name": " web ", "description": "d", "tenant_id": "p1", "rules": []} == made
        path = f"/v2.1/os-security-groups/{made['id']}"
        assert made == (await world.ask("GET", path)).body["security_group"]
        answered = await world.ask("PUT", path, {"security_group": {"name": "db", "description": "e"}})
        assert (200, "db") == (answered.status, answered.body["security_group"]["name"])
        listed = (await world.ask("GET", "/v2.1/os-security-groups")).body["security_groups"]
        assert ["db", "default"] == [one["name"] for one in listed]
        assert 202 == (await world.ask("DELETE", path)).status
        assert 404 == (await world.ask("GET", path)).status


async def test_admins_list_everybodys_groups(tmp_path: Path) -> None:
    async with a_city(tmp_path) as world:
        made = await group(world, by="bob")
        for query, by, seen in (
            ("?all_tenants=1", "root", True),
            ("", "root", False),
            ("?all_tenants=1", "alice", False),
        ):
            listed = (await world.ask("GET", f"/v2.1/os-security-groups{query}", by=by)).body["security_groups"]
            assert seen is (made["id"] in {one["id"] for one in listed}), (query, by)
        two = (await world.ask("GET", "/v2.1/os-security-groups?all_tenants=1&limit=2&offset=1", by="root")).body
        assert 2 == len(two["security_groups"])


async def test_rules_are_told_as_they_were_before_networks(tmp_path: Path) -> None:
    async with a_city(tmp_path) as world:
        web, db = await group(world), await group(world, "db")
        made = (await rule(world, web["id"])).body["security_group_rule"]
        wanted = {"id": made["id"], "parent_group_id": web["id"], "ip_protocol": "tcp", "from_port": 22, "to_port": 22,
                  "group": {}, "ip_range": {"cidr": "0.0.0.0/0"}}  # fmt: skip
        assert wanted == made
        made = (await rule(world, web["id"], cidr="10.2.3.124/24")).body["security_group_rule"]
        assert {"cidr": "10.2.3.124/24"} == made["ip_range"]
        made = (await rule(world, web["id"], ip_protocol="icmp", from_port=-1, to_port="-1")).body[
            "security_group_rule"
        ]
        assert ("icmp", -1, -1) == (made["ip_protocol"], made["from_port"], made["to_port"])
        made = (await rule(world, web["id"], from_port=None, to_port=None, group_id=db["id"])).body[
            "security_group_rule"
        ]
        assert ({"name": "db", "tenant_id": "p1"}, {}, 1, 65535) == (
            made["group"], made["ip_range"], made["from_port"], made["to_port"]
        )  # fmt: skip
        path = f"/v2.1/os-security-groups/{web['id']}"
        assert 4 == len((await world.ask("GET", path)).body["security_group"]["rules"])
        assert 202 == (await world.ask("DELETE", f"/v2.1/os-security-group-rules/{made['id']}")).status
        assert 404 == (await world.ask("DELETE", f"/v2.1/os-security-group-rules/{made['id']}")).status
        assert 3 == len((await world.ask("GET", path)).body["security_group"]["rules"])


@pytest.mark.parametrize(
    ("values", "status", "said"),
    [
        ({"parent_group_id": "nonsense"}, 400, "Security group id should be uuid"),
        ({"parent_group_id": NOWHERE}, 404, f"Security group {NOWHERE} not found."),
        ({"group_id": NOWHERE}, 404, f"Security group {NOWHERE} not found."),
        ({"ip_protocol": "gopher"}, 400, "Invalid IP protocol gopher."),
        ({"from_port": 23}, 400, "Invalid port range 23:22. Former value cannot be greater than the later"),
        ({"to_port": 65536}, 400, "Invalid port range 22:65536. Valid TCP ports should be between 1-65535"),
        ({"from_port": "x"}, 400, "To and From ports must be integers"),
        ({"from_port": None}, 400, "Not enough parameters to build a valid rule."),
        ({"cidr": "10.0.0.0/99"}, 400, "Invalid cidr 10.0.0.0/99."),
        ({"cidr": "10.0.0.0/0"}, 400, "Bad prefix for network in cidr 10.0.0.0/0"),
        (
            {"ip_protocol": "icmp", "from_port": 256},
            400,
            "Invalid port range 256:22. For ICMP, the type:code must be valid",
        ),
    ],
)
async def test_rules_that_cannot_be_are_refused(tmp_path: Path, values: Any, status: int, said: str) -> None:
    async with a_city(tmp_path) as world:
        web = await group(world)
        answered = await rule(world, web["id"], **values)
        assert (status, said) == (answered.status, next(iter(answered.body.values()))["message"])


async def test_a_rule_that_is_there_already_is_refused(tmp_path: Path) -> None:
    async with a_city(tmp_path) as world:
        web = await group(world)
        assert [200, 400] == [(await rule(world, web["id"])).status for _ in range(2)]


async def test_groups_in_use_and_the_default_one_stay(tmp_path: Path) -> None:
    async with a_city(tmp_path) as world:
        web = await group(world)
        id = await world.boot(security_groups=[{"name": "web"}])
        found = (await world.ask("GET", f"/v2.1/servers/{id}/os-security-groups")).body["security_groups"]
        assert [web] == found
        assert 400 == (await world.ask("DELETE", f"/v2.1/os-security-groups/{web['id']}")).status
        (default,) = [
            one for one in (await world.ask("GET", "/v2.1/os-security-groups")).body["security_groups"]
            if one["name"] == "default"
        ]  # fmt: skip
        assert 400 == (await world.ask("DELETE", f"/v2.1/os-security-groups/{default['id']}")).status
        body = {"security_group": {"name": "default", "description": ""}}
        assert 403 == (await world.ask("POST", "/v2.1/os-security-groups", body)).status


async def test_others_see_no_group_and_readers_change_none(tmp_path: Path) -> None:
    async with a_city(tmp_path) as world:
        web = await group(world)
        path = f"/v2.1/os-security-groups/{web['id']}"
        assert [404, 404] == [(await world.ask(method, path, by="bob")).status for method in ("GET", "DELETE")]
        assert [200, 403] == [(await world.ask(method, path, by="rita")).status for method in ("GET", "DELETE")]
        assert 404 == (await world.ask("GET", path, at="2.36")).status
