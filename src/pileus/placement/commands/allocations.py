"""Who holds what: the one place where allocations change, and the counts of inventories with them.

Either a whole set of writes is done or none of it; whatever is asked is checked against the rows it touches in the same
transaction, and what is taken is taken by a conditional update, so two writers can never share the last unit.
"""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import UNSET, UnsetType

from pileus.placement import errors
from pileus.placement.app import PlacementApp
from pileus.placement.models.candidates import Allocations
from pileus.placement.models.fit import misfit
from pileus.placement.models.providers import Consumer, Held, Supply
from pileus.placement.store import allocations as store
from pileus.placement.store import names, supplies
from pileus.placement.store import providers as provider_store


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """What one consumer shall hold from now on; the generation is checked where one is given."""

    consumer: str
    allocations: Allocations
    project_id: str
    user_id: str
    consumer_type: str | UnsetType | None = UNSET
    generation: int | UnsetType | None = UNSET


async def replace(app: PlacementApp, writes: Iterable[Write], *, touching: bool = True) -> None:
    """Every consumer holds exactly what its write says; all of them, or nothing has changed.

    A provider that something is taken of is one generation further, and so is one that a consumer empties itself of,
    where that is `touching`.
    """
    wanted = list(writes)
    async with app.db.transaction():
        held = {write.consumer: await store.held_by(app, write.consumer) for write in wanted}
        await _check_names(app, wanted)
        # What all of them give up is given back first: consumers may exchange places.
        for parts in held.values():
            for part in parts:
                await store.give_back(app, part.provider, part.resource_class, part.used)
        after = await supplies.supply_of(app, {provider for write in wanted for provider in write.allocations})
        for write in wanted:
            await _hold(app, write, after, held[write.consumer])
        emptied: set[str] = set()
        if touching:
            emptied = {part.provider for write in wanted if not write.allocations for part in held[write.consumer]}
        await provider_store.providers_touch(app, emptied | after.keys())


async def _check_names(app: PlacementApp, writes: list[Write]) -> None:
    classes = {name for write in writes for part in write.allocations.values() for name in part}
    for name in await names.classes_unknown(app, classes):
        raise errors.UnknownClass(name=name)


async def _hold(app: PlacementApp, write: Write, supplied: Mapping[str, Supply], had: list[Held]) -> None:
    for provider in write.allocations:
        if provider not in supplied:
            raise errors.UnknownProvider(uuid=provider)
    consumer = await _step(app, write)
    holdings = []
    for provider, part in sorted(write.allocations.items()):
        kept = {
            one.resource_class
            for one in had
            if one.provider == provider and one.used >= part.get(one.resource_class, 0)
        }
        for name, amount in sorted(part.items()):
            await _take(app, supplied[provider], name, amount, kept=name in kept)
            holdings.append((provider, name, amount))
    await store.holdings_set(app, write.consumer, holdings)
    if consumer and not holdings:
        await store.consumer_delete(app, write.consumer)


async def _take(app: PlacementApp, supply: Supply, name: str, amount: int, *, kept: bool) -> None:
    stock = supply.stocks.get(name)
    if stock is not None:
        # Portions alone: whether so much is left is what the taking tells.
        why = misfit(msgspec.structs.replace(stock, used=stock.capacity - amount), name, amount)
        if why is not None:
            raise errors.NoRoom(resource_class=name, uuid=supply.id, why=why)
        if await store.take(app, supply.id, name, amount):
            return
        if kept:
            # A capacity cut below what is claimed must not stop who keeps, or gives back, what he has.
            await store.give_back(app, supply.id, name, -amount)
            return
    why = misfit(stock, name, amount) or "somebody else has just taken it"
    raise errors.NoRoom(resource_class=name, uuid=supply.id, why=why)


async def _step(app: PlacementApp, write: Write) -> bool:
    """Whether the consumer has a row, which is one generation further; its generation was as the write says."""
    known = await store.consumer_find(app, write.consumer)
    if write.generation is not UNSET:
        is_at = None if known is None else known.generation
        if is_at != write.generation:
            raise errors.ConsumerChanged(
                is_at="null" if is_at is None else is_at,
                given="null" if write.generation is None else write.generation,
            )
    kind = (known.consumer_type if known else None) if write.consumer_type is UNSET else write.consumer_type
    if known is None:
        if not write.allocations:
            return False
        await store.consumer_create(
            app,
            Consumer(
                id=write.consumer,
                project_id=write.project_id,
                user_id=write.user_id,
                consumer_type=kind,
                generation=1,
            ),
        )
    elif not await store.consumer_step(app, known, write.project_id, write.user_id, kind):
        raise errors.ConsumerChanged(is_at="a later generation", given=known.generation)
    return True


async def release(app: PlacementApp, consumer: str) -> bool:
    """Whether the consumer held anything; it holds nothing now."""
    async with app.db.transaction():
        known = await store.consumer_find(app, consumer)
        if known is None:
            return False
        await replace(
            app,
            [Write(consumer=consumer, allocations={}, project_id=known.project_id, user_id=known.user_id)],
            touching=False,
        )
        return True
