"""Rows that are found by their id alone: the statements that every such table has, declared once."""

from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa

from pileus.identity.app import Identity
from pileus.kit.db import Listing, command, query

T = TypeVar("T", bound=msgspec.Struct)


class Kept(Generic[T]):
    """The rows of one table as values; `listing` lists them by these filters, in the order of their ids."""

    def __init__(self, table: sa.Table, kind: type[T], *filters: str) -> None:
        key = table.c.id
        self._fetch = query(sa.select(table).where(key == sa.bindparam("id")), kind)
        self._create = command(sa.insert(table))
        self._change = command(sa.update(table).where(key == sa.bindparam("id")))
        self._delete = command(sa.delete(table).where(key == sa.bindparam("id")))
        named = {name: table.c[name] for name in ("id", *filters)}
        self.listing: Listing[T] = Listing(table, kind, key=key, filters=named, sorts={"id": key})

    async def find(self, app: Identity, id: str) -> T | None:
        """The one with this id."""
        return await app.db.one(self._fetch, id=id)

    async def create(self, app: Identity, made: T) -> None:
        """It is stored."""
        await app.db.run(self._create, **msgspec.structs.asdict(made))

    async def change(self, app: Identity, id: str, **columns: Any) -> None:
        """It has these values."""
        if columns:
            await app.db.run(self._change, id=id, **columns)

    async def delete(self, app: Identity, id: str) -> None:
        """It is gone."""
        await app.db.run(self._delete, id=id)

    async def all(self, app: Identity, **where: object) -> list[T]:
        """All of them with these values, by id."""
        return await app.db.page(self.listing, where=where)
