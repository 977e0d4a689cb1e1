"""Allocations: what consumers hold, in the shapes it was written in over the microversions."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from pileus.kit.http import Call, F, Wire
from pileus.placement import errors
from pileus.placement.api.filters import uuid as checked_uuid
from pileus.placement.api.service import Generation, ResourceClass, Uuid, api, provider_find, ruled, stamp
from pileus.placement.app import PlacementApp
from pileus.placement.commands import allocations as commands
from pileus.placement.commands.holdings import Holdings, holdings_by, holdings_of
from pileus.placement.models.names import canonical
from pileus.placement.models.providers import NOWHERE, Provider

Owner = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Amount = Annotated[int, msgspec.Meta(ge=1)]
ConsumerType = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9_]+$(?!\n)", min_length=1, max_length=255)]
Suffix = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9_-]{0,64}$(?!\n)")]
Mappings = Annotated[
    dict[Suffix, Annotated[list[Uuid], msgspec.Meta(min_length=1)]],
    msgspec.Meta(min_length=1),
]
Resources = Annotated[dict[ResourceClass, Amount], msgspec.Meta(min_length=1)]


class ProviderReference(Wire):
    uuid: Uuid


class ListedPart(Wire):
    """What is held of one provider; before 1.12."""

    resource_provider: ProviderReference
    resources: Resources


class Part(Wire):
    """What is held of one provider."""

    resources: Resources
    generation: int | None = None  # so that what was read can be written back


class AllocationsBody(Wire, kw_only=True):
    """What a consumer shall hold."""

    # One without a default must be given in the versions in which it is; in the others it is unset.
    listed: Annotated[list[ListedPart] | UnsetType, F("allocations", until="1.11")]
    allocations: Annotated[dict[Uuid, Part], F(since="1.12")]
    project_id: Annotated[Owner | UnsetType, F(since="1.8")]
    user_id: Annotated[Owner | UnsetType, F(since="1.8")]
    consumer_generation: Annotated[Generation | UnsetType | None, F(since="1.28")]
    mappings: Annotated[Mappings | UnsetType, F(since="1.34")] = UNSET  # who asks for candidates may give them back
    consumer_type: Annotated[ConsumerType | UnsetType, F(since="1.38")]

    def write(self, consumer: str) -> commands.Write:
        """What it asks for, in placement's own words."""
        if isinstance(self.listed, list):
            parts = {canonical(part.resource_provider.uuid): part.resources for part in self.listed}
        else:
            parts = {canonical(provider): part.resources for provider, part in self.allocations.items()}
        if not parts and self.consumer_generation is UNSET:
            raise errors.WrongInput(why="allocations must not be empty; to give all back, DELETE them.")
        return commands.Write(
            consumer=canonical(consumer),
            allocations=parts,
            project_id=self.project_id or NOWHERE,
            user_id=self.user_id or NOWHERE,
            consumer_type=self.consumer_type,
            generation=self.consumer_generation,
        )


class PartView(Wire):
    generation: int
    resources: dict[str, int]


class AllocationsView(Wire):
    """What a consumer holds; an owner shows where there is one."""

    allocations: dict[str, PartView]
    project_id: Annotated[str | UnsetType, F(since="1.12")] = UNSET
    user_id: Annotated[str | UnsetType, F(since="1.12")] = UNSET
    consumer_generation: Annotated[int | UnsetType, F(since="1.28")] = UNSET
    consumer_type: Annotated[str | UnsetType, F(since="1.38")] = UNSET


class ConsumerPart(Wire):
    resources: dict[str, int]
    consumer_generation: Annotated[int, F(since="1.28")]
    consumer_type: Annotated[str | UnsetType, F(since="1.38")] = UNSET  # only where it is known


class ProviderAllocations(Wire):
    allocations: dict[str, ConsumerPart]
    resource_provider_generation: int


def view(held: Holdings) -> AllocationsView:
    parts = {
        id: PartView(generation=held.generations[id], resources=dict(resources)) for id, resources in held.parts.items()
    }
    if held.consumer is None:
        return AllocationsView(allocations=parts)
    return AllocationsView(
        allocations=parts,
        project_id=held.consumer.project_id,
        user_id=held.consumer.user_id,
        consumer_generation=held.consumer.generation,
        consumer_type=held.consumer.consumer_type or "unknown",
    )


@api.get("/allocations/{consumer_uuid}", ruled("allocations:list"))
async def show(call: Call[PlacementApp], consumer_uuid: str) -> AllocationsView:
    """List a consumer's allocations."""
    stamp(call)
    return view(await holdings_by(call.app, consumer_uuid))


@api.put("/allocations/{consumer_uuid}", ruled("allocations:update"), status=204, on="c")
async def replace(call: Call[PlacementApp], consumer_uuid: str, body: AllocationsBody) -> None:
    """Replace a consumer's allocations."""
    await commands.replace(call.app, [body.write(checked_uuid("consumer_uuid", consumer_uuid))])


@api.post("/allocations", ruled("allocations:manage"), status=204, since="1.13")
async def replace_many(call: Call[PlacementApp], body: dict[Uuid, AllocationsBody]) -> None:
    """Replace the allocations of several consumers, all or none."""
    if not body:
        raise errors.WrongInput(why="The body must name at least one consumer.")
    writes = []
    for consumer, one in body.items():
        # Before 1.28 an empty set is how one of several consumers gives all back.
        if not one.allocations and one.consumer_generation is UNSET:
            writes.append(
                commands.Write(
                    consumer=canonical(consumer),
                    allocations={},
                    project_id=one.project_id or NOWHERE,
                    user_id=one.user_id or NOWHERE,
                )
            )
        else:
            writes.append(one.write(consumer))
    await commands.replace(call.app, writes)


@api.delete("/allocations/{consumer_uuid}", ruled("allocations:delete"))
async def delete(call: Call[PlacementApp], consumer_uuid: str) -> None:
    """Delete a consumer's allocations."""
    if not await commands.release(call.app, consumer_uuid):
        raise errors.NoAllocations(consumer=consumer_uuid)


@api.get("/resource_providers/{uuid}/allocations", ruled("resource_providers:allocations:list"), find=provider_find)
async def of_provider(call: Call[PlacementApp], provider: Provider) -> ProviderAllocations:
    """List what is held of a provider."""
    stamp(call)
    held = await holdings_of(call.app, provider.id)
    return ProviderAllocations(
        allocations={
            one.consumer.id: ConsumerPart(
                resources=dict(one.parts[provider.id]),
                consumer_generation=one.consumer.generation,
                consumer_type=one.consumer.consumer_type or UNSET,
            )
            for one in held
            if one.consumer is not None
        },
        resource_provider_generation=provider.generation,
    )
