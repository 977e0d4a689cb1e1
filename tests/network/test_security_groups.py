"""Security groups as users meet them."""

from typing import Any

import pytest

Open = Any


async def test_every_project_has_a_default_group_with_its_rules(net: Open) -> None:
    async with net() as n:
        (group,) = await n.get("security-groups")
        assert ("default", "p1", True) == (group["name"], group["project_id"], group["is_default"])
        rules = {
            (rule["direction"], rule["ethertype"], rule["remote_group_id"], rule["protocol"])
            for rule in group["security_group_rules"]
        }
        assert rules == {
            ("egress", "IPv4", None, None),
            ("egress", "IPv6", None, None),
            ("ingress", "IPv4", group["id"], None),
            ("ingress", "IPv6", group["id"], None),
        }
        assert [group["id"]] == [each["id"] for each in await n.get("security-groups")]
        assert group["id"] not in [each["id"] for each in await n.get("security-groups", "bob")]
        refused = await n.delete("security-groups", group["id"])
        assert (409, "SecurityGroupCannotRemoveDefault") == (refused.status, refused.kind)
        assert 409 == (await n.put("security-groups", group["id"], name="other")).status
        assert 409 == (await n.post("security-groups", name="default")).status


async def test_a_new_group_lets_everything_out(net: Open) -> None:
    async with net() as n:
        group = await n.make("security-groups", name="web", description="d")
        assert ["egress", "egress"] == [rule["direction"] for rule in group["security_group_rules"]]
        changed = (await n.put("security-groups", group["id"], name="www")).body["security_group"]
        assert ("www", "d") == (changed["name"], changed["description"])
        assert 409 == (await n.put("security-groups", group["id"], name="default")).status
        assert 204 == (await n.delete("security-groups", group["id"])).status
        assert 404 == (await n.ask("GET", f"/v2.0/security-groups/{group['id']}")).status


async def test_rules_are_made_shown_and_deleted(net: Open) -> None:
    async with net() as n:
        group = (await n.make("security-groups", name="web"))["id"]
        rule = await n.make(
            "security-group-rules", security_group_id=group, direction="ingress", protocol="TCP",
            port_range_min="80", port_range_max=80, remote_ip_prefix="10.1.2.3/8",
        )  # fmt: skip
        assert ("tcp", 80, 80, "10.1.2.3/8", "10.0.0.0/8", "IPv4") == tuple(
            rule[name]
            for name in (
                "protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "normalized_cidr", "ethertype"
            )
        )  # fmt: skip
        assert rule == await n.get(f"security-group-rules/{rule['id']}")
        assert 3 == len((await n.get(f"security-groups/{group}"))["security_group_rules"])
        assert [rule] == await n.get(f"security-group-rules?protocol=tcp&security_group_id={group}")
        twice = await n.post(
            "security-group-rules", security_group_id=group, direction="ingress", protocol=6,
            port_range_min=80, port_range_max=80, remote_ip_prefix="10.0.0.0/8",
        )  # fmt: skip
        assert (409, "SecurityGroupRuleExists") == (twice.status, twice.kind)
        assert rule["id"] in twice.message
        assert 404 == (await n.delete("security-group-rules", rule["id"], "bob")).status
        assert 204 == (await n.delete("security-group-rules", rule["id"])).status


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"direction": "sideways"}, "HTTPBadRequest"),
        ({"ethertype": "IPv5"}, "InvalidInput"),
        ({"protocol": "carrier-pigeon"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": "256"}, "SecurityGroupRuleInvalidProtocol"),
        ({"port_range_min": 80, "port_range_max": 90}, "SecurityGroupProtocolRequiredWithPorts"),
        ({"protocol": "tcp", "port_range_min": 90, "port_range_max": 80}, "SecurityGroupInvalidPortRange"),
        ({"protocol": "tcp", "port_range_min": 90}, "SecurityGroupInvalidPortRange"),
        ({"protocol": "tcp", "port_range_min": 0, "port_range_max": 80}, "SecurityGroupInvalidPortValue"),
        ({"protocol": "tcp", "port_range_min": 1, "port_range_max": 65536}, "SecurityGroupInvalidPortValue"),
        ({"protocol": "icmp", "port_range_max": 1}, "SecurityGroupMissingIcmpType"),
        ({"protocol": "icmp", "port_range_min": 256}, "SecurityGroupInvalidIcmpValue"),
        ({"protocol": "vrrp", "port_range_min": 1, "port_range_max": 2}, "SecurityGroupInvalidProtocolForPort"),
        ({"protocol": "udplite", "port_range_min": 1, "port_range_max": 2}, "SecurityGroupInvalidProtocolForPort"),
        ({"protocol": "icmpv6"}, "SecurityGroupEthertypeConflictWithProtocol"),
        ({"remote_ip_prefix": "fd00::/8"}, "SecurityGroupRuleParameterConflict"),
        ({"remote_ip_prefix": "x"}, "InvalidCIDR"),
        ({"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": "GROUP"}, "SecurityGroupRemoteGroupAndRemoteIpPrefix"),
    ],
)
async def test_rules_that_cannot_be_are_refused(net: Open, values: Any, kind: str) -> None:
    async with net() as n:
        group = (await n.make("security-groups", name="web"))["id"]
        values = {name: group if value == "GROUP" else value for name, value in values.items()}
        answer = await n.post("security-group-rules", **{"security_group_id": group, "direction": "ingress", **values})
        assert (400, kind) == (answer.status, answer.kind)


async def test_groups_in_use_stay(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        group = (await n.make("security-groups", name="web"))["id"]
        other = (await n.make("security-groups", name="db"))["id"]
        port = await n.make("ports", network_id=network, security_groups=[group])
        assert [group] == port["security_groups"]
        answer = await n.delete("security-groups", group)
        assert (409, "SecurityGroupInUse") == (answer.status, answer.kind)
        assert [other] == (await n.put("ports", port["id"], security_groups=[other])).body["port"]["security_groups"]
        assert 204 == (await n.delete("security-groups", group)).status


async def test_rules_go_with_the_group_they_let_in(net: Open) -> None:
    async with net() as n:
        group = (await n.make("security-groups", name="web"))["id"]
        other = (await n.make("security-groups", name="db"))["id"]
        rule = await n.make("security-group-rules", security_group_id=group, direction="ingress", remote_group_id=other)
        assert 204 == (await n.delete("security-groups", other)).status
        left = (await n.get(f"security-groups/{group}"))["security_group_rules"]
        assert rule["id"] not in {one["id"] for one in left}
        assert 2 == len(left)


async def test_groups_of_others_cannot_be_used(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        group = (await n.make("security-groups", "bob", name="web"))["id"]
        for answer in (
            await n.post("ports", network_id=network, security_groups=[group]),
            await n.post("security-group-rules", security_group_id=group, direction="ingress"),
        ):
            assert (404, "SecurityGroupNotFound") == (answer.status, answer.kind)


async def test_many_rules_are_made_at_once(net: Open) -> None:
    async with net() as n:
        group = (await n.make("security-groups", name="web"))["id"]
        rules = [
            {"security_group_id": group, "direction": "ingress", "protocol": "tcp", "port_range_min": at,
             "port_range_max": at}
            for at in (22, 80)
        ]  # fmt: skip
        answer = await n.ask("POST", "/v2.0/security-group-rules", {"security_group_rules": rules})
        assert (201, 2) == (answer.status, len(answer.body["security_group_rules"]))
