"""Routers with several ways out."""

from typing import Any

Open = Any
Json = Any


async def _two_outsides(n: Any) -> tuple[str, str]:
    """Ids of two external networks."""
    first, _ = await n.outside()
    vlan = {"provider:network_type": "vlan", "provider:physical_network": "external", "provider:segmentation_id": 7}
    second = await n.make("networks", "root", name="other", **{"router:external": True, **vlan})
    block = {"ip_version": 4, "cidr": "198.51.100.0/24", "enable_dhcp": False}
    await n.make("subnets", "root", network_id=second["id"], **block)
    return first, second["id"]


async def _act(n: Any, verb: str, router: Json, *gateways: Json, who: str = "alice") -> Any:
    body = {"router": {"external_gateways": list(gateways)}}
    return await n.ask("PUT", f"/v2.0/routers/{router['id']}/{verb}_external_gateways", body, who)


def _networks(router: Json) -> list[str]:
    return [gateway["network_id"] for gateway in router["external_gateways"]]


async def test_a_router_goes_out_through_several_networks_the_first_of_which_old_clients_see(net: Open) -> None:
    async with net() as n:
        first, second = await _two_outsides(n)
        router = await n.make("routers", name="edge")
        assert ([], None) == (router["external_gateways"], router["external_gateway_info"])
        added = await _act(n, "add", router, {"network_id": first}, {"network_id": second}, {"network_id": first})
        assert 200 == added.status, added.body
        now = added.body["router"]
        assert [first, second, first] == _networks(now)
        assert now["external_gateway_info"] == now["external_gateways"][0]
        addresses = {ip["ip_address"] for way in now["external_gateways"] for ip in way["external_fixed_ips"]}
        assert 3 == len(addresses)
        ports = await n.get("ports?device_owner=network:router_gateway", "root")
        assert {router["id"]} == {port["device_id"] for port in ports}
        assert now["external_gateways"] == (await n.get(f"routers/{router['id']}"))["external_gateways"]
        (listed,) = await n.get("routers")
        assert now["external_gateways"] == listed["external_gateways"]


async def test_when_the_first_goes_the_next_takes_its_place(net: Open) -> None:
    async with net() as n:
        first, second = await _two_outsides(n)
        router = await n.make("routers", external_gateway_info={"network_id": first})
        await _act(n, "add", router, {"network_id": second})
        removed = await _act(n, "remove", router, {"network_id": first})
        assert [second] == _networks(removed.body["router"])
        assert second == removed.body["router"]["external_gateway_info"]["network_id"]
        await _act(n, "add", router, {"network_id": first})
        cleared = await n.put("routers", router["id"], external_gateway_info={})
        assert [] == _networks(cleared.body["router"])
        assert [] == await n.get("ports?device_owner=network:router_gateway", "root")


async def test_of_several_on_one_network_an_address_names_the_one(net: Open) -> None:
    async with net() as n:
        first, _ = await _two_outsides(n)
        router = await n.make("routers", external_gateway_info={"network_id": first})
        now = (await _act(n, "add", router, {"network_id": first}, who="root")).body["router"]
        last = now["external_gateways"][1]["external_fixed_ips"][0]["ip_address"]
        named = {"network_id": first, "external_fixed_ips": [{"ip_address": last}]}
        updated = await _act(n, "update", router, {"network_id": first}, {**named, "enable_snat": False}, who="root")
        assert [True, False] == [way["enable_snat"] for way in updated.body["router"]["external_gateways"]]
        removed = (await _act(n, "remove", router, named)).body["router"]
        assert last not in str(removed["external_gateways"])
        assert [first] == _networks(removed)
        assert 400 == (await _act(n, "remove", router, named)).status


async def test_an_update_says_all_of_them(net: Open) -> None:
    async with net() as n:
        first, second = await _two_outsides(n)
        router = await n.make("routers")
        # So does the openstack command what was `external_gateway_info` of old.
        one = (await _act(n, "update", router, {"network_id": first})).body["router"]
        assert [first] == _networks(one)
        two = (await _act(n, "update", router, {"network_id": second}, {"network_id": first})).body["router"]
        assert one["external_gateways"][0] in two["external_gateways"]
        assert {first, second} == set(_networks(two))
        last = (await _act(n, "update", router, {"network_id": second})).body["router"]
        assert [second] == _networks(last)
        elsewhere = {"network_id": second, "external_fixed_ips": [{"ip_address": "198.51.100.77"}]}
        moved = (await _act(n, "update", router, elsewhere, who="root")).body["router"]
        (way,) = moved["external_gateways"]
        assert "198.51.100.77" == way["external_fixed_ips"][0]["ip_address"]
        await _act(n, "add", router, {"network_id": first})
        nothing = {"router": {"external_gateways": {}}}
        same = await n.ask("PUT", f"/v2.0/routers/{router['id']}/remove_external_gateways", nothing)
        assert 2 == len(_networks(same.body["router"]))
        none = await _act(n, "update", router)
        assert ([], None) == (_networks(none.body["router"]), none.body["router"]["external_gateway_info"])


async def test_a_floating_ip_goes_through_the_gateway_of_its_network(net: Open) -> None:
    async with net() as n:
        first, second = await _two_outsides(n)
        network, subnet = await n.network()
        router = await n.make("routers", external_gateway_info={"network_id": first})
        await _act(n, "add", router, {"network_id": second})
        await n.ask("PUT", f"/v2.0/routers/{router['id']}/add_router_interface", {"subnet_id": subnet})
        port = await n.make("ports", network_id=network)
        floating = await n.make("floatingips", floating_network_id=second, port_id=port["id"])
        assert router["id"] == floating["router_id"]
        used = await _act(n, "remove", router, {"network_id": second})
        assert (409, "RouterExternalGatewayInUseByFloatingIp") == (used.status, used.kind)
        assert 200 == (await _act(n, "remove", router, {"network_id": first})).status
        again = await _act(n, "add", router, {"network_id": second})
        assert 2 == len(_networks(again.body["router"]))
        # Another way to the same network remains, so this one may go.
        way = again.body["router"]["external_gateways"][0]
        ips = [{"ip_address": way["external_fixed_ips"][0]["ip_address"]}]
        assert 200 == (await _act(n, "remove", router, {"network_id": second, "external_fixed_ips": ips})).status


async def test_ways_out_that_cannot_be_are_refused(net: Open) -> None:
    async with net() as n:
        first, second = await _two_outsides(n)
        inner, _ = await n.network()
        router = await n.make("routers", external_gateway_info={"network_id": first})
        assert 404 == (await _act(n, "add", router, {"network_id": "x"})).status
        assert 400 == (await _act(n, "add", router, {"network_id": inner})).status
        assert 400 == (await _act(n, "add", router, {})).status
        assert 403 == (await _act(n, "add", router, {"network_id": second, "enable_snat": False})).status
        assert 403 == (await _act(n, "add", router, {"network_id": second}, who="rita")).status
        assert 404 == (await _act(n, "add", router, {"network_id": second}, who="bob")).status
        policy = await n.ask("POST", "/v2.0/qos/policies", {"policy": {"name": "slow"}}, "root")
        slow = {"network_id": second, "qos_policy_id": policy.body["policy"]["id"]}
        refused = await _act(n, "add", router, slow, who="root")
        assert (400, True) == (refused.status, "first external gateway" in refused.message)
        overlapping = await n.make(
            "networks", "root",
            **{"router:external": True, "provider:network_type": "vlan", "provider:physical_network": "external"},
        )  # fmt: skip
        await n.make("subnets", "root", network_id=overlapping["id"], ip_version=4, cidr="172.24.4.128/25")
        assert 400 == (await _act(n, "add", router, {"network_id": overlapping["id"]}, who="root")).status
        assert [first] == _networks(await n.get(f"routers/{router['id']}"))


async def test_a_router_with_several_ways_out_is_deleted_with_all_of_them(net: Open) -> None:
    async with net() as n:
        first, second = await _two_outsides(n)
        router = await n.make("routers", external_gateway_info={"network_id": first})
        await _act(n, "add", router, {"network_id": second}, {"network_id": first})
        assert 204 == (await n.delete("routers", router["id"])).status
        assert [] == await n.get("ports?device_owner=network:router_gateway", "root")


async def test_default_routes_through_all_of_them_are_for_admins(net: Open) -> None:
    async with net() as n:
        router = await n.make("routers")
        assert (False, False) == (router["enable_default_route_ecmp"], router["enable_default_route_bfd"])
        assert 403 == (await n.put("routers", router["id"], enable_default_route_ecmp=True)).status
        shared = await n.put("routers", router["id"], "root", enable_default_route_ecmp=True)
        assert shared.body["router"]["enable_default_route_ecmp"] is True
        assert 403 == (await n.put("routers", router["id"], enable_default_route_bfd=True)).status
        watched = await n.put("routers", router["id"], "root", enable_default_route_bfd=True)
        assert watched.body["router"]["enable_default_route_bfd"] is True
        await n.settle()
        assert [True] == [each.bfd for each in n.fabric.topology.routers]


async def test_the_fabric_is_told_of_all_of_them(net: Open) -> None:
    async with net() as n:
        first, second = await _two_outsides(n)
        router = await n.make("routers", "root", enable_default_route_ecmp=True)
        await _act(n, "add", router, {"network_id": first}, {"network_id": second, "enable_snat": False}, who="root")
        await n.settle()
        (told,) = n.fabric.topology.routers
        ports = {port.id: port.network for port in n.fabric.topology.ports}
        assert [(first, True), (second, False)] == [(ports[way.port], way.snat) for way in told.gateways]
        assert told.ecmp
