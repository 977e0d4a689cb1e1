"""What the network service asks of a fabric, as values and a few verbs.

`Topology` is everything that is wanted, whole: the controller renders it from its tables and calls `Fabric.sync`, which
makes the fabric equal to it and may be repeated at will. On each host a `Plug` gives guests their end of a port and
`MetadataDoors` open 169.254.169.254 in each network.

    tables -> Topology -> Fabric.sync        (controller: the virtual networks)
    wanted documents -> Plug, MetadataDoors  (host: the ends of them)
"""

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

import msgspec

from pileus.network.models.parts import AddressPair as AddressPair
from pileus.network.models.parts import DhcpOption as DhcpOption
from pileus.network.models.parts import FixedIp as FixedIp
from pileus.network.models.parts import HostRoute as HostRoute
from pileus.network.models.parts import Pool as Pool
from pileus.ports.metadata import Answer as Answer
from pileus.ports.metadata import MetadataAnswers as MetadataAnswers
from pileus.ports.plug import Plug as TapPlug
from pileus.ports.plug import PortPlug as PortPlug

NetworkType = Literal["geneve", "flat", "vlan"]
Direction = Literal["ingress", "egress"]
EtherType = Literal["IPv4", "IPv6"]
QosKind = Literal["bandwidth_limit", "dscp_marking", "minimum_bandwidth"]
Ipv6Mode = Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"]

METADATA_IP = "169.254.169.254"

# Neutron's names of what owns a port; a fabric treats these ones differently.
ROUTER_INTERFACE = "network:router_interface"
ROUTER_GATEWAY = "network:router_gateway"
FLOATING_IP = "network:floatingip"
METADATA_PORT = "network:distributed"


class DriverError(Exception):
    """A fabric could not do what was asked: what it was, and why in the tool's own words."""

    def __init__(self, what: str, why: str) -> None:
        self.what = what
        self.why = why
        super().__init__(f"{what}: {why}")


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """A layer 2 network."""

    id: str
    name: str = ""
    project: str = ""
    mtu: int = 1442
    external: bool = False
    network_type: NetworkType = "geneve"
    physical_network: str | None = None
    segmentation_id: int | None = None
    dns_domain: str = ""
    vlan_transparent: bool = False  # guests' own tags pass
    qinq: bool = False  # they do, inside the network's own tag


class Subnet(msgspec.Struct, frozen=True, kw_only=True):
    """A block of addresses on a network; `ipv6_ra` is what routers advertise, `ipv6_mode` what DHCPv6 answers."""

    id: str
    network: str
    cidr: str
    gateway_ip: str | None = None
    dhcp: bool = True
    dns_servers: tuple[str, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    pools: tuple[Pool, ...] = ()
    ipv6_ra: Ipv6Mode | None = None
    ipv6_mode: Ipv6Mode | None = None


class Port(msgspec.Struct, frozen=True, kw_only=True):
    """A place on a network. `host` is where it is bound; None lets whoever plugs it have it. `coming_to`: hosts it may come to
    while it is there, and does when its guest says so."""

    id: str
    network: str
    mac: str
    name: str = ""
    project: str = ""
    fixed_ips: tuple[FixedIp, ...] = ()
    device_owner: str = ""
    device_id: str = ""
    admin_up: bool = True
    port_security: bool = True
    security_groups: tuple[str, ...] = ()
    allowed_pairs: tuple[AddressPair, ...] = ()
    host: str | None = None
    coming_to: tuple[str, ...] = ()
    dhcp_options: tuple[DhcpOption, ...] = ()
    dns_name: str = ""
    dns_domain: str = ""  # where it is not the network's
    qos_policy: str | None = None
    parent: str | None = None  # the port through which it is reached
    tag: int | None = None  # of the frames by which it is


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """A router's way out: its port on the external network (owner `network:router_gateway`, in `Topology.ports`)."""

    port: str
    snat: bool = True
    qos_policy: str | None = None


class Router(msgspec.Struct, frozen=True, kw_only=True):
    """A router; `interfaces` are ids of ports (owner `network:router_interface`) in `Topology.ports`."""

    id: str
    name: str = ""
    project: str = ""
    admin_up: bool = True
    gateway: Gateway | None = None
    further_gateways: tuple[Gateway, ...] = ()
    ecmp: bool = False  # default routes through all gateways, instead of the first one's
    bfd: bool = False  # what is beyond a gateway is asked whether it lives, and routes through the dead are not used
    interfaces: tuple[str, ...] = ()
    routes: tuple[HostRoute, ...] = ()

    @property
    def gateways(self) -> tuple[Gateway, ...]:
        """All ways out, the first one first."""
        return () if self.gateway is None else (self.gateway, *self.further_gateways)


class FloatingIp(msgspec.Struct, frozen=True, kw_only=True):
    """An external address that leads to `fixed_ip`. With `mac` it is answered where the port is, else at the gateway."""

    id: str
    address: str
    router: str
    fixed_ip: str
    port: str
    mac: str | None = None
    qos_policy: str | None = None


class PortForwarding(msgspec.Struct, frozen=True, kw_only=True):
    """`count` ports of an address of a router, from `outer` on, lead to as many of `fixed_ip`, from `inner` on."""

    id: str
    floating_ip: str  # the id of the address
    address: str
    router: str
    protocol: str
    fixed_ip: str
    inner: int
    outer: int
    count: int = 1


class QosRule(msgspec.Struct, frozen=True, kw_only=True):
    """One thing asked of traffic in one direction, as the guest sees it: a most or a least in kbit/s, or a mark."""

    kind: QosKind
    direction: Direction = "egress"
    max_kbps: int = 0
    max_burst_kbps: int = 0
    min_kbps: int = 0
    dscp_mark: int = 0


class QosPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the traffic of whatever has the policy."""

    id: str
    rules: tuple[QosRule, ...] = ()


class SecurityRule(msgspec.Struct, frozen=True, kw_only=True):
    """What a security group lets through. Protocol is a name (tcp, udp, icmp, …), a number as text, or None for any.

    For icmp, `port_min` is the type and `port_max` the code, as in the API.
    """

    id: str
    direction: Direction
    ethertype: EtherType = "IPv4"
    protocol: str | None = None
    port_min: int | None = None
    port_max: int | None = None
    remote_prefix: str | None = None
    remote_group: str | None = None
    address_group: str | None = None


class AddressGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Blocks of addresses that rules name together."""

    id: str
    addresses: tuple[str, ...] = ()


class SecurityGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A named set of rules; everything not let through is dropped. Answers follow requests where it is stateful."""

    id: str
    name: str = ""
    project: str = ""
    stateful: bool = True
    log_accepted: str | None = None  # the id of the log of what it lets through
    log_dropped: str | None = None  # and of what of its ports' traffic no rule of any group lets through
    rules: tuple[SecurityRule, ...] = ()


class Topology(msgspec.Struct, frozen=True, kw_only=True):
    """All that is wanted of the fabric. `gateway_hosts` may carry routers' gateways, the first by preference."""

    networks: tuple[Network, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    ports: tuple[Port, ...] = ()
    routers: tuple[Router, ...] = ()
    floating_ips: tuple[FloatingIp, ...] = ()
    port_forwardings: tuple[PortForwarding, ...] = ()
    security_groups: tuple[SecurityGroup, ...] = ()
    address_groups: tuple[AddressGroup, ...] = ()
    qos_policies: tuple[QosPolicy, ...] = ()
    gateway_hosts: tuple[str, ...] = ()


class Changes(msgspec.Struct, frozen=True):
    """What a sync did, or a diff would do; `lines` tell it to people, one sentence per row."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    lines: tuple[str, ...] = ()

    @property
    def none(self) -> bool:
        """True when the fabric was already as wanted."""
        return not (self.inserted or self.updated or self.deleted)


class PortState(msgspec.Struct, frozen=True):
    """Whether traffic of a port flows, and on which host it is plugged."""

    up: bool
    host: str | None = None


PortListener = Callable[[str, PortState], None]


class Fabric(Protocol):
    """The controller's side: makes virtual networks equal to a topology."""

    async def start(self) -> None:
        """The fabric answers; returns once it does, and raises DriverError if it does not in time."""
        ...

    async def stop(self) -> None:
        """No connection or task is left; the virtual networks stay."""
        ...

    async def sync(self, wanted: Topology) -> Changes:
        """The fabric is equal to `wanted`, in one step; what others put there is left alone."""
        ...

    async def diff(self, wanted: Topology) -> Changes:
        """What `sync` would change; nothing is changed."""
        ...

    async def port_states(self) -> Mapping[str, PortState]:
        """The state of every port of the last topology the fabric took, by port id."""
        ...

    def on_port_change(self, listener: PortListener) -> None:
        """`listener` is called in the event loop with each change of a port's state from now on."""
        ...


class Plug(TapPlug, Protocol):
    """A host's side: the ends of ports that guests hold; what ports/plug.py promises hypervisors, and a look around."""

    async def plugged(self) -> set[str]:
        """Ids of the ports that have a TAP on this host."""
        ...


class MetadataDoor(msgspec.Struct, frozen=True, kw_only=True):
    """What a host must know to answer on 169.254.169.254 in a network; body of a wanted document.

    `port` is the name of the fabric's local port, `addresses` its own with prefix, `cidrs` the blocks guests are in.
    """

    network: str
    port: str
    mac: str
    mtu: int = 1442
    addresses: tuple[str, ...] = ()
    cidrs: tuple[str, ...] = ()


class MetadataDoors(Protocol):
    """A host's side: 169.254.169.254 in each network that has DHCP."""

    async def ensure(self, door: MetadataDoor) -> None:
        """Guests of the network are answered."""
        ...

    async def ensure_gone(self, network_id: str) -> None:
        """Nobody answers in the network, and nothing of the door is left."""
        ...

    async def there(self) -> set[str]:
        """Ids of the networks that have a door on this host, answered or not."""
        ...

    async def close(self) -> None:
        """Nothing listens; ports and namespaces stay, so that a restart finds them."""
        ...
