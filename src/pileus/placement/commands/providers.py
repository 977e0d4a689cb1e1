"""Providers and what they have: made, changed and removed, each change one generation further."""

from collections.abc import Collection, Iterable, Mapping

from pileus.kit.db import UniqueViolation
from pileus.placement import errors
from pileus.placement.app import PlacementApp
from pileus.placement.models.names import is_custom
from pileus.placement.models.providers import Provider, StockRow, problem_of
from pileus.placement.store import allocations as allocation_store
from pileus.placement.store import names
from pileus.placement.store import providers as store
from pileus.ports.placement import Inventory


async def provider_get(app: PlacementApp, id: str) -> Provider:
    """The provider with this id; raises NoSuchProvider."""
    provider = await store.provider_find(app, id)
    if provider is None:
        raise errors.NoSuchProvider(uuid=id)
    return provider


async def create_provider(app: PlacementApp, id: str, name: str, parent: str | None = None) -> Provider:
    """The provider exists, without inventories."""
    async with app.db.transaction():
        root = id
        if parent is not None:
            above = await store.provider_find(app, parent)
            if above is None or parent == id:
                raise errors.BadParent(uuid=id, why="parent provider UUID must exist and must not be its own.")
            root = above.root
        now = app.clock.now()
        provider = Provider(id=id, name=name, generation=0, parent=parent, root=root, created_at=now, updated_at=now)
        try:
            await store.provider_create(app, provider)
        except UniqueViolation as taken:
            what = "name" if "name" in taken.columns else "uuid"
            raise errors.DuplicateName(what=what, value=name if what == "name" else id) from taken
        return provider


async def rename_provider(app: PlacementApp, provider: Provider, name: str) -> None:
    """The provider has this name."""
    try:
        await store.provider_rename(app, provider.id, name)
    except UniqueViolation as taken:
        raise errors.DuplicateName(what="name", value=name) from taken


async def move_provider(app: PlacementApp, provider: Provider, parent: str | None, *, again: bool) -> None:
    """The provider hangs below `parent`, None for nothing; unless `again`, one that has a parent keeps it."""
    if parent == provider.parent:
        return
    if provider.parent is not None and not again:
        raise errors.BadParent(uuid=provider.id, why="re-parenting a provider is not currently allowed.")
    async with app.db.transaction():
        below = await _subtree(app, provider.id)
        root = provider.id
        if parent is not None:
            above = await store.provider_find(app, parent)
            if above is None:
                raise errors.BadParent(uuid=provider.id, why="parent provider UUID does not exist.")
            if parent in below:
                raise errors.BadParent(uuid=provider.id, why="creating loop in the provider tree is not allowed.")
            root = above.root
        await store.provider_move(app, provider.id, parent, root, below)


async def _subtree(app: PlacementApp, id: str) -> list[str]:
    found = [id]
    for at in found:
        found.extend(await store.provider_children(app, at))
    return found


async def delete_provider(app: PlacementApp, id: str) -> None:
    """The provider is gone; raises Conflict while it has children or something is claimed of it."""
    async with app.db.transaction():
        if await store.provider_children(app, id):
            raise errors.ProviderHasChildren(uuid=id)
        if await allocation_store.held_of(app, id):
            raise errors.ProviderInUse(uuid=id)
        if not await store.provider_delete(app, id):
            raise errors.NoSuchProvider(uuid=id)


async def step(app: PlacementApp, provider: Provider, seen: int | None) -> None:
    """The provider is one generation further; raises ProviderChanged unless it was at the one `seen`."""
    if not await store.provider_step(app, provider.id, provider.generation if seen is None else seen):
        raise errors.ProviderChanged(uuid=provider.id, is_at=provider.generation, given=seen)


async def set_inventories(
    app: PlacementApp, provider: Provider, seen: int | None, inventories: Mapping[str, Inventory]
) -> dict[str, StockRow]:
    """The provider has exactly these inventories; raises Conflict when one that goes is claimed from."""
    async with app.db.transaction():
        await check_classes(app, inventories)
        await step(app, provider, seen)
        for gone in (await store.stock_list(app, provider.id)).keys() - inventories.keys():
            await remove_stock(app, provider.id, gone)
        await store.stock_set(app, provider.id, inventories)
        return await store.stock_list(app, provider.id)


async def set_inventory(
    app: PlacementApp, provider: Provider, seen: int | None, name: str, inventory: Inventory, *, new: bool
) -> None:
    """The provider has this inventory of one class: a new one, or one it had."""
    async with app.db.transaction():
        await check_classes(app, [name])
        has = name in await store.stock_list(app, provider.id)
        if has and new:
            raise errors.InventoryExists(resource_class=name, uuid=provider.id)
        if not has and not new:
            raise errors.WrongInput(why=f"No inventory record with resource class for resource provider {provider.id}.")
        await step(app, provider, seen)
        await store.stock_set(app, provider.id, {name: inventory})


async def remove_inventory(app: PlacementApp, provider: Provider, name: str) -> None:
    """The provider has no inventory of the class; raises NoSuchInventory when it had none."""
    async with app.db.transaction():
        if name not in await store.stock_list(app, provider.id):
            raise errors.NoSuchInventory(resource_class=name, uuid=provider.id)
        await step(app, provider, None)
        await remove_stock(app, provider.id, name)


async def remove_stock(app: PlacementApp, provider: str, name: str) -> None:
    """The provider has no inventory of the class; raises InventoryInUse while something is claimed of it."""
    if not await store.stock_remove(app, provider, name):
        raise errors.InventoryInUse(resource_class=name, uuid=provider)


async def check_classes(app: PlacementApp, classes: Collection[str]) -> None:
    """All of these are resource classes; raises UnknownClass."""
    for name in await names.classes_unknown(app, classes):
        raise errors.UnknownClass(name=name)


async def set_traits(app: PlacementApp, provider: Provider, seen: int | None, traits: Collection[str]) -> None:
    """The provider has exactly these traits."""
    async with app.db.transaction():
        unknown = await names.traits_unknown(app, traits)
        if unknown:
            raise errors.WrongInput(why=f"No such trait {', '.join(unknown)}")
        if seen is not None and set(await store.traits_of(app, provider.id)) == set(traits):
            # Nothing changes, so nobody else has to read the provider again.
            if seen != provider.generation:
                raise errors.ProviderChanged(uuid=provider.id, is_at=provider.generation, given=seen)
            return
        await step(app, provider, seen)
        await store.traits_set(app, provider.id, traits)


async def set_aggregates(app: PlacementApp, provider: Provider, seen: int | None, aggregates: Collection[str]) -> None:
    """The provider belongs to exactly these aggregates."""
    async with app.db.transaction():
        await step(app, provider, seen)
        await store.aggregates_set(app, provider.id, aggregates)


async def ensure_provider(
    app: PlacementApp, name: str, id: str, inventories: Mapping[str, Inventory], traits: Collection[str]
) -> None:
    """The provider exists so; its generation moves only when something of this is new."""
    async with app.db.transaction():
        await _ensure_names(app, inventories, traits)
        provider = await store.provider_find(app, id) or await create_provider(app, id, name)
        if provider.name != name:
            await rename_provider(app, provider, name)
        has = await store.stock_list(app, id)
        wanted = dict(inventories)
        for gone in has.keys() - wanted.keys():
            if has[gone].used:
                # Claims outlive what they were made on: nothing more is to be had, and the rest runs out.
                wanted[gone] = Inventory(total=has[gone].total, reserved=has[gone].total)
        changed = {key: one for key, one in wanted.items() if key not in has or _plain(has[key]) != one}
        for gone in has.keys() - wanted.keys():
            await remove_stock(app, id, gone)
        await store.stock_set(app, id, changed)
        new_traits = set(await store.traits_of(app, id)) != set(traits)
        if new_traits:
            await store.traits_set(app, id, traits)
        if changed or new_traits or has.keys() - wanted.keys():
            await store.providers_touch(app, [id])


async def _ensure_names(app: PlacementApp, classes: Iterable[str], traits: Iterable[str]) -> None:
    for name in await names.classes_unknown(app, list(classes)):
        if not is_custom(name):
            raise errors.UnknownClass(name=name)
        await names.class_add(app, name)
    for name in await names.traits_unknown(app, traits):
        if not is_custom(name):
            raise errors.NoSuchTrait(name=name)
        await names.trait_add(app, name)


def _plain(row: StockRow) -> Inventory:
    return Inventory(
        total=row.total,
        reserved=row.reserved,
        min_unit=row.min_unit,
        max_unit=row.max_unit,
        step_size=row.step_size,
        allocation_ratio=row.allocation_ratio,
    )


def checked(inventories: Mapping[str, Inventory], *, may_reserve_all: bool) -> Mapping[str, Inventory]:
    """The inventories, each of them possible; raises WrongInput."""
    for name, inventory in inventories.items():
        why = problem_of(inventory, may_reserve_all=may_reserve_all)
        if why is not None:
            raise errors.WrongInput(why=f"Unable to update inventory for {name}: {why}.")
    return inventories
