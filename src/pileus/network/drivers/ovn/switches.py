"""Logical_Switch rows and their ports: guests', routers', the way to the physical network, metadata's.

A switch port's addresses tell OVN what to deliver and to answer ARP for; its port_security what a guest may send.
"""

from collections.abc import Iterator

from pileus.network.drivers.interface import METADATA_IP, MetadataDoor, Network, Port, Subnet
from pileus.network.drivers.ovn import dhcp, forwarding, naming, qos
from pileus.network.drivers.ovn.index import Index
from pileus.network.drivers.ovn.values import Ref, Row, Value, row

PORT = "Logical_Switch_Port"


def rows(index: Index) -> Iterator[Row]:
    """Every network with its ports."""
    doors = {door.network: door for door in dhcp.doors(index.topology)}
    for network in index.topology.networks:
        ports = list(_ports(index, network, doors.get(network.id)))
        named = dhcp.names(index, network)
        rates = list(qos.rows_on(index, network.id))
        columns: dict[str, Value] = {
            "name": naming.switch(network.id),
            "ports": tuple(port.ref for port in ports),
            "load_balancer": forwarding.inside(index, network.id),
            "qos_rules": tuple(rate.ref for rate in rates),
            "dns_records": (Ref("DNS", network.id),) if named else (),
            "other_config": _config(network),
        }
        yield row("Logical_Switch", network.id, columns, network_name=network.name)
        yield from (*ports, *rates)


def _config(network: Network) -> dict[str, str]:
    config = {"mcast_snoop": "false"}
    # Guests' own tags are theirs; OVN otherwise drops what comes tagged from them.
    return {**config, "vlan-passthru": "true"} if network.vlan_transparent or network.qinq else config


def _ports(index: Index, network: Network, door: MetadataDoor | None) -> Iterator[Row]:
    for port in index.guest_ports_on(network.id):
        yield _guest_port(index, port)
    for port in index.router_ports_on(network.id):
        yield _router_port(index, port)
    if network.network_type != "geneve":
        yield _provider_port(network)
    if door is not None:
        yield _metadata_port(door)


def _guest_port(index: Index, port: Port) -> Row:
    columns: dict[str, Value] = {
        "name": port.id,
        "type": "",
        "addresses": _addresses(port),
        "port_security": _allowed(port) if port.port_security else (),
        "enabled": port.admin_up,
        "parent_name": (port.parent,) if port.parent is not None else (),
        "tag": (port.tag,) if port.tag is not None else (),
        "options": _options(index, port),
        "dhcpv4_options": _dhcp(index, port, 4),
        "dhcpv6_options": _dhcp(index, port, 6),
    }
    return row(PORT, port.id, columns, port_name=port.name, device_id=port.device_id, device_owner=port.device_owner)


def _options(index: Index, port: Port) -> dict[str, str]:
    options = {"requested-chassis": ",".join((port.host, *port.coming_to))} if port.host is not None else {}
    if port.host is not None and port.coming_to:
        # Nothing is sent from there, nor delivered, before the guest has announced itself there.
        options["activation-strategy"] = "rarp"
    least = qos.least_bps(index, port.qos_policy)
    return options if least is None else {**options, "qos_min_rate": str(least)}


def _addresses(port: Port) -> tuple[str, ...]:
    known = " ".join((port.mac, *(ip.address for ip in port.fixed_ips)))
    # Without port security a guest may use any address, so unknown ones are delivered to it as well.
    return (known,) if port.port_security else (known, "unknown")


def _allowed(port: Port) -> tuple[str, ...]:
    """What a guest may send from: its own MAC and addresses, and its allowed pairs by MAC."""
    by_mac: dict[str, list[str]] = {port.mac: [ip.address for ip in port.fixed_ips]}
    for pair in port.allowed_pairs:
        by_mac.setdefault((pair.mac or port.mac).lower(), []).append(pair.address)
    return tuple(" ".join((mac, *addresses)) for mac, addresses in by_mac.items())


def _dhcp(index: Index, port: Port, ip_version: int) -> tuple[Ref, ...]:
    """OVN answers with one row per port and IP version, so the first address with DHCP decides."""
    for subnet, _ in index.subnets_of(port):
        if naming.version(subnet.cidr) == ip_version and _answers(subnet):
            return (dhcp.ref(port, subnet),)
    return ()


def _answers(subnet: Subnet) -> bool:
    return subnet.dhcp and (naming.version(subnet.cidr) == 4 or subnet.ipv6_mode not in (None, "slaac"))


def _router_port(index: Index, port: Port) -> Row:
    router = index.router_of[port.id]
    options = {"router-port": naming.router_port(port.id)}
    if any(gateway.port == port.id for gateway in router.gateways):
        # The gateway tells the physical network where the router's and floating addresses are (gratuitous ARP).
        options |= {"nat-addresses": "router", "exclude-lb-vips-from-garp": "true"}
    columns: dict[str, Value] = {
        "name": port.id,
        "type": "router",
        "addresses": ("router",),
        "port_security": (),
        "enabled": port.admin_up,
        "options": options,
    }
    return row(PORT, port.id, columns, device_id=port.device_id, device_owner=port.device_owner)


def _provider_port(network: Network) -> Row:
    columns: dict[str, Value] = {
        "name": naming.provider_port(network.id),
        "type": "localnet",
        "addresses": ("unknown",),
        "options": {"network_name": network.physical_network or "", **({"ethtype": "802.1ad"} if network.qinq else {})},
        "tag": (network.segmentation_id,) if network.network_type == "vlan" and network.segmentation_id else (),
    }
    return row(PORT, f"provider/{network.id}", columns)


def _metadata_port(door: MetadataDoor) -> Row:
    own = [address.partition("/")[0] for address in door.addresses]
    columns: dict[str, Value] = {
        "name": door.port,
        "type": "localport",
        "addresses": (" ".join((door.mac, *own, METADATA_IP)),),
        "options": {},
    }
    return row(PORT, f"metadata/{door.network}", columns)
