"""A router with two ways out on the real OVN, each with its own translation."""

from pathlib import Path

import msgspec
import pytest
from tests.hosts.ovn_world import OUTSIDE, machine_gets, machine_reaches, until, world
from tests.network.builders import ANN, BOB, FLOATING, OPEN, ROUTER, a_port, a_topology, port_of

from pileus.network.drivers.interface import ROUTER_GATEWAY, FloatingIp, Gateway, Network, Subnet, Topology

pytestmark = [pytest.mark.host, pytest.mark.timeout(400)]

OTHER = "34444444-3333-4333-8333-333333333333"
OTHER_SUBNET = "34444444-aaaa-4333-8333-333333333333"
OTHER_GATEWAY = "54444444-4444-4444-8444-444444444444"
CAROL = "c3333333-5555-4555-8555-555555555555"


def _with_two_ways_out(topology: Topology) -> Topology:
    """The topology with another external network, on which Carol is, and a floating IP there that leads to Ann too."""
    network = Network(
        id=OTHER, name="other", external=True, network_type="vlan", physical_network="external", segmentation_id=7, mtu=1500
    )  # fmt: skip
    subnet = Subnet(id=OTHER_SUBNET, network=OTHER, cidr="198.51.100.0/24", gateway_ip="198.51.100.1")
    leg = {"device_owner": ROUTER_GATEWAY, "device_id": ROUTER, "port_security": False}
    ports = (
        a_port(OTHER_GATEWAY, OTHER, OTHER_SUBNET, "198.51.100.10", "fa:16:3e:01:00:04", **leg),
        a_port(
            CAROL, OTHER, OTHER_SUBNET, "198.51.100.20", "fa:16:3e:00:00:03",
            device_owner="compute:nova", security_groups=(OPEN,),
        ),
    )  # fmt: skip
    (router,) = topology.routers
    floating = FloatingIp(
        id=f"{FLOATING[:-1]}8", address="198.51.100.50", router=ROUTER, fixed_ip="10.1.0.10", port=ANN
    )
    return msgspec.structs.replace(
        topology,
        networks=(*topology.networks, network),
        subnets=(*topology.subnets, subnet),
        ports=(*topology.ports, *ports),
        routers=(msgspec.structs.replace(router, further_gateways=(Gateway(port=OTHER_GATEWAY),)),),
        floating_ips=(*topology.floating_ips, floating),
    )


async def test_each_way_out_translates_for_its_own_network(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = _with_two_ways_out(a_topology(OUTSIDE))
        await w.apply(wanted)
        ann, bob, carol = [await w.arrive(port_of(wanted, port)) for port in (ANN, BOB, CAROL)]
        for guest in (ann, bob, carol):
            await guest.lease()
        await ann.serve("I am Ann.")
        await carol.serve("I am Carol.")

        # Carol knows no way to Bob's addresses, so what she answers was asked by the router's on her network.
        await until(lambda: bob.reaches("198.51.100.20"))
        assert "I am Carol." == await bob.gets("http://198.51.100.20/")
        assert await bob.reaches(f"{OUTSIDE}.1"), "the first way out is the default one"
        assert "I am Ann." == await carol.gets("http://198.51.100.50/")
        await until(lambda: machine_reaches(f"{OUTSIDE}.50"))
        assert "I am Ann." == await machine_gets(f"http://{OUTSIDE}.50/")

        watched = msgspec.structs.replace(
            wanted, routers=tuple(msgspec.structs.replace(router, bfd=True, ecmp=True) for router in wanted.routers)
        )
        made = await w.fabric.sync(watched)
        assert 2 <= made.inserted, "both next hops are watched"
        again = await w.fabric.sync(watched)
        assert (0, 0, 0) == (again.inserted, again.updated, again.deleted)
