"""Floating IPs in the database."""

import sqlalchemy as sa
from sqlalchemy import bindparam, select

from pileus.kit.db import Database, Listing, command, query
from pileus.network.errors import FloatingIPNotFound
from pileus.network.models.resources import FloatingIp
from pileus.network.store.rows import change_of, delete_of, insert_of, standard_filters, standard_sorts
from pileus.network.tables import floating_ips

LISTING = Listing(
    floating_ips,
    FloatingIp,
    key=floating_ips.c.id,
    filters={
        **standard_filters(floating_ips),
        "visible": floating_ips.c.project_id,
        "network_id": floating_ips.c.network_id,
        "address": floating_ips.c.address,
        "port_id": floating_ips.c.port_id,
        "fixed_ip": floating_ips.c.fixed_ip,
        "router_id": floating_ips.c.router_id,
        "qos_policy_id": floating_ips.c.qos_policy_id,
    },
    sorts={
        **standard_sorts(floating_ips, "router_id"),
        "floating_network_id": floating_ips.c.network_id,
        "floating_ip_address": floating_ips.c.address,
        "fixed_ip_address": floating_ips.c.fixed_ip,
        "port_id": floating_ips.c.port_id,
    },
)
GET = query(select(*floating_ips.c).where(floating_ips.c.id == bindparam("id")), FloatingIp)
ALL = query(select(*floating_ips.c), FloatingIp)
IDLE_ON = query(
    select(*floating_ips.c).where(
        floating_ips.c.network_id == bindparam("network_id"), floating_ips.c.router_id.is_(None)
    ),
    FloatingIp,
)
INSERT = insert_of(floating_ips)
CHANGE = change_of(floating_ips)
DELETE = delete_of(floating_ips)
SAME = query(
    select(*floating_ips.c).where(
        floating_ips.c.network_id == bindparam("network_id"),
        floating_ips.c.port_id == bindparam("port_id"),
        floating_ips.c.fixed_ip == bindparam("fixed_ip"),
    ),
    FloatingIp,
)
LET_GO = command(
    sa.update(floating_ips)
    .where(floating_ips.c.port_id == bindparam("of_port"))
    .values(port_id=None, fixed_ip=None, router_id=None, updated_at=bindparam("now"))
)


async def floating_ip_find(db: Database, floating_ip_id: str) -> FloatingIp | None:
    """The floating IP of that id."""
    return await db.one(GET, id=floating_ip_id)


async def floating_ip_get(db: Database, floating_ip_id: str) -> FloatingIp:
    """The floating IP of that id as it is now; raises FloatingIPNotFound."""
    found = await floating_ip_find(db, floating_ip_id)
    if found is None:
        raise FloatingIPNotFound(id=floating_ip_id)
    return found
