"""Lists whose filters, order and place the caller chooses: filters by wire name, keyset pages from a marker row.

A listing is declared once, as a module constant; each combination of filters, order and direction that is asked for
becomes one statement, kept in a bounded cache. The key ends every order, so the order is total and pages never
repeat or skip a row.
"""

import datetime as dt
import itertools
import typing
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa

from pileus.kit.db import filters as forms
from pileus.kit.db.errors import TooManyFilters, UnknownFilter, UnknownMarker, UnknownSortKey
from pileus.kit.db.filters import Clause, Column, Filters, Rule
from pileus.kit.db.statements import Query, scalar
from pileus.kit.db.types import Moment

if TYPE_CHECKING:
    from pileus.kit.db.database import Database

T = TypeVar("T")
Selected = sa.Select[*tuple[Any, ...]]
Sorts = Sequence[tuple[str, str]]

SHAPES_KEPT = 256
WHOSE = frozenset({"visible", "project_id", "user_id"})
MOST_CONDITIONS = 100  # each is part of one expression, and databases go no deeper than some hundreds


class _Level(msgspec.Struct, frozen=True):
    """One rung of the order: an expression and which way it goes."""

    expression: sa.ColumnElement[object]
    descending: bool

    def after(self, bind: sa.BindParameter[object]) -> Clause:
        return self.expression < bind if self.descending else self.expression > bind

    def ordered(self) -> sa.UnaryExpression[object]:
        return self.expression.desc() if self.descending else self.expression.asc()


class Listing(Generic[T]):
    """What can be listed: where from, as what, by which filters, in which orders.

    `whose` names the filters that say whose rows the caller sees: a marker among others' is no marker to him.
    """

    def __init__(
        self,
        source: sa.Table | Selected,
        wanted: type[T],
        *,
        key: Column,
        filters: Mapping[str, Rule] | None = None,
        sorts: Mapping[str, Column] | None = None,
        whose: Collection[str] = WHOSE,
    ) -> None:
        self._source = source
        self._wanted = wanted
        self._key = key
        self._filters = dict(filters or {})
        self._sorts = dict(sorts or {})
        self._whose = whose
        self._kept: OrderedDict[object, Query[object]] = OrderedDict()

    def paging(
        self, where: Filters, sort: Sorts, place: Sequence[object] | None, limit: int | None, *, reverse: bool
    ) -> tuple[Query[T], dict[str, object]]:
        """The statement for one page and its parameters; `place` holds the marker row's values, level by level."""
        shape = ("page", self._where_shape(where), tuple(sort), place is not None, limit is not None, reverse)

        def build() -> Query[T]:
            levels = self._levels(sort, reverse=reverse)
            select = self._select().where(*self._where(where)).order_by(*(level.ordered() for level in levels))
            if place is not None:
                select = select.where(_beyond(levels))
            if limit is not None:
                select = select.limit(sa.bindparam("page_limit", type_=sa.Integer()))
            return Query(select, self._wanted)

        parameters = self._parameters(where)
        parameters.update({f"m{at}": value for at, value in enumerate(place or ())})
        if limit is not None:
            parameters["page_limit"] = limit
        return self._keep(shape, build), parameters

    def counting(self, where: Filters) -> tuple[Query[int], dict[str, object]]:
        """The statement that counts, and its parameters."""

        def build() -> Query[int]:
            inner = self._select().where(*self._where(where)).with_only_columns(self._key, maintain_column_froms=True)
            return scalar(sa.select(sa.func.count()).select_from(inner.subquery()), int)

        return self._keep(("count", self._where_shape(where)), build), self._parameters(where)

    def placing(self, where: Filters, sort: Sorts) -> tuple[Query[tuple[object, ...]], dict[str, object]]:
        """The statement that reads the marker row's values, level by level, and its parameters but for the marker."""
        theirs = {name: asked for name, asked in where.items() if name in self._whose}

        def build() -> Query[tuple[object, ...]]:
            levels = self._levels(sort, reverse=False)
            columns = [level.expression.label(f"m{at}") for at, level in enumerate(levels)]
            select = self._select().with_only_columns(*columns, maintain_column_froms=True)
            read_as = tuple(dt.datetime if isinstance(level.expression.type, Moment) else object for level in levels)
            select = select.where(self._key == sa.bindparam("marker"), *self._where(theirs))
            return Query(select, tuple[read_as])  # type: ignore[valid-type]

        return self._keep(("place", self._where_shape(theirs), tuple(sort)), build), self._parameters(theirs)

    def _keep(self, shape: object, build: Callable[[], Query[Any]]) -> Query[Any]:
        found = self._kept.get(shape)
        if found is None:
            found = self._kept[shape] = build()
            if len(self._kept) > SHAPES_KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(shape)
        return found

    def _select(self) -> Selected:
        if isinstance(self._source, sa.Select):
            return self._source
        names = [name for name in typing.get_type_hints(self._wanted) if name in self._source.c]
        return sa.select(*(self._source.c[name] for name in names))

    def _rule(self, name: str) -> Rule:
        try:
            return self._filters[name]
        except KeyError:
            raise UnknownFilter(name=name) from None

    def _where_shape(self, where: Filters) -> object:
        given = sum(len(asked) if isinstance(asked, tuple) else 1 for asked in where.values())
        if given > MOST_CONDITIONS:
            raise TooManyFilters(most=MOST_CONDITIONS, given=given)
        return tuple((name, forms.shape(asked)) for name, asked in where.items())

    def _where(self, where: Filters) -> list[Clause]:
        names = (f"w{at}" for at in itertools.count())
        return [clause for name, asked in where.items() for clause in forms.clauses(self._rule(name), asked, names)]

    def _parameters(self, where: Filters) -> dict[str, object]:
        values = (value for asked in where.values() for value in forms.values(asked))
        return {f"w{at}": value for at, value in enumerate(values)}

    def _levels(self, sort: Sorts, *, reverse: bool) -> list[_Level]:
        levels: list[_Level] = []
        descending = False
        asked: dict[str, str] = {}
        for name, direction in sort:
            asked.setdefault(name, direction)  # whoever names a key again says nothing new
        for name, direction in asked.items():
            column = self._sorts.get(name)
            if column is None:
                raise UnknownSortKey(name=name)
            descending = direction == "desc"
            if column is self._key:
                break
            if _may_be_null(column, self._key):
                # Engines differ on where NULLs go, and nothing compares with NULL: a rung of its own settles both.
                levels.append(_Level(sa.case((column.is_(None), 1), else_=0), descending != reverse))
            levels.append(_Level(column, descending != reverse))
        levels.append(_Level(self._key, descending != reverse))
        return levels


def _may_be_null(column: Column, key: Column) -> bool:
    if not isinstance(column, sa.Column) or not isinstance(key, sa.Column):
        return True
    # A column of another table may come from an outer join.
    return column.nullable is not False or column.table is not key.table


def _beyond(levels: Sequence[_Level]) -> Clause:
    """Selected that come after the marker's: equal on the first rungs, further on the next one."""
    binds = [sa.bindparam(f"m{at}", type_=level.expression.type) for at, level in enumerate(levels)]
    arms = []
    for at, level in enumerate(levels):
        equal = [levels[up].expression.is_not_distinct_from(binds[up]) for up in range(at)]
        arms.append(sa.and_(*equal, level.after(binds[at])))
    first = levels[0]
    # Says nothing new, but lets the engine start at the marker in an index on the first rung.
    bound = first.expression <= binds[0] if first.descending else first.expression >= binds[0]
    return sa.and_(bound, sa.or_(*arms))


async def page(
    db: "Database",
    listing: Listing[T],
    where: Filters,
    sort: Sorts,
    *,
    marker: object | None,
    limit: int | None,
    reverse: bool,
) -> list[T]:
    """At most `limit` rows on the far side of the marker's row; raises UnknownMarker when there is no such row."""
    place: Sequence[object] | None = None
    if marker is not None:
        statement, parameters = listing.placing(where, sort)
        place = await db.one(statement, marker=marker, **parameters)
        if place is None:
            raise UnknownMarker(marker)
    wanted, parameters = listing.paging(where, sort, place, limit, reverse=reverse)
    rows = await db.all(wanted, **parameters)
    return rows[::-1] if reverse else rows
