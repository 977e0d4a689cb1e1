"""Providers, their inventories, traits and aggregates, as rows."""

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.kit.db import command, query, scalar, upsert
from pileus.placement.app import PlacementApp
from pileus.placement.models.providers import Provider, StockRow
from pileus.placement.tables import INVENTORIES, PROVIDER_AGGREGATES, PROVIDER_TRAITS, PROVIDERS
from pileus.ports.placement import Inventory

_P, _I = PROVIDERS.c, INVENTORIES.c
_HERE = _P.id == bindparam("id")
_ROW_HERE = sa.and_(_I.provider == bindparam("at"), _I.resource_class == bindparam("of_class"))

FETCH = query(sa.select(PROVIDERS).where(_HERE), Provider)
FETCH_BY_NAME = query(sa.select(PROVIDERS).where(_P.name == bindparam("name")), Provider)
ALL = query(sa.select(PROVIDERS).order_by(_P.name), Provider)
CREATE = command(sa.insert(PROVIDERS))
RENAME = command(sa.update(PROVIDERS).where(_HERE).values(name=bindparam("new_name"), updated_at=bindparam("now")))
TOUCH = command(
    sa.update(PROVIDERS)
    .where(_P.id.in_(bindparam("ids", expanding=True)))
    .values(generation=_P.generation + 1, updated_at=bindparam("now"))
)
STEP = command(
    sa.update(PROVIDERS)
    .where(_HERE, _P.generation == bindparam("seen"))
    .values(generation=_P.generation + 1, updated_at=bindparam("now"))
)
REPARENT = command(sa.update(PROVIDERS).where(_HERE).values(parent=bindparam("new_parent")))
REROOT = command(
    sa.update(PROVIDERS).where(_P.id.in_(bindparam("ids", expanding=True))).values(root=bindparam("new_root"))
)
DELETE = command(sa.delete(PROVIDERS).where(_HERE))
CHILDREN = scalar(sa.select(_P.id).where(_P.parent == bindparam("id")), str)

STOCKS = query(
    sa.select(
        _I.provider, _I.resource_class, _I.total, _I.reserved, _I.min_unit, _I.max_unit, _I.step_size,
        _I.allocation_ratio, _I.used,
    ).where(_I.provider == bindparam("provider")).order_by(_I.resource_class),
    StockRow,
)  # fmt: skip
_SET = ("total", "reserved", "min_unit", "max_unit", "step_size", "allocation_ratio", "capacity")
STOCK = command(upsert(INVENTORIES, ("provider", "resource_class"), _SET))
UNSTOCK = command(sa.delete(INVENTORIES).where(_ROW_HERE, _I.used == 0))
CLASS_USED = scalar(sa.select(_I.provider).where(_I.resource_class == bindparam("name")).limit(1), str)

TRAITS = scalar(
    sa.select(PROVIDER_TRAITS.c.trait)
    .where(PROVIDER_TRAITS.c.provider == bindparam("provider"))
    .order_by(PROVIDER_TRAITS.c.trait),
    str,
)
TRAIT_ADD = command(sa.insert(PROVIDER_TRAITS))
TRAITS_CLEAR = command(sa.delete(PROVIDER_TRAITS).where(PROVIDER_TRAITS.c.provider == bindparam("id")))
TRAITS_ASSOCIATED = scalar(sa.select(PROVIDER_TRAITS.c.trait).distinct().order_by(PROVIDER_TRAITS.c.trait), str)
TRAIT_USED = scalar(
    sa.select(PROVIDER_TRAITS.c.provider).where(PROVIDER_TRAITS.c.trait == bindparam("name")).limit(1), str
)

AGGREGATES = scalar(
    sa.select(PROVIDER_AGGREGATES.c.aggregate)
    .where(PROVIDER_AGGREGATES.c.provider == bindparam("provider"))
    .order_by(PROVIDER_AGGREGATES.c.aggregate),
    str,
)
AGGREGATE_ADD = command(sa.insert(PROVIDER_AGGREGATES))
AGGREGATES_CLEAR = command(sa.delete(PROVIDER_AGGREGATES).where(PROVIDER_AGGREGATES.c.provider == bindparam("id")))


async def provider_find(app: PlacementApp, id: str) -> Provider | None:
    """The provider with this id."""
    return await app.db.one(FETCH, id=id)


async def provider_find_by_name(app: PlacementApp, name: str) -> Provider | None:
    """The provider with this name."""
    return await app.db.one(FETCH_BY_NAME, name=name)


async def provider_list(app: PlacementApp) -> list[Provider]:
    """Every provider, by name."""
    return await app.db.all(ALL)


async def provider_create(app: PlacementApp, provider: Provider) -> None:
    """The row is there; raises UniqueViolation when id or name is taken."""
    await app.db.run(
        CREATE,
        id=provider.id,
        name=provider.name,
        generation=provider.generation,
        parent=provider.parent,
        root=provider.root,
        created_at=provider.created_at,
        updated_at=provider.updated_at,
    )


async def provider_step(app: PlacementApp, id: str, seen: int) -> bool:
    """Whether the provider was at this generation; it is at the next one then."""
    return await app.db.run(STEP, id=id, seen=seen, now=app.clock.now()) == 1


async def providers_touch(app: PlacementApp, ids: Collection[str]) -> None:
    """The providers are each one generation further."""
    if ids:
        await app.db.run(TOUCH, ids=sorted(ids), now=app.clock.now())


async def provider_rename(app: PlacementApp, id: str, name: str) -> None:
    """The provider has this name; raises UniqueViolation when another has it."""
    await app.db.run(RENAME, id=id, new_name=name, now=app.clock.now())


async def provider_move(app: PlacementApp, id: str, parent: str | None, root: str, below: Collection[str]) -> None:
    """The provider hangs below `parent`, and all of `below` belong to the tree of `root`."""
    await app.db.run(REPARENT, id=id, new_parent=parent)
    await app.db.run(REROOT, ids=sorted(below), new_root=root)


async def provider_delete(app: PlacementApp, id: str) -> bool:
    """Whether there was one; it is gone, with its inventories, traits and aggregates."""
    return await app.db.run(DELETE, id=id) == 1


async def provider_children(app: PlacementApp, id: str) -> list[str]:
    """The ids right below a provider."""
    return await app.db.all(CHILDREN, id=id)


async def stock_list(app: PlacementApp, provider: str) -> dict[str, StockRow]:
    """The provider's inventories with what is claimed of them, by class."""
    return {row.resource_class: row for row in await app.db.all(STOCKS, provider=provider)}


async def stock_set(app: PlacementApp, provider: str, inventories: Mapping[str, Inventory]) -> None:
    """The provider has these inventories; what is claimed of them stays claimed."""
    await app.db.run_many(
        STOCK,
        [
            {
                "provider": provider,
                "resource_class": name,
                "total": one.total,
                "reserved": one.reserved,
                "min_unit": one.min_unit,
                "max_unit": one.max_unit,
                "step_size": one.step_size,
                "allocation_ratio": one.allocation_ratio,
                "capacity": one.capacity,
                "used": 0,
            }
            for name, one in sorted(inventories.items())
        ],
    )


async def stock_remove(app: PlacementApp, provider: str, resource_class: str) -> bool:
    """Whether the inventory could go: nothing was claimed of it."""
    return await app.db.run(UNSTOCK, at=provider, of_class=resource_class) == 1


async def class_in_use(app: PlacementApp, name: str) -> bool:
    """Whether any provider has an inventory of the class."""
    return await app.db.one(CLASS_USED, name=name) is not None


async def trait_in_use(app: PlacementApp, name: str) -> bool:
    """Whether any provider has the trait."""
    return await app.db.one(TRAIT_USED, name=name) is not None


async def traits_associated(app: PlacementApp) -> list[str]:
    """The traits that some provider has."""
    return await app.db.all(TRAITS_ASSOCIATED)


async def traits_of(app: PlacementApp, provider: str) -> list[str]:
    """The provider's traits, by name."""
    return await app.db.all(TRAITS, provider=provider)


async def traits_set(app: PlacementApp, provider: str, traits: Collection[str]) -> None:
    """The provider has exactly these traits."""
    await app.db.run(TRAITS_CLEAR, id=provider)
    await app.db.run_many(TRAIT_ADD, [{"provider": provider, "trait": trait} for trait in sorted(set(traits))])


async def aggregates_of(app: PlacementApp, provider: str) -> list[str]:
    """The aggregates the provider belongs to."""
    return await app.db.all(AGGREGATES, provider=provider)


async def aggregates_set(app: PlacementApp, provider: str, aggregates: Collection[str]) -> None:
    """The provider belongs to exactly these aggregates."""
    await app.db.run(AGGREGATES_CLEAR, id=provider)
    rows = [{"provider": provider, "aggregate": aggregate} for aggregate in sorted(set(aggregates))]
    await app.db.run_many(AGGREGATE_ADD, rows)
