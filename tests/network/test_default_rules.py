"""What new security groups say and are."""

from typing import Any

Open = Any
Json = dict[str, Any]
PLACE = "/v2.0/default-security-group-rules"


def _said(rules: list[Json]) -> set[tuple[Any, ...]]:
    return {(rule["direction"], rule["ethertype"], rule["protocol"], bool(rule["remote_group_id"])) for rule in rules}


async def test_new_groups_say_what_they_always_did(net: Open) -> None:
    async with net() as n:
        out = {("egress", "IPv4", None, False), ("egress", "IPv6", None, False)}
        members = {("ingress", "IPv4", None, True), ("ingress", "IPv6", None, True)}
        assert out | members == _said(await n.get("default-security-group-rules"))
        assert out == _said((await n.make("security-groups", name="g"))["security_group_rules"])
        (default,) = await n.get("security-groups?name=default")
        assert out | members == _said(default["security_group_rules"])
        assert {None, default["id"]} == {rule["remote_group_id"] for rule in default["security_group_rules"]}


async def test_an_admin_says_more_and_less_of_groups_to_come(net: Open) -> None:
    async with net() as n:
        before = await n.make("security-groups", name="before")
        ssh = {"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
        made = await n.ask("POST", PLACE, {"default_security_group_rule": {**ssh, "used_in_default_sg": True}}, "root")
        rule = made.body["default_security_group_rule"]
        assert (201, True, True, "IPv4") == (
            made.status, *(rule[name] for name in ("used_in_default_sg", "used_in_non_default_sg", "ethertype"))
        )  # fmt: skip
        twice = await n.ask("POST", PLACE, {"default_security_group_rule": {**ssh, "used_in_default_sg": True}}, "root")
        assert (409, "DefaultSecurityGroupRuleExists") == (twice.status, twice.kind)
        own = {"direction": "ingress", "remote_group_id": "PARENT", "ethertype": "IPv6"}
        assert 201 == (await n.ask("POST", PLACE, {"default_security_group_rule": own}, "root")).status
        (six,) = await n.get("default-security-group-rules?direction=egress&ethertype=IPv6")
        assert 204 == (await n.ask("DELETE", f"{PLACE}/{six['id']}", who="root")).status
        assert 404 == (await n.ask("GET", f"{PLACE}/{six['id']}")).status
        after = await n.make("security-groups", name="after")
        assert {
            ("egress", "IPv4", None, False),
            ("ingress", "IPv4", "tcp", False),
            ("ingress", "IPv6", None, True),
        } == (_said(after["security_group_rules"]))
        shown = await n.get(f"security-groups/{before['id']}")
        assert 2 == len(shown["security_group_rules"]), "groups that are there stay as they are"
        (default,) = await n.get("security-groups?name=default", "bob")
        assert ("ingress", "IPv4", "tcp", False) in _said(default["security_group_rules"])
        assert 204 == (await n.ask("DELETE", f"{PLACE}/{rule['id']}", who="root")).status


async def test_only_admins_say_what_new_groups_say(net: Open) -> None:
    async with net() as n:
        (rule, *_) = await n.get("default-security-group-rules", "rita")
        assert 403 == (await n.ask("DELETE", f"{PLACE}/{rule['id']}", who="mona")).status
        body = {"default_security_group_rule": {"direction": "ingress"}}
        assert 403 == (await n.ask("POST", PLACE, body, "mona")).status
        wrong = {"default_security_group_rule": {"direction": "ingress", "port_range_min": 3}}
        assert 400 == (await n.ask("POST", PLACE, wrong, "root")).status


async def test_a_stateless_group_is_so_in_the_fabric_and_stays_so_while_used(net: Open) -> None:
    async with net() as n:
        group = await n.make("security-groups", name="fast", stateful=False)
        assert False is group["stateful"]
        network, _ = await n.network()
        port = await n.make("ports", network_id=network, security_groups=[group["id"]])
        await n.settle()
        assert [False] == [each.stateful for each in n.fabric.topology.security_groups]
        used = await n.put("security-groups", group["id"], stateful=True)
        assert (409, "SecurityGroupInUse") == (used.status, used.kind)
        assert 200 == (await n.put("security-groups", group["id"], name="faster", stateful=False)).status
        await n.delete("ports", port["id"])
        changed = await n.put("security-groups", group["id"], stateful=True)
        assert True is changed.body["security_group"]["stateful"]


async def test_a_project_says_whether_its_groups_are_stateful(net: Open) -> None:
    async with net() as n:
        key, place = "security_groups_default_statefulness", "/v2.0/security-groups-default-statefulness"
        assert 403 == (await n.ask("POST", place, {key: {"stateful": False}})).status, "managers say so"
        made = await n.ask("POST", place, {key: {"stateful": False}}, "mona")
        assert (201, False, "p1") == (made.status, made.body[key]["stateful"], made.body[key]["project_id"])
        assert 409 == (await n.ask("POST", place, {key: {"stateful": True}}, "mona")).status
        assert False is (await n.make("security-groups", name="a"))["stateful"]
        assert True is (await n.make("security-groups", name="b", stateful=True))["stateful"]
        assert True is (await n.make("security-groups", "bob", name="c"))["stateful"]
        one = f"{place}/{made.body[key]['id']}"
        assert 404 == (await n.ask("GET", one, who="bob")).status
        assert True is (await n.ask("PUT", one, {key: {"stateful": True}}, "mona")).body[key]["stateful"]
        assert 1 == len((await n.ask("GET", place)).body[key])
        assert 204 == (await n.ask("DELETE", one, who="mona")).status
        assert [] == (await n.ask("GET", place)).body[key]
