"""Inventories: how much of each resource class a provider has."""

from typing import Annotated

import msgspec

from pileus.kit.http import Call, Wire
from pileus.placement import errors
from pileus.placement.api.service import Generation, ResourceClass, api, provider_find, ruled, stamp
from pileus.placement.app import PlacementApp
from pileus.placement.commands import providers as commands
from pileus.placement.commands.inventories import inventory_get, inventory_list
from pileus.placement.models.providers import Provider, StockRow
from pileus.ports.placement import NO_LIMIT, Inventory

Amount = Annotated[int, msgspec.Meta(ge=1, le=NO_LIMIT)]
Portion = Annotated[int, msgspec.Meta(ge=0, le=NO_LIMIT)]
Ratio = Annotated[float, msgspec.Meta(gt=0, le=3.40282e38)]


class InventoryBody(Wire):
    """An inventory as part of a whole set."""

    total: Amount
    reserved: Portion = 0
    min_unit: Amount = 1
    max_unit: Amount = NO_LIMIT
    step_size: Amount = 1
    allocation_ratio: Ratio = 1.0


class InventoryWhole(InventoryBody, kw_only=True):
    """One inventory, written alone."""

    resource_provider_generation: Generation


class InventoryNew(InventoryBody, kw_only=True):
    """A new inventory of a class."""

    resource_class: ResourceClass
    resource_provider_generation: Generation | None = None


class InventorySet(Wire):
    """All inventories of a provider."""

    resource_provider_generation: Generation
    inventories: dict[ResourceClass, InventoryBody]


class InventoryView(Wire):
    total: int
    reserved: int
    min_unit: int
    max_unit: int
    step_size: int
    allocation_ratio: float


class InventoryAlone(InventoryView, kw_only=True):
    """An inventory and its provider's generation."""

    resource_provider_generation: int


class InventoriesView(Wire):
    resource_provider_generation: int
    inventories: dict[str, InventoryView]


def inventory(body: InventoryBody) -> Inventory:
    return msgspec.convert(body, Inventory, from_attributes=True)


def view(row: Inventory) -> InventoryView:
    return msgspec.convert(row, InventoryView, from_attributes=True)


def alone(row: Inventory, generation: int) -> InventoryAlone:
    numbers = {name: getattr(row, name) for name in Inventory.__struct_fields__}
    return msgspec.convert({**numbers, "resource_provider_generation": generation}, InventoryAlone)


def everything(rows: dict[str, StockRow], generation: int) -> InventoriesView:
    return InventoriesView(
        resource_provider_generation=generation, inventories={name: view(row) for name, row in rows.items()}
    )


def checked(call: Call[PlacementApp], name: str, body: InventoryBody) -> Inventory:
    """The inventory, which is possible in itself."""
    return commands.checked({name: inventory(body)}, may_reserve_all=call.version >= (1, 26))[name]


@api.get("/resource_providers/{uuid}/inventories", ruled("resource_providers:inventories:list"), find=provider_find)
async def index(call: Call[PlacementApp], provider: Provider) -> InventoriesView:
    """List a provider's inventories."""
    stamp(call)
    return everything(await inventory_list(call.app, provider.id), provider.generation)


@api.put(
    "/resource_providers/{uuid}/inventories",
    ruled("resource_providers:inventories:update"),
    find=provider_find,
    on="c",
)
async def replace(call: Call[PlacementApp], provider: Provider, body: InventorySet) -> InventoriesView:
    """Replace a provider's inventories."""
    wanted = {name: checked(call, name, one) for name, one in body.inventories.items()}
    rows = await commands.set_inventories(call.app, provider, body.resource_provider_generation, wanted)
    stamp(call)
    return everything(rows, provider.generation + 1)


@api.post("/resource_providers/{uuid}/inventories", ruled("resource_providers:inventories:create"), find=provider_find)
async def create(call: Call[PlacementApp], provider: Provider, body: InventoryNew) -> InventoryAlone:
    """Add an inventory."""
    name = body.resource_class
    one = checked(call, name, body)
    await commands.set_inventory(call.app, provider, body.resource_provider_generation, name, one, new=True)
    call.reply_headers["Location"] = call.url(f"/resource_providers/{provider.id}/inventories/{name}")
    stamp(call)
    return alone(one, provider.generation + 1)


@api.delete(
    "/resource_providers/{uuid}/inventories",
    ruled("resource_providers:inventories:delete"),
    find=provider_find,
    since="1.5",
)
async def clear(call: Call[PlacementApp], provider: Provider) -> None:
    """Delete all of a provider's inventories."""
    await commands.set_inventories(call.app, provider, None, {})


@api.delete("/resource_providers/{uuid}/inventories", ruled("resource_providers:inventories:delete"), until="1.4")
async def clear_early(call: Call[PlacementApp], uuid: str) -> None:
    """Delete all of a provider's inventories: not yet possible."""
    raise errors.TooEarly


@api.get(
    "/resource_providers/{uuid}/inventories/{resource_class}",
    ruled("resource_providers:inventories:show"),
)
async def show(call: Call[PlacementApp], uuid: str, resource_class: str) -> InventoryAlone:
    """Show one inventory."""
    provider = await commands.provider_get(call.app, uuid)
    stamp(call)
    return alone(await inventory_get(call.app, provider.id, resource_class), provider.generation)


@api.put(
    "/resource_providers/{uuid}/inventories/{resource_class}",
    ruled("resource_providers:inventories:update"),
    on="c",
)
async def update(call: Call[PlacementApp], uuid: str, resource_class: str, body: InventoryWhole) -> InventoryAlone:
    """Replace one inventory."""
    provider = await commands.provider_get(call.app, uuid)
    one = checked(call, resource_class, body)
    await commands.set_inventory(call.app, provider, body.resource_provider_generation, resource_class, one, new=False)
    stamp(call)
    return alone(one, provider.generation + 1)


@api.delete(
    "/resource_providers/{uuid}/inventories/{resource_class}",
    ruled("resource_providers:inventories:delete"),
)
async def delete(call: Call[PlacementApp], uuid: str, resource_class: str) -> None:
    """Delete one inventory."""
    await commands.remove_inventory(call.app, await commands.provider_get(call.app, uuid), resource_class)
