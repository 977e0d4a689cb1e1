"""Queries of aggregates."""

import msgspec
import sqlalchemy as sa

from pileus.compute.app import Compute
from pileus.compute.models.aggregates import Aggregate
from pileus.compute.tables import AGGREGATE_HOSTS, AGGREGATES
from pileus.kit.db import command, query

_this = AGGREGATES.c.number == sa.bindparam("of_number")
_membership = sa.and_(
    AGGREGATE_HOSTS.c.aggregate == sa.bindparam("aggregate"), AGGREGATE_HOSTS.c.host == sa.bindparam("host")
)

AGGREGATE_LIST = query(sa.select(*AGGREGATES.c).order_by(AGGREGATES.c.number), Aggregate)
MEMBERS = query(
    sa.select(*AGGREGATE_HOSTS.c).order_by(AGGREGATE_HOSTS.c.aggregate, AGGREGATE_HOSTS.c.host), tuple[int, str]
)
AGGREGATE_CREATE = command(sa.insert(AGGREGATES))
AGGREGATE_CHANGE = command(sa.update(AGGREGATES).where(_this))
AGGREGATE_DELETE = command(sa.delete(AGGREGATES).where(_this))
MEMBER_ADD = command(sa.insert(AGGREGATE_HOSTS))
MEMBER_REMOVE = command(sa.delete(AGGREGATE_HOSTS).where(_membership))
HOST_LEAVES = command(sa.delete(AGGREGATE_HOSTS).where(AGGREGATE_HOSTS.c.host == sa.bindparam("host")))


async def aggregate_list(app: Compute) -> list[Aggregate]:
    """All aggregates with their hosts; admins make a handful of them."""
    hosts: dict[int, list[str]] = {}
    for number, host in await app.db.all(MEMBERS):
        hosts.setdefault(number, []).append(host)
    return [
        msgspec.structs.replace(each, hosts=tuple(hosts.get(each.number, ())))
        for each in await app.db.all(AGGREGATE_LIST)
    ]


async def aggregate_create(app: Compute, aggregate: Aggregate) -> None:
    """The aggregate has a row and a number; raises UniqueViolation."""
    names = [name for name in aggregate.__struct_fields__ if name not in {"number", "hosts"}]
    await app.db.run(AGGREGATE_CREATE, **{name: getattr(aggregate, name) for name in names})


async def aggregate_change(app: Compute, number: int, **changes: object) -> None:
    """The row has these values; raises UniqueViolation."""
    await app.db.run(AGGREGATE_CHANGE, of_number=number, updated_at=app.clock.now(), **changes)


async def aggregate_delete(app: Compute, number: int) -> None:
    """The aggregate has no row."""
    await app.db.run(AGGREGATE_DELETE, of_number=number)


async def member_add(app: Compute, number: int, host: str) -> None:
    """The host is in the aggregate; raises UniqueViolation if it was."""
    await app.db.run(MEMBER_ADD, aggregate=number, host=host)


async def member_remove(app: Compute, number: int, host: str) -> bool:
    """The host is not in the aggregate; whether it was."""
    return await app.db.run(MEMBER_REMOVE, aggregate=number, host=host) > 0


async def host_leaves(app: Compute, host: str) -> None:
    """The host is in no aggregate."""
    await app.db.run(HOST_LEAVES, host=host)
