"""Reading who holds what, and how much that is in all."""

from collections.abc import Mapping

import msgspec

from pileus.placement.app import PlacementApp
from pileus.placement.models.providers import Consumer
from pileus.placement.store import allocations as store
from pileus.placement.store import providers


class Holdings(msgspec.Struct, frozen=True, kw_only=True):
    """What one consumer holds: amounts by provider and class, and those providers' generations."""

    consumer: Consumer | None
    parts: Mapping[str, Mapping[str, int]]
    generations: Mapping[str, int]


async def holdings_by(app: PlacementApp, consumer: str) -> Holdings:
    """Everything a consumer holds."""
    parts: dict[str, dict[str, int]] = {}
    generations: dict[str, int] = {}
    for held in await store.held_by(app, consumer):
        parts.setdefault(held.provider, {})[held.resource_class] = held.used
        generations[held.provider] = held.provider_generation
    known = await store.consumer_find(app, consumer) if parts else None
    return Holdings(consumer=known, parts=parts, generations=generations)


async def holdings_of(app: PlacementApp, provider: str) -> list[Holdings]:
    """What each consumer holds of one provider."""
    consumers = await store.consumers_of(app, provider)
    parts: dict[str, dict[str, int]] = {}
    for held in await store.held_of(app, provider):
        parts.setdefault(held.consumer, {})[held.resource_class] = held.used
    return [
        Holdings(consumer=consumers[id], parts={provider: resources}, generations={})
        for id, resources in parts.items()
        if id in consumers
    ]


async def usage_of_provider(app: PlacementApp, provider: str) -> dict[str, int]:
    """How much of each of its inventories is claimed."""
    return {name: row.used for name, row in (await providers.stock_list(app, provider)).items()}


async def usage_of_project(app: PlacementApp, project_id: str, user_id: str | None) -> dict[str, dict[str, int]]:
    """How much a project holds of each class, by consumer type (`unknown` where none was told)."""
    found: dict[str, dict[str, int]] = {}
    for row in await store.usage_list(app, project_id, user_id):
        found.setdefault(row.consumer_type or "unknown", {})[row.resource_class] = row.amount
    return found


async def consumers_of_project(app: PlacementApp, project_id: str, user_id: str | None) -> dict[str, int]:
    """How many consumers of each type a project has."""
    counts = await store.consumer_counts(app, project_id, user_id)
    return {kind or "unknown": number for kind, number in counts.items()}
