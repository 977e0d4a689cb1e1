"""Routers and floating IPs as users meet them."""

import asyncio
from typing import Any

Open = Any
Json = Any


async def _way_out(n: Any, who: str = "alice") -> tuple[str, str, str, Json]:
    """Ids of network, subnet and external network, and a router between them."""
    outside, _ = await n.outside()
    network, subnet = await n.network(who)
    router = await n.make("routers", who, name="edge", external_gateway_info={"network_id": outside})
    answer = await n.ask("PUT", f"/v2.0/routers/{router['id']}/add_router_interface", {"subnet_id": subnet}, who)
    assert 200 == answer.status, answer.body
    return network, subnet, outside, router


async def test_a_router_has_a_gateway_with_an_address(net: Open) -> None:
    async with net() as n:
        outside, outer_subnet = await n.outside()
        router = await n.make("routers", name="edge", external_gateway_info={"network_id": outside})
        info = router["external_gateway_info"]
        assert (outside, True) == (info["network_id"], info["enable_snat"])
        assert outer_subnet == info["external_fixed_ips"][0]["subnet_id"]
        assert ("ACTIVE", True, []) == (router["status"], router["admin_state_up"], router["routes"])
        assert "ha" not in router
        told = await n.get(f"routers/{router['id']}", "root")
        assert (True, False) == (told["ha"], told["distributed"])
        assert 200 == (await n.put("routers", router["id"], "root", ha=True)).status
        for never in ({"ha": False}, {"distributed": True}):
            assert 400 == (await n.put("routers", router["id"], "root", **never)).status
            assert 400 == (await n.post("routers", "root", **never)).status
        assert 403 == (await n.post("routers", ha=True)).status
        (port,) = await n.get("ports?device_owner=network:router_gateway", "root")
        assert ("", router["id"]) == (port["project_id"], port["device_id"])
        assert [] == await n.get("ports?device_owner=network:router_gateway")
        cleared = await n.put("routers", router["id"], external_gateway_info={})
        assert cleared.body["router"]["external_gateway_info"] is None
        assert [] == await n.get("ports?device_owner=network:router_gateway", "root")
        again = await n.put("routers", router["id"], external_gateway_info={"network_id": outside})
        assert outside == again.body["router"]["external_gateway_info"]["network_id"]
        assert 204 == (await n.delete("routers", router["id"])).status


async def test_snat_and_outer_addresses_are_for_admins(net: Open) -> None:
    async with net() as n:
        outside, _ = await n.outside()
        for info in ({"enable_snat": False}, {"external_fixed_ips": [{"ip_address": "172.24.4.9"}]}):
            wish = {"external_gateway_info": {"network_id": outside, **info}}
            assert 403 == (await n.post("routers", **wish)).status
            assert 201 == (await n.post("routers", "root", **wish)).status
        inner, _ = await n.network()
        answer = await n.post("routers", external_gateway_info={"network_id": inner})
        assert (400, "BadRequest") == (answer.status, answer.kind)
        assert 404 == (await n.post("routers", external_gateway_info={"network_id": "x"})).status


async def test_interfaces_are_added_and_removed_by_subnet_and_by_port(net: Open) -> None:
    async with net() as n:
        network, subnet = await n.network()
        router = (await n.make("routers"))["id"]
        add, remove = (f"/v2.0/routers/{router}/{verb}_router_interface" for verb in ("add", "remove"))
        answer = await n.ask("PUT", add, {"subnet_id": subnet})
        assert (200, router, subnet, [subnet], network) == (
            answer.status, *(answer.body[name] for name in ("id", "subnet_id", "subnet_ids", "network_id"))
        )  # fmt: skip
        port = await n.get(f"ports/{answer.body['port_id']}")
        assert ("network:router_interface", router, "10.0.0.1", []) == (
            port["device_owner"], port["device_id"], port["fixed_ips"][0]["ip_address"], port["security_groups"]
        )  # fmt: skip
        assert (400, "BadRequest") == ((twice := await n.ask("PUT", add, {"subnet_id": subnet})).status, twice.kind)
        assert (409, "ServicePortInUse") == ((held := await n.delete("ports", port["id"])).status, held.kind)
        assert (409, "SubnetInUse") == ((used := await n.delete("subnets", subnet)).status, used.kind)
        assert (409, "RouterInUse") == ((used := await n.delete("routers", router)).status, used.kind)
        assert 200 == (await n.ask("PUT", remove, {"port_id": port["id"]})).status
        assert 404 == (await n.ask("GET", f"/v2.0/ports/{port['id']}")).status
        missing = await n.ask("PUT", remove, {"subnet_id": subnet})
        assert (404, "RouterInterfaceNotFoundForSubnet") == (missing.status, missing.kind)

        own = await n.make("ports", network_id=network, fixed_ips=[{"ip_address": "10.0.0.44"}])
        assert 200 == (await n.ask("PUT", add, {"port_id": own["id"]})).status
        assert "network:router_interface" == (await n.get(f"ports/{own['id']}"))["device_owner"]
        assert 409 == (await n.ask("PUT", add, {"port_id": own["id"]})).status
        assert 200 == (await n.ask("PUT", remove, {"subnet_id": subnet})).status
        assert 400 == (await n.ask("PUT", add, {})).status
        assert 404 == (await n.ask("PUT", add, {"subnet_id": "x"})).status
        assert 404 == (await n.ask("PUT", add, {"subnet_id": subnet}, "bob")).status


async def test_overlapping_blocks_do_not_meet_on_a_router(net: Open) -> None:
    async with net() as n:
        router = (await n.make("routers"))["id"]
        add = f"/v2.0/routers/{router}/add_router_interface"
        _, one = await n.network(cidr="10.0.0.0/16")
        _, two = await n.network(cidr="10.0.9.0/24")
        assert 200 == (await n.ask("PUT", add, {"subnet_id": one})).status
        assert 400 == (await n.ask("PUT", add, {"subnet_id": two})).status


async def test_routes_lead_through_neighbours(net: Open) -> None:
    async with net() as n:
        _, _, _, router = await _way_out(n)
        routes = [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.200"}]
        answer = await n.put("routers", router["id"], routes=routes)
        assert (200, routes) == (answer.status, answer.body["router"]["routes"])
        for wrong in ("10.44.0.1", "10.0.0.1", "x"):
            bad = await n.put("routers", router["id"], routes=[{"destination": "10.8.0.0/16", "nexthop": wrong}])
            assert (400, "InvalidRoutes") == (bad.status, bad.kind)
        more = {"router": {"routes": [{"destination": "10.8.0.0/16", "nexthop": "10.0.0.201"}]}}
        added = await n.ask("PUT", f"/v2.0/routers/{router['id']}/add_extraroutes", more)
        assert 2 == len(added.body["router"]["routes"])
        left = await n.ask("PUT", f"/v2.0/routers/{router['id']}/remove_extraroutes", {"router": {"routes": routes}})
        assert more["router"]["routes"] == left.body["router"]["routes"]
        subnet = (await n.get("subnets?cidr=10.0.0.0/24"))[0]["id"]
        held = await n.ask("PUT", f"/v2.0/routers/{router['id']}/remove_router_interface", {"subnet_id": subnet})
        assert (409, "RouterInterfaceInUseByRoute") == (held.status, held.kind)


async def test_a_floating_ip_leads_to_a_port_and_away_again(net: Open) -> None:
    async with net() as n:
        network, subnet, outside, router = await _way_out(n)
        port = await n.make("ports", network_id=network)
        floating = await n.make("floatingips", floating_network_id=outside)
        assert ("DOWN", None, None, None) == tuple(
            floating[name] for name in ("status", "port_id", "fixed_ip_address", "router_id")
        )
        lead = (await n.put("floatingips", floating["id"], port_id=port["id"])).body["floatingip"]
        assert (port["id"], port["fixed_ips"][0]["ip_address"], router["id"], "ACTIVE") == tuple(
            lead[name] for name in ("port_id", "fixed_ip_address", "router_id", "status")
        )
        assert (network, port["mac_address"]) == (
            lead["port_details"]["network_id"],
            lead["port_details"]["mac_address"],
        )
        assert [lead] == await n.get(f"floatingips?port_id={port['id']}&status=ACTIVE")
        assert [] == await n.get("floatingips?status=DOWN")

        second = await n.post("floatingips", floating_network_id=outside, port_id=port["id"])
        assert (409, "FloatingIPPortAlreadyAssociated") == (second.status, second.kind)
        remove = f"/v2.0/routers/{router['id']}/remove_router_interface"
        held = await n.ask("PUT", remove, {"subnet_id": subnet})
        assert (409, "RouterInterfaceInUseByFloatingIP") == (held.status, held.kind)
        held = await n.put("routers", router["id"], external_gateway_info=None)
        assert (409, "RouterExternalGatewayInUseByFloatingIp") == (held.status, held.kind)

        named = (await n.put("floatingips", floating["id"], description="d")).body["floatingip"]
        assert ("d", port["id"]) == (named["description"], named["port_id"])
        gone = (await n.put("floatingips", floating["id"], port_id=None)).body["floatingip"]
        assert (None, "DOWN") == (gone["port_id"], gone["status"])
        assert 200 == (await n.ask("PUT", remove, {"subnet_id": subnet})).status
        lost = await n.put("floatingips", floating["id"], port_id=port["id"])
        assert (404, "ExternalGatewayForFloatingIPNotFound") == (lost.status, lost.kind)
        assert 204 == (await n.delete("floatingips", floating["id"])).status
        assert [] == await n.get("ports?device_owner=network:floatingip", "root")


async def test_deleting_a_port_frees_its_floating_ip(net: Open) -> None:
    async with net() as n:
        network, _, outside, _ = await _way_out(n)
        port = await n.make("ports", network_id=network)
        floating = await n.make("floatingips", floating_network_id=outside, port_id=port["id"])
        assert "ACTIVE" == floating["status"]
        assert 204 == (await n.delete("ports", port["id"])).status
        free = await n.get(f"floatingips/{floating['id']}")
        assert ("DOWN", None, None) == (free["status"], free["port_id"], free["router_id"])


async def test_floating_ips_that_cannot_be_are_refused(net: Open) -> None:
    async with net() as n:
        network, _, outside, _ = await _way_out(n)
        two = [{"ip_address": "10.0.0.30"}, {"ip_address": "10.0.0.31"}]
        port = await n.make("ports", network_id=network, fixed_ips=two)
        bare = await n.make("ports", network_id=network, fixed_ips=[])
        for values, status in (
            ({"floating_network_id": network}, 400),
            ({"floating_network_id": "x"}, 404),
            ({"floating_network_id": outside, "port_id": "x"}, 404),
            ({"floating_network_id": outside, "port_id": port["id"]}, 400),
            ({"floating_network_id": outside, "port_id": bare["id"]}, 400),
            ({"floating_network_id": outside, "port_id": port["id"], "fixed_ip_address": "10.0.0.99"}, 400),
            ({"floating_network_id": outside, "floating_ip_address": "172.24.4.77"}, 403),
            ({}, 400),
        ):
            assert status == (await n.post("floatingips", **values)).status, values
        answer = await n.post(
            "floatingips", floating_network_id=outside, port_id=port["id"], fixed_ip_address="10.0.0.31"
        )
        assert (201, "10.0.0.31") == (answer.status, answer.body["floatingip"]["fixed_ip_address"])
        assert 404 == (await n.post("floatingips", "bob", floating_network_id=outside, port_id=port["id"])).status
        wish = {"floating_network_id": outside, "floating_ip_address": "172.24.4.77"}
        assert "172.24.4.77" == (await n.make("floatingips", "mona", **wish))["floating_ip_address"]
        assert 409 == (await n.post("floatingips", "mona", **wish)).status


async def test_of_two_who_set_a_gateway_at_once_one_port_is_left(net: Open) -> None:
    async with net() as n:
        outside, _ = await n.outside()
        router = (await n.make("routers"))["id"]
        info = {"network_id": outside}
        answers = await asyncio.gather(*(n.put("routers", router, external_gateway_info=info) for _ in range(5)))
        assert {200} == {answer.status for answer in answers}
        assert 1 == len(await n.get("ports?device_owner=network:router_gateway", "root"))


async def test_a_port_becomes_the_leg_of_one_router_only(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        port = await n.make("ports", network_id=network)
        routers = [(await n.make("routers"))["id"] for _ in range(5)]
        answers = await asyncio.gather(
            *(n.ask("PUT", f"/v2.0/routers/{id}/add_router_interface", {"port_id": port["id"]}) for id in routers)
        )
        assert [200, 409, 409, 409, 409] == sorted(answer.status for answer in answers)


async def test_of_many_who_lead_a_floating_ip_to_one_port_one_succeeds(net: Open) -> None:
    async with net() as n:
        network, _, outside, _ = await _way_out(n)
        port = await n.make("ports", network_id=network)
        ids = [(await n.make("floatingips", floating_network_id=outside))["id"] for _ in range(5)]
        answers = await asyncio.gather(*(n.put("floatingips", id, port_id=port["id"]) for id in ids))
        assert [200, 409, 409, 409, 409] == sorted(answer.status for answer in answers)
