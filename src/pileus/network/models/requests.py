"""What callers ask for, read and defaulted, before it is decided."""

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, UnsetType

from pileus.network.models.resources import AddressPair, DhcpOption, HostRoute, Pool


class NewNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A network to make."""

    project_id: str
    name: str = ""
    description: str = ""
    admin_up: bool = True
    shared: bool = False
    external: bool = False
    is_default: bool = False
    port_security: bool = True
    mtu: int | None = None
    dns_domain: str = ""
    network_type: str | None = None
    physical_network: str | None = None
    segmentation_id: int | None = None
    qos_policy_id: str | None = None
    vlan_transparent: bool = False
    qinq: bool = False
    zone_hints: tuple[str, ...] = ()


class NewSubnet(msgspec.Struct, frozen=True, kw_only=True):
    """A subnet to make; `auto_gateway` takes the first address, else `gateway_ip` holds, None being none."""

    project_id: str
    network_id: str
    ip_version: int
    cidr: str | None = None
    prefixlen: int | None = None
    subnetpool_id: str | None = None
    name: str = ""
    description: str = ""
    auto_gateway: bool = True
    gateway_ip: str | None = None
    pools: tuple[Pool, ...] | None = None
    dhcp: bool = True
    dns_servers: tuple[str, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    service_types: tuple[str, ...] = ()
    dns_publish: bool = False
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None


class AskedIp(msgspec.Struct, frozen=True):
    """An address asked for: of a subnet, a certain one, or both."""

    subnet_id: str | None = None
    address: str | None = None


class NewPort(msgspec.Struct, frozen=True, kw_only=True):
    """A port to make. `fixed_ips` None: whatever the network offers; `security_groups` None: the default one."""

    project_id: str
    network_id: str
    name: str = ""
    description: str = ""
    mac: str | None = None
    admin_up: bool = True
    device_id: str = ""
    device_owner: str = ""
    host: str = ""
    vnic_type: str = "normal"
    profile: dict[str, object] = {}
    port_security: bool | None = None
    fixed_ips: tuple[AskedIp, ...] | None = None
    security_groups: tuple[str, ...] | None = None
    allowed_pairs: tuple[AddressPair, ...] = ()
    dhcp_options: tuple[DhcpOption, ...] = ()
    dns_name: str = ""
    server_id: str | None = None
    made: bool = False
    qos_policy_id: str | None = None
    dns_domain: str = ""
    numa_policy: str | None = None
    device_profile: str | None = None
    number: int = 0
    words: Mapping[str, str] = {}  # what keywords in the domain stand for


class GatewayWish(msgspec.Struct, frozen=True, kw_only=True):
    """Where a router shall go out."""

    network_id: str
    snat: bool = True
    fixed_ips: tuple[AskedIp, ...] | None = None
    qos_policy_id: str | UnsetType | None = UNSET  # unset: as it is


class NewRouter(msgspec.Struct, frozen=True, kw_only=True):
    """A router to make."""

    project_id: str
    name: str = ""
    description: str = ""
    admin_up: bool = True
    gateway: GatewayWish | None = None
    flavor_id: str | None = None
    ecmp: bool = False
    bfd: bool = False
    zone_hints: tuple[str, ...] = ()


class NewSegmentRange(msgspec.Struct, frozen=True, kw_only=True):
    """A range of segments to make."""

    project_id: str
    name: str = ""
    description: str = ""
    shared: bool = True
    network_type: str
    physical_network: str | None = None
    minimum: int
    maximum: int


class NewFloatingIp(msgspec.Struct, frozen=True, kw_only=True):
    """A floating IP to make."""

    project_id: str
    network_id: str
    description: str = ""
    subnet_id: str | None = None
    address: str | None = None
    port_id: str | None = None
    fixed_ip: str | None = None
    dns_name: str = ""
    dns_domain: str = ""
    qos_policy_id: str | None = None


class NewGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A security group to make."""

    project_id: str
    name: str = ""
    description: str = ""
    stateful: bool | None = None  # as the project's groups usually are


class NewRule(msgspec.Struct, frozen=True, kw_only=True):
    """A security group rule to make, as it was asked for."""

    project_id: str
    group_id: str
    direction: str
    description: str = ""
    ethertype: str = "IPv4"
    protocol: str | None = None
    port_min: int | None = None
    port_max: int | None = None
    remote_prefix: str | None = None
    remote_group: str | None = None
    address_group: str | None = None


class NewAddressGroup(msgspec.Struct, frozen=True, kw_only=True):
    """An address group to make."""

    project_id: str
    name: str = ""
    description: str = ""
    addresses: tuple[str, ...] = ()


class NewScope(msgspec.Struct, frozen=True, kw_only=True):
    """An address scope to make."""

    project_id: str
    ip_version: int
    name: str = ""
    description: str = ""
    shared: bool = False


class NewPool(msgspec.Struct, frozen=True, kw_only=True):
    """A subnet pool to make."""

    project_id: str
    prefixes: tuple[str, ...]
    name: str = ""
    description: str = ""
    default_prefixlen: int | None = None
    min_prefixlen: int | None = None
    max_prefixlen: int | None = None
    default_quota: int | None = None
    address_scope_id: str | None = None
    shared: bool = False
    is_default: bool = False
