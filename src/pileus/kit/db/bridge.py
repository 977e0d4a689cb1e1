"""A blocking door to an asyncpg connection, for Alembic alone: it works in a thread, the connection in the event loop.

So migrations need no second driver, and what they do by `op.get_bind()` works on PostgreSQL as on SQLite. The transaction
around them is begun and ended by whoever holds the connection; here COMMIT and ROLLBACK mean nothing.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.pool import NullPool

T = TypeVar("T")

# What SQLAlchemy asks of a driver's module (PEP 249); asyncpg's own errors stand for all kinds.
DBAPI = SimpleNamespace(
    __name__="pileus.kit.db.bridge",
    __version__=asyncpg.__version__,
    paramstyle="numeric_dollar",
    apilevel="2.0",
    threadsafety=0,
    Error=asyncpg.PostgresError,
    InterfaceError=asyncpg.InterfaceError,
    IntegrityError=asyncpg.IntegrityConstraintViolationError,
)


class Door:
    """The connection, as seen from the other thread; also PEP 249's connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: Any) -> None:
        self._loop = loop
        self._connection = connection

    def waits(self, work: Coroutine[Any, Any, T]) -> T:
        """What the event loop makes of the work."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _run(self, text: str, values: Sequence[object]) -> tuple[list[Any], list[tuple[Any, ...]], str]:
        if not values:
            # What has no parameters may be several statements, which only the simple protocol takes; it returns no rows.
            if not text.lstrip().upper().startswith(("SELECT", "WITH", "SHOW")) and " RETURNING " not in text:
                return [], [], await self._connection.execute(text)
        prepared = await self._connection.prepare(text)
        rows = await prepared.fetch(*values)
        columns = [(column.name, column.type.oid, *[None] * 5) for column in prepared.get_attributes()]
        return columns, [tuple(row) for row in rows], prepared.get_statusmsg()

    def cursor(self, **_more: object) -> "Cursor":
        """Return a cursor of PEP 249."""
        return Cursor(self)

    def commit(self) -> None:
        """Nothing: not ours to end."""

    def rollback(self) -> None:
        """Nothing: not ours to end."""

    def close(self) -> None:
        """Nothing: not ours to close."""


class Cursor:
    """Runs a statement and holds its rows."""

    arraysize = 1
    lastrowid = None

    def __init__(self, door: Door) -> None:
        self._door = door
        self._rows: list[tuple[Any, ...]] = []
        self.description: list[Any] | None = None
        self.rowcount = -1

    def execute(self, text: str, values: Sequence[object] = ()) -> None:
        """Run the statement; its rows wait here."""
        columns, self._rows, status = self._door.waits(self._door._run(text, values))  # noqa: SLF001 - two halves of one
        self.description = columns or None
        last = status.rpartition(" ")[2]
        self.rowcount = int(last) if last.isdigit() else -1

    def executemany(self, text: str, rows: Sequence[Sequence[object]]) -> None:
        """Run the statement once for each row of values."""
        for values in rows:
            self.execute(text, values)

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row."""
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        """Return the next rows."""
        taken, self._rows = self._rows[: size or 1], self._rows[size or 1 :]
        return taken

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the rows that are left."""
        taken, self._rows = self._rows, []
        return taken

    def close(self) -> None:
        """Forget the rows."""
        self._rows = []


class _Dialect(PGDialect_asyncpg):
    is_async = False
    has_terminate = False
    supports_native_json_deserialization = False  # the connection has no such codec
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> Any:
        return DBAPI

    def retrieve_dbapi_version(self, dbapi: Any) -> Any:
        return (0,)

    def on_connect(self) -> Any:
        return None

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        return False

    def detect_autocommit_setting(self, dbapi_conn: Any) -> bool:
        return False


sa.dialects.registry.register("postgresql.pileus_bridge", __name__, "_Dialect")


def engine(door: Door) -> sa.Engine:
    """SQLAlchemy on that connection, to be used in another thread than the event loop's."""
    return sa.create_engine("postgresql+pileus_bridge://", creator=lambda: door, poolclass=NullPool)
