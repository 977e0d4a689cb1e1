"""Queries of hosts that are being emptied."""

import datetime as dt

import sqlalchemy as sa

from pileus.compute.app import Compute
from pileus.compute.models.drains import Drain, Drained, Left
from pileus.compute.tables import DRAINED_SERVERS, HOST_DRAINS
from pileus.kit.db import command, query, upsert

_of_host = DRAINED_SERVERS.c.host == sa.bindparam("of_host")
_rows = sa.select(*DRAINED_SERVERS.c).order_by(
    DRAINED_SERVERS.c.host, DRAINED_SERVERS.c.name, DRAINED_SERVERS.c.server_id
)

DRAIN_LIST = query(sa.select(*HOST_DRAINS.c).order_by(HOST_DRAINS.c.host), Drain)
DRAIN_PUT = command(upsert(HOST_DRAINS, ["host"], ["live_only"]))
DRAIN_FORGET = command(sa.delete(HOST_DRAINS).where(HOST_DRAINS.c.host == sa.bindparam("of_host")))
DRAINED_LIST = query(_rows.where(_of_host), Drained)
DRAINED_MOVING = query(_rows.where(DRAINED_SERVERS.c.state == sa.literal_column("'moving'")), Drained)
DRAINED_PUT = command(
    upsert(DRAINED_SERVERS, ["host", "server_id"], ["name", "way", "operation", "state", "why", "updated_at"])
)
DRAINED_AGAIN = command(
    sa.update(DRAINED_SERVERS)
    .where(_of_host, DRAINED_SERVERS.c.state == sa.literal_column("'stays'"))
    .values(state=Left.WAITS, updated_at=sa.bindparam("at"))
)
DRAINED_FORGET = command(
    sa.delete(DRAINED_SERVERS).where(_of_host, DRAINED_SERVERS.c.state != sa.literal_column("'moving'"))
)


async def drain_list(app: Compute) -> list[Drain]:
    """The hosts that are being emptied, by name."""
    return await app.db.all(DRAIN_LIST)


async def drain_put(app: Compute, drain: Drain) -> None:
    """The host is being emptied."""
    await app.db.run(DRAIN_PUT, host=drain.host, live_only=drain.live_only, since=drain.since)


async def drain_forget(app: Compute, host: str) -> None:
    """The host is not being emptied."""
    await app.db.run(DRAIN_FORGET, of_host=host)


async def drained_list(app: Compute, host: str) -> list[Drained]:
    """What became of the host's servers, by name."""
    return await app.db.all(DRAINED_LIST, of_host=host)


async def drained_moving(app: Compute) -> list[Drained]:
    """The servers that are on their way from such hosts."""
    return await app.db.all(DRAINED_MOVING)


async def drained_put(app: Compute, drained: Drained) -> None:
    """This became of the server."""
    await app.db.run(DRAINED_PUT, **{name: getattr(drained, name) for name in drained.__struct_fields__})


async def drained_try_again(app: Compute, host: str, at: dt.datetime) -> None:
    """Servers that stay wait to be tried again, as if they were last tried at that moment."""
    await app.db.run(DRAINED_AGAIN, of_host=host, at=at)


async def drained_forget(app: Compute, host: str) -> None:
    """Of the host's servers only those on their way are remembered."""
    await app.db.run(DRAINED_FORGET, of_host=host)
