"""Logical_Router rows: ports, the gateway and where it runs, routes, and address translation.

A router may have several gateways, each with its own translation. A gateway port is bound to hosts by Gateway_Chassis, the first by preference; SNAT happens there. A floating IP is
translated there too, or, when its `mac` is given, on the host of the guest's port.
"""

from collections.abc import Iterator, Sequence

from pileus.network.drivers.interface import FloatingIp, Gateway, Port, Router, Subnet
from pileus.network.drivers.ovn import forwarding, naming
from pileus.network.drivers.ovn.index import Index, router_ports
from pileus.network.drivers.ovn.values import Ref, Row, Value, row

_TOP_PRIORITY = 100
_ADVERTISED_EACH_S = "30"


def rows(index: Index, gateway_hosts: Sequence[str]) -> Iterator[Row]:
    """Every router with its ports, routes and translations."""
    for router in index.topology.routers:
        present = _addressed_ports(index, router)
        gateways = _gateway_ports(router, present)
        places = {port.id: list(_gateway_places(port, gateway_hosts)) for port, _ in gateways}
        ports = [_port(index, port, places.get(port.id, [])) for port in present]
        outer = [port for port, _ in gateways]
        routes, watched = list(_routes(index, router, outer)), list(_watched(index, router, outer))
        translations = [row for port, gateway in gateways if gateway.snat for row in _snat(index, router, port)]
        translations += _floating(index, router, outer)
        forwarded = list(forwarding.rows(index, router))
        columns: dict[str, Value] = {
            "name": naming.router(router.id),
            "enabled": router.admin_up,
            "ports": tuple(port.ref for port in ports),
            "static_routes": tuple(route.ref for route in routes),
            "load_balancer": tuple(each.ref for each in forwarded),
            "nat": tuple(translation.ref for translation in translations),
            "options": {"always_learn_from_arp_request": "false", "dynamic_neigh_routers": "true"},
        }
        yield row("Logical_Router", router.id, columns, router_name=router.name)
        yield from (*(row for each in places.values() for row in each), *ports, *watched, *routes)
        yield from (*translations, *forwarded)


def _addressed_ports(index: Index, router: Router) -> list[Port]:
    """A router's ports; those without an address are no ports to OVN."""
    ports = (index.ports.get(port_id) for port_id in router_ports(router))
    return [port for port in ports if port is not None and index.subnets_of(port)]


def _gateway_ports(router: Router, present: Sequence[Port]) -> list[tuple[Port, Gateway]]:
    """Ways out with their ports, the first one first."""
    ports = {port.id: port for port in present}
    return [(ports[gateway.port], gateway) for gateway in router.gateways if gateway.port in ports]


def _gateway_places(gateway: Port, hosts: Sequence[str]) -> Iterator[Row]:
    for rank, host in enumerate(hosts):
        name = f"{naming.router_port(gateway.id)}_{host}"
        yield row(
            "Gateway_Chassis",
            f"{gateway.id}/{host}",
            {"name": name, "chassis_name": host, "priority": max(_TOP_PRIORITY - rank, 1)},
        )


def _port(index: Index, port: Port, places: Sequence[Row]) -> Row:
    subnets = index.subnets_of(port)
    columns: dict[str, Value] = {
        "name": naming.router_port(port.id),
        "mac": port.mac,
        "networks": tuple(f"{address}/{naming.prefix_length(subnet.cidr)}" for subnet, address in subnets),
        "gateway_chassis": tuple(place.ref for place in places),
        "ipv6_ra_configs": _advertisement(index, port, subnets),
        "options": {},
    }
    return row("Logical_Router_Port", port.id, columns)


def _advertisement(index: Index, port: Port, subnets: Sequence[tuple[Subnet, str]]) -> dict[str, str]:
    modes = {"slaac": "slaac", "dhcpv6-stateful": "dhcpv6_stateful", "dhcpv6-stateless": "dhcpv6_stateless"}
    mode = next((subnet.ipv6_ra for subnet, _ in subnets if subnet.ipv6_ra is not None), None)
    if mode is None:
        return {}
    network = index.networks.get(port.network)
    mtu = {"mtu": str(network.mtu)} if network is not None else {}
    # Guests that were there before the subnet ask no more; they need not wait ten minutes, which is OVN's way.
    return {"address_mode": modes[mode], "send_periodic": "true", "max_interval": _ADVERTISED_EACH_S, **mtu}


def _routes(index: Index, router: Router, gateways: Sequence[Port]) -> Iterator[Row]:
    """Routes out and those asked for; several of one destination share what is sent there, flow by flow."""
    for gateway, hop in _hops(index, router, gateways):
        everywhere = "::/0" if naming.version(hop) == 6 else "0.0.0.0/0"
        session = (Ref("BFD", _session(gateway, hop)),) if router.bfd else ()
        yield _route(router, everywhere, hop, naming.router_port(gateway.id), session)
    for route in router.routes:
        yield _route(router, route.destination, route.nexthop, None, ())


def _hops(index: Index, router: Router, gateways: Sequence[Port]) -> Iterator[tuple[Port, str]]:
    """Where default routes lead: the port they leave by, and who is next."""
    known: set[str] = set()
    for gateway in gateways if router.ecmp else gateways[:1]:
        for subnet, _ in index.subnets_of(gateway):
            if subnet.gateway_ip is not None and subnet.id not in known:
                known.add(subnet.id)
                yield gateway, subnet.gateway_ip


def _watched(index: Index, router: Router, gateways: Sequence[Port]) -> Iterator[Row]:
    """Who is asked whether he lives (BFD, RFC 5880): the next hops of default routes, where the router wants it."""
    for gateway, hop in _hops(index, router, gateways) if router.bfd else ():
        yield row("BFD", _session(gateway, hop), {"logical_port": naming.router_port(gateway.id), "dst_ip": hop})


def _session(gateway: Port, hop: str) -> str:
    return f"{gateway.id}/{hop}"


def _route(router: Router, destination: str, nexthop: str, output: str | None, session: tuple[Ref, ...]) -> Row:
    columns: dict[str, Value] = {
        "ip_prefix": destination,
        "nexthop": nexthop,
        "output_port": (output,) if output is not None else (),
        "bfd": session,
    }
    return row("Logical_Router_Static_Route", f"{router.id}/{destination}/{nexthop}", columns)


def _snat(index: Index, router: Router, gateway: Port) -> Iterator[Row]:
    outside = next((ip.address for ip in gateway.fixed_ips if naming.version(ip.address) == 4), None)
    if outside is None:
        return
    inside = {
        subnet.cidr: subnet.id
        for port_id in router.interfaces
        if port_id in index.ports
        for subnet, _ in index.subnets_of(index.ports[port_id])
        if naming.version(subnet.cidr) == 4
    }
    first = router.gateway is not None and router.gateway.port == gateway.id
    for cidr, subnet_id in inside.items():
        key = f"{router.id}/{subnet_id}" if first else f"{router.id}/{subnet_id}/{gateway.id}"
        yield _nat(gateway, key, {"type": "snat", "external_ip": outside, "logical_ip": cidr})


def _floating(index: Index, router: Router, gateways: Sequence[Port]) -> Iterator[Row]:
    if not gateways:
        return
    for floating in index.topology.floating_ips:
        if floating.router == router.id:
            beside = (port for port in gateways if index.on_network(floating.address, port.network))
            yield _nat(next(beside, gateways[0]), floating.id, _floating_columns(floating))


def _floating_columns(floating: FloatingIp) -> dict[str, Value]:
    spread = floating.mac is not None
    return {
        "type": "dnat_and_snat",
        "external_ip": floating.address,
        "logical_ip": floating.fixed_ip,
        "logical_port": (floating.port,) if spread else (),
        "external_mac": (floating.mac,) if floating.mac is not None else (),
    }


def _nat(gateway: Port, key: str, columns: dict[str, Value]) -> Row:
    where = Ref("Logical_Router_Port", gateway.id)
    return row("NAT", key, {"logical_port": (), "external_mac": (), **columns, "gateway_port": where})
