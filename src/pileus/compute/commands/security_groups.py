"""Security groups, as clients asked compute for them until 2.35: handed on to the network service, in compute's words."""

import ipaddress
from collections.abc import Sequence

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.kit.auth import Caller
from pileus.kit.errors import Conflict, Invalid
from pileus.ports.security_groups import GroupFacts, GroupRule, NewGroupRule

PORTS = (1, 65535)
WITH_PORTS = frozenset({"tcp", "udp"})
PROTOCOLS = WITH_PORTS | {"icmp"}
ANY = -1


async def group_get(app: Compute, caller: Caller, id: str) -> GroupFacts:
    """The group; raises BadRequest or SecurityGroupNotFound."""
    found = await app.networks.groups.named(caller, [checked_id(id)])
    if not found:
        raise errors.SecurityGroupNotFound(group=id)
    return found[0]


async def create_group(app: Compute, caller: Caller, name: str, description: str) -> GroupFacts:
    """The project has the group; raises NotForTheCaller where there can be no more of that name."""
    try:
        return await app.networks.groups.create(caller, name, description)
    except Conflict as refused:
        # All that stands against a new group was a limit to these clients.
        raise errors.NotForTheCaller(why=refused.message) from refused


async def update_group(app: Compute, caller: Caller, id: str, name: str, description: str) -> GroupFacts:
    """The group is called so; raises BadRequest or SecurityGroupNotFound."""
    try:
        return await app.networks.groups.change(caller, checked_id(id), name, description)
    except Conflict as refused:
        raise errors.BadRequest(why=refused.message) from refused


async def delete_group(app: Compute, caller: Caller, id: str) -> None:
    """The group is gone; raises BadRequest while servers are in it."""
    try:
        await app.networks.groups.remove(caller, checked_id(id))
    except Conflict as refused:
        raise errors.BadRequest(why=refused.message) from refused


async def create_rule(app: Compute, caller: Caller, rule: NewGroupRule) -> GroupRule:
    """The group has the rule; raises BadRequest or SecurityGroupNotFound."""
    try:
        return await app.networks.groups.add_rule(caller, rule)
    except (Conflict, Invalid) as refused:
        raise errors.BadRequest(why=refused.message) from refused


async def delete_rule(app: Compute, caller: Caller, id: str) -> None:
    """The rule is gone; raises BadRequest or a NotFound."""
    await app.networks.groups.remove_rule(caller, checked_id(id))


async def peers(app: Compute, caller: Caller, rules: Sequence[GroupRule]) -> dict[str, GroupFacts]:
    """The groups that the rules let in, by id, as far as the caller sees them."""
    ids = {rule.remote_group_id for rule in rules if rule.remote_group_id is not None}
    found = await app.networks.groups.named(caller, sorted(ids)) if ids else ()
    return {group.id: group for group in found}


def checked_id(id: str) -> str:
    """The id of a group or of a rule; raises BadRequest."""
    if not (len(id) == 36 and id.replace("-", "").isalnum()):
        raise errors.BadRequest(why="Security group id should be uuid")
    return id


def numbers(protocol: str | None, *given: int | str | None) -> list[int | None]:
    """Ports, or type and code, as numbers; raises BadRequest."""
    try:
        return [None if one is None else int(one) for one in given]
    except ValueError:
        icmp = (protocol or "").lower() == "icmp"
        what = "Type and Code must be integers for ICMP protocol type" if icmp else "To and From ports must be integers"
        raise errors.BadRequest(why=what) from None


def new_rule(
    group_id: str, protocol: str | None, low: int | None, high: int | None, *, peer: str | None, cidr: str | None
) -> NewGroupRule:
    """The rule that is asked for; raises BadRequest unless it says what comes in and from where."""
    named = (protocol or "").lower() or None
    if peer is not None and low is None and high is None:
        low, high = {"icmp": (ANY, ANY), "tcp": PORTS, "udp": PORTS}.get(named or "", (None, None))
    if named is not None and low is not None and high is not None:
        _check_ports(named, low, high)
    elif peer is None:
        raise errors.BadRequest(why="Not enough parameters to build a valid rule.")
    else:
        named = low = high = None
    ports = (None, None) if low == ANY else (low, None if high == ANY else high)
    return NewGroupRule(
        group_id=group_id,
        protocol=named,
        port_min=ports[0],
        port_max=ports[1],
        remote_prefix=None if peer is not None else _checked_cidr(cidr),
        remote_group_id=peer,
    )


def _check_ports(protocol: str, low: int, high: int) -> None:
    if protocol not in PROTOCOLS:
        raise errors.BadRequest(why=f"Invalid IP protocol {protocol}.")
    if protocol in WITH_PORTS and low > high:
        why = "Former value cannot be greater than the later"
    elif protocol in WITH_PORTS and not (PORTS[0] <= low and high <= PORTS[1]):
        why = f"Valid {protocol.upper()} ports should be between 1-65535"
    elif protocol == "icmp" and not (ANY <= low <= 255 and ANY <= high <= 255):
        why = "For ICMP, the type:code must be valid"
    else:
        return
    raise errors.BadRequest(why=f"Invalid port range {low}:{high}. {why}")


def _checked_cidr(cidr: str | None) -> str:
    if not cidr:
        return "0.0.0.0/0"
    try:
        block = ipaddress.ip_interface(cidr)
    except ValueError:
        raise errors.BadRequest(why=f"Invalid cidr {cidr}.") from None
    if block.network.prefixlen == 0 and not block.ip.is_unspecified:
        raise errors.BadRequest(why=f"Bad prefix for network in cidr {cidr}")
    return cidr
