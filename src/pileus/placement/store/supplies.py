"""Everything a decision looks at, in two statements however many providers there are."""

from collections.abc import Collection, Iterable

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.kit.db import Query, query
from pileus.placement.app import PlacementApp
from pileus.placement.models.providers import Stock, Supply
from pileus.placement.tables import INVENTORIES, PROVIDER_AGGREGATES, PROVIDER_TRAITS, PROVIDERS

MOST_NAMED = 128  # more are quicker found by reading all


class SupplyRow(msgspec.Struct, frozen=True):
    """A provider and one of its inventories; one row without a class where it has none."""

    id: str
    name: str
    generation: int
    parent: str | None
    root: str
    resource_class: str | None
    total: int | None
    reserved: int | None
    min_unit: int | None
    max_unit: int | None
    step_size: int | None
    allocation_ratio: float | None
    used: int | None


class Label(msgspec.Struct, frozen=True):
    """A trait or an aggregate of a provider."""

    kind: str
    provider: str
    label: str


def _stocks(condition: sa.ColumnElement[bool], where: sa.ColumnElement[bool] | None = None) -> Query[SupplyRow]:
    p, i = PROVIDERS.c, INVENTORIES.c
    select = (
        sa.select(
            p.id, p.name, p.generation, p.parent, p.root,
            i.resource_class, i.total, i.reserved, i.min_unit, i.max_unit, i.step_size, i.allocation_ratio, i.used,
        )
        .select_from(PROVIDERS.outerjoin(INVENTORIES, condition))
        .order_by(p.name, i.resource_class)
    )  # fmt: skip
    return query(select if where is None else select.where(where), SupplyRow)


_OF_PROVIDER = INVENTORIES.c.provider == PROVIDERS.c.id
_IDS = PROVIDERS.c.id.in_(bindparam("ids", expanding=True))
STOCKS = _stocks(_OF_PROVIDER)
STOCKS_OF = _stocks(_OF_PROVIDER, _IDS)
_OF_CLASSES = sa.and_(_OF_PROVIDER, INVENTORIES.c.resource_class.in_(bindparam("classes", expanding=True)))
_AMONG: sa.BindParameter[str] = bindparam("among", expanding=True)
STOCKS_OF_CLASSES = _stocks(_OF_CLASSES)
STOCKS_OF_CLASSES_AMONG = _stocks(_OF_CLASSES, sa.or_(PROVIDERS.c.name.in_(_AMONG), PROVIDERS.c.id.in_(_AMONG)))

LABELS = query(
    sa.union_all(
        sa.select(
            sa.literal_column("'trait'").label("kind"),
            PROVIDER_TRAITS.c.provider,
            PROVIDER_TRAITS.c.trait.label("label"),
        ),
        sa.select(sa.literal_column("'aggregate'"), PROVIDER_AGGREGATES.c.provider, PROVIDER_AGGREGATES.c.aggregate),
    ),
    Label,
)
LABELS_AMONG = query(
    sa.select(
        sa.literal_column("'trait'").label("kind"), PROVIDER_TRAITS.c.provider, PROVIDER_TRAITS.c.trait.label("label")
    ).where(PROVIDER_TRAITS.c.trait.in_(bindparam("traits", expanding=True))),
    Label,
)
LABELS_OF = query(
    sa.union_all(
        sa.select(
            sa.literal_column("'trait'").label("kind"),
            PROVIDER_TRAITS.c.provider,
            PROVIDER_TRAITS.c.trait.label("label"),
        ).where(PROVIDER_TRAITS.c.provider.in_(bindparam("ids", expanding=True))),
        sa.select(
            sa.literal_column("'aggregate'"), PROVIDER_AGGREGATES.c.provider, PROVIDER_AGGREGATES.c.aggregate
        ).where(PROVIDER_AGGREGATES.c.provider.in_(bindparam("ids", expanding=True))),
    ),
    Label,
)


async def supply_list(app: PlacementApp) -> list[Supply]:
    """Every provider by name, with all its stocks, traits and aggregates."""
    return _assembled(await app.db.all(STOCKS), await app.db.all(LABELS))


async def supply_list_for(
    app: PlacementApp, classes: Collection[str], traits: Collection[str], among: Collection[str] | None = None
) -> list[Supply]:
    """Every provider, or those of a few ids and names, by name, with only those stocks and traits that are asked about."""
    if among is not None and len(among) <= MOST_NAMED:
        rows = await app.db.all(STOCKS_OF_CLASSES_AMONG, classes=sorted(classes), among=sorted(among))
    else:
        rows = await app.db.all(STOCKS_OF_CLASSES, classes=sorted(classes))
    labels = await app.db.all(LABELS_AMONG, traits=sorted(traits)) if traits else []
    return _assembled(rows, labels)


async def supply_of(app: PlacementApp, ids: Iterable[str]) -> dict[str, Supply]:
    """Those of the providers that exist, by id."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    found = _assembled(await app.db.all(STOCKS_OF, ids=wanted), await app.db.all(LABELS_OF, ids=wanted))
    return {supply.id: supply for supply in found}


def _assembled(rows: Iterable[SupplyRow], labels: Iterable[Label]) -> list[Supply]:
    traits: dict[str, set[str]] = {}
    aggregates: dict[str, set[str]] = {}
    for one in labels:
        (traits if one.kind == "trait" else aggregates).setdefault(one.provider, set()).add(one.label)
    heads: dict[str, SupplyRow] = {}
    stocks: dict[str, dict[str, Stock]] = {}
    for row in rows:
        heads[row.id] = row
        held = stocks.setdefault(row.id, {})
        if row.resource_class is not None:
            held[row.resource_class] = _stock(row)
    return [
        Supply(
            id=id,
            name=head.name,
            generation=head.generation,
            parent=head.parent,
            root=head.root,
            stocks=stocks[id],
            traits=frozenset(traits.get(id, ())),
            aggregates=frozenset(aggregates.get(id, ())),
        )
        for id, head in heads.items()
    ]


def _stock(row: SupplyRow) -> Stock:
    return Stock(
        total=row.total or 0,
        reserved=row.reserved or 0,
        min_unit=row.min_unit or 1,
        max_unit=row.max_unit or 1,
        step_size=row.step_size or 1,
        allocation_ratio=row.allocation_ratio or 0.0,
        used=row.used or 0,
    )
