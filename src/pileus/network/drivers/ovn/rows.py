"""A topology as rows of OVN's northbound database: a pure function, the whole of what we ever write there."""

from collections.abc import Sequence

from pileus.network.drivers.interface import Topology
from pileus.network.drivers.ovn import dhcp, routers, security, switches
from pileus.network.drivers.ovn.index import Index
from pileus.network.drivers.ovn.values import Row

# Tables and columns we write; the copy in memory holds these (and `up`, which OVN writes).
TABLES: dict[str, tuple[str, ...]] = {
    "Logical_Switch": ("name", "ports", "load_balancer", "qos_rules", "dns_records", "other_config", "external_ids"),
    "Logical_Switch_Port": (
        "name", "type", "parent_name", "tag", "addresses", "port_security", "enabled", "options", "dhcpv4_options",
        "dhcpv6_options", "up", "external_ids",
    ),
    "Logical_Router": ("name", "enabled", "ports", "static_routes", "nat", "load_balancer", "options", "external_ids"),
    "Logical_Router_Port": (
        "name", "mac", "networks", "gateway_chassis", "ipv6_ra_configs", "options", "external_ids",
    ),
    "Gateway_Chassis": ("name", "chassis_name", "priority", "external_ids"),
    "Logical_Router_Static_Route": ("ip_prefix", "nexthop", "output_port", "bfd", "external_ids"),
    "BFD": ("logical_port", "dst_ip", "external_ids"),
    "NAT": ("type", "external_ip", "logical_ip", "logical_port", "external_mac", "gateway_port", "external_ids"),
    "Load_Balancer": ("name", "protocol", "vips", "options", "external_ids"),
    "Port_Group": ("name", "ports", "acls", "external_ids"),
    "ACL": ("direction", "priority", "action", "match", "log", "name", "severity", "meter", "external_ids"),
    "Meter": ("name", "unit", "fair", "bands", "external_ids"),
    "Meter_Band": ("action", "rate", "burst_size", "external_ids"),
    "QoS": ("priority", "direction", "match", "action", "bandwidth", "external_ids"),
    "Address_Set": ("name", "addresses", "external_ids"),
    "DHCP_Options": ("cidr", "options", "external_ids"),
    "DNS": ("records", "external_ids"),
}  # fmt: skip


def render(topology: Topology, gateway_hosts: Sequence[str] = ()) -> list[Row]:
    """Every row wanted; `gateway_hosts` carry gateways where the topology names none itself."""
    index = Index(topology)
    return [
        *dhcp.rows(index),
        *switches.rows(index),
        *routers.rows(index, topology.gateway_hosts or gateway_hosts),
        *security.rows(index),
    ]
