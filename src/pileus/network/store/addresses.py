"""Addresses of ports in the database: taken by inserting them, so that two can never have the same."""

import sqlalchemy as sa
from sqlalchemy import bindparam, select

from pileus.kit.db import Database, command, query, scalar, upsert
from pileus.network.tables import addresses, floating_ips, ports

TAKE = command(upsert(addresses, ["subnet_id", "place"]))
TAKEN = scalar(
    select(addresses.c.place).where(
        addresses.c.subnet_id == bindparam("subnet_id"), addresses.c.place.in_(bindparam("places", expanding=True))
    ),
    int,
)
_next = addresses.alias("after")
GAP = scalar(
    select(addresses.c.place + 1)
    .where(
        addresses.c.subnet_id == bindparam("subnet_id"),
        addresses.c.place >= bindparam("low"),
        addresses.c.place < bindparam("high"),
        ~sa.exists().where(_next.c.subnet_id == addresses.c.subnet_id, _next.c.place == addresses.c.place + 1),
    )
    .order_by(addresses.c.place)
    .limit(1),
    int,
)
OF_PORTS = query(
    select(addresses.c.port_id, addresses.c.subnet_id, addresses.c.address)
    .where(addresses.c.port_id.in_(bindparam("ids", expanding=True)))
    .order_by(addresses.c.port_id, addresses.c.rank),
    tuple[str, str, str],
)
ALL = query(
    select(addresses.c.port_id, addresses.c.subnet_id, addresses.c.address).order_by(
        addresses.c.port_id, addresses.c.rank
    ),
    tuple[str, str, str],
)
GIVE_BACK = command(
    sa.delete(addresses).where(
        addresses.c.port_id == bindparam("port_id"),
        addresses.c.subnet_id == bindparam("subnet_id"),
        addresses.c.address == bindparam("address"),
    )
)
RANK = command(
    sa.update(addresses)
    .where(
        addresses.c.port_id == bindparam("of_port"),
        addresses.c.subnet_id == bindparam("of_subnet"),
        addresses.c.address == bindparam("of_address"),
    )
    .values(rank=bindparam("new_rank"))
)
# Ports of the network itself that go with their subnet do not hold it.
IN_USE = scalar(
    select(addresses.c.port_id)
    .join_from(addresses, ports, ports.c.id == addresses.c.port_id)
    .where(addresses.c.subnet_id == bindparam("id"), ports.c.device_owner != bindparam("but"))
    .limit(10),
    str,
)
IN_USE_BY_ROUTERS = scalar(
    select(addresses.c.port_id)
    .join_from(addresses, ports, ports.c.id == addresses.c.port_id)
    .where(addresses.c.subnet_id == bindparam("id"), ports.c.device_owner.like("network:router%"))
    .limit(10),
    str,
)
FORGET = command(sa.delete(addresses).where(addresses.c.subnet_id == bindparam("of_subnet")))
HOLDER = scalar(
    select(addresses.c.port_id)
    .where(addresses.c.subnet_id == bindparam("subnet_id"), addresses.c.address == bindparam("address")),
    str,
)  # fmt: skip
SERVER_AT = scalar(
    select(ports.c.server_id)
    .join_from(addresses, ports, ports.c.id == addresses.c.port_id)
    .where(
        addresses.c.network_id == bindparam("network_id"),
        addresses.c.address == bindparam("address"),
        ports.c.server_id.is_not(None),
    ),
    str,
)
PLACES = query(select(addresses.c.subnet_id, addresses.c.place), tuple[str, int])
PLACES_IN = query(
    select(addresses.c.subnet_id, addresses.c.place).where(addresses.c.subnet_id.in_(bindparam("ids", expanding=True))),
    tuple[str, int],
)
FLOATING_AT = scalar(
    select(floating_ips.c.id).where(
        floating_ips.c.port_id == bindparam("port_id"), floating_ips.c.fixed_ip == bindparam("address")
    ),
    str,
)


async def first_gap(db: Database, subnet_id: str, span: range) -> int | None:
    """The first free place of a span."""
    if not span:
        return None
    if await db.one(TAKEN, subnet_id=subnet_id, places=[span.start]) is None:
        return span.start
    return await db.one(GAP, subnet_id=subnet_id, low=span.start, high=span.stop - 1)
