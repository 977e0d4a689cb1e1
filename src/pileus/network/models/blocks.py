"""Rules about blocks of addresses: canonical CIDRs, gateways, allocation pools, and places within a block."""

import ipaddress
import itertools
from collections.abc import Sequence

from pileus.network.errors import (
    GatewayConflictWithAllocationPools,
    InvalidAllocationPool,
    InvalidAttribute,
    InvalidInput,
    OutOfBoundsAllocationPool,
    OverlappingAllocationPools,
)
from pileus.network.models.resources import Pool, Subnet

Block = ipaddress.IPv4Network | ipaddress.IPv6Network
Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_PLACE = (1 << 63) - 1


def block_of(cidr: str, ip_version: int, name: str = "cidr") -> Block:
    """The block a CIDR names; host bits are dropped. Raises InvalidAttribute with the attribute's name, or InvalidInput."""
    try:
        block = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        raise InvalidAttribute(name=name, why=f"'{cidr}' is not a valid IP subnet") from None
    if "/" not in cidr:
        why = f"'{cidr}' isn't a recognized IP subnet cidr, '{block}' is recommended"
        raise InvalidAttribute(name=name, why=why)
    if block.version != ip_version:
        raise InvalidInput(why=f"cidr '{cidr}' does not match the ip_version '{ip_version}'")
    if block.prefixlen == 0:
        raise InvalidInput(why=f"the requested subnet with prefix length 0 is not allowed: '{cidr}'")
    return block


def ip_of(text: str, name: str = "ip_address") -> Ip:
    """The address a text names; raises InvalidAttribute with the attribute's name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise InvalidAttribute(name=name, why=f"'{text}' is not a valid IP address") from None


def usable(block: Block) -> tuple[int, int]:
    """First and last address ports may have, as numbers."""
    first, last = int(block.network_address), int(block.broadcast_address)
    if block.version == 4 and block.prefixlen < 31:
        return first + 1, last - 1
    if block.version == 6 and block.prefixlen < 127:
        return first + 1, last
    return first, last


def first_address(block: Block) -> str:
    """The gateway a subnet has unless told otherwise."""
    return str(block[1] if block.num_addresses > 1 else block[0])


def check_gateway(block: Block, gateway: str) -> str:
    """The gateway in canonical form; raises InvalidInput when no port could have it."""
    address = ip_of(gateway, "gateway_ip")
    if address.version != block.version:
        raise InvalidInput(why=f"gateway_ip '{gateway}' does not match the ip_version '{block.version}'")
    first, last = usable(block)
    if address in block and not first <= int(address) <= last:
        raise InvalidInput(why="Gateway is not valid on subnet")
    return str(address)


def default_pools(block: Block, gateway: str | None) -> tuple[Pool, ...]:
    """All usable addresses but the gateway's."""
    first, last = usable(block)
    make = type(block.network_address)
    if gateway is None or not first <= int(ip_of(gateway)) <= last:
        return (Pool(str(make(first)), str(make(last))),)
    at = int(ip_of(gateway))
    parts = ((first, at - 1), (at + 1, last))
    return tuple(Pool(str(make(start)), str(make(end))) for start, end in parts if start <= end)


def check_pools(block: Block, pools: Sequence[Pool], gateway: str | None) -> tuple[Pool, ...]:
    """The pools in canonical form and order; raises when one is no pool, lies outside, or overlaps."""
    spans: list[tuple[Ip, Ip]] = []
    low, high = usable(block)
    for pool in pools:
        start, end = ip_of(pool.start, "allocation_pools"), ip_of(pool.end, "allocation_pools")
        shown = f"{pool.start}-{pool.end}"
        if start.version != block.version or end.version != block.version or int(end) < int(start):
            raise InvalidAllocationPool(pool=shown)
        if not low <= int(start) <= int(end) <= high:
            raise OutOfBoundsAllocationPool(pool=shown, cidr=block)
        spans.append((start, end))
    spans.sort(key=lambda span: int(span[0]))
    for one, other in itertools.pairwise(spans):
        if int(other[0]) <= int(one[1]):
            raise OverlappingAllocationPools(one=f"{one[0]}-{one[1]}", other=f"{other[0]}-{other[1]}", cidr=block)
    found = tuple(Pool(str(start), str(end)) for start, end in spans)
    if gateway is not None:
        check_gateway_outside(found, gateway)
    return found


def check_gateway_outside(pools: Sequence[Pool], gateway: str) -> None:
    """Raises when ports could be given the gateway's address."""
    at = int(ip_of(gateway))
    for pool in pools:
        if int(ip_of(pool.start)) <= at <= int(ip_of(pool.end)):
            raise GatewayConflictWithAllocationPools(address=gateway, pool=f"{pool.start}-{pool.end}")


def place_of(subnet: Subnet, address: Ip) -> int | None:
    """The number of an address in the subnet's block; None when no port there may have it."""
    block = ipaddress.ip_network(subnet.cidr)
    first, last = usable(block)
    if address.version != block.version or not first <= int(address) <= last:
        return None
    return _number(block, int(address))


def spans_of(subnet: Subnet) -> list[range]:
    """The places that may be given to ports that ask for no certain address."""
    block = ipaddress.ip_network(subnet.cidr)
    found = []
    for pool in subnet.pools:
        start, end = int(ip_of(pool.start)), int(ip_of(pool.end))
        first = _number(block, start)
        found.append(range(first, min(first + end - start, MAX_PLACE - 1) + 1))
    return found


def address_at(subnet: Subnet, place: int) -> str:
    """The address at a place of the subnet's block."""
    block = ipaddress.ip_network(subnet.cidr)
    return str(block[place if place >= 0 else place + (1 << 64)])


def _number(block: Block, address: int) -> int:
    """How far into its block an address lies, in 64 bits as a database keeps them: the second half is negative."""
    offset = address - int(block.network_address)
    if offset >> 64:
        raise InvalidInput(why=f"{block} is longer than this cloud counts addresses in; use those of its first /64")
    return offset if offset <= MAX_PLACE else offset - (1 << 64)


def overlaps(block: Block, others: Sequence[str]) -> str | None:
    """The first of the other blocks that shares addresses with this one."""
    for cidr in others:
        other = ipaddress.ip_network(cidr)
        if other.version == block.version and block.overlaps(other):
            return cidr
    return None
