"""Nonsense is refused and never breaks anything: every field of every resource, with values nobody means."""

from typing import Any

import pytest

from pileus.kit.http.wire import fields
from pileus.network.api.floating_ips import FloatingIpFilters, FloatingIpWanted
from pileus.network.api.networks import NetworkFilters, NetworkWanted
from pileus.network.api.ports import PortFilters, PortWanted
from pileus.network.api.routers import RouterFilters, RouterWanted
from pileus.network.api.security_groups import GroupFilters, GroupWanted, RuleFilters, RuleWanted
from pileus.network.api.subnets import SubnetFilters, SubnetWanted

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
