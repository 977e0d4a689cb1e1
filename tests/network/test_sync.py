"""The fabric is kept up by what changed, and all is read again now and then."""

from typing import Any

from pileus.network.flows.topology import topology
from pileus.network.store import ports as port_rows
from pileus.network.store.world import world

Open = Any


async def _as_read_whole(n: Any) -> None:
    """The fabric is what everything, read at once, comes to."""
    await n.settle()
    hosts = [host.name for host in await n.hosts.list()]
    assert topology(await world(n.db), hosts, n.app.config.dns_domain) == n.fabric.topology


async def test_what_nobody_told_of_is_seen_by_the_next_full_look(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        port = await n.make("ports", network_id=network)
        await n.settle()
        await n.db.run(port_rows.CHANGE, of_id=port["id"], mac="fa:16:3e:aa:aa:aa")
        other = await n.make("ports", network_id=network)
        await n.settle()
        there = {each.id: each.mac for each in n.fabric.topology.ports}
        assert (port["mac_address"], other["mac_address"]) == (there[port["id"]], there[other["id"]])
        n.clock.move(61)
        await n.settle()
        assert "fa:16:3e:aa:aa:aa" == {each.id: each.mac for each in n.fabric.topology.ports}[port["id"]]


async def test_a_look_that_failed_is_looked_again_whole(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        await n.settle()
        port = await n.make("ports", network_id=network)
        n.fabric.fail_next("away")
        await n.reconcilers.turn()
        assert port["id"] not in {each.id for each in n.fabric.topology.ports}
        n.clock.move(30)
        await n.make("ports", network_id=network)
        await _as_read_whole(n)
        assert port["id"] in {each.id for each in n.fabric.topology.ports}


async def test_after_every_change_the_fabric_is_as_if_all_had_been_read(net: Open) -> None:
    async with net() as n:
        await n.hosts.register("h1", {})
        outside, _ = await n.outside()
        network, subnet = await n.network()
        await _as_read_whole(n)
        port = await n.make("ports", network_id=network)
        await _as_read_whole(n)
        await n.put("ports", port["id"], fixed_ips=[{"ip_address": "10.0.0.77"}], name="x")
        await _as_read_whole(n)
        six = {"ip_version": 6, "cidr": "fd00::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
        slaac = await n.make("subnets", network_id=network, **six)
        await _as_read_whole(n)
        await n.delete("subnets", slaac["id"])
        await _as_read_whole(n)
        router = await n.make("routers", external_gateway_info={"network_id": outside})
        await n.ask("PUT", f"/v2.0/routers/{router['id']}/add_router_interface", {"subnet_id": subnet})
        await _as_read_whole(n)
        floating = await n.make("floatingips", floating_network_id=outside, port_id=port["id"])
        await _as_read_whole(n)
        await n.put("floatingips", floating["id"], port_id=None)
        ends = {"protocol": "tcp", "internal_port": 1, "external_port": 2, "internal_port_id": port["id"]}
        await n.ask("POST", f"/v2.0/floatingips/{floating['id']}/port_forwardings", {"port_forwarding": ends})
        await _as_read_whole(n)
        blocks = await n.make("address-groups", addresses=["10.1.0.0/16"])
        rule = {"security_group_id": port["security_groups"][0], "direction": "ingress"}
        made = await n.make("security-group-rules", **rule, remote_address_group_id=blocks["id"])
        await _as_read_whole(n)
        await n.delete("security-group-rules", made["id"])
        await _as_read_whole(n)
        await n.delete("ports", port["id"])
        await _as_read_whole(n)
        assert () == n.fabric.topology.port_forwardings
        third = await n.make("ports", network_id=network)
        again = await n.make("floatingips", floating_network_id=outside, port_id=third["id"])
        await n.settle()
        await n.delete("ports", third["id"])
        await _as_read_whole(n)
        assert (await n.get(f"floatingips/{again['id']}"))["router_id"] is None
