"""Routers and their legs in the database."""

import sqlalchemy as sa
from sqlalchemy import bindparam, select

from pileus.kit.db import Database, Listing, command, query, scalar
from pileus.network.errors import RouterNotFound
from pileus.network.models.resources import FurtherGateway, Interface, Router
from pileus.network.store.rows import change_of, delete_of, insert_of, standard_filters, standard_sorts
from pileus.network.tables import (
    addresses,
    floating_ips,
    further_gateways,
    port_forwardings,
    router_interfaces,
    routers,
)

LISTING = Listing(
    routers,
    Router,
    key=routers.c.id,
    filters={
        **standard_filters(routers),
        "visible": routers.c.project_id,
        "admin_up": routers.c.admin_up,
        "gateway_network": routers.c.gateway_network_id,
    },
    sorts={**standard_sorts(routers), "admin_state_up": routers.c.admin_up},
)
GET = query(select(*routers.c).where(routers.c.id == bindparam("id")), Router)
ALL = query(select(*routers.c), Router)
INSERT = insert_of(routers)
CHANGE = change_of(routers)
DELETE = delete_of(routers)

_legs = select(*router_interfaces.c)
LEGS = query(
    _legs.where(router_interfaces.c.router_id == bindparam("router_id")).order_by(
        router_interfaces.c.port_id, router_interfaces.c.subnet_id
    ),
    Interface,
)
ALL_LEGS = query(_legs.order_by(router_interfaces.c.port_id, router_interfaces.c.subnet_id), Interface)
LEG_INSERT = insert_of(router_interfaces)
LEG_DELETE = command(
    sa.delete(router_interfaces).where(
        router_interfaces.c.router_id == bindparam("router_id"), router_interfaces.c.subnet_id == bindparam("subnet_id")
    )
)
_further = select(*further_gateways.c)
FURTHER = query(
    _further.where(further_gateways.c.router_id.in_(bindparam("ids", expanding=True))).order_by(
        further_gateways.c.number, further_gateways.c.port_id
    ),
    FurtherGateway,
)
ALL_FURTHER = query(_further.order_by(further_gateways.c.number, further_gateways.c.port_id), FurtherGateway)
FURTHER_INSERT = insert_of(further_gateways)
FURTHER_CHANGE = command(
    sa.update(further_gateways)
    .where(further_gateways.c.port_id == bindparam("of_port"))
    .values(snat=bindparam("masks"))
)
FURTHER_DELETE = command(sa.delete(further_gateways).where(further_gateways.c.port_id == bindparam("of_port")))
LAST_NUMBER = scalar(select(sa.func.coalesce(sa.func.max(further_gateways.c.number), 0)), int)
# Routers that reach a subnet and have a gateway on an external network: the way of a floating IP.
LEADING = scalar(
    select(router_interfaces.c.router_id)
    .join_from(router_interfaces, routers, routers.c.id == router_interfaces.c.router_id)
    .where(
        router_interfaces.c.subnet_id == bindparam("subnet_id"),
        sa.or_(
            routers.c.gateway_network_id == bindparam("network_id"),
            routers.c.id.in_(
                select(further_gateways.c.router_id).where(further_gateways.c.network_id == bindparam("network_id"))
            ),
        ),
    )
    .order_by(router_interfaces.c.router_id)
    .limit(1),
    str,
)
FLOATING_THROUGH = scalar(
    select(floating_ips.c.id)
    .where(floating_ips.c.router_id == bindparam("router_id"), floating_ips.c.network_id == bindparam("network_id"))
    .limit(1),
    str,
)
FLOATING_THROUGH_SUBNET = scalar(
    select(floating_ips.c.id)
    .join_from(
        floating_ips,
        addresses,
        sa.and_(addresses.c.port_id == floating_ips.c.port_id, addresses.c.address == floating_ips.c.fixed_ip),
    )
    .where(floating_ips.c.router_id == bindparam("router_id"), addresses.c.subnet_id == bindparam("subnet_id"))
    .limit(1),
    str,
)
FORWARDED_THROUGH_SUBNET = scalar(
    select(port_forwardings.c.id)
    .join_from(port_forwardings, floating_ips)
    .join(
        addresses,
        sa.and_(addresses.c.port_id == port_forwardings.c.port_id, addresses.c.address == port_forwardings.c.address),
    )
    .where(floating_ips.c.router_id == bindparam("router_id"), addresses.c.subnet_id == bindparam("subnet_id"))
    .limit(1),
    str,
)


async def router_find(db: Database, router_id: str) -> Router | None:
    """The router of that id."""
    return await db.one(GET, id=router_id)


async def router_get(db: Database, router_id: str) -> Router:
    """The router of that id as it is now; raises RouterNotFound."""
    found = await router_find(db, router_id)
    if found is None:
        raise RouterNotFound(id=router_id)
    return found
