"""Subnet pools and address scopes, and the arithmetic of prefixes: which one is free, how much of a quota it is."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence

from pileus.network.errors import (
    IllegalSubnetPoolPrefixBounds,
    InvalidInput,
    PrefixVersionMismatch,
)
from pileus.network.models.blocks import Block
from pileus.network.models.resources import Standard

SHORTEST = {4: 8, 6: 64}
LONGEST = {4: 32, 6: 128}
COUNTED_IN = {4: 32, 6: 64}  # the length of the prefixes a quota counts


class AddressScope(Standard, frozen=True):
    """Where addresses are unique."""

    ip_version: int
    shared: bool

    def policy_target(self) -> Mapping[str, object]:
        """What policy rules may ask about."""
        return {**super().policy_target(), "shared": self.shared}


class SubnetPool(Standard, frozen=True):
    """Prefixes of which subnets are made."""

    ip_version: int
    prefixes: tuple[str, ...]
    default_prefixlen: int
    min_prefixlen: int
    max_prefixlen: int
    default_quota: int | None
    address_scope_id: str | None
    shared: bool
    is_default: bool

    def policy_target(self) -> Mapping[str, object]:
        """What policy rules may ask about."""
        return {**super().policy_target(), "shared": self.shared}


def compact(prefixes: Iterable[str]) -> tuple[str, ...]:
    """The same addresses in as few prefixes as can be; raises unless all are of one version."""
    fours: list[ipaddress.IPv4Network] = []
    sixes: list[ipaddress.IPv6Network] = []
    for text in prefixes:
        try:
            block = ipaddress.ip_network(text)
        except ValueError:
            raise InvalidInput(why=f"prefixes: '{text}' is not a valid IP subnet") from None
        if isinstance(block, ipaddress.IPv4Network):
            fours.append(block)
        else:
            sixes.append(block)
    if fours and sixes:
        raise PrefixVersionMismatch
    if not fours and not sixes:
        raise InvalidInput(why="prefixes: a subnet pool has at least one")
    four, six = ipaddress.collapse_addresses(fours), ipaddress.collapse_addresses(sixes)
    return tuple(str(block) for block in (*four, *six))


def check_lengths(ip_version: int, shortest: int, usual: int, longest: int) -> None:
    """Raises unless subnets of these lengths can be made; of prefixes, the shorter is the larger."""
    top = LONGEST[ip_version]
    if not 0 < shortest <= top or not 0 < longest <= top:
        raise IllegalSubnetPoolPrefixBounds(why=f"prefix lengths lie between 1 and {top}")
    if shortest > longest:
        raise IllegalSubnetPoolPrefixBounds(why=f"min_prefixlen={shortest}, max_prefixlen={longest}")
    if not shortest <= usual <= longest:
        why = f"default_prefixlen={usual} is not between min_prefixlen={shortest} and max_prefixlen={longest}"
        raise IllegalSubnetPoolPrefixBounds(why=why)


def inside(block: Block, prefixes: Iterable[str]) -> bool:
    """Whether one of the prefixes holds the whole block."""
    first, last = int(block.network_address), int(block.broadcast_address)
    return any(low <= first and last <= high for low, high in _spans(prefixes, block.version))


def disjoint(block: Block, others: Iterable[str]) -> bool:
    """Whether the block shares no address with the others."""
    first, last = int(block.network_address), int(block.broadcast_address)
    return all(last < low or high < first for low, high in _spans(others, block.version))


def free_prefix(prefixes: Sequence[str], taken: Iterable[str], length: int, ip_version: int) -> str | None:
    """The first block of that length inside the prefixes that shares no address with those taken."""
    size = 1 << (LONGEST[ip_version] - length)
    used = sorted(_spans(taken, ip_version))
    for low, high in sorted(_spans(prefixes, ip_version)):
        at = _aligned(low, size)
        for first, last in used:
            if last < at:
                continue
            if first > at + size - 1:
                break
            at = _aligned(last + 1, size)
        if at + size - 1 <= high:
            make = ipaddress.IPv4Address if ip_version == 4 else ipaddress.IPv6Address
            return f"{make(at)}/{length}"
    return None


def _aligned(at: int, size: int) -> int:
    return -(-at // size) * size


def _spans(cidrs: Iterable[str], ip_version: int) -> list[tuple[int, int]]:
    blocks = [ipaddress.ip_network(cidr) for cidr in cidrs]
    return [
        (int(block.network_address), int(block.broadcast_address)) for block in blocks if block.version == ip_version
    ]


def units(cidrs: Iterable[str], ip_version: int) -> int:
    """How much of a pool's quota subnets come to: addresses, or of IPv6 prefixes of 64 bits."""
    unit = COUNTED_IN[ip_version]
    lengths = [ipaddress.ip_network(cidr).prefixlen for cidr in cidrs]
    return sum(1 << max(unit - length, 0) for length in lengths)


def without(prefixes: Iterable[str], going: Sequence[str]) -> tuple[str, ...]:
    """The prefixes less those that go, each of which one of them holds."""
    left = [ipaddress.ip_network(prefix) for prefix in prefixes]
    for text in going:
        block = ipaddress.ip_network(text)
        left = [part for each in left for part in _less(each, block)]
    return compact(str(block) for block in left) if left else ()


def _less(block: Block, going: Block) -> list[Block]:
    if block.version != going.version or not block.overlaps(going):
        return [block]
    if isinstance(block, ipaddress.IPv4Network) and isinstance(going, ipaddress.IPv4Network):
        return [] if block.subnet_of(going) else list(block.address_exclude(going))
    if isinstance(block, ipaddress.IPv6Network) and isinstance(going, ipaddress.IPv6Network):
        return [] if block.subnet_of(going) else list(block.address_exclude(going))
    return [block]
