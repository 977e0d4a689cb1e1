"""IPv6: how subnets are advertised and addressed, what addresses ports get, and routers that reach several blocks."""

import ipaddress
from typing import Any

import pytest

from pileus.network.models.ipv6 import eui64

Open = Any
MAC = "fa:16:3e:00:00:01"
OWN = "2001:db8::f816:3eff:fe00:1"


async def _six(n: Any, network: str, mode: str | None = "slaac", cidr: str = "2001:db8::/64", **claims: Any) -> Any:
    modes = {} if mode is None else {"ipv6_ra_mode": mode, "ipv6_address_mode": mode}
    return await n.make("subnets", network_id=network, ip_version=6, cidr=cidr, **modes, **claims)


def test_an_address_follows_from_a_mac() -> None:
    assert OWN == eui64("2001:db8::/64", MAC)


@pytest.mark.parametrize("mode", ["slaac", "dhcpv6-stateless"])
async def test_a_port_has_the_address_its_guest_makes(net: Open, mode: str) -> None:
    async with net() as n:
        network, four = await n.network()
        six = await _six(n, network, mode)
        assert ("2001:db8::1", mode, mode) == (six["gateway_ip"], six["ipv6_ra_mode"], six["ipv6_address_mode"])
        port = await n.make("ports", network_id=network, mac_address=MAC)
        assert [(four, 4), (six["id"], 6)] == [
            (fixed["subnet_id"], 6 if ":" in fixed["ip_address"] else 4) for fixed in port["fixed_ips"]
        ]
        assert OWN == port["fixed_ips"][1]["ip_address"]
        moved = (await n.put("ports", port["id"], "mona", mac_address="fa:16:3e:00:00:02")).body["port"]
        assert "2001:db8::f816:3eff:fe00:2" == moved["fixed_ips"][1]["ip_address"]


async def test_asking_for_ipv4_does_not_take_the_guests_own_address_away(net: Open) -> None:
    async with net() as n:
        network, four = await n.network()
        six = await _six(n, network)
        port = await n.make("ports", network_id=network, fixed_ips=[{"subnet_id": four}])
        assert {four, six["id"]} == {fixed["subnet_id"] for fixed in port["fixed_ips"]}
        changed = await n.put("ports", port["id"], fixed_ips=[{"ip_address": "10.0.0.77"}])
        assert {"10.0.0.77", port["fixed_ips"][1]["ip_address"]} == {
            fixed["ip_address"] for fixed in changed.body["port"]["fixed_ips"]
        }


async def test_ports_before_the_subnet_get_their_addresses_too_and_lose_them_with_it(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        port = await n.make("ports", network_id=network, mac_address=MAC)
        six = await _six(n, network)
        assert OWN in [fixed["ip_address"] for fixed in (await n.get(f"ports/{port['id']}"))["fixed_ips"]]
        assert 204 == (await n.delete("subnets", six["id"])).status
        assert 1 == len((await n.get(f"ports/{port['id']}"))["fixed_ips"])


async def test_a_stateful_subnet_gives_addresses_of_its_pools(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        pools = [{"start": "2001:db8::100", "end": "2001:db8::101"}]
        six = await _six(n, network, "dhcpv6-stateful", allocation_pools=pools)
        two = [await n.make("ports", network_id=network) for _ in range(2)]
        given = {fixed["ip_address"] for port in two for fixed in port["fixed_ips"] if ":" in fixed["ip_address"]}
        assert {"2001:db8::100", "2001:db8::101"} == given
        full = await n.post("ports", network_id=network)
        assert (409, "IpAddressGenerationFailure") == (full.status, full.kind)
        own = [{"subnet_id": six["id"], "ip_address": "2001:db8::ffff:ffff:ffff:ffff"}]
        last = await n.make("ports", network_id=network, fixed_ips=own)
        assert "2001:db8::ffff:ffff:ffff:ffff" == last["fixed_ips"][0]["ip_address"]
        assert 409 == (await n.post("ports", network_id=network, fixed_ips=own)).status
        assert 409 == (await n.delete("subnets", six["id"])).status


async def test_pools_in_the_second_half_of_a_block_give_addresses(net: Open) -> None:
    async with net() as n:
        network = (await n.make("networks"))["id"]
        pools = [{"start": "2001:db8::8000:0:0:0", "end": "2001:db8::ffff:ffff:ffff:ffff"}]
        await _six(n, network, "dhcpv6-stateful", allocation_pools=pools)
        port = await n.make("ports", network_id=network)
        address = ipaddress.ip_address(port["fixed_ips"][0]["ip_address"])
        assert address in ipaddress.ip_network("2001:db8:0:0:8000::/65")


@pytest.mark.parametrize(
    ("claims", "kind"),
    [
        ({"cidr": "2001:db8::/60", "ipv6_address_mode": "slaac"}, "InvalidInput"),
        ({"ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"}, "InvalidInput"),
        ({"ipv6_ra_mode": "slaac", "enable_dhcp": False}, "InvalidInput"),
        ({"ipv6_ra_mode": "sometimes"}, None),
        ({"cidr": "10.0.0.0/24"}, "InvalidInput"),
        ({"ip_version": 4, "cidr": "10.0.0.0/24", "ipv6_ra_mode": "slaac"}, "InvalidInput"),
    ],
)
async def test_refuses_what_cannot_be(net: Open, claims: Any, kind: str | None) -> None:
    async with net() as n:
        network = (await n.make("networks"))["id"]
        body = {"network_id": network, "ip_version": 6, "cidr": "2001:db8::/64", **claims}
        refused = await n.post("subnets", **body)
        assert 400 == refused.status
        assert kind in {None, refused.kind}


async def test_refuses_another_address_where_guests_make_theirs(net: Open) -> None:
    async with net() as n:
        network = (await n.make("networks"))["id"]
        await _six(n, network)
        other = [{"ip_address": "2001:db8::77"}]
        refused = await n.post("ports", network_id=network, fixed_ips=other)
        assert (400, "AllocationOnAutoAddressSubnet") == (refused.status, refused.kind)
        own = [{"ip_address": OWN}]
        assert 201 == (await n.post("ports", network_id=network, mac_address=MAC, fixed_ips=own)).status


async def test_a_router_has_one_leg_for_all_ipv6_blocks_of_a_network(net: Open) -> None:
    async with net() as n:
        network, four = await n.network()
        one = await _six(n, network)
        two = await _six(n, network, cidr="2001:db8:0:1::/64")
        router = (await n.make("routers"))["id"]
        path = f"/v2.0/routers/{router}"
        legs = [
            (await n.ask("PUT", f"{path}/add_router_interface", {"subnet_id": subnet})).body["port_id"]
            for subnet in (four, one["id"], two["id"])
        ]
        assert legs[0] != legs[1] == legs[2]
        await n.settle()
        (routed,) = n.fabric.topology.routers
        assert set(legs) == set(routed.interfaces)
        leg = await n.get(f"ports/{legs[1]}")
        assert ["2001:db8::1", "2001:db8:0:1::1"] == [fixed["ip_address"] for fixed in leg["fixed_ips"]]
        assert 409 == (await n.delete("subnets", one["id"])).status
        assert 200 == (await n.ask("PUT", f"{path}/remove_router_interface", {"subnet_id": one["id"]})).status
        left = await n.get(f"ports/{legs[1]}")
        assert ["2001:db8:0:1::1"] == [fixed["ip_address"] for fixed in left["fixed_ips"]]
        assert 200 == (await n.ask("PUT", f"{path}/remove_router_interface", {"port_id": legs[1]})).status
        assert 404 == (await n.ask("GET", f"/v2.0/ports/{legs[1]}")).status


async def test_the_fabric_is_told_how_a_subnet_is_advertised(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        six = await _six(n, network, None, ipv6_ra_mode="dhcpv6-stateful")
        await n.settle()
        (made,) = [subnet for subnet in n.fabric.topology.subnets if subnet.id == six["id"]]
        assert ("dhcpv6-stateful", None) == (made.ipv6_ra, made.ipv6_mode)


async def test_a_floating_ip_is_ipv4_even_where_the_outside_has_both(net: Open) -> None:
    async with net() as n:
        outside, _ = await n.outside()
        await n.make("subnets", "root", network_id=outside, ip_version=6, cidr="2001:db8:f::/64", enable_dhcp=False)
        router = await n.make("routers", external_gateway_info={"network_id": outside})
        assert 2 == len(router["external_gateway_info"]["external_fixed_ips"])
        floating = await n.make("floatingips", floating_network_id=outside)
        assert floating["floating_ip_address"].startswith("172.24.4.")


async def test_a_subnet_with_modes_goes_on_answering(net: Open) -> None:
    async with net() as n:
        network = (await n.make("networks"))["id"]
        six = await _six(n, network)
        refused = await n.put("subnets", six["id"], enable_dhcp=False)
        assert (400, "InvalidInput") == (refused.status, refused.kind)
        assert 200 == (await n.put("subnets", six["id"], name="six", dns_nameservers=["2001:db8::53"])).status


async def test_a_network_is_ipv6_through_and_through(net: Open) -> None:
    """What IPv4 does, IPv6 does too: pools, gateways, routes, allowed pairs, rules of security groups."""
    async with net() as n:
        network = (await n.make("networks"))["id"]
        routes = [{"destination": "2001:db8:9::/64", "nexthop": "2001:db8::9"}]
        six = await _six(n, network, None, gateway_ip="2001:db8::fe", host_routes=routes)
        start, end = ("2001:db8::ff", "2001:db8::ffff:ffff:ffff:ffff")
        assert {"start": start, "end": end} in six["allocation_pools"]
        pairs = [{"ip_address": "2001:db8::100"}]
        port = await n.make("ports", network_id=network, allowed_address_pairs=pairs)
        assert "2001:db8::100" == port["allowed_address_pairs"][0]["ip_address"]
        address = port["fixed_ips"][0]["ip_address"]
        assert [port["id"]] == [each["id"] for each in await n.get(f"ports?fixed_ips=ip_address={address}")]
        found = await n.get("ports?fixed_ips=ip_address_substr=2001:db8::")
        assert port["id"] in [each["id"] for each in found]
        assert [] == await n.get("ports?fixed_ips=ip_address_substr=2001.db8")
        group = (await n.make("security-groups", name="six"))["id"]
        rule = {"direction": "ingress", "ethertype": "IPv6", "protocol": "ipv6-icmp", "port_range_min": 128}
        made = await n.make("security-group-rules", security_group_id=group, remote_ip_prefix="2001:db8::/32", **rule)
        assert ("IPv6", "ipv6-icmp") == (made["ethertype"], made["protocol"])


async def test_ipv6_needs_an_mtu_it_works_with(net: Open) -> None:
    async with net() as n:
        narrow = (await n.make("networks", mtu=1200))["id"]
        refused = await n.post("subnets", network_id=narrow, ip_version=6, cidr="2001:db8::/64")
        assert (400, "InvalidInput") == (refused.status, refused.kind)
        assert 200 == (await n.put("networks", narrow, mtu=1280)).status
        await _six(n, narrow)
        assert 400 == (await n.put("networks", narrow, mtu=1279)).status


async def test_prefix_delegation_is_refused_in_words(net: Open) -> None:
    async with net() as n:
        network = (await n.make("networks"))["id"]
        asked = {"network_id": network, "ip_version": 6, "subnetpool_id": "prefix_delegation"}
        modes = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
        refused = await n.post("subnets", **asked, **modes)
        assert (400, True) == (refused.status, "prefix delegation is not offered" in refused.message)
