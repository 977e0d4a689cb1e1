"""A topology seen from each side: what is on a network, which router stands on a subnet, what a port is to OVN.

Rendering asks these questions for every row, so they are answered once.
"""

import ipaddress
from collections import defaultdict

from pileus.network.drivers.interface import (
    FLOATING_IP,
    METADATA_PORT,
    ROUTER_GATEWAY,
    ROUTER_INTERFACE,
    Network,
    Port,
    PortForwarding,
    QosRule,
    Router,
    Subnet,
    Topology,
)
from pileus.network.drivers.ovn import naming

# Ports of these owners are not ends of the network that a guest could hold.
_OWN_SHAPE = frozenset((ROUTER_INTERFACE, ROUTER_GATEWAY, METADATA_PORT, FLOATING_IP))


class Index:
    """Lookups over one topology."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.networks: dict[str, Network] = {network.id: network for network in topology.networks}
        self.subnets: dict[str, Subnet] = {subnet.id: subnet for subnet in topology.subnets}
        self.ports: dict[str, Port] = {port.id: port for port in topology.ports}
        self._forwarded: dict[str, list[PortForwarding]] = defaultdict(list)
        for one in topology.port_forwardings:
            self._forwarded[one.router].append(one)
        self._qos = {policy.id: policy.rules for policy in topology.qos_policies}
        self.address_groups = {group.id for group in topology.address_groups}
        self.groups = {group.id: group for group in topology.security_groups}
        self._subnets_on: dict[str, list[Subnet]] = defaultdict(list)
        self._ports_on: dict[str, list[Port]] = defaultdict(list)
        for subnet in topology.subnets:
            self._subnets_on[subnet.network].append(subnet)
        for port in topology.ports:
            self._ports_on[port.network].append(port)
        self.router_of: dict[str, Router] = {}
        for router in topology.routers:
            for port_id in router_ports(router):
                self.router_of[port_id] = router

    def qos_rules(self, policy_id: str | None) -> tuple[QosRule, ...]:
        """What a policy asks for; nothing, without one."""
        return self._qos.get(policy_id or "", ())

    def forwarded_by(self, router_id: str) -> list[PortForwarding]:
        """The ports of floating IPs a router forwards."""
        return self._forwarded.get(router_id, [])

    def subnets_on(self, network_id: str) -> list[Subnet]:
        """Subnets of a network."""
        return self._subnets_on[network_id]

    def guest_ports_on(self, network_id: str) -> list[Port]:
        """Ports of a network that guests (or other plain users) hold."""
        return [port for port in self._ports_on[network_id] if port.device_owner not in _OWN_SHAPE]

    def router_ports_on(self, network_id: str) -> list[Port]:
        """Ports of a network that belong to a router of this topology."""
        return [port for port in self._ports_on[network_id] if port.id in self.router_of]

    def metadata_port_on(self, network_id: str) -> Port | None:
        """The topology's own port for metadata on a network, if it has one."""
        return next((port for port in self._ports_on[network_id] if port.device_owner == METADATA_PORT), None)

    def subnets_with_dhcp(self, network_id: str, ip_version: int = 4) -> list[Subnet]:
        """Subnets of a network where addresses are handed out."""
        return [s for s in self.subnets_on(network_id) if s.dhcp and naming.version(s.cidr) == ip_version]

    def on_network(self, address: str, network_id: str) -> bool:
        """Whether a subnet of the network holds the address."""
        wanted = ipaddress.ip_address(address)
        return any(wanted in ipaddress.ip_network(subnet.cidr) for subnet in self.subnets_on(network_id))

    def subnets_of(self, port: Port) -> list[tuple[Subnet, str]]:
        """A port's subnets with its address in each."""
        return [(self.subnets[ip.subnet], ip.address) for ip in port.fixed_ips if ip.subnet in self.subnets]


def router_ports(router: Router) -> tuple[str, ...]:
    """Ids of all ports of a router, the gateways' last."""
    return (*router.interfaces, *(gateway.port for gateway in router.gateways))
