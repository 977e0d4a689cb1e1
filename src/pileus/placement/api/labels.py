"""What is said of providers: their traits and the aggregates they belong to."""

from typing import Annotated

from pileus.kit.http import Call, F, Wire
from pileus.placement import errors
from pileus.placement.api.service import Generation, TraitName, Uuid, api, provider_find, ruled, stamp
from pileus.placement.app import PlacementApp
from pileus.placement.commands import providers as commands
from pileus.placement.commands.inventories import aggregates_of, traits_of
from pileus.placement.models.names import canonical
from pileus.placement.models.providers import Provider


class TraitSet(Wire):
    """All traits of a provider."""

    resource_provider_generation: Generation
    traits: list[TraitName]


class TraitsView(Wire):
    resource_provider_generation: int
    traits: list[str]


class AggregateSet(Wire):
    """All aggregates of a provider."""

    resource_provider_generation: Generation
    aggregates: list[Uuid]


class AggregatesView(Wire):
    aggregates: list[str]
    resource_provider_generation: Annotated[int, F(since="1.19")]


TRAITS = "/resource_providers/{uuid}/traits"
AGGREGATES = "/resource_providers/{uuid}/aggregates"


@api.get(TRAITS, ruled("resource_providers:traits:list"), find=provider_find, since="1.6")
async def traits_show(call: Call[PlacementApp], provider: Provider) -> TraitsView:
    """List a provider's traits."""
    stamp(call)
    return TraitsView(resource_provider_generation=provider.generation, traits=await traits_of(call.app, provider.id))


@api.put(TRAITS, ruled("resource_providers:traits:update"), find=provider_find, since="1.6", on="c")
async def traits_replace(call: Call[PlacementApp], provider: Provider, body: TraitSet) -> TraitsView:
    """Replace a provider's traits."""
    await commands.set_traits(call.app, provider, body.resource_provider_generation, body.traits)
    stamp(call)
    changed = await commands.provider_get(call.app, provider.id)
    return TraitsView(resource_provider_generation=changed.generation, traits=await traits_of(call.app, provider.id))


@api.delete(TRAITS, ruled("resource_providers:traits:delete"), find=provider_find, since="1.6")
async def traits_clear(call: Call[PlacementApp], provider: Provider) -> None:
    """Remove all of a provider's traits."""
    await commands.set_traits(call.app, provider, None, [])


@api.get(AGGREGATES, ruled("resource_providers:aggregates:list"), find=provider_find, since="1.1")
async def aggregates_show(call: Call[PlacementApp], provider: Provider) -> AggregatesView:
    """List a provider's aggregates."""
    stamp(call)
    return AggregatesView(
        aggregates=await aggregates_of(call.app, provider.id), resource_provider_generation=provider.generation
    )


@api.put(
    AGGREGATES, ruled("resource_providers:aggregates:update"), find=provider_find, since="1.1", until="1.18", on="c"
)
async def aggregates_replace_unseen(call: Call[PlacementApp], provider: Provider, body: list[Uuid]) -> AggregatesView:
    """Replace a provider's aggregates, whatever its generation."""
    return await _replaced(call, provider, None, body)


@api.put(AGGREGATES, ruled("resource_providers:aggregates:update"), find=provider_find, since="1.19", on="c")
async def aggregates_replace(call: Call[PlacementApp], provider: Provider, body: AggregateSet) -> AggregatesView:
    """Replace a provider's aggregates."""
    return await _replaced(call, provider, body.resource_provider_generation, body.aggregates)


async def _replaced(
    call: Call[PlacementApp], provider: Provider, seen: int | None, aggregates: list[str]
) -> AggregatesView:
    ids = {canonical(one) for one in aggregates}
    if len(ids) < len(aggregates):
        raise errors.WrongInput(why="An aggregate is named twice.")
    await commands.set_aggregates(call.app, provider, seen, ids)
    stamp(call)
    return AggregatesView(
        aggregates=await aggregates_of(call.app, provider.id), resource_provider_generation=provider.generation + 1
    )
