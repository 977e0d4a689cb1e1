"""What is asked of the table of any resource: one by id, all, a page, and to write, change and delete one.

A resource that needs no more than this says so in a line; those with parents, shares or joins have modules of their own.
"""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa

from pileus.kit.db import Database, Listing, query
from pileus.kit.db.filters import Column, Rule
from pileus.kit.errors import NotFound
from pileus.network.store.rows import change_of, delete_of, insert_of, standard_filters, standard_sorts

T = TypeVar("T", bound=msgspec.Struct)


class Shelf(Generic[T]):
    """The statements of one resource. `names` are columns to filter and sort by, `wire` those sorted by another name."""

    def __init__(
        self,
        table: sa.Table,
        kind: type[T],
        missing: type[NotFound],
        *names: str,
        wire: Mapping[str, Column] | None = None,
        filters: Mapping[str, Rule] | None = None,
    ) -> None:
        self.missing = missing
        self._columns = tuple(table.c.keys())
        more: dict[str, Rule] = {name: table.c[name] for name in names}
        self.listing = Listing(
            table,
            kind,
            key=table.c.id,
            filters={**standard_filters(table), "visible": table.c.project_id, **more, **(filters or {})},
            sorts={**standard_sorts(table, *names), **(wire or {})},
        )
        chosen = sa.select(*table.c)
        self.one = query(chosen.where(table.c.id == sa.bindparam("id")), kind)
        self.all = query(chosen, kind)
        self.insertion = insert_of(table)
        self.change = change_of(table)
        self.delete = delete_of(table)

    async def find(self, db: Database, id: str) -> T | None:
        """The one of that id."""
        return await db.one(self.one, id=id)

    async def get(self, db: Database, id: str) -> T:
        """The one of that id as it is now; raises what its absence is called."""
        found = await self.find(db, id)
        if found is None:
            raise self.missing(id=id)
        return found

    def row(self, thing: T) -> dict[str, Any]:
        """The columns of a thing; what it has from elsewhere is left out."""
        return {name: getattr(thing, name) for name in self._columns}

    async def insert(self, db: Database, thing: T) -> None:
        """The thing is written."""
        await db.run(self.insertion, **self.row(thing))
