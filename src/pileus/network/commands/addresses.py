"""Addresses for ports: certain ones, or some free one of the network's pools.

A free place is guessed at random, which needs two statements however full or long the pool is until it is nearly
full; only then is the first gap looked for. Whoever loses a race for a place tries the next.
"""

import random
from collections.abc import Sequence

import msgspec

from pileus.network.app import Network as App
from pileus.network.errors import (
    InvalidInput,
    InvalidIpForNetwork,
    InvalidIpForSubnet,
    IpAddressAlreadyAllocated,
    IpAddressGenerationFailure,
)
from pileus.network.models import blocks
from pileus.network.models.requests import AskedIp
from pileus.network.models.resources import FixedIp, Subnet
from pileus.network.store import addresses as rows

GUESSES = 8
MAX_FIXED_IPS = 16


class Taker(msgspec.Struct, frozen=True):
    """The port that gets addresses, and the subnets of its network."""

    id: str
    owner: str
    network_id: str
    subnets: Sequence[Subnet]

    @property
    def fitting(self) -> Sequence[Subnet]:
        """The subnets ports of this owner get addresses of without asking."""
        return [subnet for subnet in self.subnets if not subnet.service_types or self.owner in subnet.service_types]


async def take_addresses(
    app: App, port: Taker, asked: Sequence[AskedIp] | None, *, rank: int = 0
) -> tuple[FixedIp, ...]:
    """The port has these addresses of its network; without a wish, one of the first subnet that has some left."""
    if asked is None:
        return (await _some(app, port, port.fitting, rank),) if port.fitting else ()
    if len(asked) > MAX_FIXED_IPS:
        raise InvalidInput(why=f"a port may have {MAX_FIXED_IPS} addresses, not {len(asked)}")
    found = []
    # Certain ones first, lest a free choice takes what is asked for.
    order = sorted(range(len(asked)), key=lambda at: asked[at].address is None)
    for at in order:
        found.append((at, await _one(app, port, asked[at], rank + at)))
    return tuple(fixed for _, fixed in sorted(found, key=lambda pair: pair[0]))


async def _one(app: App, port: Taker, asked: AskedIp, rank: int) -> FixedIp:
    named = None
    if asked.subnet_id is not None:
        named = next((subnet for subnet in port.subnets if subnet.id == asked.subnet_id), None)
        if named is None:
            raise InvalidInput(
                why=f"Failed to create port on network {port.network_id}, because fixed_ips included invalid subnet "
                f"{asked.subnet_id}"
            )
    if asked.address is None:
        return await _some(app, port, port.fitting if named is None else [named], rank)
    address = blocks.ip_of(asked.address)
    for subnet in port.subnets if named is None else [named]:
        place = blocks.place_of(subnet, address)
        if place is not None:
            if not await _take(app, port.id, subnet, place, rank):
                raise IpAddressAlreadyAllocated(address=address, subnet=subnet.id)
            return FixedIp(subnet.id, str(address))
    if named is not None:
        raise InvalidIpForSubnet(address=asked.address)
    raise InvalidIpForNetwork(address=asked.address)


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
    """Some places of the spans, all different."""
    total = sum(len(span) for span in spans)
    found = []
    for chosen in random.sample(range(total), min(total, GUESSES)):
        at = chosen
        for span in spans:
            if at < len(span):
                found.append(span[at])
                break
            at -= len(span)
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
