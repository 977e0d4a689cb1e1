"""Security groups as Port_Group and ACL rows.

One port group per security group holds its ports and its rules, `allow-related` so that answers pass, or `allow-stateless`. A last group
holds every port with port security and drops what no rule let through. Rules that name a remote group use the address
set OVN derives from that group's ports (`$<group>_ip4`), which follows its members by itself; those that name an address
group use sets of ours.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from pileus.network.drivers.interface import AddressGroup, Direction, Port, SecurityGroup, SecurityRule
from pileus.network.drivers.ovn import naming
from pileus.network.drivers.ovn.index import Index
from pileus.network.drivers.ovn.values import Ref, Row, Value, row

DROP_GROUP = "sg_drop"
_ALLOW = 1003
_DROP_TOLD = 1002  # what a group's log tells is dropped just before everything is
_DROP = 1001
# What the logs of a host may be told: packets a second, and at once.
_METER, _RATE, _BURST = "acl_log_meter", 100, 25

_ENDS: tuple[tuple[Direction, str], ...] = (("egress", "inport"), ("ingress", "outport"))
_NAMED_PROTOCOLS = {"tcp": "tcp", "6": "tcp", "udp": "udp", "17": "udp", "sctp": "sctp", "132": "sctp"}
_ICMP = frozenset(("icmp", "icmpv6", "ipv6-icmp", "1", "58"))
_NUMBERS = {
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "igmp": 2, "ipip": 4, "ipv6-encap": 41,
    "ipv6-frag": 44, "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46,
    "udplite": 136, "vrrp": 112,
}  # fmt: skip


def rows(index: Index) -> Iterator[Row]:
    """Every group with its rules, and the one that drops the rest."""
    members: dict[str, list[Port]] = defaultdict(list)
    guarded: list[Port] = []
    for network in index.topology.networks:
        for port in index.guest_ports_on(network.id):
            if port.port_security:
                guarded.append(port)
                for group_id in port.security_groups:
                    members[group_id].append(port)
    for group in index.topology.security_groups:
        yield from _group(index, group, members[group.id])
    for blocks in index.topology.address_groups:
        yield from _address_sets(blocks)
    yield from _meter(index.topology.security_groups)
    yield from _dropping(guarded)


def _address_sets(group: AddressGroup) -> Iterator[Row]:
    """One set for each IP version: a rule speaks of one, and a set may be empty, but not mixed."""
    for ethertype, version in (("IPv4", 4), ("IPv6", 6)):
        of_version = tuple(sorted(block for block in group.addresses if naming.version(block) == version))
        name = naming.address_group(group.id, ethertype)
        yield row("Address_Set", f"{group.id}/{version}", {"name": name, "addresses": of_version})


def _group(index: Index, group: SecurityGroup, members: list[Port]) -> Iterator[Row]:
    name = naming.group(group.id)
    action = "allow-related" if group.stateful else "allow-stateless"
    rules = [
        _acl(f"{group.id}/{rule.id}", rule.direction, _ALLOW, action, match(rule, name), group.log_accepted)
        for rule in group.rules
        if (rule.remote_group is None or rule.remote_group in index.groups)
        and (rule.address_group is None or rule.address_group in index.address_groups)
    ]
    if group.log_dropped is not None:
        rules += [
            _acl(
                f"{group.id}/drop/{direction}",
                direction,
                _DROP_TOLD,
                "drop",
                f"{end} == @{name} && ip",
                group.log_dropped,
            )
            for direction, end in _ENDS
        ]
    yield _port_group(name, group.id, members, rules, group.name)
    yield from rules


def _meter(groups: Sequence[SecurityGroup]) -> Iterator[Row]:
    """What keeps a flood of packets from being a flood of lines."""
    if any(group.log_accepted or group.log_dropped for group in groups):
        band = row("Meter_Band", _METER, {"action": "drop", "rate": _RATE, "burst_size": _BURST})
        yield band
        yield row("Meter", _METER, {"name": _METER, "unit": "pktps", "fair": True, "bands": (band.ref,)})


def _dropping(guarded: list[Port]) -> Iterator[Row]:
    inside, outside = f"inport == @{DROP_GROUP}", f"outport == @{DROP_GROUP}"
    rules = [
        _acl("drop/egress", "egress", _DROP, "drop", f"{inside} && ip"),
        _acl("drop/ingress", "ingress", _DROP, "drop", f"{outside} && ip"),
        # A guest may always ask for its own address, whatever its groups say.
        _acl("dhcp/4", "egress", _ALLOW, "allow", f"{inside} && ip4 && udp.src == 68 && udp.dst == 67"),
        _acl("dhcp/6", "egress", _ALLOW, "allow", f"{inside} && ip6 && udp.src == 546 && udp.dst == 547"),
    ]
    yield _port_group(DROP_GROUP, "drop", guarded, rules, "")
    yield from rules


def _port_group(name: str, key: str, members: list[Port], rules: list[Row], group_name: str) -> Row:
    columns: dict[str, Value] = {
        "name": name,
        "ports": tuple(Ref("Logical_Switch_Port", port.id) for port in members),
        "acls": tuple(rule.ref for rule in rules),
    }
    return row("Port_Group", key, columns, group_name=group_name)


def _acl(key: str, direction: Direction, priority: int, action: str, condition: str, log: str | None = None) -> Row:
    columns: dict[str, Value] = {
        "direction": "from-lport" if direction == "egress" else "to-lport",
        "priority": priority,
        "action": action,
        "match": condition,
        "log": log is not None,
        "name": (f"neutron-{log}",) if log is not None else (),
        "severity": ("info",) if log is not None else (),
        "meter": (_METER,) if log is not None else (),
    }
    return row("ACL", key, columns)


def match(rule: SecurityRule, group_name: str) -> str:
    """A rule as an OVN expression on the ports of a group."""
    egress = rule.direction == "egress"
    ip = "ip6" if rule.ethertype == "IPv6" else "ip4"
    terms = [f"{'inport' if egress else 'outport'} == @{group_name}", ip]
    far_end = f"{ip}.{'dst' if egress else 'src'}"
    if rule.remote_prefix is not None and naming.prefix_length(rule.remote_prefix) > 0:
        terms.append(f"{far_end} == {rule.remote_prefix}")
    if rule.remote_group is not None:
        terms.append(f"{far_end} == ${naming.group(rule.remote_group)}_{ip}")
    if rule.address_group is not None:
        terms.append(f"{far_end} == ${naming.address_group(rule.address_group, rule.ethertype)}")
    terms.extend(_protocol(rule))
    return " && ".join(terms)


def _protocol(rule: SecurityRule) -> list[str]:
    if rule.protocol is None or rule.protocol == "any":
        return []
    asked = rule.protocol.lower()
    if asked in _ICMP:
        name = "icmp6" if rule.ethertype == "IPv6" else "icmp4"
        terms = [name]
        if rule.port_min is not None:
            terms.append(f"{name}.type == {rule.port_min}")
        if rule.port_max is not None:
            terms.append(f"{name}.code == {rule.port_max}")
        return terms
    if asked not in _NAMED_PROTOCOLS:
        return [f"ip.proto == {_NUMBERS.get(asked, asked)}"]
    name = _NAMED_PROTOCOLS[asked]
    return [name, *_range(name, rule.port_min, rule.port_max)]


def _range(name: str, low: int | None, high: int | None) -> list[str]:
    if low is None and high is None:
        return []
    if low == high:
        return [f"{name}.dst == {low}"]
    bounds = [f"{name}.dst >= {low}"] if low is not None else []
    return bounds + ([f"{name}.dst <= {high}"] if high is not None else [])
