"""From the resources to what is wanted of the fabric: one pure function; and the doors for metadata, another."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar, cast

from pileus.network.drivers import interface as fabric
from pileus.network.models.logs import ACCEPT, ALL, DROP
from pileus.network.models.names import has_keywords
from pileus.network.models.qos import QosRule
from pileus.network.models.resources import (
    FLOATING_IP,
    METADATA,
    Network,
    Port,
    Router,
    SecurityRule,
    Standard,
    Subnet,
)
from pileus.network.models.rules import normalized
from pileus.network.store.world import World

T = TypeVar("T", bound=Standard)


def topology(world: World, gateway_hosts: Sequence[str], dns_domain: str) -> fabric.Topology:
    """What is wanted of the fabric; it does not depend on the order of rows."""
    legs: dict[str, list[str]] = {}
    for leg in world.legs:
        legs.setdefault(leg.router_id, []).append(leg.port_id)
    ways: dict[str, list[fabric.Gateway]] = {}
    for way in sorted(world.gateways, key=lambda each: each.number):
        ways.setdefault(way.router_id, []).append(fabric.Gateway(port=way.port_id, snat=way.snat))
    of_network = {network.id: network.qos_policy_id for network in world.networks}
    coming: dict[str, list[str]] = {}
    for binding in world.bindings:
        coming.setdefault(binding.port_id, []).append(binding.host)
    tags = {each.port_id: (trunk.port_id, each.segmentation_id) for trunk in world.trunks for each in trunk.subports}
    return fabric.Topology(
        networks=tuple(_network(network, dns_domain) for network in _ordered(world.networks)),
        subnets=tuple(_subnet(subnet) for subnet in _ordered(world.subnets)),
        # The port that holds a floating IP's address is a row of ours; in the fabric the router answers for it.
        ports=tuple(
            _port(
                port, of_network.get(port.network_id), tuple(coming.get(port.id, ())), *tags.get(port.id, (None, None))
            )
            for port in _ordered(world.ports)
            if port.device_owner != FLOATING_IP
        ),
        routers=tuple(
            _router(router, legs.get(router.id, ()), ways.get(router.id, ())) for router in _ordered(world.routers)
        ),
        floating_ips=_floating_ips(world),
        port_forwardings=_port_forwardings(world),
        security_groups=_groups(world),
        address_groups=_address_groups(world),
        qos_policies=_qos_policies(world),
        gateway_hosts=tuple(gateway_hosts),
    )


def _ordered(things: Iterable[T]) -> list[T]:
    return sorted(things, key=lambda thing: thing.id)


def _network(network: Network, dns_domain: str) -> fabric.Network:
    return fabric.Network(
        id=network.id,
        name=network.name,
        project=network.project_id,
        mtu=network.mtu,
        external=network.external,
        network_type=cast("fabric.NetworkType", network.network_type),
        physical_network=network.physical_network or None,
        # In tunnels the fabric numbers networks itself.
        segmentation_id=network.segmentation_id if network.network_type == "vlan" else None,
        # Of a domain that is another for each port, guests are told no more than the cloud's.
        dns_domain=(network.dns_domain if not has_keywords(network.dns_domain) else "") or dns_domain,
        vlan_transparent=network.vlan_transparent,
        qinq=network.qinq,
    )


def _subnet(subnet: Subnet) -> fabric.Subnet:
    return fabric.Subnet(
        id=subnet.id,
        network=subnet.network_id,
        cidr=subnet.cidr,
        gateway_ip=subnet.gateway_ip,
        dhcp=subnet.dhcp,
        dns_servers=subnet.dns_servers,
        host_routes=subnet.host_routes,
        pools=subnet.pools,
        ipv6_ra=cast("fabric.Ipv6Mode | None", subnet.ipv6_ra_mode),
        ipv6_mode=cast("fabric.Ipv6Mode | None", subnet.ipv6_address_mode),
    )


def _port(
    port: Port, network_qos: str | None, coming_to: tuple[str, ...], parent: str | None, tag: int | None
) -> fabric.Port:
    return fabric.Port(
        id=port.id,
        network=port.network_id,
        mac=port.mac,
        name=port.name,
        project=port.project_id,
        fixed_ips=port.fixed_ips,
        device_owner=port.device_owner,
        device_id=port.device_id,
        admin_up=port.admin_up,
        port_security=port.port_security,
        security_groups=port.security_groups,
        allowed_pairs=port.allowed_pairs,
        host=port.host or None,
        coming_to=coming_to if port.host else (),
        dhcp_options=port.dhcp_options,
        dns_name=port.dns_name,
        dns_domain=port.own_domain,
        # What is said of a network is said of its guests; routers and metadata are nobody's.
        qos_policy=port.qos_policy_id or (None if port.trusted else network_qos),
        parent=parent,
        tag=tag,
    )


def _router(router: Router, legs: Sequence[str], ways: Sequence[fabric.Gateway]) -> fabric.Router:
    gateway = None
    if router.gateway_port_id is not None:
        gateway = fabric.Gateway(port=router.gateway_port_id, snat=router.snat, qos_policy=router.qos_policy_id)
    return fabric.Router(
        id=router.id,
        name=router.name,
        project=router.project_id,
        admin_up=router.admin_up,
        gateway=gateway,
        further_gateways=tuple(ways),
        ecmp=router.ecmp,
        bfd=router.bfd,
        interfaces=tuple(sorted(set(legs))),
        routes=router.routes,
    )


def _floating_ips(world: World) -> tuple[fabric.FloatingIp, ...]:
    return tuple(
        fabric.FloatingIp(
            id=floating.id,
            address=floating.address,
            router=floating.router_id,
            fixed_ip=floating.fixed_ip,
            port=floating.port_id,
            qos_policy=floating.qos_policy_id,
        )
        for floating in _ordered(world.floating_ips)
        if floating.router_id is not None and floating.port_id is not None and floating.fixed_ip is not None
    )


def _port_forwardings(world: World) -> tuple[fabric.PortForwarding, ...]:
    owners = {floating.id: floating for floating in world.floating_ips}
    return tuple(
        fabric.PortForwarding(
            id=one.id,
            floating_ip=one.floating_ip_id,
            address=owners[one.floating_ip_id].address,
            router=owners[one.floating_ip_id].router_id or "",
            protocol=one.protocol,
            fixed_ip=one.address,
            inner=one.inner_first,
            outer=one.outer_first,
            count=one.count,
        )
        for one in _ordered(world.port_forwardings)
    )


def _groups(world: World) -> tuple[fabric.SecurityGroup, ...]:
    """Groups that ports are in or that rules speak of; the fabric need not know the others."""
    used = {group_id for port in world.ports for group_id in port.security_groups}
    used |= {rule.remote_group for rule in world.rules if rule.remote_group is not None and rule.group_id in used}
    rules: dict[str, list[fabric.SecurityRule]] = {}
    for rule in _ordered(world.rules):
        if rule.group_id in used:
            rules.setdefault(rule.group_id, []).append(_rule(rule))
    accepted, dropped = _logged(world, ACCEPT), _logged(world, DROP)
    return tuple(
        fabric.SecurityGroup(
            id=group.id,
            name=group.name,
            project=group.project_id,
            stateful=group.stateful,
            log_accepted=accepted.get(group.id),
            log_dropped=dropped.get(group.id),
            rules=tuple(rules.get(group.id, ())),
        )
        for group in _ordered(world.groups)
        if group.id in used
    )


def _logged(world: World, event: str) -> Mapping[str, str]:
    """The groups of which that is logged, each with the id of the log; of several, the first one."""
    groups_of = {port.id: port.security_groups for port in world.ports}
    found: dict[str, str] = {}
    for log in _ordered(world.logs):
        if not log.enabled or log.event not in {event, ALL}:
            continue
        if log.resource_id is not None:
            meant: Iterable[str] = (log.resource_id,)
        elif log.target_id is not None:
            meant = groups_of.get(log.target_id, ())
        else:
            meant = (group.id for group in world.groups if group.project_id == log.project_id)
        for group_id in meant:
            found.setdefault(group_id, log.id)
    return found


def _qos_policies(world: World) -> tuple[fabric.QosPolicy, ...]:
    """Those something has."""
    used = {network.qos_policy_id for network in world.networks} | {port.qos_policy_id for port in world.ports}
    used |= {router.qos_policy_id for router in world.routers}
    used |= {floating.qos_policy_id for floating in world.floating_ips}
    return tuple(
        fabric.QosPolicy(id=policy.id, rules=tuple(_qos_rule(rule) for rule in policy.rules))
        for policy in _ordered(world.qos_policies)
        if policy.id in used
    )


def _qos_rule(rule: QosRule) -> fabric.QosRule:
    return fabric.QosRule(
        kind=cast("fabric.QosKind", rule.kind),
        direction="ingress" if rule.direction == "ingress" else "egress",
        max_kbps=rule.max_kbps or 0,
        max_burst_kbps=rule.max_burst_kbps or 0,
        min_kbps=rule.min_kbps or 0,
        dscp_mark=rule.dscp_mark or 0,
    )


def _address_groups(world: World) -> tuple[fabric.AddressGroup, ...]:
    """Those that rules speak of."""
    named = {rule.address_group for rule in world.rules}
    return tuple(
        fabric.AddressGroup(id=group.id, addresses=group.addresses)
        for group in _ordered(world.address_groups)
        if group.id in named
    )


def _rule(rule: SecurityRule) -> fabric.SecurityRule:
    return fabric.SecurityRule(
        id=rule.id,
        direction=cast("fabric.Direction", rule.direction),
        ethertype=cast("fabric.EtherType", rule.ethertype),
        protocol=rule.protocol,
        port_min=rule.port_min,
        port_max=rule.port_max,
        # A switch takes no block with host bits.
        remote_prefix=normalized(rule.remote_prefix),
        remote_group=rule.remote_group,
        address_group=rule.address_group,
    )


def doors(world: World) -> Mapping[tuple[str, str], fabric.MetadataDoor]:
    """By host and network: the doors for metadata wanted, where a host has servers on a network that answers DHCP."""
    mtus = {network.id: network.mtu for network in world.networks}
    subnets = {subnet.id: subnet for subnet in world.subnets}
    hosts: dict[str, set[str]] = {}
    for port in world.ports:
        if port.host:
            hosts.setdefault(port.network_id, set()).add(port.host)
    networks = {port.id: port.network_id for port in world.ports}
    for binding in world.bindings:  # who is on its way there asks as soon as it is there
        if binding.port_id in networks:
            hosts.setdefault(networks[binding.port_id], set()).add(binding.host)
    found: dict[tuple[str, str], fabric.MetadataDoor] = {}
    for port in world.ports:
        if port.device_owner == METADATA:
            door = _door(port, mtus[port.network_id], [subnets[fixed.subnet] for fixed in port.fixed_ips])
            for host in hosts.get(port.network_id, ()):
                found[host, port.network_id] = door
    return found


def _door(port: Port, mtu: int, subnets: Sequence[Subnet]) -> fabric.MetadataDoor:
    return fabric.MetadataDoor(
        network=port.network_id,
        port=port.id,
        mac=port.mac,
        mtu=mtu,
        addresses=tuple(
            f"{fixed.address}/{ipaddress.ip_network(subnet.cidr).prefixlen}"
            for fixed, subnet in zip(port.fixed_ips, subnets, strict=True)
        ),
        cidrs=tuple(subnet.cidr for subnet in subnets),
    )
