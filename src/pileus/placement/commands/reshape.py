"""Moving inventories between providers together with what is claimed of them, in one step nobody sees the middle of."""

from collections.abc import Mapping

import msgspec

from pileus.placement import errors
from pileus.placement.app import PlacementApp
from pileus.placement.commands import allocations, providers
from pileus.placement.store import providers as store
from pileus.ports.placement import Inventory


class NewShape(msgspec.Struct, frozen=True):
    """What a provider, seen at some generation, shall have."""

    seen: int
    inventories: Mapping[str, Inventory]


async def reshape(app: PlacementApp, shapes: Mapping[str, NewShape], writes: list[allocations.Write]) -> None:
    """Every provider has its new inventories and every consumer holds what its write says; or nothing has changed."""
    async with app.db.transaction():
        for id, shape in shapes.items():
            provider = await store.provider_find(app, id)
            if provider is None:
                raise errors.UnknownShape(uuid=id)
            await providers.check_classes(app, shape.inventories)
            await providers.step(app, provider, shape.seen)
            # What goes stays until the allocations have moved away from it.
            await store.stock_set(app, id, shape.inventories)
        await allocations.replace(app, writes)
        # Seen from outside these are two changes of a provider: what it gets, and what it no longer has.
        await store.providers_touch(app, [id for id, shape in shapes.items() if shape.inventories])
        for id, shape in shapes.items():
            for gone in (await store.stock_list(app, id)).keys() - shape.inventories.keys():
                await providers.remove_stock(app, id, gone)
