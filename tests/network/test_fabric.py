"""The fabric follows the tables, and the tables follow the fabric; servers get ports."""

from typing import Any

import pytest

from pileus.kit.auth import Caller
from pileus.network.agent.metadata import METADATA as DOOR
from pileus.network.errors import (
    FixedIpAlreadyInUse,
    NetworkNotFound,
    OverQuota,
    PortNotFound,
    PortRefused,
    PortStillInUse,
    SecurityGroupNotFound,
)
from pileus.ports.network import SERVER_PORTS, NicRequest

Open = Any
ALICE = Caller(user_id="a", project_id="p1", roles=frozenset({"member", "reader"}))


async def test_the_fabric_is_made_as_the_tables_say(net: Open) -> None:
    async with net() as n:
        outside, _ = await n.outside()
        network, subnet = await n.network(name="blue")
        router = await n.make("routers", external_gateway_info={"network_id": outside})
        await n.ask("PUT", f"/v2.0/routers/{router['id']}/add_router_interface", {"subnet_id": subnet})
        port = await n.make("ports", network_id=network)
        floating = await n.make("floatingips", floating_network_id=outside, port_id=port["id"])
        await n.hosts.register("h1", {})
        await n.settle()
        made = n.fabric.topology
        assert {network, outside} == {each.id for each in made.networks}
        assert ["external"] == [each.physical_network for each in made.networks if each.external]
        assert {"", "network:distributed", "network:router_interface", "network:router_gateway"} == {
            each.device_owner for each in made.ports
        }
        (there,) = [each for each in made.ports if each.id == port["id"]]
        assert port["security_groups"] == list(there.security_groups) == [each.id for each in made.security_groups]
        (led,) = made.floating_ips
        assert (floating["floating_ip_address"], router["id"], port["id"]) == (led.address, led.router, led.port)
        (routed,) = made.routers
        assert routed.gateway is not None and 1 == len(routed.interfaces)
        assert ("h1",) == made.gateway_hosts
        assert (await n.fabric.diff(made)).none

        await n.delete("floatingips", floating["id"])
        await n.settle()
        assert () == n.fabric.topology.floating_ips


async def test_a_burst_of_changes_is_one_look(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        await n.settle()
        before = n.fabric.syncs
        for _ in range(10):
            await n.make("ports", network_id=network)
        await n.settle()
        assert before + 1 == n.fabric.syncs


async def test_a_fabric_that_fails_is_tried_again(net: Open) -> None:
    async with net() as n:
        await n.network()
        n.fabric.fail_next("no route to anywhere")
        await n.reconcilers.turn()
        assert n.reconcilers.last["network.fabric"].ok is False
        assert () == n.fabric.topology.networks
        n.clock.move(600)
        await n.settle()
        assert 1 == len(n.fabric.topology.networks)


async def test_ports_are_active_when_the_fabric_says_so(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        (made,) = await n.ports.make_ports(ALICE, "s1", "web", [NicRequest(network_id=network)])
        await n.ports.bind_ports("s1", "h1")
        await n.settle()
        with n.bus.subscribe(SERVER_PORTS, id="s1") as woken:
            n.fabric.plug(made.id, "h1")
            await _turns(n)
            assert await woken.next(0)
        seen = await n.get(f"ports/{made.id}", "root")
        assert ("ACTIVE", "h1", "ovs") == (seen["status"], seen["binding:host_id"], seen["binding:vif_type"])
        assert (await n.ports.ports_of(["s1"]))["s1"][0].up
        n.fabric.plug(made.id, None)
        await _turns(n)
        assert "DOWN" == (await n.get(f"ports/{made.id}"))["status"]


async def _turns(n: Any) -> None:
    import asyncio

    await asyncio.sleep(0)  # the fabric tells in the loop's next turn
    await n.settle()


async def test_a_port_may_come_to_another_host_until_it_does_or_is_not_to(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        await n.ports.make_ports(ALICE, "s1", "web", [NicRequest(network_id=network)])
        await n.ports.bind_ports("s1", "h1")

        async def wanted() -> tuple[str | None, tuple[str, ...], set[str]]:
            await n.settle()
            (port,) = (port for port in n.fabric.topology.ports if port.device_id == "s1")
            doors = {wish.host for wish in await n.hosts.wanted_list(kind=DOOR) if not wish.gone}
            return port.host, port.coming_to, doors

        for host in ("h2", "h3", "h3"):
            await n.ports.expect_ports("s1", host)
        assert ("h1", ("h3",), {"h1", "h3"}) == await wanted()
        await n.ports.expect_ports("s1", None)
        assert ("h1", (), {"h1"}) == await wanted()
        await n.ports.expect_ports("s1", "h2")
        await n.ports.bind_ports("s1", "h2")
        assert ("h2", (), {"h2"}) == await wanted()


async def test_doors_for_metadata_open_where_servers_are(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        await n.ports.make_ports(ALICE, "s1", "web", [NicRequest(network_id=network)])
        await n.settle()
        assert [] == await n.hosts.wanted_list(kind=DOOR)
        await n.ports.bind_ports("s1", "h1")
        await n.settle()
        (wish,) = await n.hosts.wanted_list(kind=DOOR)
        (port,) = await n.get("ports?device_owner=network:distributed")
        address = port["fixed_ips"][0]["ip_address"]
        assert ("h1", network, port["id"], [f"{address}/24"], ["10.0.0.0/24"]) == (
            wish.host, wish.id, wish.body["port"], wish.body["addresses"], wish.body["cidrs"]
        )  # fmt: skip
        await n.ports.release_ports("s1")
        await n.settle()
        assert [True] == [wish.gone for wish in await n.hosts.wanted_list(kind=DOOR)]


async def test_a_server_gets_ports_and_gives_them_back(net: Open) -> None:
    async with net() as n:
        network, subnet = await n.network(name="blue")
        other, _ = await n.network(cidr="10.5.0.0/24", name="red")
        own = await n.make("ports", network_id=other)
        nics = [NicRequest(network_id=network, fixed_ip="10.0.0.9"), NicRequest(port_id=own["id"])]
        made = await n.ports.make_ports(ALICE, "s1", "Web Server", nics)
        assert [("blue", True), ("red", False)] == [(port.network_name, port.made) for port in made]
        assert ("10.0.0.9", 4, "fixed", subnet) == tuple(
            getattr(made[0].addresses[0], name) for name in ("address", "version", "kind", "subnet_id")
        )
        assert (("default",), 1442, "s1") == (made[0].security_groups, made[0].mtu, made[0].server_id)
        assert "s1" == await n.ports.server_at(network, "10.0.0.9")
        assert None is await n.ports.server_at(network, "10.0.0.10")
        bound = await n.ports.bind_ports("s1", "h1")
        assert bound == await n.ports.bind_ports("s1", "h1")
        assert {"h1"} == {port.host for port in bound}
        assert "web-server" == (await n.get(f"ports/{made[0].id}"))["dns_name"]
        await n.ports.release_ports("s1")
        await n.ports.release_ports("s1")
        assert {} == await n.ports.ports_of(["s1"])
        free = await n.get(f"ports/{own['id']}")
        assert ("", "") == (free["device_id"], free["device_owner"])
        assert 404 == (await n.ask("GET", f"/v2.0/ports/{made[0].id}")).status


async def test_a_port_that_comes_later_is_the_last_and_leaves_alone(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        own = await n.make("ports", network_id=network)
        (first,) = await n.ports.make_ports(ALICE, "s1", "web", [NicRequest(network_id=network)])
        await n.ports.make_ports(ALICE, "s1", "web", [NicRequest(port_id=own["id"])])
        await n.ports.make_ports(ALICE, "s1", "web", [NicRequest(network_id=network)])
        ids = [port.id for port in (await n.ports.bind_ports("s1", "h1"))]
        assert [first.id, own["id"]] == ids[:2]
        for id in (first.id, own["id"], own["id"]):
            await n.ports.release_port("s1", id)
        await n.ports.release_port("another", ids[2])
        assert ids[2:] == [port.id for port in (await n.ports.ports_of(["s1"]))["s1"]]
        assert 404 == (await n.ask("GET", f"/v2.0/ports/{first.id}")).status
        free = await n.get(f"ports/{own['id']}", "root")
        assert ("", "", "") == (free["device_id"], free["device_owner"], free["binding:host_id"])


async def test_floating_ips_are_among_a_servers_addresses(net: Open) -> None:
    async with net() as n:
        outside, _ = await n.outside()
        network, subnet = await n.network()
        router = await n.make("routers", external_gateway_info={"network_id": outside})
        await n.ask("PUT", f"/v2.0/routers/{router['id']}/add_router_interface", {"subnet_id": subnet})
        (port,) = await n.ports.make_ports(ALICE, "s1", "web", "auto")
        floating = await n.make("floatingips", floating_network_id=outside, port_id=port.id)
        (port,) = (await n.ports.ports_of(["s1", "s2"]))["s1"]
        assert [floating["floating_ip_address"]] == [each.address for each in port.addresses if each.kind == "floating"]


@pytest.mark.parametrize(
    ("nics", "error"),
    [
        ([NicRequest(network_id="x")], NetworkNotFound),
        ([NicRequest(port_id="x")], PortNotFound),
        ([NicRequest(network_id="THEIRS")], NetworkNotFound),
        ([NicRequest(network_id="OUTSIDE")], PortRefused),
        ([NicRequest(network_id="OWN", fixed_ip="10.0.0.1")], None),
        ([NicRequest(network_id="OWN", fixed_ip="10.0.0.9")] * 2, FixedIpAlreadyInUse),
    ],
)
async def test_ports_that_cannot_be_leave_nothing_behind(net: Open, nics: Any, error: Any) -> None:
    async with net() as n:
        names = {"OWN": (await n.network())[0], "OUTSIDE": (await n.outside())[0]}
        names["THEIRS"] = (await n.network("bob"))[0]
        nics = [
            NicRequest(network_id=names.get(nic.network_id, nic.network_id), port_id=nic.port_id, fixed_ip=nic.fixed_ip)
            for nic in nics
        ]
        if error is None:
            assert 1 == len(await n.ports.make_ports(ALICE, "s1", "web", nics))
            return
        with pytest.raises(error):
            await n.ports.make_ports(ALICE, "s1", "web", nics)
        assert {} == await n.ports.ports_of(["s1"])


async def test_auto_means_the_one_network_there_is(net: Open) -> None:
    async with net() as n:
        assert () == await n.ports.make_ports(ALICE, "s0", "web", "none")
        assert () == await n.ports.make_ports(ALICE, "s0", "web", "auto")
        await n.network()
        assert 1 == len(await n.ports.make_ports(ALICE, "s1", "web", "auto"))
        await n.network(cidr="10.4.0.0/24")
        with pytest.raises(PortRefused):
            await n.ports.make_ports(ALICE, "s2", "web", "auto")


async def test_groups_of_a_server_are_given_by_name_or_id(net: Open) -> None:
    async with net() as n:
        await n.network()
        group = await n.make("security-groups", name="web")
        (port,) = await n.ports.make_ports(ALICE, "s1", "web", "auto", ["default", group["id"]])
        assert {"default", "web"} == set(port.security_groups)
        with pytest.raises(SecurityGroupNotFound):
            await n.ports.make_ports(ALICE, "s2", "web", "auto", ["nonsense"])


async def test_quota_of_ports_counts_servers_ports(net: Open) -> None:
    async with net() as n:
        await n.network()
        await n.ask("PUT", "/v2.0/quotas/p1", {"quota": {"port": 2}}, "root")
        await n.ports.make_ports(ALICE, "s1", "web", "auto")
        with pytest.raises(OverQuota):
            await n.ports.make_ports(ALICE, "s2", "web", "auto")


async def test_a_port_is_of_a_server_only_if_compute_says_so(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network("bob")
        fake = {"device_id": "s1", "device_owner": "compute:nova", "fixed_ips": [{"ip_address": "10.0.0.66"}]}
        await n.make("ports", "bob", network_id=network, **fake)
        assert {} == await n.ports.ports_of(["s1"])
        assert None is await n.ports.server_at(network, "10.0.0.66")


async def test_a_port_in_use_is_not_given_to_another_server(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        own = await n.make("ports", network_id=network)
        await n.ports.make_ports(ALICE, "s1", "web", [NicRequest(port_id=own["id"])])
        with pytest.raises(PortStillInUse):
            await n.ports.make_ports(ALICE, "s2", "web", [NicRequest(port_id=own["id"])])


async def test_rules_reach_the_fabric_without_host_bits(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        group = (await n.make("security-groups", name="web"))["id"]
        rule = {"direction": "ingress", "remote_ip_prefix": "10.1.2.3/8"}
        await n.make("security-group-rules", security_group_id=group, **rule)
        await n.make("ports", network_id=network, security_groups=[group])
        await n.settle()
        (made,) = n.fabric.topology.security_groups
        assert ["10.0.0.0/8"] == [each.remote_prefix for each in made.rules if each.direction == "ingress"]


async def test_a_port_that_wants_an_accelerator_gets_no_server(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        port = await n.make("ports", network_id=network, device_profile="gpu", numa_affinity_policy="socket")
        assert ("gpu", "socket") == (port["device_profile"], port["numa_affinity_policy"])
        with pytest.raises(PortRefused, match="device profile gpu"):
            await n.ports.make_ports(ALICE, "s1", "web", [NicRequest(port_id=port["id"])])
        assert 400 == (await n.put("ports", port["id"], device_profile=None)).status
        assert (await n.put("ports", port["id"], numa_affinity_policy=None)).body["port"][
            "numa_affinity_policy"
        ] is None
        assert 400 == (await n.put("ports", port["id"], numa_affinity_policy="near")).status


async def test_what_guests_are_told_of_their_subnets(net: Open) -> None:
    async with net() as n:
        network, plain = await n.network()
        six = await n.make(
            "subnets",
            network_id=network,
            ip_version=6,
            cidr="2001:db8::/64",
            ipv6_ra_mode="slaac",
            ipv6_address_mode="slaac",
        )
        routes = [{"destination": "192.0.2.0/24", "nexthop": "10.0.0.9"}]
        await n.put("subnets", plain, host_routes=routes, dns_nameservers=["192.0.2.53"], enable_dhcp=False)
        ports = await n.ports.make_ports(ALICE, "s1", "web", [NicRequest(network_id=network)])
        told = await n.ports.subnets_of(ports)
        assert {plain, six["id"]} == set(told)
        assert ("10.0.0.1", False, None, ("192.0.2.53",), (("192.0.2.0/24", "10.0.0.9"),)) == (
            told[plain].gateway, told[plain].dhcp, told[plain].mode, told[plain].servers, told[plain].routes,
        )  # fmt: skip
        assert (True, "slaac") == (told[six["id"]].dhcp, told[six["id"]].mode)
        assert {} == await n.ports.subnets_of(())
