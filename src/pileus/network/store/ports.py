"""Ports in the database, with their addresses and security groups."""

from collections.abc import Iterable, Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam, select

from pileus.kit.db import Database, Listing, command, query, scalar, upsert
from pileus.network.errors import PortNotFound
from pileus.network.models.resources import FixedIp, Port
from pileus.network.store import addresses as address_rows
from pileus.network.store.rows import Test, any_of, change_of, delete_of, standard_filters, standard_sorts
from pileus.network.tables import addresses, networks, port_groups, ports

_JOINED = select(
    *ports.c,
    networks.c.project_id.label("network_project_id"),
    networks.c.shared.label("network_shared"),
    networks.c.dns_domain.label("network_domain"),
).join_from(ports, networks)


def _visible(test: Test) -> sa.ColumnElement[bool]:
    """Of the project, or on a network of the project."""
    return any_of(test(ports.c.project_id), test(networks.c.project_id))


def _with_address(test: Test) -> sa.ColumnElement[bool]:
    return ports.c.id.in_(select(addresses.c.port_id).where(test(addresses.c.address)))


def _in_subnet(test: Test) -> sa.ColumnElement[bool]:
    return ports.c.id.in_(select(addresses.c.port_id).where(test(addresses.c.subnet_id)))


def _in_group(test: Test) -> sa.ColumnElement[bool]:
    return ports.c.id.in_(select(port_groups.c.port_id).where(test(port_groups.c.group_id)))


LISTING = Listing(
    _JOINED,
    Port,
    key=ports.c.id,
    filters={
        **standard_filters(ports),
        "visible": _visible,
        "network_id": ports.c.network_id,
        "mac": ports.c.mac,
        "admin_up": ports.c.admin_up,
        "up": ports.c.up,
        "device_id": ports.c.device_id,
        "device_owner": ports.c.device_owner,
        "host": ports.c.host,
        "vnic_type": ports.c.vnic_type,
        "port_security": ports.c.port_security,
        "dns_name": ports.c.dns_name,
        "dns_domain": ports.c.dns_domain,
        "numa_policy": ports.c.numa_policy,
        "device_profile": ports.c.device_profile,
        "qos_policy_id": ports.c.qos_policy_id,
        "address": _with_address,
        "address_part": _with_address,
        "subnet": _in_subnet,
        "group": _in_group,
    },
    sorts={
        **standard_sorts(ports, "network_id", "device_id", "device_owner"),
        "mac_address": ports.c.mac,
        "admin_state_up": ports.c.admin_up,
        "status": ports.c.up,
    },
)
GET = query(_JOINED.where(ports.c.id == bindparam("id")), Port)
ALL = query(_JOINED, Port)
ON = query(_JOINED.where(ports.c.network_id == bindparam("network_id")).order_by(ports.c.id), Port)
OF_IDS = query(_JOINED.where(ports.c.id.in_(bindparam("ids", expanding=True))), Port)
OF_DEVICES = query(_JOINED.where(ports.c.device_id.in_(bindparam("ids", expanding=True))).order_by(ports.c.id), Port)
OF_SERVERS = query(
    _JOINED.where(ports.c.server_id.in_(bindparam("ids", expanding=True))).order_by(
        ports.c.server_id, ports.c.number, ports.c.created_at, ports.c.id
    ),
    Port,
)
OF_OWNER_ON = query(
    _JOINED.where(ports.c.network_id == bindparam("network_id"), ports.c.device_owner == bindparam("owner")), Port
)
IN_USE_ON = scalar(
    select(ports.c.id).where(ports.c.network_id == bindparam("id"), ports.c.device_owner != bindparam("but")).limit(10),
    str,
)
INSERT = command(upsert(ports, ["network_id", "mac"]))
CHANGE = change_of(ports)
DELETE = delete_of(ports)
SET_UP = command(
    sa.update(ports)
    .where(ports.c.id.in_(bindparam("ids", expanding=True)), ports.c.up.is_(sa.not_(bindparam("now_up"))))
    .values(up=bindparam("now_up"))
)
UPS = query(select(ports.c.id, ports.c.up), tuple[str, bool])
SERVERS_OF = scalar(
    select(ports.c.server_id)
    .where(ports.c.id.in_(bindparam("ids", expanding=True)), ports.c.server_id.is_not(None))
    .distinct(),
    str,
)
JOIN_GROUP = command(upsert(port_groups, ["port_id", "group_id"]))
LEAVE_GROUPS = command(sa.delete(port_groups).where(port_groups.c.port_id == bindparam("port_id")))
GROUPS_OF = query(
    select(port_groups.c.port_id, port_groups.c.group_id)
    .where(port_groups.c.port_id.in_(bindparam("ids", expanding=True)))
    .order_by(port_groups.c.port_id, port_groups.c.group_id),
    tuple[str, str],
)
ALL_GROUPS = query(
    select(port_groups.c.port_id, port_groups.c.group_id).order_by(port_groups.c.port_id, port_groups.c.group_id),
    tuple[str, str],
)

_DERIVED = ("network_project_id", "network_shared", "network_domain", "fixed_ips", "security_groups")


def complete(
    found: Sequence[Port], at: Iterable[tuple[str, str, str]], groups: Iterable[tuple[str, str]]
) -> list[Port]:
    """The ports with these addresses and groups."""
    fixed: dict[str, list[FixedIp]] = {}
    inside: dict[str, list[str]] = {}
    for port_id, subnet_id, address in at:
        fixed.setdefault(port_id, []).append(FixedIp(subnet_id, address))
    for port_id, group_id in groups:
        inside.setdefault(port_id, []).append(group_id)
    return [
        msgspec.structs.replace(
            port, fixed_ips=tuple(fixed.get(port.id, ())), security_groups=tuple(inside.get(port.id, ()))
        )
        for port in found
    ]


async def with_addresses(db: Database, found: Sequence[Port]) -> list[Port]:
    """The ports with their addresses and groups."""
    if not found:
        return []
    ids = [port.id for port in found]
    return complete(found, await db.all(address_rows.OF_PORTS, ids=ids), await db.all(GROUPS_OF, ids=ids))


async def port_find(db: Database, port_id: str) -> Port | None:
    """The port of that id."""
    found = await db.one(GET, id=port_id)
    return None if found is None else (await with_addresses(db, [found]))[0]


async def port_get(db: Database, port_id: str) -> Port:
    """The port of that id as it is now; raises PortNotFound."""
    found = await port_find(db, port_id)
    if found is None:
        raise PortNotFound(id=port_id)
    return found


async def ports_of_devices(db: Database, device_ids: Sequence[str]) -> list[Port]:
    """The ports that say they are of these devices."""
    return await with_addresses(db, await db.all(OF_DEVICES, ids=list(device_ids)))


async def ports_of_servers(db: Database, server_ids: Sequence[str]) -> list[Port]:
    """The ports compute has given these servers, in the order in which they were asked for."""
    return await with_addresses(db, await db.all(OF_SERVERS, ids=list(server_ids)))


async def ports_of_ids(db: Database, ids: Sequence[str]) -> list[Port]:
    """The ports of these ids, as far as there are such."""
    return await with_addresses(db, await db.all(OF_IDS, ids=list(ids)))


async def ports_all(db: Database) -> list[Port]:
    """Every port there is."""
    return complete(await db.all(ALL), await db.all(address_rows.ALL), await db.all(ALL_GROUPS))


async def port_insert(db: Database, port: Port) -> bool:
    """The port is written, without addresses and groups; False when its MAC is in use on the network."""
    row = msgspec.structs.asdict(port)
    for name in _DERIVED:
        del row[name]
    return await db.run(INSERT, **row) == 1


async def port_join(db: Database, port_id: str, group_ids: Iterable[str]) -> None:
    """The port is in these security groups, too."""
    await db.run_many(JOIN_GROUP, [{"port_id": port_id, "group_id": group_id} for group_id in group_ids])
