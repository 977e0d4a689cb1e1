"""Reading what providers have."""

from pileus.placement import errors
from pileus.placement.app import PlacementApp
from pileus.placement.models.providers import StockRow
from pileus.placement.store import providers as store


async def inventory_list(app: PlacementApp, provider: str) -> dict[str, StockRow]:
    """The provider's inventories, by class."""
    return await store.stock_list(app, provider)


async def inventory_get(app: PlacementApp, provider: str, name: str) -> StockRow:
    """The provider's inventory of one class; raises NoSuchInventory."""
    found = (await store.stock_list(app, provider)).get(name)
    if found is None:
        raise errors.NoSuchInventory(resource_class=name, uuid=provider)
    return found


async def traits_of(app: PlacementApp, provider: str) -> list[str]:
    """The provider's traits."""
    return await store.traits_of(app, provider)


async def aggregates_of(app: PlacementApp, provider: str) -> list[str]:
    """The provider's aggregates."""
    return await store.aggregates_of(app, provider)
