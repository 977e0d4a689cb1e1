"""Addresses for ports: certain ones, or some free one of the network's pools.

A free place is guessed at random, which needs two statements however full or long the pool is until it is nearly
full; only then is the first gap looked for. Whoever loses a race for a place tries the next. Where guests make their
IPv6 addresses themselves, a port has the one its MAC makes, in each such subnet of its network.
"""

import random
from collections.abc import Sequence, Set

import msgspec

from pileus.network.app import Network as App
from pileus.network.errors import (
    AllocationOnAutoAddressSubnet,
    InvalidAttribute,
    InvalidInput,
    InvalidIpForNetwork,
    InvalidIpForSubnet,
    IpAddressAlreadyAllocated,
    IpAddressGenerationFailure,
    SubnetNotFound,
)
from pileus.network.models import blocks
from pileus.network.models.ipv6 import automatic, eui64
from pileus.network.models.requests import AskedIp
from pileus.network.models.resources import ROUTER_GATEWAY, ROUTER_INTERFACE, FixedIp, Port, Subnet
from pileus.network.store import addresses as rows
from pileus.network.store import ports as port_rows
from pileus.network.store import subnets as subnet_rows

GUESSES = 8
GUESSED_AMONG = 1 << 20
MAX_FIXED_IPS = 16
CHOOSING = (ROUTER_INTERFACE, ROUTER_GATEWAY)


class Taker(msgspec.Struct, frozen=True):
    """The port that gets addresses, and the subnets of its network."""

    id: str
    owner: str
    mac: str
    network_id: str
    subnets: Sequence[Subnet]

    @property
    def fitting(self) -> Sequence[Subnet]:
        """The subnets ports of this owner get addresses of without asking."""
        return [subnet for subnet in self.subnets if not subnet.service_types or self.owner in subnet.service_types]

    def by_mac(self, subnet: Subnet) -> bool:
        """Whether the port's address in the subnet is the one its MAC makes; routers choose theirs."""
        return automatic(subnet) and self.owner not in CHOOSING

    def choices(self, ip_version: int) -> Sequence[Subnet]:
        """The fitting subnets of a version where the port is given some free address."""
        return [subnet for subnet in self.fitting if subnet.ip_version == ip_version and not self.by_mac(subnet)]


async def take_addresses(
    app: App, port: Taker, asked: Sequence[AskedIp] | None, *, rank: int = 0
) -> tuple[FixedIp, ...]:
    """The port has these addresses of its network; without a wish, one of each version that has some left."""
    if asked is None:
        chosen = [choices for choices in (port.choices(4), port.choices(6)) if choices]
        some = [await _some(app, port, choices, rank + at) for at, choices in enumerate(chosen)]
        return (*some, *await _made_by_mac(app, port, set(), rank + len(some)))
    if len(asked) > MAX_FIXED_IPS:
        raise InvalidInput(why=f"a port may have {MAX_FIXED_IPS} addresses, not {len(asked)}")
    certain = [wish.address for wish in asked if wish.address is not None]
    if len(set(certain)) < len(certain):
        raise InvalidAttribute(name="fixed_ips", why="Duplicate IP address")
    found = []
    # Certain ones first, lest a free choice takes what is asked for.
    order = sorted(range(len(asked)), key=lambda at: asked[at].address is None)
    for at in order:
        found.append((at, await _one(app, port, asked[at], rank + at)))
    taken = [fixed for _, fixed in sorted(found, key=lambda pair: pair[0])]
    if not taken or rank:
        return tuple(taken)
    return (*taken, *await _made_by_mac(app, port, {fixed.subnet for fixed in taken}, len(taken)))


async def _made_by_mac(app: App, port: Taker, but: Set[str], rank: int) -> list[FixedIp]:
    """The addresses the port's guest makes itself, in all such subnets but those named."""
    there = [subnet for subnet in port.fitting if port.by_mac(subnet) and subnet.id not in but]
    return [await _own(app, port, subnet, rank + at) for at, subnet in enumerate(there)]


async def _own(app: App, port: Taker, subnet: Subnet, rank: int) -> FixedIp:
    address = blocks.ip_of(eui64(subnet.cidr, port.mac))
    if not await _take(app, port.id, subnet, blocks.place_of(subnet, address) or 0, rank):
        raise IpAddressAlreadyAllocated(address=address, subnet=subnet.id)
    return FixedIp(subnet.id, str(address))


async def address_ports(app: App, subnet: Subnet) -> None:
    """The ports that were on the network before the subnet have the addresses their guests make in it."""
    there = await app.db.all(port_rows.ON, network_id=subnet.network_id)
    for port in await port_rows.with_addresses(app.db, [port for port in there if not port.trusted]):
        taker = Taker(port.id, port.device_owner, port.mac, subnet.network_id, [subnet])
        await _made_by_mac(app, taker, set(), len(port.fixed_ips))


async def follow_mac(app: App, port: Port, mac: str, subnets: Sequence[Subnet]) -> None:
    """The addresses the port's guest makes itself are those of its new MAC."""
    taker = Taker(port.id, port.device_owner, mac, port.network_id, subnets)
    by_mac = {subnet.id: subnet for subnet in subnets if taker.by_mac(subnet)}
    for rank, fixed in enumerate(port.fixed_ips):
        if fixed.subnet in by_mac:
            await app.db.run(rows.GIVE_BACK, port_id=port.id, subnet_id=fixed.subnet, address=fixed.address)
            await _own(app, taker, by_mac[fixed.subnet], rank)


async def _one(app: App, port: Taker, asked: AskedIp, rank: int) -> FixedIp:
    named = await _named(app, port, asked)
    if asked.address is None:
        if named is not None and port.by_mac(named):
            return await _own(app, port, named, rank)
        return await _some(app, port, [*port.choices(4), *port.choices(6)] if named is None else [named], rank)
    address = blocks.ip_of(asked.address, "fixed_ips")
    for subnet in port.subnets if named is None else [named]:
        place = blocks.place_of(subnet, address)
        if place is not None:
            if port.by_mac(subnet) and str(address) != eui64(subnet.cidr, port.mac):
                raise AllocationOnAutoAddressSubnet(address=address, subnet=subnet.id)
            if not await _take(app, port.id, subnet, place, rank):
                raise IpAddressAlreadyAllocated(address=address, subnet=subnet.id)
            return FixedIp(subnet.id, str(address))
    if named is not None:
        raise InvalidIpForSubnet(address=asked.address)
    raise InvalidIpForNetwork(address=asked.address)


async def _named(app: App, port: Taker, asked: AskedIp) -> Subnet | None:
    """The subnet of the port's network that a wish names, if it names one; raises SubnetNotFound or InvalidInput."""
    if asked.subnet_id is None:
        return None
    for subnet in port.subnets:
        if subnet.id == asked.subnet_id:
            return subnet
    if await subnet_rows.subnet_find(app.db, asked.subnet_id) is None:
        raise SubnetNotFound(id=asked.subnet_id)
    raise InvalidInput(
        why=f"Failed to create port on network {port.network_id}, because fixed_ips included invalid subnet "
        f"{asked.subnet_id}"
    )


async def _some(app: App, port: Taker, subnets: Sequence[Subnet], rank: int) -> FixedIp:
    for subnet in subnets:
        place = await _free_place(app, port.id, subnet, rank)
        if place is not None:
            return FixedIp(subnet.id, blocks.address_at(subnet, place))
    raise IpAddressGenerationFailure(network=port.network_id)


async def _free_place(app: App, port_id: str, subnet: Subnet, rank: int) -> int | None:
    spans = blocks.spans_of(subnet)
    guesses = _guesses(spans)
    taken = set(await app.db.all(rows.TAKEN, subnet_id=subnet.id, places=guesses))
    for place in guesses:
        if place not in taken and await _take(app, port_id, subnet, place, rank):
            return place
    for span in spans:
        while (gap := await rows.first_gap(app.db, subnet.id, span)) is not None:
            if await _take(app, port_id, subnet, gap, rank):
                return gap
    return None


def _guesses(spans: Sequence[range]) -> list[int]:
    """Some places of the spans; the first of all leads, so that what a subnet begins with has a place one can foretell."""
    total = min(sum(span.stop - span.start for span in spans), GUESSED_AMONG)
    found = [spans[0].start] if spans else []
    for chosen in random.sample(range(total), min(total, GUESSES)):
        at = chosen
        for span in spans:
            size = span.stop - span.start  # half of an IPv6 block is too long for `len`
            if at < size:
                found.append(span.start + at)
                break
            at -= size
    return found


async def _take(app: App, port_id: str, subnet: Subnet, place: int, rank: int) -> bool:
    return (
        await app.db.run(
            rows.TAKE,
            subnet_id=subnet.id,
            place=place,
            address=blocks.address_at(subnet, place),
            network_id=subnet.network_id,
            port_id=port_id,
            rank=rank,
        )
        == 1
    )
