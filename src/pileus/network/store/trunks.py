"""Trunks and their subports in the database."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam, select

from pileus.kit.db import Database, command, query
from pileus.network.errors.trunks import TrunkNotFound
from pileus.network.models.resources import Port
from pileus.network.models.trunks import Subport, Trunk
from pileus.network.store.rows import insert_of
from pileus.network.store.shelf import Shelf
from pileus.network.tables import ports, subports, trunks

SHELF = Shelf(trunks, Trunk, TrunkNotFound, "port_id", wire={"admin_state_up": trunks.c.admin_up}, filters={
    "admin_up": trunks.c.admin_up,
    "up": lambda test: trunks.c.port_id.in_(select(ports.c.id).where(test(ports.c.up))),
})  # fmt: skip
_SUBPORTS = select(*subports.c).order_by(subports.c.trunk_id, subports.c.segmentation_id)
SUBPORTS_ALL = query(_SUBPORTS, Subport)
SUBPORTS_OF = query(_SUBPORTS.where(subports.c.trunk_id.in_(bindparam("ids", expanding=True))), Subport)
SUBPORT_GET = query(select(*subports.c).where(subports.c.port_id == bindparam("port_id")), Subport)
ON_PORT = query(select(*trunks.c).where(trunks.c.port_id == bindparam("port_id")), Trunk)
UP = query(select(ports.c.id, ports.c.up).where(ports.c.id.in_(bindparam("ids", expanding=True))), tuple[str, bool])
SUBPORT_INSERT = insert_of(subports)
SUBPORT_DELETE = command(sa.delete(subports).where(subports.c.port_id == bindparam("of_port")))


async def with_subports(db: Database, found: Sequence[Trunk]) -> list[Trunk]:
    """The trunks with their subports, and whether their ports are up."""
    if not found:
        return []
    inside: dict[str, list[Subport]] = {}
    for subport in await db.all(SUBPORTS_OF, ids=[trunk.id for trunk in found]):
        inside.setdefault(subport.trunk_id, []).append(subport)
    up = dict(await db.all(UP, ids=[trunk.port_id for trunk in found]))
    return [
        msgspec.structs.replace(trunk, subports=tuple(inside.get(trunk.id, ())), up=up[trunk.port_id])
        for trunk in found
    ]


async def trunk_get(db: Database, trunk_id: str) -> Trunk:
    """The trunk of that id as it is now; raises TrunkNotFound."""
    return (await with_subports(db, [await SHELF.get(db, trunk_id)]))[0]


async def trunks_all(db: Database) -> list[Trunk]:
    """Every trunk with its subports."""
    inside: dict[str, list[Subport]] = {}
    for subport in await db.all(SUBPORTS_ALL):
        inside.setdefault(subport.trunk_id, []).append(subport)
    return [
        msgspec.structs.replace(trunk, subports=tuple(inside.get(trunk.id, ()))) for trunk in await db.all(SHELF.all)
    ]


def hosted(found: Sequence[Port], there: Sequence[Trunk]) -> list[Port]:
    """The ports, with those on trunks where their trunk's port is."""
    hosts = {port.id: port.host for port in found}
    parents = {subport.port_id: trunk.port_id for trunk in there for subport in trunk.subports}
    return [
        msgspec.structs.replace(port, host=hosts.get(parents[port.id], "")) if port.id in parents else port
        for port in found
    ]
