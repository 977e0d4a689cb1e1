"""Nonsense is refused and never breaks anything: every field of every resource, with values nobody means."""

from typing import Any

import pytest

from pileus.kit.http.wire import Wire, fields
from pileus.network.api.address_groups import AddressGroupWanted
from pileus.network.api.default_rules import TemplateWanted
from pileus.network.api.flavors import FlavorWanted, ProfileWanted
from pileus.network.api.floating_ips import FloatingIpFilters, FloatingIpWanted
from pileus.network.api.logs import LogWanted
from pileus.network.api.networks import NetworkFilters, NetworkWanted
from pileus.network.api.port_forwardings import ForwardingWanted
from pileus.network.api.ports import PortFilters, PortWanted
from pileus.network.api.qos import PolicyWanted as QosPolicyWanted
from pileus.network.api.qos_rules import BandwidthWanted, DscpWanted
from pileus.network.api.routers import RouterFilters, RouterWanted
from pileus.network.api.security_groups import GroupFilters, GroupWanted, RuleFilters, RuleWanted
from pileus.network.api.subnets import SubnetFilters, SubnetWanted
from pileus.network.api.trunks import TrunkWanted

Open = Any
VALUES = [
    None, 5, -1, 1 << 70, 0.5, True, "", "x", "\x00", "é" * 300, "1.2.3.4/99", "::1", [], [None], [[]], [{}], ["x"],
    [{"subnet_id": "x"}], [{"ip_address": "\x00"}], [{"start": "::", "end": "x"}], {}, {"network_id": 5},
    {"network_id": "x"},
]  # fmt: skip
WIRES = {
    "networks": NetworkWanted, "subnets": SubnetWanted, "ports": PortWanted, "routers": RouterWanted,
    "floatingips": FloatingIpWanted, "security-groups": GroupWanted, "security-group-rules": RuleWanted,
}  # fmt: skip
FILTERS = {
    "networks": NetworkFilters, "subnets": SubnetFilters, "ports": PortFilters, "routers": RouterFilters,
    "floatingips": FloatingIpFilters, "security-groups": GroupFilters, "security-group-rules": RuleFilters,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("collection", WIRES)
async def test_no_value_of_any_field_breaks_a_create_or_an_update(net: Open, collection: str) -> None:
    async with net() as n:
        network, subnet = await n.network("root")
        outside, _ = await n.outside()
        group = (await n.get("security-groups", "root"))[0]["id"]
        needed: dict[str, Any] = {
            "networks": {}, "routers": {}, "security-groups": {"name": "g"}, "ports": {"network_id": network},
            "subnets": {"network_id": network, "ip_version": 4, "cidr": "10.77.0.0/24"},
            "floatingips": {"floating_network_id": outside},
            "security-group-rules": {"security_group_id": group, "direction": "ingress"},
        }[collection]  # fmt: skip
        await n.ask("PUT", "/v2.0/quotas/p0", {"quota": {name: -1 for name in ("network", "port", "router")}}, "root")
        for field in fields(WIRES[collection]):
            for value in VALUES:
                answer = await n.post(collection, "root", **{**needed, field.name: value})
                assert answer.status < 500, (field.name, value, answer.body)
                if answer.status == 201:
                    id = next(iter(answer.body.values()))["id"]
                    for change in VALUES:
                        answer = await n.put(collection, id, "root", **{field.name: change})
                        assert answer.status < 500, (field.name, change, answer.body)
                        assert 200 == (await n.ask("GET", f"/v2.0/{collection}/{id}", who="root")).status
                    assert 204 == (await n.delete(collection, id, "root")).status


@pytest.mark.parametrize("collection", FILTERS)
async def test_no_filter_breaks_a_list(net: Open, collection: str) -> None:
    async with net() as n:
        await n.network()
        for field in fields(FILTERS[collection]):
            for value in ("", "x", "5", "true", "%00", "%27", "a" * 3000, "-1", "9" * 40, "(", "[", "ip_address=x"):
                answer = await n.ask("GET", f"/v2.0/{collection}?{field.name}={value}")
                assert answer.status in {200, 400}, (field.name, value, answer.body)


# What has an envelope of its own name: the path, the key, the wire, and what is needed besides ({port} and the like).
MORE: dict[str, tuple[str, type[Wire], dict[str, Any]]] = {
    "address-groups": ("address_group", AddressGroupWanted, {}),
    "qos/policies": ("policy", QosPolicyWanted, {}),
    "qos/policies/{policy}/bandwidth_limit_rules": ("bandwidth_limit_rule", BandwidthWanted, {"max_kbps": 5}),
    "qos/policies/{policy}/dscp_marking_rules": ("dscp_marking_rule", DscpWanted, {"dscp_mark": 8}),
    "floatingips/{floating}/port_forwardings": (
        "port_forwarding", ForwardingWanted,
        {"internal_port_id": "{port}", "protocol": "tcp", "internal_port": 1, "external_port": 1},
    ),
    "trunks": ("trunk", TrunkWanted, {"port_id": "{port}"}),
    "log/logs": ("log", LogWanted, {"resource_type": "security_group"}),
    "flavors": ("flavor", FlavorWanted, {"service_type": "L3_ROUTER_NAT"}),
    "service_profiles": ("service_profile", ProfileWanted, {"driver": "ovn"}),
    "default-security-group-rules": ("default_security_group_rule", TemplateWanted, {"direction": "ingress"}),
}  # fmt: skip


async def _ids(n: Any) -> dict[str, str]:
    outside, _ = await n.outside()
    network, subnet = await n.network("root")
    router = await n.make("routers", "root", external_gateway_info={"network_id": outside})
    await n.ask("PUT", f"/v2.0/routers/{router['id']}/add_router_interface", {"subnet_id": subnet}, "root")
    policy = await n.ask("POST", "/v2.0/qos/policies", {"policy": {}}, "root")
    return {
        "port": (await n.make("ports", "root", network_id=network))["id"],
        "floating": (await n.make("floatingips", "root", floating_network_id=outside))["id"],
        "policy": policy.body["policy"]["id"],
    }


@pytest.mark.slow
@pytest.mark.parametrize("path", MORE)
async def test_no_value_of_any_field_breaks_what_has_parents(net: Open, path: str) -> None:
    async with net() as n:
        key, wire, needed = MORE[path]
        ids = await _ids(n)
        place = f"/v2.0/{path.format(**ids)}"
        needed = {name: value.format(**ids) if isinstance(value, str) else value for name, value in needed.items()}
        for field in fields(wire):
            for value in VALUES:
                answer = await n.ask("POST", place, {key: {**needed, field.name: value}}, "root")
                assert answer.status < 500, (field.name, value, answer.body)
                if answer.status == 201:
                    one = f"{place}/{answer.body[key]['id']}"
                    for change in VALUES:
                        answer = await n.ask("PUT", one, {key: {field.name: change}}, "root")
                        assert answer.status < 500, (field.name, change, answer.body)
                    assert 204 == (await n.ask("DELETE", one, who="root")).status, (field.name, value)
