"""Rules about security group rules: which are valid, and when two say the same."""

import ipaddress

import msgspec

from pileus.network.errors import (
    InvalidCIDR,
    InvalidInput,
    SecurityGroupEthertypeConflictWithProtocol,
    SecurityGroupInvalidIcmpValue,
    SecurityGroupInvalidPortRange,
    SecurityGroupInvalidPortValue,
    SecurityGroupInvalidProtocolForPort,
    SecurityGroupMissingIcmpType,
    SecurityGroupProtocolRequiredWithPorts,
    SecurityGroupRemoteGroupAndRemoteIpPrefix,
    SecurityGroupRuleInvalidProtocol,
    SecurityGroupRuleParameterConflict,
)
from pileus.network.models.requests import NewRule

NUMBERS = {
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "icmp": 1, "icmpv6": 58, "igmp": 2,
    "ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60,
    "ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
}  # fmt: skip
# Those whose ports the switch can tell; a rule it would apply without its ports must not be taken.
WITH_PORTS = {6, 17, 132}
ICMP = {1, 58}
ONLY_IPV6 = {"icmpv6", "ipv6-encap", "ipv6-frag", "ipv6-icmp", "ipv6-nonxt", "ipv6-opts", "ipv6-route"}
EVERYWHERE = {"0.0.0.0/0", "::/0"}


def checked(rule: NewRule) -> NewRule:
    """The rule in the form it is kept in; raises when there can be no such rule."""
    ethertype = {"ipv4": "IPv4", "ipv6": "IPv6"}.get(rule.ethertype.lower())
    if ethertype is None:
        raise InvalidInput(why=f"ethertype '{rule.ethertype}' is not IPv4 or IPv6")
    remotes = (rule.remote_prefix, rule.remote_group, rule.address_group)
    if sum(remote is not None for remote in remotes) > 1:
        raise SecurityGroupRemoteGroupAndRemoteIpPrefix
    found = msgspec.structs.replace(
        rule,
        ethertype=ethertype,
        protocol=_protocol(rule.protocol),
        remote_prefix=_prefix(rule.remote_prefix, ethertype),
    )
    if found.protocol in ONLY_IPV6 and ethertype == "IPv4":
        raise SecurityGroupEthertypeConflictWithProtocol(ethertype=ethertype, protocol=found.protocol)
    _check_ports(found)
    return found


def number_of(protocol: str | None) -> int | None:
    """A protocol's number; None is any."""
    return None if protocol is None else NUMBERS.get(protocol, int(protocol) if protocol.isdigit() else None)


def _protocol(given: str | None) -> str | None:
    text = (given or "").lower()
    if text in {"", "any", "-1"}:
        return None
    if text in NUMBERS or (text.isascii() and text.isdigit() and int(text) <= 255):
        return None if text == "0" else text
    raise SecurityGroupRuleInvalidProtocol(protocol=given, values=sorted(NUMBERS))


def _prefix(given: str | None, ethertype: str) -> str | None:
    if not given:
        return None
    try:
        block = ipaddress.ip_network(given, strict=False)
    except ValueError:
        raise InvalidCIDR(cidr=given) from None
    if (block.version == 4) != (ethertype == "IPv4"):
        raise SecurityGroupRuleParameterConflict(ethertype=ethertype, cidr=given)
    return given if "/" in given else str(block)


def _check_ports(rule: NewRule) -> None:
    low, high = rule.port_min, rule.port_max
    if low is None and high is None:
        return
    number = number_of(rule.protocol)
    if number is None:
        raise SecurityGroupProtocolRequiredWithPorts
    if number in ICMP:
        _check_icmp(low, high)
    elif number in WITH_PORTS:
        _check_span(low, high)
    else:
        raise SecurityGroupInvalidProtocolForPort(protocol=rule.protocol)


def _check_icmp(low: int | None, high: int | None) -> None:
    for field, attr, value in (("type", "port-range-min", low), ("code", "port-range-max", high)):
        if value is not None and not 0 <= value <= 255:
            raise SecurityGroupInvalidIcmpValue(field=field, attr=attr, value=value)
    if low is None:
        raise SecurityGroupMissingIcmpType(value=high)


def _check_span(low: int | None, high: int | None) -> None:
    for value in (low, high):
        if value is not None and not 1 <= value <= 65535:
            raise SecurityGroupInvalidPortValue(port=value)
    if low is None or high is None or low > high:
        raise SecurityGroupInvalidPortRange


def says(rule: NewRule) -> str:
    """What a rule lets through; the same text for two rules that let through the same."""
    remote = normalized(rule.remote_prefix)
    if remote in EVERYWHERE:
        remote = None
    number = number_of(rule.protocol)
    parts = (rule.direction, rule.ethertype, number, rule.port_min, rule.port_max, remote, rule.remote_group)
    said = " ".join("-" if part is None else str(part) for part in parts)
    return said if rule.address_group is None else f"{said} {rule.address_group}"


def normalized(prefix: str | None) -> str | None:
    """The block without host bits."""
    return None if prefix is None else str(ipaddress.ip_network(prefix, strict=False))
