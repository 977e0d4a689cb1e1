"""The resources as rows have them, and what policy sees of each."""

import datetime as dt
from collections.abc import Mapping

import msgspec

from pileus.network.models.parts import AddressPair, DhcpOption, FixedIp, HostRoute, Pool

# Who a port belongs to, in Neutron's words.
ROUTER_INTERFACE = "network:router_interface"
ROUTER_GATEWAY = "network:router_gateway"
FLOATING_IP = "network:floatingip"
METADATA = "network:distributed"

DEFAULT_GROUP = "default"


class Standard(msgspec.Struct, frozen=True):
    """What all resources have."""

    id: str
    project_id: str
    name: str
    description: str
    tags: tuple[str, ...]
    revision: int
    created_at: dt.datetime
    updated_at: dt.datetime

    def policy_target(self) -> Mapping[str, object]:
        """What policy rules may ask about."""
        return {"id": self.id, "project_id": self.project_id, "tenant_id": self.project_id}


class Network(Standard, frozen=True):
    """A layer 2 network."""

    admin_up: bool
    shared: bool
    external: bool
    is_default: bool
    port_security: bool
    mtu: int
    dns_domain: str
    network_type: str
    physical_network: str
    segmentation_id: int | None
    qos_policy_id: str | None
    vlan_transparent: bool = False
    qinq: bool = False
    zone_hints: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    ipv4_scope: str | None = None
    ipv6_scope: str | None = None

    def policy_target(self) -> Mapping[str, object]:
        """What policy rules may ask about."""
        return {
            **super().policy_target(),
            "network:project_id": self.project_id,
            "shared": self.shared,
            "router:external": self.external,
        }


class Subnet(Standard, frozen=True):
    """A block of addresses on a network."""

    network_id: str
    ip_version: int
    cidr: str
    gateway_ip: str | None
    dhcp: bool
    dns_servers: tuple[str, ...]
    host_routes: tuple[HostRoute, ...]
    pools: tuple[Pool, ...]
    service_types: tuple[str, ...]
    ipv6_ra_mode: str | None
    ipv6_address_mode: str | None
    dns_publish: bool
    subnetpool_id: str | None = None
    network_project_id: str = ""
    network_shared: bool = False
    network_external: bool = False

    def policy_target(self) -> Mapping[str, object]:
        """What policy rules may ask about."""
        return {
            **super().policy_target(),
            "network:project_id": self.network_project_id,
            "shared": self.network_shared,
            "router:external": self.network_external,
        }


class Port(Standard, frozen=True):
    """A place on a network."""

    number: int
    network_id: str
    mac: str
    admin_up: bool
    up: bool
    device_id: str
    device_owner: str
    host: str
    vnic_type: str
    profile: dict[str, object]
    port_security: bool
    allowed_pairs: tuple[AddressPair, ...]
    dhcp_options: tuple[DhcpOption, ...]
    dns_name: str
    server_id: str | None
    made: bool
    qos_policy_id: str | None
    dns_domain: str = ""
    own_domain: str = ""  # the domain it is named in, where that is not its network's
    numa_policy: str | None = None
    device_profile: str | None = None
    network_project_id: str = ""
    network_shared: bool = False
    network_domain: str = ""
    fixed_ips: tuple[FixedIp, ...] = ()
    security_groups: tuple[str, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether the port is the network's own."""
        return self.device_owner.startswith("network:")

    def policy_target(self) -> Mapping[str, object]:
        """What policy rules may ask about."""
        return {
            **super().policy_target(),
            "network:project_id": self.network_project_id,
            "shared": self.network_shared,
            "device_owner": self.device_owner,
            "network_id": self.network_id,
        }


class Binding(msgspec.Struct, frozen=True):
    """A host a port is bound to."""

    port_id: str
    host: str
    vnic_type: str
    profile: dict[str, object]


class Router(Standard, frozen=True):
    """A router between networks of a project, and out."""

    admin_up: bool
    gateway_port_id: str | None
    gateway_network_id: str | None
    snat: bool
    routes: tuple[HostRoute, ...]
    qos_policy_id: str | None
    flavor_id: str | None
    ecmp: bool = False  # default routes through all ways out, instead of the first
    bfd: bool = False  # a way out whose gateway does not answer is not used
    zone_hints: tuple[str, ...] = ()


class FurtherGateway(msgspec.Struct, frozen=True):
    """A way out of a router beside its first one."""

    port_id: str
    router_id: str
    network_id: str
    snat: bool
    number: int


class Interface(msgspec.Struct, frozen=True):
    """A router's leg in a subnet."""

    router_id: str
    subnet_id: str
    port_id: str


class AutoTopology(msgspec.Struct, frozen=True):
    """The network and the router a project was given when it asked for some."""

    project_id: str
    network_id: str
    router_id: str


class FloatingIp(Standard, frozen=True):
    """An external address that may lead to a port."""

    network_id: str
    outer_port_id: str
    address: str
    port_id: str | None
    fixed_ip: str | None
    router_id: str | None
    dns_name: str
    dns_domain: str
    qos_policy_id: str | None

    def policy_target(self) -> Mapping[str, object]:
        """What policy rules may ask about; what is inside asks about its parent."""
        return {**super().policy_target(), "ext_parent:project_id": self.project_id}


class SecurityRule(Standard, frozen=True):
    """What a security group lets through."""

    group_id: str
    direction: str
    ethertype: str
    protocol: str | None
    port_min: int | None
    port_max: int | None
    remote_prefix: str | None
    remote_group: str | None
    address_group: str | None
    says: str
    group_project_id: str = ""
    group_default_for: str | None = None

    def policy_target(self) -> Mapping[str, object]:
        """What policy rules may ask about."""
        return {
            **super().policy_target(),
            "security_group:project_id": self.group_project_id,
            "belongs_to_default_sg": self.group_default_for is not None,
        }


class SecurityGroup(Standard, frozen=True):
    """A named set of rules."""

    stateful: bool
    default_for: str | None
    rules: tuple[SecurityRule, ...] = ()
    shared: bool = False

    def policy_target(self) -> Mapping[str, object]:
        """What policy rules may ask about."""
        return {**super().policy_target(), "shared": self.shared, "security_group:project_id": self.project_id}


__all__ = [
    "DEFAULT_GROUP",
    "FLOATING_IP",
    "METADATA",
    "ROUTER_GATEWAY",
    "ROUTER_INTERFACE",
    "AddressPair",
    "DhcpOption",
    "FixedIp",
    "FloatingIp",
    "HostRoute",
    "Interface",
    "Network",
    "Pool",
    "Port",
    "Router",
    "SecurityGroup",
    "SecurityRule",
    "Standard",
    "Subnet",
]


class AddressGroup(Standard, frozen=True):
    """Blocks of addresses that security group rules name together."""

    addresses: tuple[str, ...]
