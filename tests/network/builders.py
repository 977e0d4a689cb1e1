"""Topologies for tests: two networks behind a router with a way out, a few guests."""

import msgspec

from pileus.network.drivers.interface import (
    ROUTER_GATEWAY,
    ROUTER_INTERFACE,
    FixedIp,
    FloatingIp,
    Gateway,
    HostRoute,
    Network,
    Pool,
    Port,
    Router,
    SecurityGroup,
    SecurityRule,
    Subnet,
    Topology,
)

RED = "11111111-1111-4111-8111-111111111111"
BLUE = "22222222-2222-4222-8222-222222222222"
OUTSIDE = "33333333-3333-4333-8333-333333333333"
RED_SUBNET = "11111111-aaaa-4111-8111-111111111111"
BLUE_SUBNET = "22222222-aaaa-4222-8222-222222222222"
OUTSIDE_SUBNET = "33333333-aaaa-4333-8333-333333333333"
ROUTER = "44444444-4444-4444-8444-444444444444"
RED_LEG = "51111111-4444-4444-8444-444444444444"
BLUE_LEG = "52222222-4444-4444-8444-444444444444"
GATEWAY = "53333333-4444-4444-8444-444444444444"
ANN = "a1111111-5555-4555-8555-555555555555"
BOB = "b2222222-5555-4555-8555-555555555555"
OPEN = "61111111-6666-4666-8666-666666666666"
SHUT = "62222222-6666-4666-8666-666666666666"
FLOATING = "71111111-7777-4777-8777-777777777777"
HOST = "host-a"


def a_rule(number: int, **claims: object) -> SecurityRule:
    """A rule that lets everything in, but for what is claimed."""
    return SecurityRule(**{"id": f"rule-{number}", "direction": "ingress", **claims})  # type: ignore[arg-type]


def a_port(port_id: str, network: str, subnet: str, address: str, mac: str, **claims: object) -> Port:
    """A port with one address."""
    return Port(id=port_id, network=network, mac=mac, fixed_ips=(FixedIp(subnet, address),), **claims)  # type: ignore[arg-type]


def networks() -> tuple[Network, ...]:
    """Red and blue inside, and the outside."""
    return (
        Network(id=RED, name="red", dns_domain="red.test."),
        Network(id=BLUE, name="blue"),
        Network(id=OUTSIDE, name="outside", external=True, network_type="flat", physical_network="external", mtu=1500),
    )


def subnets(outside: str) -> tuple[Subnet, ...]:
    """One block on each network; `outside` is the first three octets of the external one."""
    return (
        Subnet(
            id=RED_SUBNET, network=RED, cidr="10.1.0.0/24", gateway_ip="10.1.0.1", dns_servers=("9.9.9.9",),
            host_routes=(HostRoute("10.9.0.0/16", "10.1.0.254"),), pools=(Pool("10.1.0.2", "10.1.0.254"),),
        ),
        Subnet(id=BLUE_SUBNET, network=BLUE, cidr="10.2.0.0/24", gateway_ip="10.2.0.1"),
        Subnet(
            id=OUTSIDE_SUBNET, network=OUTSIDE, cidr=f"{outside}.0/24", gateway_ip=f"{outside}.1", dhcp=False
        ),
    )  # fmt: skip


def ports(outside: str) -> tuple[Port, ...]:
    """Ann on red, Bob on blue, and the router's three legs."""
    guest = {"device_owner": "compute:nova", "security_groups": (OPEN,)}
    leg = {"device_owner": ROUTER_INTERFACE, "device_id": ROUTER, "port_security": False}
    return (
        a_port(ANN, RED, RED_SUBNET, "10.1.0.10", "fa:16:3e:00:00:01", dns_name="ann", **guest),
        a_port(BOB, BLUE, BLUE_SUBNET, "10.2.0.10", "fa:16:3e:00:00:02", **guest),
        a_port(RED_LEG, RED, RED_SUBNET, "10.1.0.1", "fa:16:3e:01:00:01", **leg),
        a_port(BLUE_LEG, BLUE, BLUE_SUBNET, "10.2.0.1", "fa:16:3e:01:00:02", **leg),
        a_port(
            GATEWAY, OUTSIDE, OUTSIDE_SUBNET, f"{outside}.10", "fa:16:3e:01:00:03",
            device_owner=ROUTER_GATEWAY, device_id=ROUTER, port_security=False,
        ),
    )  # fmt: skip


def groups() -> tuple[SecurityGroup, ...]:
    """One group that lets everything through, one that lets guests ask but nobody in."""
    out = {"direction": "egress"}
    return (
        SecurityGroup(id=OPEN, name="open", rules=(a_rule(1), a_rule(2, **out), a_rule(3, ethertype="IPv6", **out))),
        SecurityGroup(id=SHUT, name="shut", rules=(a_rule(4, **out),)),
    )


def a_topology(outside: str = "172.24.4", **claims: object) -> Topology:
    """Two networks behind a router with a gateway, and a floating IP that leads to Ann."""
    parts = {
        "networks": networks(),
        "subnets": subnets(outside),
        "ports": ports(outside),
        "routers": (Router(id=ROUTER, name="edge", gateway=Gateway(port=GATEWAY), interfaces=(RED_LEG, BLUE_LEG)),),
        "floating_ips": (
            FloatingIp(id=FLOATING, address=f"{outside}.50", router=ROUTER, fixed_ip="10.1.0.10", port=ANN),
        ),
        "security_groups": groups(),
        "gateway_hosts": (HOST,),
    }
    return Topology(**{**parts, **claims})  # type: ignore[arg-type]


def port_of(topology: Topology, port_id: str) -> Port:
    """A port of the topology."""
    return next(port for port in topology.ports if port.id == port_id)


def with_port(topology: Topology, port_id: str, **claims: object) -> Topology:
    """The topology, but for what is claimed of one port."""
    ports = tuple(msgspec.structs.replace(port, **claims) if port.id == port_id else port for port in topology.ports)
    return msgspec.structs.replace(topology, ports=ports)
