"""Networks and subnets as users meet them."""

from typing import Any

import pytest

from pileus.kit.auth import Caller
from pileus.ports.network import NicRequest

Open = Any
ALICE = Caller(user_id="a", project_id="p1", roles=frozenset({"member", "reader"}))


async def test_a_network_has_neutrons_attributes(net: Open) -> None:
    async with net() as n:
        made = await n.make("networks", name="blue")
        seen = await n.get(f"networks/{made['id']}")
        assert made == seen
        assert ("blue", "ACTIVE", 1442, False, "p1", "p1") == tuple(
            seen[name] for name in ("name", "status", "mtu", "shared", "project_id", "tenant_id")
        )
        assert [] == seen["subnets"] == seen["tags"] == seen["availability_zone_hints"]
        assert seen["port_security_enabled"] is True
        assert not [name for name in seen if name.startswith("provider:")]
        told = await n.get(f"networks/{made['id']}", "root")
        assert "geneve" == told["provider:network_type"]
        assert told["provider:segmentation_id"] > 0
        assert told["provider:physical_network"] is None


async def test_many_networks_are_made_at_once_or_none(net: Open) -> None:
    async with net() as n:
        answer = await n.ask("POST", "/v2.0/networks", {"networks": [{"name": "a"}, {"name": "b"}]})
        assert (201, ["a", "b"]) == (answer.status, [each["name"] for each in answer.body["networks"]])
        answer = await n.ask("POST", "/v2.0/networks", {"networks": [{"name": "c"}, {"name": "d", "shared": True}]})
        assert (403, "PolicyNotAuthorized") == (answer.status, answer.kind)
        assert {"a", "b"} == {each["name"] for each in await n.get("networks")}


async def test_others_see_only_shared_and_external_networks(net: Open) -> None:
    async with net() as n:
        own = await n.make("networks", name="own")
        shared = await n.make("networks", "root", name="shared", shared=True)
        outside, _ = await n.outside()
        assert {shared["id"], outside} == {each["id"] for each in await n.get("networks", "bob")}
        assert 4 - 1 == len(await n.get("networks", "root"))
        answer = await n.ask("GET", f"/v2.0/networks/{own['id']}", who="bob")
        assert (404, "NetworkNotFound") == (answer.status, answer.kind)
        assert 404 == (await n.delete("networks", own["id"], "bob")).status
        assert 403 == (await n.delete("networks", shared["id"], "bob")).status
        assert (204, 404) == (
            (await n.delete("networks", own["id"])).status,
            (await n.delete("networks", own["id"])).status,
        )


async def test_lists_filter_sort_page_and_pick_fields(net: Open) -> None:
    async with net() as n:
        for name in ("c", "a", "b"):
            await n.make("networks", name=name)
        answer = await n.ask("GET", "/v2.0/networks?sort_key=name&sort_dir=asc&limit=2&fields=name&fields=id")
        assert ["a", "b"] == [each["name"] for each in answer.body["networks"]]
        assert {"name", "id"} == set(answer.body["networks"][0])
        link = answer.body["networks_links"][0]
        assert "next" == link["rel"]
        rest = await n.ask("GET", link["href"].removeprefix("http://cloud:1/network"))
        assert ["c"] == [each["name"] for each in rest.body["networks"]]
        assert {"a", "c"} == {each["name"] for each in await n.get("networks?name=a&name=c")}
        assert [] == await n.get("networks?shared=true")
        assert 400 == (await n.ask("GET", "/v2.0/networks?colour=red")).status
        assert 400 == (await n.ask("GET", "/v2.0/networks?sort_key=colour")).status
        assert 400 == (await n.ask("GET", "/v2.0/networks?marker=nonsense")).status


async def test_a_project_may_be_named_by_either_name_and_by_others_only_by_admins(net: Open) -> None:
    async with net() as n:
        assert "p2" == (await n.make("networks", "root", tenant_id="p2"))["project_id"]
        assert 400 == (await n.post("networks", project_id="p2")).status
        assert 400 == (await n.post("networks", "root", project_id="p2", tenant_id="p1")).status
        assert 201 == (await n.post("networks", project_id="p1")).status


async def test_updates_change_only_what_is_named(net: Open) -> None:
    async with net() as n:
        made = await n.make("networks", name="one", description="d")
        n.clock.move(5)
        changed = (await n.put("networks", made["id"], name="two", mtu=1400)).body["network"]
        assert ("two", "d", 1400, 1) == tuple(
            changed[name] for name in ("name", "description", "mtu", "revision_number")
        )
        assert made["updated_at"] < changed["updated_at"]
        assert 400 == (await n.put("networks", made["id"], mtu=9000)).status
        assert 400 == (await n.put("networks", made["id"], id="x")).status
        assert 403 == (await n.put("networks", made["id"], shared=True)).status
        assert 403 == (await n.put("networks", made["id"], "rita", name="x")).status


async def test_provider_networks_are_for_admins_and_lie_on_known_ones_once(net: Open) -> None:
    async with net() as n:
        flat = {"provider:network_type": "flat", "provider:physical_network": "external"}
        assert 403 == (await n.post("networks", **flat)).status
        assert 201 == (await n.post("networks", "root", **flat)).status
        answer = await n.post("networks", "root", **flat)
        assert 409 == answer.status
        answer = await n.post("networks", "root", **{**flat, "provider:physical_network": "moon"})
        assert (400, "InvalidInput") == (answer.status, answer.kind)


async def test_quotas_are_conflicts_and_admins_set_them(net: Open) -> None:
    async with net() as n:
        assert 403 == (await n.ask("PUT", "/v2.0/quotas/p1", {"quota": {"network": 1}})).status
        answer = await n.ask("PUT", "/v2.0/quotas/p1", {"quota": {"network": 1}}, "root")
        assert (200, 1, 500) == (answer.status, answer.body["quota"]["network"], answer.body["quota"]["port"])
        await n.make("networks")
        answer = await n.post("networks")
        assert (409, "OverQuota") == (answer.status, answer.kind)
        details = await n.get("quotas/p1/details.json", "root")
        assert {"limit": 1, "used": 1, "reserved": 0} == details["network"]
        assert 204 == (await n.ask("DELETE", "/v2.0/quotas/p1", who="root")).status
        assert 201 == (await n.post("networks")).status


async def test_a_subnet_gets_gateway_and_pool(net: Open) -> None:
    async with net() as n:
        network = await n.make("networks")
        made = await n.make("subnets", network_id=network["id"], ip_version=4, cidr="10.1.0.7/24")
        assert ("10.1.0.0/24", "10.1.0.1", True) == (made["cidr"], made["gateway_ip"], made["enable_dhcp"])
        assert [{"start": "10.1.0.2", "end": "10.1.0.254"}] == made["allocation_pools"]
        none = await n.make("subnets", network_id=network["id"], ip_version=4, cidr="10.2.0.0/24", gateway_ip=None)
        assert none["gateway_ip"] is None
        assert "10.2.0.1" == none["allocation_pools"][0]["start"]
        middle = await n.make(
            "subnets", network_id=network["id"], ip_version=4, cidr="10.3.0.0/24", gateway_ip="10.3.0.9"
        )
        assert ["10.3.0.1", "10.3.0.10"] == [pool["start"] for pool in middle["allocation_pools"]]
        seen = await n.get(f"networks/{network['id']}")
        assert {made["id"], none["id"], middle["id"]} == set(seen["subnets"])


@pytest.mark.parametrize(
    ("values", "status", "kind"),
    [
        ({"cidr": "10.0.0.0/33"}, 400, "HTTPBadRequest"),
        ({"cidr": "fd00::/64"}, 400, "InvalidInput"),
        ({"cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.255"}, 400, "InvalidInput"),
        ({"cidr": "10.0.0.0/24", "allocation_pools": [{"start": "10.0.0.9", "end": "10.0.0.3"}]}, 400,
         "InvalidAllocationPool"),
        ({"cidr": "10.0.0.0/24", "allocation_pools": [{"start": "10.0.0.9", "end": "10.0.1.3"}]}, 400,
         "OutOfBoundsAllocationPool"),
        ({"cidr": "10.0.0.0/24", "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.9"},
                                                     {"start": "10.0.0.9", "end": "10.0.0.12"}]}, 409,
         "OverlappingAllocationPools"),
        ({"cidr": "10.0.0.0/24", "allocation_pools": [{"start": "10.0.0.1", "end": "10.0.0.9"}]}, 409,
         "GatewayConflictWithAllocationPools"),
        ({"cidr": "10.9.0.128/25"}, 400, "InvalidInput"),
        ({"cidr": "10.0.0.0/24", "dns_nameservers": ["one"]}, 400, "HTTPBadRequest"),
        ({"cidr": "10.0.0.0/24", "dns_nameservers": ["10.0.0.9"] * 2}, 400, "HTTPBadRequest"),
        ({"cidr": "10.0.0.0/24", "dns_nameservers": [f"10.0.0.{n}" for n in range(6)]}, 400, "DNSNameServersExhausted"),
        ({"cidr": "10.0.0.0/24", "host_routes": [{"destination": f"10.7.{n}.0/24", "nexthop": "10.0.0.9"} for n in range(21)]},
         400, "HostRoutesExhausted"),
        ({"cidr": "10.0.0.0/24", "gateway_ip": "x"}, 400, "HTTPBadRequest"),
        ({"cidr": "224.0.0.0/24"}, 400, "InvalidInput"),
        ({"cidr": "127.0.0.0/24"}, 400, "InvalidInput"),
        ({"cidr": "10.0.0.0/24", "host_routes": [{"destination": "10.7.0.0/24", "nexthop": "x"}]}, 400, "HTTPBadRequest"),
        ({}, 400, "BadRequest"),
        ({"cidr": "10.0.0.0/24", "colour": "red"}, 400, "HTTPBadRequest"),
    ],
)  # fmt: skip
async def test_subnets_that_cannot_be_are_refused(net: Open, values: Any, status: int, kind: str) -> None:
    async with net() as n:
        network, _ = await n.network(cidr="10.9.0.0/24")
        answer = await n.post("subnets", network_id=network, ip_version=4, **values)
        assert (status, kind) == (answer.status, answer.kind)


async def test_subnets_of_others_networks_are_refused(net: Open) -> None:
    async with net() as n:
        network, subnet = await n.network()
        answer = await n.post("subnets", "bob", network_id=network, ip_version=4, cidr="10.8.0.0/24")
        assert (404, "NetworkNotFound") == (answer.status, answer.kind)
        assert 404 == (await n.ask("GET", f"/v2.0/subnets/{subnet}", who="bob")).status
        assert [] == await n.get("subnets", "bob")
        shared = await n.make("networks", "root", shared=True)
        assert 403 == (await n.post("subnets", "bob", network_id=shared["id"], ip_version=4, cidr="10.8.0.0/24")).status


async def test_the_first_subnet_with_dhcp_brings_a_port_for_metadata(net: Open) -> None:
    async with net() as n:
        network, subnet = await n.network()
        (port,) = await n.get(f"ports?network_id={network}")
        assert ("network:distributed", f"ovnmeta-{network}") == (port["device_owner"], port["device_id"])
        assert subnet == port["fixed_ips"][0]["subnet_id"]
        other = await n.make("subnets", network_id=network, ip_version=4, cidr="10.5.0.0/24")
        (port,) = await n.get(f"ports?network_id={network}")
        assert {subnet, other["id"]} == {fixed["subnet_id"] for fixed in port["fixed_ips"]}
        card = await n.make("ports", network_id=network)
        assert 409 == (await n.delete("ports", port["id"])).status
        await n.delete("ports", card["id"])
        assert 204 == (await n.delete("subnets", other["id"])).status
        assert 204 == (await n.delete("networks", network)).status
        assert [] == await n.get("ports", "root")


async def test_an_empty_networks_port_for_metadata_goes_and_comes_again_with_a_server(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        (port,) = await n.get(f"ports?network_id={network}")
        assert 204 == (await n.delete("ports", port["id"])).status
        assert [] == await n.get(f"ports?network_id={network}")
        await n.ports.make_ports(ALICE, "s1", "web", [NicRequest(network_id=network)])
        owners = {each["device_owner"] for each in await n.get(f"ports?network_id={network}")}
        assert {"compute:nova", "network:distributed"} == owners


async def test_a_servers_cards_come_in_the_order_asked_for_whichever_port_is_older(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        older = await n.make("ports", network_id=network)
        n.clock.move(60)
        asked = [NicRequest(network_id=network), NicRequest(port_id=older["id"]), NicRequest(network_id=network)]
        ports = await n.ports.make_ports(ALICE, "s1", "web", asked)
        assert [False, True, False] == [port.id == older["id"] for port in ports]
        assert ports == (await n.ports.ports_of(["s1"]))["s1"]
        later = await n.make("ports", network_id=network)
        (*_, last) = await n.ports.make_ports(ALICE, "s1", "web", [NicRequest(port_id=later["id"])])
        assert later["id"] == last.id


async def test_what_is_used_stays(net: Open) -> None:
    async with net() as n:
        network, subnet = await n.network()
        port = await n.make("ports", network_id=network)
        for collection, id, kind in (("subnets", subnet, "SubnetInUse"), ("networks", network, "NetworkInUse")):
            answer = await n.delete(collection, id)
            assert (409, kind) == (answer.status, answer.kind)
            assert port["id"] in answer.message


async def test_tags_are_set_added_removed_and_found(net: Open) -> None:
    async with net() as n:
        network = (await n.make("networks"))["id"]
        other = (await n.make("networks"))["id"]
        path = f"/v2.0/networks/{network}/tags"
        assert 200 == (await n.ask("PUT", path, {"tags": ["red", "blue"]})).status
        assert 201 == (await n.ask("PUT", f"{path}/gr%25en")).status
        assert 201 == (await n.ask("POST", path, {"tags": ["more"]})).status
        assert ["red", "blue", "gr%en", "more"] == (await n.ask("GET", path)).body["tags"]
        assert 204 == (await n.ask("GET", f"{path}/red")).status
        assert (404, "TagNotFound") == ((missing := await n.ask("GET", f"{path}/re")).status, missing.kind)
        for query, ids in (
            ("tags=red,blue", {network}),
            ("tags=re", set()),
            ("tags=gr%25en", {network}),
            ("tags-any=red,x", {network}),
            ("not-tags=red", {other}),
            ("not-tags-any=x,y", {network, other}),
        ):
            assert ids == {each["id"] for each in await n.get(f"networks?{query}")}, query
        assert 204 == (await n.ask("DELETE", f"{path}/red")).status
        assert 204 == (await n.ask("DELETE", path)).status
        assert [] == (await n.get(f"networks/{network}"))["tags"]
        assert 404 == (await n.ask("GET", path, who="bob")).status
        assert 403 == (await n.ask("PUT", path, {"tags": ["x"]}, "rita")).status


async def test_versions_and_extensions_need_no_token(net: Open) -> None:
    async with net() as n:
        root = await n.ask("GET", "/", who=None)
        assert "http://cloud:1/network/v2.0/" == root.body["versions"][0]["links"][0]["href"]
        aliases = {each["alias"] for each in (await n.ask("GET", "/v2.0/extensions", who=None)).body["extensions"]}
        assert {"router", "security-group", "external-net", "provider", "quotas", "standard-attr-tag"} <= aliases
        assert "router" == (await n.ask("GET", "/v2.0/extensions/router", who=None)).body["extension"]["alias"]
        assert 404 == (await n.ask("GET", "/v2.0/extensions/vpnaas", who=None)).status


async def test_addresses_taken_are_counted_for_admins(net: Open) -> None:
    async with net() as n:
        network, subnet = await n.network(cidr="10.0.0.0/28", name="blue")
        await n.make("ports", network_id=network)
        (seen,) = await n.get("network-ip-availabilities?network_name=blue", "root")
        assert (13, 2, subnet) == (
            seen["total_ips"], seen["used_ips"], seen["subnet_ip_availability"][0]["subnet_id"]
        )  # fmt: skip
        assert {
            "total_ips_in_subnet": 14,
            "total_ips_in_allocation_pool": 13,
            "used_ips_in_subnet": 2,
            "used_ips_in_allocation_pool": 2,
        } == seen["ip_availability_details"]
        assert seen["ip_availability_details"] == seen["subnet_ip_availability"][0]["ip_availability_details"]
        (six,) = await n.get("network-ip-availabilities?network_name=blue&ip_version=6", "root")
        assert (0, []) == (six["total_ips"], six["subnet_ip_availability"])
        assert seen == await n.get(f"network-ip-availabilities/{network}", "root")
        assert 403 == (await n.ask("GET", "/v2.0/network-ip-availabilities")).status


async def test_what_changed_since_is_found(net: Open) -> None:
    async with net() as n:
        await n.make("networks", name="old")
        n.clock.move(60)
        since = n.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        await n.make("networks", name="new")
        assert ["new"] == [each["name"] for each in await n.get(f"networks?changed_since={since}")]
        assert 400 == (await n.ask("GET", "/v2.0/networks?changed_since=yesterday")).status


async def test_a_vlan_is_chosen_when_none_is_asked_for(net: Open) -> None:
    async with net() as n:
        vlan = {"provider:network_type": "vlan", "provider:physical_network": "external"}
        first = await n.make("networks", "root", **vlan, **{"provider:segmentation_id": 1})
        other = await n.make("networks", "root", **vlan)
        assert (1, 2) == (first["provider:segmentation_id"], other["provider:segmentation_id"])
        taken = await n.post("networks", "root", **vlan, **{"provider:segmentation_id": 2})
        assert (409, "VlanIdInUse") == (taken.status, taken.kind)
        beyond = await n.post("networks", "root", **vlan, **{"provider:segmentation_id": 4095})
        assert (400, "InvalidInput") == (beyond.status, beyond.kind)
        assert 1500 == other["mtu"]
        await n.settle()
        assert {1, 2} == {each.segmentation_id for each in n.fabric.topology.networks}


async def test_an_external_network_stays_so_while_it_is_used(net: Open) -> None:
    async with net() as n:
        outside, _ = await n.outside()
        floating = await n.make("floatingips", floating_network_id=outside)
        refused = await n.put("networks", outside, "root", **{"router:external": False})
        assert "ExternalNetworkInUse" == refused.kind
        await n.delete("floatingips", floating["id"])
        changed = await n.put("networks", outside, "root", **{"router:external": False})
        assert False is changed.body["network"]["router:external"]
        assert [] == await n.get("networks")


async def test_the_mtu_is_changed_within_what_the_network_carries(net: Open) -> None:
    async with net() as n:
        network = (await n.make("networks"))["id"]
        assert 1300 == (await n.put("networks", network, mtu=1300)).body["network"]["mtu"]
        assert 400 == (await n.put("networks", network, mtu=1500)).status
        await n.settle()
        assert [1300] == [each.mtu for each in n.fabric.topology.networks]


async def test_idle_floating_ips_go_with_their_network_and_others_hold_it(net: Open) -> None:
    async with net() as n:
        outside, _ = await n.outside()
        idle = await n.make("floatingips", floating_network_id=outside)
        network, subnet = await n.network()
        router = await n.make("routers", external_gateway_info={"network_id": outside})
        await n.ask("PUT", f"/v2.0/routers/{router['id']}/add_router_interface", {"subnet_id": subnet})
        port = await n.make("ports", network_id=network)
        used = await n.make("floatingips", floating_network_id=outside, port_id=port["id"])
        answer = await n.delete("networks", outside, "root")
        assert (409, "NetworkInUse") == (answer.status, answer.kind)
        assert idle["id"] in {each["id"] for each in await n.get("floatingips")}, "a refusal changes nothing"
        await n.put("floatingips", used["id"], port_id=None)
        await n.put("routers", router["id"], external_gateway_info=None)
        assert 204 == (await n.delete("networks", outside, "root")).status
        assert [] == await n.get("floatingips")


async def test_a_bad_cidr_is_told_before_an_unknown_network(net: Open) -> None:
    async with net() as n:
        answer = await n.post("subnets", network_id="nowhere", ip_version=4, cidr="10.0.0.0/99")
        assert (400, "HTTPBadRequest") == (answer.status, answer.kind)
        answer = await n.post("subnets", network_id="nowhere", ip_version=4, cidr="10.0.0.0/24")
        assert (404, "NetworkNotFound") == (answer.status, answer.kind)


async def test_a_limit_below_what_a_project_has_is_refused_unless_forced(net: Open) -> None:
    async with net() as n:
        for _ in range(2):
            await n.make("networks")
        refused = await n.ask("PUT", "/v2.0/quotas/p1", {"quota": {"network": 1}}, "root")
        assert (409, "OverQuota") == (refused.status, refused.kind)
        assert 100 == (await n.get("quotas/p1", "root"))["network"]
        forced = await n.ask("PUT", "/v2.0/quotas/p1", {"quota": {"network": 1, "force": True}}, "root")
        assert (200, 1) == (forced.status, forced.body["quota"]["network"])
        assert 200 == (await n.ask("PUT", "/v2.0/quotas/p1", {"quota": {"network": -1}}, "root")).status


async def test_tags_of_guests_pass_where_it_was_asked_for(net: Open) -> None:
    async with net() as n:
        vlan = {"provider:network_type": "vlan", "provider:physical_network": "external"}
        plain = await n.make("networks")
        clear = await n.make("networks", vlan_transparent=True)
        double = await n.make("networks", "root", vlan_qinq=True, **vlan)
        assert [(False, False), (True, False), (False, True)] == [
            (each["vlan_transparent"], each["qinq"]) for each in (plain, clear, double)
        ]
        assert [clear["id"]] == [each["id"] for each in await n.get("networks?vlan_transparent=true")]
        for who, wrong in (
            ("alice", {"qinq": True}),
            ("root", {"qinq": True, "vlan_transparent": True, **vlan}),
            ("root", {"vlan_qinq": True}),
        ):
            answer = await n.post("networks", who, **wrong)
            assert (400, "InvalidInput") == (answer.status, answer.kind)
        await n.settle()
        assert {(False, False), (True, False), (False, True)} == {
            (each.vlan_transparent, each.qinq) for each in n.fabric.topology.networks
        }
