"""Rows of one table as values of one struct: found, listed, created, changed and deleted by id."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import msgspec
import sqlalchemy as sa

from pileus.block_storage.app import BlockStorage
from pileus.kit.db import Listing, command, query, scalar

T = TypeVar("T", bound=msgspec.Struct)
NEWEST_FIRST = (("created_at", "desc"), ("id", "desc"))


class Rows(Generic[T]):
    """The rows of a table with an id and the moment they were made."""

    def __init__(self, table: sa.Table, kind: type[T], *, sorts: Sequence[str] = (), renamed: Mapping[str, str] = {}):
        self._names = tuple(field.name for field in msgspec.structs.fields(kind))
        columns = [table.c[name] for name in self._names]
        this = table.c.id == sa.bindparam("of_id")
        self._find = query(sa.select(*columns).where(this), kind)
        self._many = query(sa.select(*columns).where(table.c.id.in_(sa.bindparam("ids", expanding=True))), kind)
        self._there = scalar(sa.select(table.c.id).where(table.c.id.in_(sa.bindparam("ids", expanding=True))), str)
        self._create = command(sa.insert(table))
        self._change = command(sa.update(table).where(this))
        self._delete = command(sa.delete(table).where(this))
        orders = {name: table.c[name] for name in ("id", "created_at", *sorts)}
        self._listing: Listing[T] = Listing(
            table,
            kind,
            key=table.c.id,
            filters={column.name: column for column in table.c},
            sorts=orders | {said: table.c[name] for said, name in renamed.items()},
        )

    async def find(self, app: BlockStorage, id: str | None) -> T | None:
        """The row with this id."""
        if id is None:
            return None
        return await app.db.one(self._find, of_id=id)

    async def many(self, app: BlockStorage, ids: Sequence[str]) -> dict[str, T]:
        """Those of the rows that there are, by id."""
        rows = await app.db.all(self._many, ids=list(dict.fromkeys(ids))) if ids else []
        return {str(getattr(row, "id")): row for row in rows}  # noqa: B009 - T has an id, which its bound cannot say

    async def there(self, app: BlockStorage, ids: Sequence[str], at: dt.datetime) -> "list[str]":
        """Of these ids, those that have a row. What is deleted leaves none, so that the moment says nothing more."""
        return await app.db.all(self._there, ids=list(ids)) if ids else []

    async def list(
        self,
        app: BlockStorage,
        where: Mapping[str, object],
        sort: Sequence[tuple[str, str]] = (),
        *,
        marker: str | None = None,
        limit: int | None = None,
    ) -> "list[T]":
        """A page of rows, newest first unless sorted otherwise."""
        return await app.db.page(self._listing, where=where, sort=sort or NEWEST_FIRST, marker=marker, limit=limit)

    async def count(self, app: BlockStorage, where: Mapping[str, object]) -> int:
        """How many rows the filters let through."""
        return await app.db.count(self._listing, where=where)

    async def create(self, app: BlockStorage, row: T) -> None:
        """There is this row."""
        await app.db.run(self._create, **{name: getattr(row, name) for name in self._names})

    async def change(self, app: BlockStorage, row: T, **changes: object) -> T:
        """The row has these values now, and says when it was changed where it can."""
        if "updated_at" in self._names:
            changes.setdefault("updated_at", app.clock.now())
        await app.db.run(self._change, of_id=getattr(row, "id"), **changes)  # noqa: B009 - as above
        return msgspec.structs.replace(row, **changes)

    async def delete(self, app: BlockStorage, id: str) -> None:
        """There is no such row."""
        await app.db.run(self._delete, of_id=id)
