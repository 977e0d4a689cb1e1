"""PostgreSQL: many readers, and one writer at a time among all programs that share the database.

A transaction takes one advisory lock as it begins and holds it until its COMMIT is durable, so what it reads stays true
until it writes, exactly as on SQLite, and nothing ever has to be run again. Why not SERIALIZABLE: docs/decisions.
Locally transactions take turns, first come first served; the next one queues for the lock while COMMIT is under way.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator, Sequence

from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.engine.interfaces import Dialect

from pileus.kit.db.engine import Hook, Rows, Values, run_hooks
from pileus.kit.db.errors import DatabaseUnavailable
from pileus.kit.db.pool import Connection, Pool
from pileus.kit.db.refusals import DRIVER_ERRORS, is_lost, translated
from pileus.kit.db.stalled import STALLED_S, Stalled

CONNECTIONS = 16
WRITERS_LOCK = 0x70696C657573  # "pileus"; advisory locks are each database's own

BEGIN = f"BEGIN; SELECT pg_advisory_xact_lock({WRITERS_LOCK}); SAVEPOINT here"
MOVE_ON = "RELEASE here; SAVEPOINT here"
STEP_BACK = "ROLLBACK TO here"


@contextlib.contextmanager
def translating(connection: Connection) -> Iterator[None]:
    """Errors of the driver leave the block as ours."""
    try:
        yield
    except DRIVER_ERRORS as failed:
        ours = translated(failed, closed=connection.is_closed())
        if ours is failed:
            raise
        raise ours from failed


class PostgresEngine:
    """An open PostgreSQL database."""

    def __init__(self, address: str, connections: int = CONNECTIONS, stalled_s: float = STALLED_S) -> None:
        self.dialect: Dialect = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]
        self.commits = 0
        self.pool = Pool(address, connections)
        self._stalled = Stalled(self.fetch, WRITERS_LOCK, stalled_s)
        self._turn = asyncio.Lock()
        self._closed = False

    @classmethod
    async def open(cls, address: str) -> "PostgresEngine":
        """Open the database; raises DatabaseUnavailable where there is none."""
        engine = cls(address)
        engine.pool.give_back(await engine.pool.take())
        return engine

    async def fetch(self, text: str, values: Values) -> Rows:
        """Read committed rows."""
        self._refuse_when_closed()
        try:
            return await self._fetch(text, values)
        except DatabaseUnavailable as failed:
            if not is_lost(failed):
                raise
            # The server may have been started anew since the connection was last used.
            return await self._fetch(text, values)

    async def _fetch(self, text: str, values: Values) -> Rows:
        connection = await self.pool.take()
        try:
            rows = await connection.fetch(text, *values)
        except DRIVER_ERRORS as failed:
            ours = self._returned(connection, failed)
            if ours is failed:
                raise
            raise ours from failed
        except BaseException:
            self.pool.drop(connection)
            raise
        self.pool.give_back(connection)
        return rows

    def _returned(self, connection: Connection, failed: BaseException) -> BaseException:
        """Give back a connection whose statement has failed, and tell why in our words."""
        ours = translated(failed, closed=connection.is_closed())
        if is_lost(ours):
            self.pool.drop(connection)
            self.pool.drop_idle()
        else:
            self.pool.give_back(connection)
        return ours

    async def begin(self) -> "PostgresUnit":
        """Wait for the turn here and among all programs, and begin a transaction."""
        self._refuse_when_closed()
        await self._turn.acquire()
        try:
            self._refuse_when_closed()
            try:
                connection = await self._begun()
            except DatabaseUnavailable as failed:
                if not is_lost(failed):
                    raise
                connection = await self._begun()
        except BaseException:
            self.turn_over()
            raise
        return PostgresUnit(self, connection)

    async def _begun(self) -> Connection:
        connection = await self.pool.take()
        try:
            async with self._stalled.ended():
                await connection.execute(BEGIN)
        except BaseException as failed:
            # It may or may not have begun.
            self.pool.drop(connection)
            ours = translated(failed, closed=connection.is_closed())
            if is_lost(ours):
                self.pool.drop_idle()
            if ours is failed:
                raise
            raise ours from failed
        return connection

    def turn_over(self) -> None:
        """Let the next transaction begin."""
        self._turn.release()

    async def close(self) -> None:
        """Close once the transactions under way have ended; later ones are refused."""
        if self._closed:
            return
        async with self._turn:
            self._closed = True
        await self.pool.close()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise DatabaseUnavailable(why="it is closed")


class PostgresUnit:
    """A transaction that has begun and holds the writers' lock.

    A statement that is refused undoes itself alone, as on SQLite: PostgreSQL needs a savepoint before it for that. The
    first one is made with BEGIN, another before each further statement that a constraint may refuse.
    """

    def __init__(self, engine: PostgresEngine, connection: Connection) -> None:
        self._engine = engine
        self._connection = connection
        self._written = False  # since the savepoint
        self._spoilt = False
        self._mine = True  # the turn

    async def fetch(self, text: str, values: Values, *, refusable: bool = False) -> Rows:
        """Read what this transaction sees."""
        try:
            await self._ready(refusable=refusable)
            rows = await self._connection.fetch(text, *values)
        except DRIVER_ERRORS as failed:
            raise await self._after(failed) from failed
        self._written = self._written or refusable
        return rows

    async def execute(self, text: str, values: Values, *, refusable: bool = True) -> int:
        """Run one statement and return the number of rows affected."""
        try:
            await self._ready(refusable=refusable)
            status = await self._connection.execute(text, *values)
        except DRIVER_ERRORS as failed:
            raise await self._after(failed) from failed
        self._written = True
        return _count(status)

    async def execute_many(self, text: str, rows: Sequence[Values]) -> int:
        """Run one statement for each row of values and return the number of rows affected."""
        try:
            await self._ready(refusable=True)
            if text.startswith("INSERT") and " ON CONFLICT " not in text:
                await self._connection.executemany(text, rows)
                count = len(rows)
            else:  # the quick way tells no counts
                count = sum([_count(await self._connection.execute(text, *values)) for values in rows])
        except DRIVER_ERRORS as failed:
            raise await self._after(failed) from failed
        self._written = True
        return count

    async def _ready(self, *, refusable: bool) -> None:
        if self._spoilt:
            raise DatabaseUnavailable(why="an earlier statement of the transaction failed")
        if refusable and self._written:
            await self._connection.execute(MOVE_ON)
            self._written = False

    async def _after(self, failed: BaseException) -> BaseException:
        """Undo the statement that failed, and tell why in our words."""
        closed = self._connection.is_closed()
        self._spoilt = closed or self._written
        if not self._spoilt:
            try:
                await self._connection.execute(STEP_BACK)
            except DRIVER_ERRORS:
                self._spoilt = True
        return translated(failed, closed=closed)

    async def commit(self, hooks: Sequence[Hook]) -> None:
        """Return once all is on the disk and the hooks have run."""
        if self._spoilt:
            await self.rollback()
            raise DatabaseUnavailable(why="the transaction could not go on after a failed statement")
        self._pass_the_turn()
        await _to_the_end(self._commit(hooks))

    async def _commit(self, hooks: Sequence[Hook]) -> None:
        try:
            with translating(self._connection):
                status = await self._connection.execute("COMMIT")
        except BaseException as failed:
            self._engine.pool.drop(self._connection)
            if is_lost(failed):
                self._engine.pool.drop_idle()
                raise DatabaseUnavailable(why="it went away while committing; the outcome is not known") from failed
            raise
        self._engine.pool.give_back(self._connection)
        if status != "COMMIT":
            raise DatabaseUnavailable(why="the transaction was undone by the server")
        self._engine.commits += 1
        run_hooks(hooks)

    async def rollback(self) -> None:
        """Undo this transaction."""
        await _to_the_end(self._rollback())

    async def _rollback(self) -> None:
        pool = self._engine.pool
        try:
            await self._connection.execute("ROLLBACK")
        except BaseException as failed:
            pool.drop(self._connection)  # undoes it as well
            if not isinstance(failed, DRIVER_ERRORS):
                raise
        else:
            pool.give_back(self._connection)
        finally:
            self._pass_the_turn()

    def _pass_the_turn(self) -> None:
        if self._mine:
            self._mine = False
            self._engine.turn_over()


async def _to_the_end(work: Coroutine[object, object, None]) -> None:
    """Return when the work is done; a task that is cancelled meanwhile learns of it only then."""
    running = asyncio.ensure_future(work)
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _count(status: str) -> int:
    """The number at the end of `INSERT 0 1` or `UPDATE 3`; other statements affect no rows."""
    last = status.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0
