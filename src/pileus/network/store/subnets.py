"""Subnets in the database."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam, select

from pileus.kit.db import Database, Listing, query, scalar
from pileus.network.errors import SubnetNotFound
from pileus.network.models.resources import Subnet
from pileus.network.store.rows import Test, any_of, change_of, delete_of, insert_of, standard_filters, standard_sorts
from pileus.network.store.sharing import granted
from pileus.network.tables import networks, router_interfaces, subnets

_JOINED = select(
    *subnets.c,
    networks.c.project_id.label("network_project_id"),
    networks.c.shared.label("network_shared"),
    networks.c.external.label("network_external"),
).join_from(subnets, networks)


def _visible(test: Test) -> sa.ColumnElement[bool]:
    """Of the project, on a network of the project, or on one shared with it."""
    return any_of(
        test(subnets.c.project_id),
        test(networks.c.project_id),
        granted(test, subnets.c.network_id),
    )


LISTING = Listing(
    _JOINED,
    Subnet,
    key=subnets.c.id,
    filters={
        **standard_filters(subnets),
        "visible": _visible,
        "network_id": subnets.c.network_id,
        "subnetpool_id": subnets.c.subnetpool_id,
        "ip_version": subnets.c.ip_version,
        "cidr": subnets.c.cidr,
        "gateway_ip": subnets.c.gateway_ip,
        "dhcp": subnets.c.dhcp,
        "shared": networks.c.shared,
        "external": networks.c.external,
        "ipv6_ra_mode": subnets.c.ipv6_ra_mode,
        "ipv6_address_mode": subnets.c.ipv6_address_mode,
    },
    sorts={
        **standard_sorts(subnets, "network_id", "ip_version", "cidr", "gateway_ip"),
        "enable_dhcp": subnets.c.dhcp,
    },
)
GET = query(_JOINED.where(subnets.c.id == bindparam("id")), Subnet)
ON = query(_JOINED.where(subnets.c.network_id == bindparam("id")).order_by(subnets.c.created_at, subnets.c.id), Subnet)
ALL = query(_JOINED, Subnet)
NAMED = query(
    _JOINED.where(subnets.c.id.in_(bindparam("ids", expanding=True))).order_by(subnets.c.created_at, subnets.c.id),
    Subnet,
)
FOURS_ON = query(
    _JOINED.where(subnets.c.network_id.in_(bindparam("ids", expanding=True)), subnets.c.ip_version == 4).order_by(
        subnets.c.network_id, subnets.c.created_at, subnets.c.id
    ),
    Subnet,
)
INSERT = insert_of(subnets)
CHANGE = change_of(subnets)
DELETE = delete_of(subnets)
# What routers already reach, to refuse a second block with the same addresses.
BESIDE_ROUTER = query(
    _JOINED.join(router_interfaces, router_interfaces.c.subnet_id == subnets.c.id).where(
        router_interfaces.c.router_id == bindparam("router_id")
    ),
    Subnet,
)
ROUTERS_ON = scalar(
    select(router_interfaces.c.port_id).where(router_interfaces.c.subnet_id == bindparam("id")).limit(1), str
)

_DERIVED = ("network_project_id", "network_shared", "network_external")


async def subnet_find(db: Database, subnet_id: str) -> Subnet | None:
    """The subnet of that id."""
    return await db.one(GET, id=subnet_id)


async def subnet_get(db: Database, subnet_id: str) -> Subnet:
    """The subnet of that id as it is now; raises SubnetNotFound."""
    found = await subnet_find(db, subnet_id)
    if found is None:
        raise SubnetNotFound(id=subnet_id)
    return found


async def subnets_on(db: Database, network_id: str) -> Sequence[Subnet]:
    """The network's subnets, oldest first."""
    return await db.all(ON, id=network_id)


async def subnet_insert(db: Database, subnet: Subnet) -> None:
    """The subnet is written."""
    row = msgspec.structs.asdict(subnet)
    for name in _DERIVED:
        del row[name]
    await db.run(INSERT, **row)


async def subnets_named(db: Database, ids: Sequence[str]) -> list[Subnet]:
    """Those of the subnets that are there."""
    return await db.all(NAMED, ids=list(ids)) if ids else []
