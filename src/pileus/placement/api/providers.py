"""Resource providers: their trees and what is looked for in them."""

import uuid as uuids
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from pileus.kit.http import Call, F, Version, Wire
from pileus.placement.api import filters
from pileus.placement.api.service import StrictQuery, Uuid, api, provider_find, ruled, stamp
from pileus.placement.app import PlacementApp
from pileus.placement.commands import providers as commands
from pileus.placement.commands import search
from pileus.placement.models.names import canonical
from pileus.placement.models.providers import Provider

ProviderName = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class ProviderCreate(Wire):
    """A new provider."""

    name: ProviderName
    uuid: Uuid | None = None
    parent_provider_uuid: Annotated[Uuid | None, F(since="1.14")] = None


class ProviderUpdate(Wire):
    """Another name, or another place in the trees."""

    name: ProviderName
    parent_provider_uuid: Annotated[Uuid | UnsetType | None, F(since="1.14")] = UNSET


class ProviderLink(Wire):
    rel: str
    href: str


class ProviderView(Wire):
    """A provider."""

    uuid: str
    name: str
    generation: int
    links: list[ProviderLink]
    parent_provider_uuid: Annotated[str | None, F(since="1.14")]
    root_provider_uuid: Annotated[str, F(since="1.14")]


class ProviderList(Wire):
    resource_providers: list[ProviderView]


class ProviderQuery(StrictQuery):
    """What to look for."""

    name: str | None = None
    uuid: str | None = None
    member_of: Annotated[list[str], F(since="1.3")] = []
    resources: Annotated[str | None, F(since="1.4")] = None
    in_tree: Annotated[str | None, F(since="1.14")] = None
    required: Annotated[list[str], F(since="1.18")] = []


def _linked(at: Version) -> list[str]:
    """What a provider's links lead to: one more with some microversions."""
    names = ["", "inventories", "usages"]
    for since, name in ((1, "aggregates"), (6, "traits"), (11, "allocations")):
        if at >= (1, since):
            names.append(name)
    return names


def view(call: Call[PlacementApp], provider: Provider) -> ProviderView:
    here = f"/placement/resource_providers/{provider.id}"
    return ProviderView(
        uuid=provider.id,
        name=provider.name,
        generation=provider.generation,
        links=[
            ProviderLink(rel=name or "self", href=f"{here}/{name}" if name else here) for name in _linked(call.version)
        ],
        parent_provider_uuid=provider.parent,
        root_provider_uuid=provider.root,
    )


@api.get("/resource_providers", ruled("resource_providers:list"))
async def index(call: Call[PlacementApp], query: ProviderQuery) -> ProviderList:
    """List resource providers."""
    # Before several were possible, the last one given counted.
    given = query.required if call.version >= (1, 39) else query.required[-1:]
    required, forbidden = filters.traits(given, call.version)
    member_of, not_member_of = filters.aggregates(query.member_of, call.version)
    wanted = search.Search(
        name=query.name,
        id=None if query.uuid is None else filters.uuid("uuid", query.uuid),
        in_tree=None if query.in_tree is None else filters.uuid("in_tree", query.in_tree),
        resources={} if query.resources is None else filters.amounts(query.resources),
        required=required,
        forbidden=forbidden,
        member_of=member_of,
        not_member_of=not_member_of,
    )
    stamp(call)
    return ProviderList(resource_providers=[view(call, one) for one in await search.providers(call.app, wanted)])


@api.post("/resource_providers", ruled("resource_providers:create"))
async def create(call: Call[PlacementApp], body: ProviderCreate) -> ProviderView | None:
    """Create a resource provider."""
    id = canonical(body.uuid) if body.uuid else str(uuids.uuid4())
    parent = canonical(body.parent_provider_uuid) if body.parent_provider_uuid else None
    provider = await commands.create_provider(call.app, id, body.name, parent)
    call.reply_headers["Location"] = call.url(f"/resource_providers/{provider.id}")
    if call.version < (1, 20):
        return None
    call.reply_status = 200
    stamp(call, provider.updated_at)
    return view(call, provider)


@api.get("/resource_providers/{uuid}", ruled("resource_providers:show"), find=provider_find)
async def show(call: Call[PlacementApp], provider: Provider) -> ProviderView:
    """Show a resource provider."""
    stamp(call, provider.updated_at)
    return view(call, provider)


@api.put("/resource_providers/{uuid}", ruled("resource_providers:update"), find=provider_find, on="c")
async def update(call: Call[PlacementApp], provider: Provider, body: ProviderUpdate) -> ProviderView:
    """Rename or move a resource provider."""
    async with call.app.db.transaction():
        if body.name != provider.name:
            await commands.rename_provider(call.app, provider, body.name)
        if body.parent_provider_uuid is not UNSET:
            again = call.version >= (1, 37)
            parent = canonical(body.parent_provider_uuid) if body.parent_provider_uuid else None
            await commands.move_provider(call.app, provider, parent, again=again)
        changed = await commands.provider_get(call.app, provider.id)
    stamp(call, changed.updated_at)
    return view(call, changed)


@api.delete("/resource_providers/{uuid}", ruled("resource_providers:delete"))
async def delete(call: Call[PlacementApp], uuid: str) -> None:
    """Delete a resource provider."""
    await commands.delete_provider(call.app, uuid)
