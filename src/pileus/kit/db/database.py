"""The database as services use it: statements in, values out, and transactions that belong to the current task.

Inside `async with db.transaction():` every call of the same task runs in that transaction; a task started inside does
not join it. Outside, a read sees what is committed and a write is a transaction of its own.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from pileus.kit.db.engine import Engine, Hook, Rows, Unit
from pileus.kit.db.filters import Filters
from pileus.kit.db.listing import Listing, Sorts, page
from pileus.kit.db.sqlite import MEMORY, SqliteEngine
from pileus.kit.db.statements import Command, Prepared, Query

T = TypeVar("T")
log = logging.getLogger(__name__)


class Tally:
    """What a database was asked since it was opened."""

    __slots__ = ("committed", "rolled_back")

    def __init__(self) -> None:
        self.committed = 0
        self.rolled_back = 0


class _Ambient:
    __slots__ = ("hooks", "unit")

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.hooks: list[Hook] = []


class Database:
    """An open database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.tally = Tally()
        # By task rather than in a context variable: a child task copies the context and would join by mistake.
        self._ambient: dict[asyncio.Task[object] | None, _Ambient] = {}

    @classmethod
    async def open(cls, address: str | Path) -> "Database":
        """Open a database; the tables are `migrate`'s affair.

        The address is `postgresql://...`, or for SQLite a path, `sqlite:///path` or `:memory:`.
        """
        text = str(address)
        if is_postgres(address):
            # Not needed, and not loaded, by a cloud on SQLite.
            from pileus.kit.db.postgres import PostgresEngine

            return cls(await PostgresEngine.open(text))
        if text in (MEMORY, "sqlite://", "sqlite:///:memory:"):
            return cls(SqliteEngine.open_memory())
        return cls(SqliteEngine.open(sqlite_path(address)))

    async def close(self) -> None:
        """Close once the transactions under way have ended."""
        await self.engine.close()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """All that the block writes is durable when it is left, or nothing of it is; a nested one joins the outer."""
        task = asyncio.current_task()
        if task in self._ambient:
            yield
            return
        ambient = _Ambient(await self.engine.begin())
        self._ambient[task] = ambient
        try:
            yield
        except BaseException:
            del self._ambient[task]
            self.tally.rolled_back += 1
            await ambient.unit.rollback()
            raise
        del self._ambient[task]
        await ambient.unit.commit(ambient.hooks)
        self.tally.committed += 1

    @property
    def in_transaction(self) -> bool:
        """Whether the current task is inside a transaction."""
        return asyncio.current_task() in self._ambient

    def on_commit(self, fn: Callable[[], None]) -> None:
        """Run `fn` once the current transaction is durable, at once if there is none, never if it is rolled back."""
        ambient = self._ambient.get(asyncio.current_task())
        if ambient is None:
            fn()
        else:
            ambient.hooks.append(fn)

    async def one(self, statement: Query[T], /, **params: object) -> T | None:
        """The first row, or None where there is none."""
        dialect = self.engine.dialect
        prepared = statement.prepared(dialect, params)
        rows = await self._fetch(statement, prepared, prepared.bind(params))
        return statement.decoder(dialect)(rows[0]) if rows else None

    async def all(self, statement: Query[T], /, **params: object) -> list[T]:
        """Every row."""
        dialect = self.engine.dialect
        prepared = statement.prepared(dialect, params)
        rows = await self._fetch(statement, prepared, prepared.bind(params))
        return list(map(statement.decoder(dialect), rows))

    async def _fetch(self, statement: Query[T], prepared: Prepared, values: list[object]) -> Rows:
        ambient = self._ambient.get(asyncio.current_task())
        if ambient is not None:
            return await ambient.unit.fetch(prepared.text, values, refusable=statement.writes)
        if not statement.writes:
            return await self.engine.fetch(prepared.text, values)
        async with self.transaction():
            return await self._fetch(statement, prepared, values)

    async def run(self, statement: Command, /, **params: object) -> int:
        """Run the statement and return the number of rows it affected."""
        prepared = statement.prepared(self.engine.dialect, params)
        values = prepared.bind(params)
        ambient = self._ambient.get(asyncio.current_task())
        if ambient is not None:
            return await ambient.unit.execute(prepared.text, values, refusable=prepared.refusable)
        unit = await self.engine.begin()
        try:
            count = await unit.execute(prepared.text, values, refusable=prepared.refusable)
        except BaseException:
            self.tally.rolled_back += 1
            await unit.rollback()
            raise
        await unit.commit(())
        self.tally.committed += 1
        return count

    async def run_many(self, statement: Command, rows: Iterable[Mapping[str, object]], /) -> int:
        """Run the statement once for each set of parameters, all or none, and return the number of rows affected."""
        sets = list(rows)
        if not sets:
            return 0
        # One text for all: an open insert takes the columns that any of the rows names, NULL where one does not.
        names = {name for params in sets for name in params}
        full = [{**dict.fromkeys(names), **params} if len(params) != len(names) else params for params in sets]
        prepared = statement.prepared(self.engine.dialect, full[0])
        values = [prepared.bind(params) for params in full]
        async with self.transaction():
            return await self._ambient[asyncio.current_task()].unit.execute_many(prepared.text, values)

    async def page(
        self,
        listing: Listing[T],
        *,
        where: Filters | None = None,
        sort: Sorts = (),
        marker: object | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> list[T]:
        """At most `limit` rows after the marker's row (before it when `reverse`), in the order of the listing."""
        return await page(self, listing, where or {}, sort, marker=marker, limit=limit, reverse=reverse)

    async def count(self, listing: Listing[T], *, where: Filters | None = None) -> int:
        """How many rows the filters let through."""
        statement, values = listing.counting(where or {})
        return await self.one(statement, **values) or 0


def is_postgres(address: str | Path) -> bool:
    """Whether the address names a PostgreSQL database."""
    return str(address).startswith(("postgresql://", "postgres://"))


def sqlite_path(address: str | Path) -> Path:
    """The file an address names; raises ValueError for what is not SQLite."""
    text = str(address)
    if text.startswith("sqlite:///"):
        return Path(text.removeprefix("sqlite:///"))
    if "://" in text:
        raise ValueError(f"{text.partition('://')[0]} is not a database this version can open; give a path")
    return Path(text)
