"""Consumers and what they hold, as rows. `used` of an inventory moves only here, together with its allocations."""

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.kit.db import command, query
from pileus.placement.app import PlacementApp
from pileus.placement.models.providers import Consumer, Held
from pileus.placement.tables import ALLOCATIONS, CONSUMERS, INVENTORIES, PROVIDERS


class Usage(msgspec.Struct, frozen=True):
    """How much of one class consumers of one type hold."""

    consumer_type: str | None
    resource_class: str
    amount: int


class Count(msgspec.Struct, frozen=True):
    """How many consumers of one type there are."""

    consumer_type: str | None
    consumers: int


_A, _C, _I, _P = ALLOCATIONS.c, CONSUMERS.c, INVENTORIES.c, PROVIDERS.c

_HELD = (
    sa.select(
        _A.consumer,
        _A.provider,
        _P.name.label("provider_name"),
        _P.generation.label("provider_generation"),
        _A.resource_class,
        _A.used,
    )
    .join(PROVIDERS, _P.id == _A.provider)
    .order_by(_P.name, _A.consumer, _A.resource_class)
)
HELD_BY = query(_HELD.where(_A.consumer == bindparam("consumer")), Held)
HELD_OF = query(_HELD.where(_A.provider == bindparam("provider")), Held)

_CONSUMER = sa.select(_C.id, _C.project_id, _C.user_id, _C.consumer_type, _C.generation)
CONSUMER = query(_CONSUMER.where(_C.id == bindparam("id")), Consumer)
CONSUMERS_OF = query(
    _CONSUMER.where(_C.id.in_(sa.select(_A.consumer).where(_A.provider == bindparam("provider")).scalar_subquery())),
    Consumer,
)
CONSUMER_CREATE = command(sa.insert(CONSUMERS))
CONSUMER_STEP = command(
    sa.update(CONSUMERS)
    .where(_C.id == bindparam("consumer"), _C.generation == bindparam("seen"))
    .values(
        generation=_C.generation + 1,
        project_id=bindparam("project"),
        user_id=bindparam("user"),
        consumer_type=bindparam("kind"),
    )
)
CONSUMER_DELETE = command(sa.delete(CONSUMERS).where(_C.id == bindparam("consumer")))

HOLD = command(sa.insert(ALLOCATIONS))
LET_GO = command(sa.delete(ALLOCATIONS).where(_A.consumer == bindparam("held_by")))
_STOCK_HERE = (_I.provider == bindparam("at"), _I.resource_class == bindparam("of_class"))
TAKE = command(
    sa.update(INVENTORIES)
    .where(*_STOCK_HERE, _I.used + bindparam("amount", type_=sa.BigInteger()) <= _I.capacity)
    .values(used=_I.used + bindparam("amount", type_=sa.BigInteger()))
)
GIVE_BACK = command(
    sa.update(INVENTORIES).where(*_STOCK_HERE).values(used=_I.used - bindparam("amount", type_=sa.BigInteger()))
)

_USAGE = (
    sa.select(_C.consumer_type, _A.resource_class, sa.func.sum(_A.used).label("amount"))
    .select_from(ALLOCATIONS.join(CONSUMERS, _C.id == _A.consumer))
    .where(_C.project_id == bindparam("project_id"))
    .group_by(_C.consumer_type, _A.resource_class)
    .order_by(_C.consumer_type, _A.resource_class)
)
USAGE = query(_USAGE, Usage)
USAGE_OF_USER = query(_USAGE.where(_C.user_id == bindparam("user_id")), Usage)
_COUNT = (
    sa.select(_C.consumer_type, sa.func.count().label("consumers"))
    .where(_C.project_id == bindparam("project_id"))
    .group_by(_C.consumer_type)
)
COUNTS = query(_COUNT, Count)
COUNTS_OF_USER = query(_COUNT.where(_C.user_id == bindparam("user_id")), Count)


async def held_by(app: PlacementApp, consumer: str) -> list[Held]:
    """What a consumer holds."""
    return await app.db.all(HELD_BY, consumer=consumer)


async def held_of(app: PlacementApp, provider: str) -> list[Held]:
    """What is held of a provider, by consumer."""
    return await app.db.all(HELD_OF, provider=provider)


async def consumer_find(app: PlacementApp, id: str) -> Consumer | None:
    """The consumer, if it holds anything."""
    return await app.db.one(CONSUMER, id=id)


async def consumers_of(app: PlacementApp, provider: str) -> dict[str, Consumer]:
    """Who holds something of a provider, by id."""
    return {consumer.id: consumer for consumer in await app.db.all(CONSUMERS_OF, provider=provider)}


async def consumer_create(app: PlacementApp, consumer: Consumer) -> None:
    """The consumer is known."""
    await app.db.run(
        CONSUMER_CREATE,
        id=consumer.id,
        project_id=consumer.project_id,
        user_id=consumer.user_id,
        consumer_type=consumer.consumer_type,
        generation=consumer.generation,
        created_at=app.clock.now(),
    )


async def consumer_step(app: PlacementApp, was: Consumer, project: str, user: str, kind: str | None) -> bool:
    """Whether the consumer was as it was read; it belongs to these now and is one generation further."""
    return (
        await app.db.run(CONSUMER_STEP, consumer=was.id, seen=was.generation, project=project, user=user, kind=kind)
        == 1
    )


async def consumer_delete(app: PlacementApp, id: str) -> None:
    """The consumer is not known; it must hold nothing."""
    await app.db.run(CONSUMER_DELETE, consumer=id)


async def take(app: PlacementApp, provider: str, resource_class: str, amount: int) -> bool:
    """Whether there was so much left; it is counted as used then."""
    return await app.db.run(TAKE, at=provider, of_class=resource_class, amount=amount) == 1


async def give_back(app: PlacementApp, provider: str, resource_class: str, amount: int) -> None:
    """So much less is counted as used."""
    await app.db.run(GIVE_BACK, at=provider, of_class=resource_class, amount=amount)


async def holdings_set(app: PlacementApp, consumer: str, holdings: Iterable[tuple[str, str, int]]) -> None:
    """The consumer's rows are exactly these (provider, class, amount); the counting is the caller's."""
    await app.db.run(LET_GO, held_by=consumer)
    await app.db.run_many(
        HOLD,
        [
            {"consumer": consumer, "provider": provider, "resource_class": name, "used": amount}
            for provider, name, amount in holdings
        ],
    )


async def usage_list(app: PlacementApp, project_id: str, user_id: str | None) -> list[Usage]:
    """How much of each class, by consumer type, of a project, or of one user in it."""
    if user_id is None:
        return await app.db.all(USAGE, project_id=project_id)
    return await app.db.all(USAGE_OF_USER, project_id=project_id, user_id=user_id)


async def consumer_counts(app: PlacementApp, project_id: str, user_id: str | None) -> dict[str | None, int]:
    """How many consumers of each type a project, or one user in it, has."""
    if user_id is None:
        rows = await app.db.all(COUNTS, project_id=project_id)
    else:
        rows = await app.db.all(COUNTS_OF_USER, project_id=project_id, user_id=user_id)
    return {row.consumer_type: row.consumers for row in rows}
