"""What compute shows of servers' ports, in three statements whatever their number: every look at a server asks for it."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam, select

from pileus.kit.db import Database, query
from pileus.network.tables import addresses, floating_ips, networks, port_groups, ports, security_groups
from pileus.ports.network import Address, PortFacts


class _Card(msgspec.Struct, frozen=True):
    id: str
    network_id: str
    network_name: str
    mac: str
    mtu: int
    server_id: str
    made: bool
    up: bool
    host: str


_LAST = 1_000_000  # floating addresses follow those of the port itself
_these: sa.BindParameter[str] = bindparam("ids", expanding=True)
CARDS = query(
    select(
        ports.c.id,
        ports.c.network_id,
        networks.c.name.label("network_name"),
        ports.c.mac,
        networks.c.mtu,
        ports.c.server_id,
        ports.c.made,
        ports.c.up,
        ports.c.host,
    )
    .join_from(ports, networks, networks.c.id == ports.c.network_id)
    .where(ports.c.server_id.in_(_these))
    .order_by(ports.c.server_id, ports.c.number, ports.c.created_at, ports.c.id),
    _Card,
)
_inner = select(addresses.c.port_id, addresses.c.subnet_id, addresses.c.address, addresses.c.rank.label("place")).where(
    addresses.c.port_id.in_(_these)
)
_outer = select(
    floating_ips.c.port_id,
    sa.literal_column("''").label("subnet_id"),
    floating_ips.c.address,
    sa.literal_column(str(_LAST)).label("place"),
).where(floating_ips.c.port_id.in_(_these))
_both = sa.union_all(_inner, _outer).subquery()
ADDRESSES = query(
    select(_both.c.port_id, _both.c.subnet_id, _both.c.address).order_by(
        _both.c.port_id, _both.c.place, _both.c.address
    ),
    tuple[str, str, str],
)
GROUP_NAMES = query(
    select(port_groups.c.port_id, security_groups.c.name)
    .join_from(port_groups, security_groups, security_groups.c.id == port_groups.c.group_id)
    .where(port_groups.c.port_id.in_(_these))
    .order_by(port_groups.c.port_id, port_groups.c.group_id),
    tuple[str, str],
)


async def cards_of(db: Database, server_ids: Sequence[str]) -> list[PortFacts]:
    """The ports of servers, by server and in the order in which they were asked for."""
    found = await db.all(CARDS, ids=list(server_ids)) if server_ids else []
    if not found:
        return []
    ids = [card.id for card in found]
    at: dict[str, list[Address]] = {}
    for port_id, subnet_id, address in await db.all(ADDRESSES, ids=ids):
        at.setdefault(port_id, []).append(_address(subnet_id, address))
    inside: dict[str, list[str]] = {}
    for port_id, name in await db.all(GROUP_NAMES, ids=ids):
        inside.setdefault(port_id, []).append(name)
    return [_facts(card, at.get(card.id, ()), inside.get(card.id, ())) for card in found]


def _address(subnet_id: str, address: str) -> Address:
    if not subnet_id:
        return Address(address=address, version=4, kind="floating")
    return Address(address=address, version=6 if ":" in address else 4, subnet_id=subnet_id)


def _facts(card: _Card, at: Sequence[Address], inside: Sequence[str]) -> PortFacts:
    return PortFacts(
        id=card.id,
        network_id=card.network_id,
        network_name=card.network_name,
        mac=card.mac,
        mtu=card.mtu,
        server_id=card.server_id,
        made=card.made,
        up=card.up,
        host=card.host or None,
        addresses=tuple(at),
        security_groups=tuple(inside),
    )
