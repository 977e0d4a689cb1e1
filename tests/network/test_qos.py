"""Quality of service: policies, their rules, and what has them."""

from typing import Any

import pytest

Open = Any


async def _rule(n: Any, policy: str, kind: str, who: str = "mona", **values: Any) -> Any:
    return await n.ask("POST", f"/v2.0/qos/policies/{policy}/{kind}_rules", {f"{kind}_rule": values}, who)


async def _policy(n: Any, who: str = "mona", **values: Any) -> Any:
    answer = await n.ask("POST", "/v2.0/qos/policies", {"policy": values}, who)
    assert 201 == answer.status, answer.body
    return answer.body["policy"]


async def test_a_policy_holds_one_rule_of_each_kind_and_direction(net: Open) -> None:
    async with net() as n:
        policy = await _policy(n, name="gold", description="d")
        assert ([], False, False, "p1") == tuple(
            policy[name] for name in ("rules", "shared", "is_default", "project_id")
        )
        made = await _rule(n, policy["id"], "bandwidth_limit", max_kbps=1000)
        rule = made.body["bandwidth_limit_rule"]
        assert (201, 1000, 0, "egress") == (made.status, rule["max_kbps"], rule["max_burst_kbps"], rule["direction"])
        twice = await _rule(n, policy["id"], "bandwidth_limit", max_kbps=2000)
        assert (409, "QoSRulesConflict") == (twice.status, twice.kind)
        assert 201 == (await _rule(n, policy["id"], "bandwidth_limit", max_kbps=5, direction="ingress")).status
        assert 201 == (await _rule(n, policy["id"], "dscp_marking", dscp_mark=46)).status
        least = await _rule(n, policy["id"], "minimum_bandwidth", min_kbps=5000)
        assert (409, "QosRuleParameterConflict") == (least.status, least.kind), "more promised than allowed"
        assert 201 == (await _rule(n, policy["id"], "minimum_bandwidth", min_kbps=500)).status
        shown = await n.get(f"qos/policies/{policy['id']}")
        assert ["bandwidth_limit", "bandwidth_limit", "dscp_marking", "minimum_bandwidth"] == [
            each["type"] for each in shown["rules"]
        ]
        assert {"id", "type", "qos_policy_id", "dscp_mark"} == set(shown["rules"][2])
        assert 1 == len(await n.get(f"qos/policies/{policy['id']}/dscp_marking_rules"))


async def test_rules_are_changed_and_removed_below_their_policy_and_by_alias(net: Open) -> None:
    async with net() as n:
        policy = (await _policy(n))["id"]
        rule = (await _rule(n, policy, "dscp_marking", dscp_mark=8)).body["dscp_marking_rule"]["id"]
        below, alias = (
            f"/v2.0/qos/policies/{policy}/dscp_marking_rules/{rule}",
            f"/v2.0/qos/alias_dscp_marking_rules/{rule}",
        )
        changed = await n.ask("PUT", below, {"dscp_marking_rule": {"dscp_mark": 10}}, "mona")
        assert {"id": rule, "dscp_mark": 10} == changed.body["dscp_marking_rule"]
        changed = await n.ask("PUT", alias, {"alias_dscp_marking_rule": {"dscp_mark": 12}}, "mona")
        assert 12 == changed.body["alias_dscp_marking_rule"]["dscp_mark"]
        assert 400 == (await n.ask("PUT", below, {"dscp_marking_rule": {"dscp_mark": 7}}, "mona")).status
        assert 403 == (await n.ask("PUT", below, {"dscp_marking_rule": {"dscp_mark": 8}})).status
        assert 404 == (await n.ask("GET", f"/v2.0/qos/alias_bandwidth_limit_rules/{rule}")).status
        assert 404 == (await n.ask("GET", alias, who="bob")).status
        assert 204 == (await n.ask("DELETE", alias, who="mona")).status
        assert 404 == (await n.ask("GET", below)).status


@pytest.mark.parametrize("values", [{}, {"max_kbps": -1}, {"max_kbps": 1 << 40}, {"max_kbps": 1, "direction": "up"}])
async def test_what_no_switch_could_do_is_refused(net: Open, values: Any) -> None:
    async with net() as n:
        policy = (await _policy(n))["id"]
        assert 400 == (await _rule(n, policy, "bandwidth_limit", **values)).status
        assert 400 == (await _rule(n, policy, "minimum_bandwidth", min_kbps=1, direction="ingress")).status


async def test_kinds_of_rules_are_those_ovn_carries_out(net: Open) -> None:
    async with net() as n:
        kinds = await n.get("qos/rule-types")
        assert ["bandwidth_limit", "dscp_marking", "minimum_bandwidth"] == [each["type"] for each in kinds]
        told = await n.get("qos/rule-types/dscp_marking", "root")
        assert 46 in told["drivers"][0]["supported_parameters"][0]["parameter_values"]
        assert 404 == (await n.ask("GET", "/v2.0/qos/rule-types/packet_rate_limit")).status


async def test_a_policy_in_use_stays_and_reaches_the_fabric(net: Open) -> None:
    async with net() as n:
        policy = (await _policy(n))["id"]
        await _rule(n, policy, "bandwidth_limit", max_kbps=1000)
        network, subnet = await n.network(qos_policy_id=policy)
        assert policy == (await n.get(f"networks/{network}"))["qos_policy_id"]
        port = await n.make("ports", network_id=network)
        own = (await _policy(n, name="own"))["id"]
        special = await n.make("ports", network_id=network, qos_policy_id=own)
        outside, _ = await n.outside()
        gateway = {"network_id": outside, "qos_policy_id": own}
        router = await n.make("routers", external_gateway_info=gateway)
        assert own == router["external_gateway_info"]["qos_policy_id"]
        await n.ask("PUT", f"/v2.0/routers/{router['id']}/add_router_interface", {"subnet_id": subnet})
        floating = await n.make("floatingips", floating_network_id=outside, port_id=port["id"], qos_policy_id=policy)
        await n.settle()
        has = {each.id: each.qos_policy for each in n.fabric.topology.ports}
        assert (policy, own) == (has[port["id"]], has[special["id"]])
        assert 2 == sum(each is not None for each in has.values()), "routers' and metadata ports have none"
        (led,), (routed,) = n.fabric.topology.floating_ips, n.fabric.topology.routers
        assert (policy, own) == (led.qos_policy, routed.gateway.qos_policy)
        assert {policy, own} == {each.id for each in n.fabric.topology.qos_policies}

        for collection, id, left in (
            ("networks", network, policy), ("floatingips", floating["id"], policy), ("ports", special["id"], own),
        ):  # fmt: skip
            used = await n.ask("DELETE", f"/v2.0/qos/policies/{left}", who="mona")
            assert (409, "QosPolicyInUse") == (used.status, used.kind)
            change = {"qos_policy_id": None} | ({"port_id": port["id"]} if collection == "floatingips" else {})
            assert 200 == (await n.put(collection, id, **change)).status
        assert 204 == (await n.ask("DELETE", f"/v2.0/qos/policies/{policy}", who="mona")).status
        assert 409 == (await n.ask("DELETE", f"/v2.0/qos/policies/{own}", who="mona")).status, "the router has it"
        cleared = await n.put("routers", router["id"], external_gateway_info={**gateway, "qos_policy_id": None})
        assert cleared.body["router"]["external_gateway_info"]["qos_policy_id"] is None
        assert 204 == (await n.ask("DELETE", f"/v2.0/qos/policies/{own}", who="mona")).status


async def test_the_default_policy_is_one_and_new_networks_have_it(net: Open) -> None:
    async with net() as n:
        policy = (await _policy(n, is_default=True))["id"]
        second = await n.ask("POST", "/v2.0/qos/policies", {"policy": {"is_default": True}}, "mona")
        assert (409, "QoSPolicyDefaultAlreadyExists") == (second.status, second.kind)
        assert policy == (await n.make("networks"))["qos_policy_id"]
        assert (await n.make("networks", "bob"))["qos_policy_id"] is None
        assert [policy] == [each["id"] for each in await n.get("qos/policies?is_default=True")]
        change = {"policy": {"is_default": False}}
        changed = await n.ask("PUT", f"/v2.0/qos/policies/{policy}", change, "mona")
        assert False is changed.body["policy"]["is_default"]
        assert (await n.make("networks"))["qos_policy_id"] is None


async def test_admins_lay_their_policies_on_what_belongs_to_others(net: Open) -> None:
    async with net() as n:
        outside, _ = await n.outside()
        network, subnet = await n.network()
        router = (await n.make("routers"))["id"]
        await n.ask("PUT", f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet})
        made = await n.ask("POST", "/v2.0/qos/policies", {"policy": {"name": "of the cloud"}}, "root")
        policy = made.body["policy"]["id"]
        things = {
            "networks": network,
            "ports": (await n.make("ports", network_id=network))["id"],
            "floatingips": (await n.make("floatingips", floating_network_id=outside))["id"],
        }
        for collection, id in things.items():
            assert 404 == (await n.put(collection, id, qos_policy_id=policy)).status
            assert 200 == (await n.put(collection, id, "root", qos_policy_id=policy)).status
            assert policy == (await n.get(f"{collection}/{id}"))["qos_policy_id"]
            # What is laid on it stays when its owner changes something else.
            assert (
                policy == next(iter((await n.put(collection, id, description="mine")).body.values()))["qos_policy_id"]
            )
        way = {"network_id": outside, "qos_policy_id": policy}
        assert 200 == (await n.put("routers", router, "root", external_gateway_info=way)).status
        assert 409 == (await n.ask("DELETE", f"/v2.0/qos/policies/{policy}", None, "root")).status
        for collection, wish in (("networks", {}), ("ports", {"network_id": network})):
            assert (
                policy
                == (await n.make(collection, "root", project_id="p1", qos_policy_id=policy, **wish))["qos_policy_id"]
            )


async def test_policies_of_others_are_used_when_they_are_shared(net: Open) -> None:
    async with net() as n:
        policy = (await _policy(n))["id"]
        assert 404 == (await n.ask("GET", f"/v2.0/qos/policies/{policy}", who="bob")).status
        unknown = await n.post("networks", "bob", qos_policy_id=policy)
        assert (404, "QosPolicyNotFound") == (unknown.status, unknown.kind)
        assert 403 == (await n.ask("POST", "/v2.0/qos/policies", {"policy": {}})).status, "managers make policies"
        for_bob = {
            "object_type": "qos_policy",
            "object_id": policy,
            "action": "access_as_shared",
            "target_tenant": "p2",
        }
        grant = await n.make("rbac-policies", "mona", **for_bob)
        assert True is (await n.get(f"qos/policies/{policy}", "bob"))["shared"]
        network = await n.make("networks", "bob", qos_policy_id=policy)
        assert 409 == (await n.delete("rbac-policies", grant["id"], "mona")).status
        await n.put("networks", network["id"], "bob", qos_policy_id=None)
        assert 204 == (await n.delete("rbac-policies", grant["id"], "mona")).status
        assert 200 == (await n.ask("PUT", f"/v2.0/qos/policies/{policy}", {"policy": {"shared": True}}, "mona")).status
        assert [policy] == [each["id"] for each in await n.get("qos/policies", "bob")]
        assert 201 == (await n.ask("POST", f"/v2.0/qos/policies/{policy}/tags", {"tags": ["a"]}, "mona")).status
