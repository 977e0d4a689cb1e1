"""Ports of floating IPs that lead to ports of guests."""

from typing import Any

import pytest

Open = Any
Json = dict[str, Any]


async def _scene(n: Any) -> tuple[Json, Json, str, str]:
    """A floating IP, a port behind a router, that router and the port's subnet."""
    outside, _ = await n.outside()
    network, subnet = await n.network()
    router = await n.make("routers", external_gateway_info={"network_id": outside})
    await n.ask("PUT", f"/v2.0/routers/{router['id']}/add_router_interface", {"subnet_id": subnet})
    port = await n.make("ports", network_id=network)
    return await n.make("floatingips", floating_network_id=outside), port, router["id"], subnet


async def _forward(n: Any, floating: Json, port: Json, who: str = "alice", **values: Any) -> Any:
    body = {"protocol": "tcp", "internal_port": 80, "external_port": 8080, "internal_port_id": port["id"], **values}
    body = {name: value for name, value in body.items() if value is not None}
    return await n.ask("POST", f"/v2.0/floatingips/{floating['id']}/port_forwardings", {"port_forwarding": body}, who)


async def test_ports_are_forwarded_listed_changed_and_forgotten(net: Open) -> None:
    async with net() as n:
        floating, port, router, _ = await _scene(n)
        made = await _forward(n, floating, port, description="the web")
        assert 201 == made.status, made.body
        one = made.body["port_forwarding"]
        assert {
            "id": one["id"], "protocol": "tcp", "internal_port": 80, "external_port": 8080, "description": "the web",
            "internal_port_id": port["id"], "internal_ip_address": port["fixed_ips"][0]["ip_address"],
            "internal_port_range": "80:80", "external_port_range": "8080:8080",
        } == one  # fmt: skip
        place = f"floatingips/{floating['id']}/port_forwardings"
        assert 201 == (await _forward(n, floating, port, protocol="udp")).status
        assert [one] == await n.get(f"{place}?protocol=tcp&internal_port_id={port['id']}")
        seen = await n.get(f"floatingips/{floating['id']}")
        assert (router, None, "ACTIVE", 2) == (
            seen["router_id"], seen["port_id"], seen["status"], len(seen["port_forwardings"])
        )  # fmt: skip
        changed = await n.ask("PUT", f"/v2.0/{place}/{one['id']}", {"port_forwarding": {"external_port": 81}})
        assert (200, 81, 80) == (
            changed.status, *(changed.body["port_forwarding"][name] for name in ("external_port", "internal_port"))
        )  # fmt: skip
        await n.settle()
        forwarded = {each.protocol: each for each in n.fabric.topology.port_forwardings}
        assert (floating["floating_ip_address"], router, 81, 80) == (
            forwarded["tcp"].address, forwarded["tcp"].router, forwarded["tcp"].outer, forwarded["tcp"].inner
        )  # fmt: skip
        for each in await n.get(place):
            assert 204 == (await n.ask("DELETE", f"/v2.0/{place}/{each['id']}")).status
        assert (await n.get(f"floatingips/{floating['id']}"))["router_id"] is None
        assert 404 == (await n.ask("GET", f"/v2.0/{place}/{one['id']}")).status


async def test_ranges_are_of_one_length_and_meet_no_other(net: Open) -> None:
    async with net() as n:
        floating, port, _, _ = await _scene(n)
        ranges: Json = {"internal_port": None, "external_port": None, "internal_port_range": "100:109"}
        assert 400 == (await _forward(n, floating, port, **ranges, external_port_range="1000:1008")).status
        assert 400 == (await _forward(n, floating, port, **ranges)).status
        made = await _forward(n, floating, port, **ranges, external_port_range="1000:1009")
        assert "internal_port" not in made.body["port_forwarding"]
        clash = await _forward(n, floating, port, internal_port=5, external_port=1009)
        assert (400, "BadRequest") == (clash.status, clash.kind)
        assert 400 == (await _forward(n, floating, port, internal_port=109, external_port=5)).status
        assert 201 == (await _forward(n, floating, port, internal_port=109, external_port=1009, protocol="udp")).status
        for wrong in ("x", "5:", "9:5", "0:3", "1:65536", "1:60000", "-1:4"):
            answer = await _forward(n, floating, port, **{**ranges, "internal_port_range": wrong})
            assert 400 == answer.status, wrong


@pytest.mark.parametrize(
    "wrong", [{"external_port": 0}, {"internal_port": 65536}, {"protocol": "icmp"}, {"internal_port": None}]
)
async def test_nonsense_is_refused(net: Open, wrong: Json) -> None:
    async with net() as n:
        floating, port, _, _ = await _scene(n)
        assert 400 == (await _forward(n, floating, port, **wrong)).status


async def test_a_floating_ip_leads_somewhere_or_forwards_ports_not_both(net: Open) -> None:
    async with net() as n:
        floating, port, _, _ = await _scene(n)
        await n.put("floatingips", floating["id"], port_id=port["id"])
        assert 409 == (await _forward(n, floating, port)).status
        await n.put("floatingips", floating["id"], port_id=None)
        assert 201 == (await _forward(n, floating, port)).status
        used = await n.put("floatingips", floating["id"], port_id=port["id"])
        assert (409, "FipInUseByPortForwarding") == (used.status, used.kind)
        kept = await n.put("floatingips", floating["id"], description="x")
        assert kept.body["floatingip"]["router_id"] is not None


async def test_what_ports_are_forwarded_through_stays(net: Open) -> None:
    async with net() as n:
        floating, port, router, subnet = await _scene(n)
        await _forward(n, floating, port)
        leg = await n.ask("PUT", f"/v2.0/routers/{router}/remove_router_interface", {"subnet_id": subnet})
        assert (409, "RouterInterfaceInUseByFloatingIP") == (leg.status, leg.kind)
        assert 409 == (await n.put("routers", router, external_gateway_info=None)).status
        moved = await n.put("ports", port["id"], fixed_ips=[{"subnet_id": subnet, "ip_address": "10.0.0.99"}])
        assert 400 == moved.status
        assert 204 == (await n.delete("ports", port["id"])).status
        assert [] == (await n.get(f"floatingips/{floating['id']}"))["port_forwardings"]
        assert (
            200 == (await n.ask("PUT", f"/v2.0/routers/{router}/remove_router_interface", {"subnet_id": subnet})).status
        )


async def test_forwardings_are_the_projects_own(net: Open) -> None:
    async with net() as n:
        floating, port, _, _ = await _scene(n)
        other, _ = await n.network("bob")
        theirs = await n.make("ports", "bob", network_id=other)
        assert 404 == (await _forward(n, floating, theirs)).status
        assert 404 == (await _forward(n, floating, port, "bob")).status
        assert 403 == (await _forward(n, floating, port, "rita")).status
        alone, _ = await n.network()
        behind_nothing = await n.make("ports", network_id=alone)
        answer = await _forward(n, floating, behind_nothing)
        assert (404, "ExternalGatewayForFloatingIPNotFound") == (answer.status, answer.kind)
        assert 204 == (await n.delete("floatingips", floating["id"])).status
