"""DHCP_Options and DNS rows: what OVN answers to guests by itself.

Option 121 carries every route, the default one too, since clients that read it ignore option 3 (RFC 3442). Metadata is
routed to the local port: by its address where the topology gives it one, else as a neighbour (next hop 0.0.0.0).
"""

import ipaddress
from collections.abc import Iterator

from pileus.network.drivers.interface import METADATA_IP, DhcpOption, MetadataDoor, Network, Port, Subnet, Topology
from pileus.network.drivers.ovn import naming
from pileus.network.drivers.ovn.index import Index
from pileus.network.drivers.ovn.values import Ref, Row, row
from pileus.network.models.names import hostname

LEASE_S = 43200
_NEIGHBOUR = "0.0.0.0"  # noqa: S104 - a next hop, nothing listens on it

# Neutron's names and numbers of options -> OVN's; the second part says whether OVN wants the value in quotes.
_EXTRA = {
    "mtu": ("mtu", False), "26": ("mtu", False),
    "router": ("router", False), "3": ("router", False),
    "netmask": ("netmask", False), "1": ("netmask", False),
    "dns-server": ("dns_server", False), "6": ("dns_server", False),
    "ntp-server": ("ntp_server", False), "42": ("ntp_server", False),
    "lease-time": ("lease_time", False), "51": ("lease_time", False),
    "domain-name": ("domain_name", True), "15": ("domain_name", True),
    "domain-search": ("domain_search_list", True), "119": ("domain_search_list", True),
    "hostname": ("hostname", True), "12": ("hostname", True),
    "tftp-server": ("tftp_server", True), "66": ("tftp_server", True),
    "server-ip-address": ("tftp_server_address", False), "150": ("tftp_server_address", False),
    "bootfile-name": ("bootfile_name", True), "67": ("bootfile_name", True),
    "path-prefix": ("path_prefix", True), "210": ("path_prefix", True),
    "wpad": ("wpad", True), "252": ("wpad", True),
    "classless-static-route": ("classless_static_route", False), "121": ("classless_static_route", False),
    "broadcast": ("broadcast_address", False), "28": ("broadcast_address", False),
    "arp-timeout": ("arp_cache_timeout", False), "35": ("arp_cache_timeout", False),
}  # fmt: skip


# The same for DHCPv6, of which OVN knows less.
_EXTRA_V6 = {
    "dns-server": ("dns_server", False), "23": ("dns_server", False),
    "domain-search": ("domain_search", True), "24": ("domain_search", True),
}  # fmt: skip


def rows(index: Index) -> Iterator[Row]:
    """The options of each subnet, of each port that has some of its own, and the names of each network."""
    for network in index.topology.networks:
        for subnet in index.subnets_on(network.id):
            if not subnet.dhcp:
                continue
            if naming.version(subnet.cidr) == 4:
                yield row(
                    "DHCP_Options", subnet.id, {"cidr": subnet.cidr, "options": options_v4(index, network, subnet)}
                )
            elif subnet.ipv6_mode in ("dhcpv6-stateful", "dhcpv6-stateless"):
                yield row("DHCP_Options", subnet.id, {"cidr": subnet.cidr, "options": _options_v6(network, subnet)})
        for port in index.guest_ports_on(network.id):
            yield from _own_options(index, network, port)
        if records := names(index, network):
            yield row("DNS", network.id, {"records": records})


def ref(port: Port, subnet: Subnet) -> Ref:
    """The row that answers a port on a subnet."""
    own = _extra(port, naming.version(subnet.cidr))
    return Ref("DHCP_Options", f"{subnet.id}/{port.id}" if own else subnet.id)


def options_v4(index: Index, network: Network, subnet: Subnet) -> dict[str, str]:
    """What a guest is told on an IPv4 subnet."""
    gateway = subnet.gateway_ip
    metadata_hop = _metadata_address(index, subnet) or _NEIGHBOUR
    routes = [f"{METADATA_IP}/32,{metadata_hop}"]
    routes += [f"{route.destination},{route.nexthop}" for route in subnet.host_routes]
    if gateway is not None:
        routes.append(f"0.0.0.0/0,{gateway}")
    told = {
        "server_id": gateway or METADATA_IP,
        "server_mac": naming.made_up_mac(f"dhcp {subnet.id}"),
        "lease_time": str(LEASE_S),
        "mtu": str(network.mtu),
        "classless_static_route": "{" + ", ".join(routes) + "}",
    }
    if gateway is not None:
        told["router"] = gateway
    if servers := [server for server in subnet.dns_servers if naming.version(server) == 4]:
        told["dns_server"] = "{" + ", ".join(servers) + "}"
    if network.dns_domain:
        told["domain_name"] = f'"{network.dns_domain.rstrip(".")}"'
    return told


def _options_v6(network: Network, subnet: Subnet) -> dict[str, str]:
    told = {"server_id": naming.made_up_mac(f"dhcp {subnet.id}")}
    if subnet.ipv6_mode == "dhcpv6-stateless":
        told["dhcpv6_stateless"] = "true"
    if servers := [server for server in subnet.dns_servers if naming.version(server) == 6]:
        told["dns_server"] = "{" + ", ".join(servers) + "}"
    if network.dns_domain:
        told["domain_search"] = f'"{network.dns_domain.rstrip(".")}"'
    return told


def _own_options(index: Index, network: Network, port: Port) -> Iterator[Row]:
    for subnet, _ in index.subnets_of(port):
        ip_version = naming.version(subnet.cidr)
        extra = _extra(port, ip_version)
        if subnet.dhcp and extra:
            told = options_v4(index, network, subnet) if ip_version == 4 else _options_v6(network, subnet)
            yield row("DHCP_Options", ref(port, subnet).key, {"cidr": subnet.cidr, "options": {**told, **extra}})


def _extra(port: Port, ip_version: int) -> dict[str, str]:
    found = [_translated(option) for option in port.dhcp_options if option.ip_version == ip_version]
    return dict(pair for pair in found if pair is not None)


def _translated(option: DhcpOption) -> tuple[str, str] | None:
    known = (_EXTRA if option.ip_version == 4 else _EXTRA_V6).get(
        option.name.removeprefix("option:").removeprefix("option6:")
    )
    if known is None:
        return None  # OVN knows no such option; Neutron's API takes any name, and so a guest simply does not get it.
    name, quoted = known
    value = option.value.replace('"', "")
    if quoted:
        return name, f'"{value}"'
    return name, "{" + value + "}" if "," in value and not value.startswith("{") else value


def _metadata_address(index: Index, subnet: Subnet) -> str | None:
    port = index.metadata_port_on(subnet.network)
    if port is None:
        return None
    return next((ip.address for ip in port.fixed_ips if ip.subnet == subnet.id), None)


def names(index: Index, network: Network) -> dict[str, str]:
    """DNS names of a network's ports, short and with the domain, and for each address the name back."""
    domain = network.dns_domain.strip(".").lower()
    records: dict[str, str] = {}
    for port in index.guest_ports_on(network.id):
        beyond = port.dns_domain.strip(".").lower() or domain
        called: dict[str, list[str]] = {}
        for ip in port.fixed_ips:
            called.setdefault(hostname(port.dns_name, ip.address).lower(), []).append(ip.address)
        for name, addresses in called.items():
            full = f"{name}.{beyond}".rstrip(".")
            records[name] = records[full] = " ".join(addresses)
            records |= {ipaddress.ip_address(address).reverse_pointer: full for address in addresses}
    return records


def doors(topology: Topology) -> tuple[MetadataDoor, ...]:
    """Where a host must answer for metadata: every network with DHCP for IPv4."""
    index = Index(topology)
    found = []
    for network in topology.networks:
        subnets = index.subnets_with_dhcp(network.id)
        if not subnets:
            continue
        own = index.metadata_port_on(network.id)
        addresses = tuple(
            f"{address}/{naming.prefix_length(subnet.cidr)}"
            for subnet, address in (index.subnets_of(own) if own is not None else ())
        )
        found.append(
            MetadataDoor(
                network=network.id,
                port=own.id if own is not None else naming.metadata_port(network.id),
                mac=own.mac if own is not None else naming.made_up_mac(f"metadata {network.id}"),
                mtu=network.mtu,
                addresses=addresses,
                cidrs=tuple(str(ipaddress.ip_network(subnet.cidr)) for subnet in subnets),
            )
        )
    return tuple(found)
