"""Ports as users meet them: addresses, MACs, groups, who may set what."""

import asyncio
import ipaddress
from typing import Any

import pytest

Open = Any


async def test_a_port_has_neutrons_attributes(net: Open) -> None:
    async with net() as n:
        network, subnet = await n.network()
        made = await n.make("ports", network_id=network, name="card")
        assert made == await n.get(f"ports/{made['id']}")
        assert ("card", "DOWN", "p1", "p1", "", "normal", True) == tuple(
            made[name]
            for name in (
                "name", "status", "project_id", "tenant_id", "device_owner", "binding:vnic_type", "port_security_enabled"
            )
        )  # fmt: skip
        assert made["mac_address"].startswith("fa:16:3e:")
        (fixed,) = made["fixed_ips"]
        assert subnet == fixed["subnet_id"]
        assert ipaddress.ip_address(fixed["ip_address"]) in ipaddress.ip_network("10.0.0.0/24")
        (default,) = await n.get("security-groups?name=default")
        assert [default["id"]] == made["security_groups"]
        assert not [name for name in made if name in {"binding:host_id", "binding:vif_type", "binding:profile"}]
        told = await n.get(f"ports/{made['id']}", "root")
        assert ("", "unbound", {}) == tuple(told[f"binding:{name}"] for name in ("host_id", "vif_type", "vif_details"))


async def test_many_ports_are_made_at_once_or_none(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        body = {"ports": [{"network_id": network, "name": "a"}, {"network_id": network, "name": "b"}]}
        answer = await n.ask("POST", "/v2.0/ports", body)
        assert (201, ["a", "b"]) == (answer.status, [each["name"] for each in answer.body["ports"]])
        body["ports"][1]["network_id"] = "nonsense"
        assert 404 == (await n.ask("POST", "/v2.0/ports", body)).status
        assert 2 == len(await n.get("ports?device_owner="))


async def test_certain_addresses_are_given_once(net: Open) -> None:
    async with net() as n:
        network, subnet = await n.network()
        wish = [{"ip_address": "10.0.0.77"}]
        made = await n.make("ports", network_id=network, fixed_ips=wish)
        assert [{"subnet_id": subnet, "ip_address": "10.0.0.77"}] == made["fixed_ips"]
        answer = await n.post("ports", network_id=network, fixed_ips=wish)
        assert (409, "IpAddressAlreadyAllocated") == (answer.status, answer.kind)
        both = [{"subnet_id": subnet, "ip_address": "10.0.0.78"}, {"subnet_id": subnet}]
        assert 2 == len((await n.make("ports", network_id=network, fixed_ips=both))["fixed_ips"])
        assert [] == (await n.make("ports", network_id=network, fixed_ips=[]))["fixed_ips"]


@pytest.mark.parametrize(
    ("wish", "status", "kind"),
    [
        ({"ip_address": "10.7.0.1"}, 400, "InvalidIpForNetwork"),
        ({"ip_address": "10.0.0.255"}, 400, "InvalidIpForNetwork"),
        ({"ip_address": "nonsense"}, 400, "HTTPBadRequest"),
        ({"subnet_id": "nonsense"}, 404, "SubnetNotFound"),
        ({"subnet_id": "SUBNET", "ip_address": "10.7.0.1"}, 400, "InvalidIpForSubnet"),
    ],
)
async def test_addresses_that_cannot_be_are_refused(net: Open, wish: Any, status: int, kind: str) -> None:
    async with net() as n:
        network, subnet = await n.network()
        wish = {name: subnet if value == "SUBNET" else value for name, value in wish.items()}
        answer = await n.post("ports", network_id=network, fixed_ips=[wish])
        assert (status, kind) == (answer.status, answer.kind)


async def test_of_fifty_who_want_one_address_one_gets_it(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        wish = [{"ip_address": "10.0.0.99"}]
        answers = await asyncio.gather(*(n.post("ports", network_id=network, fixed_ips=wish) for _ in range(50)))
        assert [201] + [409] * 49 == sorted(answer.status for answer in answers)


async def test_a_full_subnet_gives_each_address_once_and_then_none(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network(cidr="10.0.0.0/28")
        # 14 usable, less the gateway's and the metadata port's.
        answers = await asyncio.gather(*(n.post("ports", network_id=network) for _ in range(20)))
        made = [answer.body["port"] for answer in answers if answer.status == 201]
        assert 12 == len({port["fixed_ips"][0]["ip_address"] for port in made}) == len(made)
        refused = [answer for answer in answers if answer.status != 201]
        assert {(409, "IpAddressGenerationFailure")} == {(answer.status, answer.kind) for answer in refused}
        assert 204 == (await n.delete("ports", made[0]["id"])).status
        again = await n.make("ports", network_id=network)
        assert made[0]["fixed_ips"] == again["fixed_ips"]


async def test_addresses_outside_the_pools_are_for_those_who_ask(net: Open) -> None:
    async with net() as n:
        network = (await n.make("networks"))["id"]
        pools = [{"start": "10.0.0.10", "end": "10.0.0.11"}, {"start": "10.0.0.20", "end": "10.0.0.20"}]
        await n.make(
            "subnets", network_id=network, ip_version=4, cidr="10.0.0.0/24", allocation_pools=pools, enable_dhcp=False
        )
        got = {(await n.make("ports", network_id=network))["fixed_ips"][0]["ip_address"] for _ in range(3)}
        assert {"10.0.0.10", "10.0.0.11", "10.0.0.20"} == got
        assert 409 == (await n.post("ports", network_id=network)).status
        assert 201 == (await n.post("ports", network_id=network, fixed_ips=[{"ip_address": "10.0.0.200"}])).status


async def test_macs_are_unique_on_a_network(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        other, _ = await n.network()
        mac = "FA-16-3E-00-00-AA"
        assert "fa:16:3e:00:00:aa" == (await n.make("ports", network_id=network, mac_address=mac))["mac_address"]
        answer = await n.post("ports", network_id=network, mac_address="fa:16:3e:00:00:aa")
        assert (409, "MacAddressInUse") == (answer.status, answer.kind)
        assert 201 == (await n.post("ports", network_id=other, mac_address=mac)).status
        assert 400 == (await n.post("ports", network_id=network, mac_address="aa:bb")).status
        second = await n.make("ports", network_id=network)
        answer = await n.put("ports", second["id"], "mona", mac_address="fa:16:3e:00:00:aa")
        assert (409, "MacAddressInUse") == (answer.status, answer.kind)
        assert 403 == (await n.put("ports", second["id"], mac_address="fa:16:3e:00:00:ab")).status


async def test_updating_addresses_keeps_what_is_named_again(net: Open) -> None:
    async with net() as n:
        network, subnet = await n.network()
        port = await n.make("ports", network_id=network, fixed_ips=[{"ip_address": "10.0.0.50"}])
        wish = [{"subnet_id": subnet, "ip_address": "10.0.0.50"}, {"ip_address": "10.0.0.51"}]
        changed = (await n.put("ports", port["id"], fixed_ips=wish)).body["port"]
        assert ["10.0.0.50", "10.0.0.51"] == [fixed["ip_address"] for fixed in changed["fixed_ips"]]
        changed = (await n.put("ports", port["id"], fixed_ips=[{"ip_address": "10.0.0.51"}])).body["port"]
        assert ["10.0.0.51"] == [fixed["ip_address"] for fixed in changed["fixed_ips"]]
        assert 201 == (await n.post("ports", network_id=network, fixed_ips=[{"ip_address": "10.0.0.50"}])).status


async def test_a_port_without_security_has_no_groups(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        bare = await n.make("ports", network_id=network, port_security_enabled=False)
        assert [] == bare["security_groups"]
        port = await n.make("ports", network_id=network)
        answer = await n.put("ports", port["id"], port_security_enabled=False)
        assert (409, "PortSecurityPortHasSecurityGroup") == (answer.status, answer.kind)
        changed = await n.put("ports", port["id"], port_security_enabled=False, security_groups=[])
        assert (200, []) == (changed.status, changed.body["port"]["security_groups"])
        pair = {"allowed_address_pairs": [{"ip_address": "10.0.0.5"}]}
        assert 409 == (await n.put("ports", port["id"], **pair)).status


async def test_pairs_and_options_are_kept_and_checked(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        port = await n.make(
            "ports",
            network_id=network,
            allowed_address_pairs=[{"ip_address": "10.0.0.5"}],
            extra_dhcp_opts=[{"opt_name": "mtu", "opt_value": "1400"}],
        )
        assert [{"ip_address": "10.0.0.5", "mac_address": port["mac_address"]}] == port["allowed_address_pairs"]
        assert [{"opt_name": "mtu", "opt_value": "1400", "ip_version": 4}] == port["extra_dhcp_opts"]
        twice = [{"ip_address": "10.0.0.5"}, {"ip_address": "10.0.0.5"}]
        assert 400 == (await n.put("ports", port["id"], allowed_address_pairs=twice)).status
        assert 400 == (await n.put("ports", port["id"], allowed_address_pairs=[{"ip_address": "x"}])).status
        cleared = await n.put("ports", port["id"], extra_dhcp_opts=[{"opt_name": "mtu", "opt_value": None}])
        assert [] == cleared.body["port"]["extra_dhcp_opts"]


async def test_some_attributes_are_for_some_people(net: Open) -> None:
    async with net() as n:
        shared = (await n.make("networks", "root", shared=True))["id"]
        subnet = await n.make("subnets", "root", network_id=shared, ip_version=4, cidr="10.6.0.0/24")
        assert 201 == (await n.post("ports", "bob", network_id=shared)).status
        assert 201 == (await n.post("ports", "bob", network_id=shared, fixed_ips=[{"subnet_id": subnet["id"]}])).status
        for values in (
            {"fixed_ips": [{"ip_address": "10.6.0.9"}]},
            {"mac_address": "fa:16:3e:00:00:01"},
            {"binding:host_id": "h"},
            {"binding:profile": {"a": 1}},
            {"port_security_enabled": False},
            {"device_owner": "network:dhcp"},
            {"allowed_address_pairs": [{"ip_address": "1.1.1.1"}]},
        ):
            assert 403 == (await n.post("ports", "bob", network_id=shared, **values)).status, values
        assert 400 == (await n.post("ports", "bob", network_id=shared, project_id="p1")).status
        assert 201 == (await n.post("ports", "nova", network_id=shared, **{"binding:host_id": "h"})).status
        assert 201 == (await n.post("ports", "nova", network_id=shared, **{"binding:profile": {"a": 1}})).status


async def test_ports_are_found_by_address_group_and_device(net: Open) -> None:
    async with net() as n:
        network, subnet = await n.network()
        one = await n.make("ports", network_id=network, device_id="d", fixed_ips=[{"ip_address": "10.0.0.30"}])
        two = await n.make("ports", network_id=network, security_groups=[])
        for query, ids in (
            ("device_id=d", {one["id"]}),
            ("fixed_ips=ip_address%3D10.0.0.30", {one["id"]}),
            (f"fixed_ips=subnet_id%3D{subnet}&device_owner=", {one["id"], two["id"]}),
            (f"security_groups={one['security_groups'][0]}", {one["id"]}),
            ("status=ACTIVE", set()),
            (f"mac_address={two['mac_address']}", {two["id"]}),
            (f"network_id={network}&device_id=d&status=DOWN", {one["id"]}),
        ):
            assert ids == {port["id"] for port in await n.get(f"ports?{query}")}, query
        assert [] == await n.get("ports", "bob")
        assert 400 == (await n.ask("GET", "/v2.0/ports?fixed_ips=x")).status


async def test_owners_of_a_network_see_the_ports_on_it(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        port = await n.make("ports", "root", network_id=network, project_id="p2")
        assert port["id"] in {each["id"] for each in await n.get("ports")}
        assert 204 == (await n.delete("ports", port["id"])).status


async def test_a_port_gets_another_mac_when_it_is_given_none(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        port = await n.make("ports", network_id=network)
        changed = await n.put("ports", port["id"], "root", mac_address=None)
        assert 200 == changed.status
        fresh = changed.body["port"]["mac_address"]
        assert fresh.startswith("fa:16:3e:") and fresh != port["mac_address"]
        assert 403 == (await n.put("ports", port["id"], mac_address=None)).status
        assert (await n.make("ports", network_id=network, mac_address=None))["mac_address"].startswith("fa:16:3e:")
