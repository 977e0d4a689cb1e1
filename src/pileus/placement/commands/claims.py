"""Room for a server: where it fits best, claimed in the same breath."""

from collections.abc import Iterable, Mapping

import msgspec

from pileus.placement import errors
from pileus.placement.app import PlacementApp
from pileus.placement.commands import allocations
from pileus.placement.models.fit import Demand, ranked
from pileus.placement.models.providers import Consumer, Held, Supply
from pileus.placement.store import allocations as store
from pileus.placement.store import names, supplies
from pileus.placement.store import providers as provider_store
from pileus.ports.placement import Claim, Refusal

SERVER = "INSTANCE"  # the consumer type the compute service's consumers have on the wire


async def claim(app: PlacementApp, consumer: str, demand: Demand, project_id: str, user_id: str) -> Claim | Refusal:
    """The consumer has room on one provider, or there is none and nothing has changed."""
    async with app.db.transaction():
        had = claims_of(await store.held_by(app, consumer))
        if had:
            return had[0]
        for name in await names.classes_unknown(app, demand.resources):
            raise errors.UnknownClass(name=name)
        only = demand.among if demand.force is None else [demand.force]
        marks = demand.required | demand.forbidden
        looked_at = await supplies.supply_list_for(app, demand.resources, marks, only)
        fitting, refused = ranked(looked_at, demand)
        for supply in fitting:
            # Another controller may have been quicker: then its claim is seen only now, and the next best is tried.
            if await _take(app, supply, demand.resources):
                await _record(app, consumer, supply, demand.resources, (project_id, user_id))
                return Claim(consumer, supply.id, supply.name, dict(demand.resources))
            refused.append((supply.name, "was filled by another claim just now"))
        return Refusal(tuple(sorted(refused)))


async def _take(app: PlacementApp, supply: Supply, resources: Mapping[str, int]) -> bool:
    taken: list[tuple[str, int]] = []
    for name, amount in sorted(resources.items()):
        if not await store.take(app, supply.id, name, amount):
            for other, given in taken:
                await store.give_back(app, supply.id, other, given)
            return False
        taken.append((name, amount))
    return True


async def _record(
    app: PlacementApp, consumer: str, supply: Supply, resources: Mapping[str, int], owner: tuple[str, str]
) -> None:
    project_id, user_id = owner
    await store.consumer_create(
        app, Consumer(id=consumer, project_id=project_id, user_id=user_id, consumer_type=SERVER, generation=1)
    )
    await store.holdings_set(app, consumer, [(supply.id, name, amount) for name, amount in sorted(resources.items())])
    await provider_store.providers_touch(app, [supply.id])


async def hand_over(app: PlacementApp, consumer: str, to: str) -> None:
    """What `consumer` held is held by `to` alone, whatever that held before."""
    async with app.db.transaction():
        giver = await store.consumer_find(app, consumer)
        if giver is None:
            return
        given: dict[str, dict[str, int]] = {}
        for part in await store.held_by(app, consumer):
            given.setdefault(part.provider, {})[part.resource_class] = part.used
        empty = allocations.Write(consumer=consumer, allocations={}, project_id=giver.project_id, user_id=giver.user_id)
        full = msgspec.structs.replace(empty, consumer=to, allocations=given, consumer_type=giver.consumer_type)
        await allocations.replace(app, [empty, full])


def claims_of(held: Iterable[Held]) -> list[Claim]:
    """What is held, one claim for each consumer and provider, in the order given."""
    parts: dict[tuple[str, str, str], dict[str, int]] = {}
    for one in held:
        parts.setdefault((one.consumer, one.provider, one.provider_name), {})[one.resource_class] = one.used
    return [Claim(consumer, provider, name, resources) for (consumer, provider, name), resources in parts.items()]
