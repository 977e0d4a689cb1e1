"""SQLite: one connection that writes, one that reads, both used inline in the event loop; only COMMIT leaves it.

Transactions take turns, first come first served. Each is a SAVEPOINT inside one BEGIN IMMEDIATE; when it ends and
another is waiting, that one goes into the same batch, and one COMMIT in a thread (one fsync at synchronous=FULL)
makes all of them durable. Nobody returns from a transaction before that COMMIT has succeeded.
"""

import asyncio
import contextlib
import re
import sqlite3
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.engine.interfaces import Dialect

from pileus.kit.db.engine import Hook, Rows, Values, run_hooks
from pileus.kit.db.errors import (
    CheckViolation,
    DatabaseBusy,
    DatabaseFull,
    DatabaseUnavailable,
    ForeignKeyViolation,
    UniqueViolation,
)

MEMORY = ":memory:"
BATCH_SIZE = 64
BATCH_SECONDS = 0.005
BUSY_MS = 5000


def _dialect() -> Dialect:
    return sqlite_dialect.dialect(paramstyle="qmark")


def _matches(pattern: str, value: object) -> bool:
    return value is not None and re.search(pattern, str(value)) is not None


def _connect(path: Path, *, durable: bool, read_only: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=1024)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS if read_only else 0}")
    connection.create_function("regexp", 2, _matches, deterministic=True)
    if read_only:
        connection.execute("PRAGMA query_only=ON")
    return connection


def translated(failed: sqlite3.Error) -> Exception:
    """The driver's error as one of ours; the error itself when it is a mistake in our own SQL."""
    code = getattr(failed, "sqlite_errorcode", 0)
    why = str(failed)
    if code in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
        named = [part.strip().rpartition(".") for part in why.partition(": ")[2].split(",")]
        return UniqueViolation(named[0][0], tuple(column for _, _, column in named))
    if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
        return ForeignKeyViolation()
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_CONSTRAINT:
        return CheckViolation(why=why)
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseBusy(why=why)
    if primary == sqlite3.SQLITE_FULL:
        return DatabaseFull(why=why)
    if primary in _BROKEN:
        return DatabaseUnavailable(why=why)
    return failed


_BROKEN = (
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
)


@contextlib.contextmanager
def translating() -> Iterator[None]:
    """Errors of the driver leave the block as ours."""
    try:
        yield
    except sqlite3.Error as failed:
        ours = translated(failed)
        if ours is failed:
            raise
        raise ours from failed


class _Batch:
    """Transactions that have ended and wait for one COMMIT."""

    def __init__(self) -> None:
        self.since = time.monotonic()
        self.members: list[tuple[asyncio.Future[None], Sequence[Hook]]] = []

    def has_room(self) -> bool:
        return len(self.members) < BATCH_SIZE and time.monotonic() - self.since < BATCH_SECONDS

    def settle(self, failed: Exception | None) -> None:
        """Tell every member how it went; hooks run first, so that whoever returns finds them done."""
        for done, hooks in self.members:
            if failed is None:
                run_hooks(hooks)
            if done.done():
                continue
            if failed is None:
                done.set_result(None)
            else:
                done.set_exception(failed)
        self.members = []


class SqliteEngine:
    """An open SQLite database."""

    def __init__(self, path: Path, *, durable: bool) -> None:
        self.dialect = _dialect()
        self.commits = 0
        self.busy_ms = BUSY_MS
        self._durable = durable
        self._writer = _connect(path, durable=durable, read_only=False)
        self._reader = _connect(path, durable=durable, read_only=True)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._turns: deque[asyncio.Future[None]] = deque()
        self._taken = False
        self._batch: _Batch | None = None
        self._committing: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    def open(cls, path: Path) -> "SqliteEngine":
        """Open the file, creating it where there is none; every commit reaches the disk."""
        with translating():
            return cls(path, durable=True)

    @classmethod
    def open_memory(cls) -> "SqliteEngine":
        """Open a database that nothing else can see and that is gone when it is closed or the process ends."""
        shm = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
        with tempfile.TemporaryDirectory(prefix="pileus-db-", dir=shm if shm.is_dir() else None) as folder:
            engine = cls(Path(folder) / "db", durable=False)
            # Both connections must hold the write-ahead log open before its name goes away with the folder.
            engine._writer.execute("CREATE TABLE warm (x)")
            engine._reader.execute("SELECT count(*) FROM warm").fetchall()
            engine._writer.execute("DROP TABLE warm")
        return engine

    async def fetch(self, text: str, values: Values) -> Rows:
        """Read committed rows."""
        try:
            # All rows at once: a statement left unfinished would hold an old snapshot.
            return self._reader.execute(text, values).fetchall()
        except sqlite3.Error as failed:
            raise translated(failed) from failed

    async def begin(self) -> "SqliteUnit":
        """Wait for the turn and begin a transaction."""
        await self._take_turn()
        try:
            if self._batch is None:
                await self._begin_batch()
            self._writer.execute("SAVEPOINT unit")
        except BaseException as failed:
            self._turn_over()
            if isinstance(failed, sqlite3.Error):
                raise translated(failed) from failed
            raise
        return SqliteUnit(self, self._writer)

    async def close(self) -> None:
        """Close once the transactions under way have ended; later ones are refused."""
        if self._closed:
            return
        await self._take_turn()
        self._closed = True
        while self._turns:
            waiting = self._turns.popleft()
            if not waiting.done():
                waiting.set_exception(DatabaseUnavailable(why="it is closed"))
        if self._batch is not None:
            await self._commit()
        self._pool.shutdown()
        self._reader.close()
        self._writer.close()

    # Turns

    async def _take_turn(self) -> None:
        if self._closed:
            raise DatabaseUnavailable(why="it is closed")
        if not self._taken:
            self._taken = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._turn_over()
            raise

    def _turn_over(self) -> None:
        """Go on after a transaction: let the next one in, or commit what has gathered."""
        if self._batch is None:
            self._next_turn()
        elif not self._batch.members:
            # Everything in it was rolled back.
            self._batch = None
            with translating():
                self._writer.execute("ROLLBACK")
            self._next_turn()
        elif self._turns and self._batch.has_room():
            self._next_turn()
        elif self._turns:
            self._start_commit()
        else:
            # Those who are about to begin get one round of the loop to come along.
            asyncio.get_running_loop().call_soon(self._join_or_commit)

    def _join_or_commit(self) -> None:
        if self._turns and self._batch is not None and self._batch.has_room():
            self._next_turn()
        else:
            self._start_commit()

    def _next_turn(self) -> None:
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        if self._batch is not None and self._batch.members:
            self._start_commit()
        else:
            self._taken = False

    # Batches

    async def _begin_batch(self) -> None:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as failed:
            if failed.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            # Another program writes: wait for it in the thread, so that the loop goes on.
            try:
                await self._in_thread(self._begin_patiently)
            except asyncio.CancelledError:
                self._abandon()
                raise
        self._batch = _Batch()

    def _begin_patiently(self) -> None:
        self._writer.execute(f"PRAGMA busy_timeout={self.busy_ms}")
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        finally:
            self._writer.execute("PRAGMA busy_timeout=0")

    async def _in_thread(self, work: Callable[[], object]) -> None:
        running = asyncio.get_running_loop().run_in_executor(self._pool, work)
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise

    def _start_commit(self) -> None:
        self._committing = asyncio.get_running_loop().create_task(self._commit_and_go_on(), name="database commit")

    async def _commit_and_go_on(self) -> None:
        await self._commit()
        self._next_turn()

    async def _commit(self) -> None:
        batch, self._batch = self._batch, None
        if batch is None:
            return
        failed: Exception | None = None
        try:
            if self._durable:
                await self._in_thread(self.write_commit)
            else:
                self.write_commit()
        except sqlite3.Error as error:
            ours = translated(error)
            failed = ours if isinstance(ours, DatabaseUnavailable) else DatabaseUnavailable(why=str(error))
            failed.__cause__ = error
            self._abandon()
        batch.settle(failed)

    def write_commit(self) -> None:
        """Make the batch durable; runs in a thread."""
        self._writer.execute("COMMIT")
        self.commits += 1

    def _abandon(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    # What a unit reports when it ends

    async def released(self, hooks: Sequence[Hook]) -> None:
        """Pass the turn on and return when the batch is durable."""
        assert self._batch is not None
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._batch.members.append((done, hooks))
        self._turn_over()
        await done

    def undone(self) -> None:
        """Pass the turn on after a rollback."""
        batch = self._batch
        if batch is not None and not self._writer.in_transaction:
            # Some errors (full disk, I/O) undo the whole of BEGIN: those who had ended before are undone with it.
            self._batch = None
            batch.settle(DatabaseUnavailable(why="a failing transaction of the same batch undid it"))
        self._turn_over()


class SqliteUnit:
    """A transaction that has begun on the writing connection."""

    def __init__(self, engine: SqliteEngine, connection: sqlite3.Connection) -> None:
        self._engine = engine
        self._connection = connection

    async def fetch(self, text: str, values: Values, *, refusable: bool = False) -> Rows:
        """Read what this transaction sees."""
        try:
            return self._connection.execute(text, values).fetchall()
        except sqlite3.Error as failed:
            raise translated(failed) from failed

    async def execute(self, text: str, values: Values, *, refusable: bool = True) -> int:
        """Run one statement and return the number of rows affected."""
        try:
            return self._connection.execute(text, values).rowcount
        except sqlite3.Error as failed:
            raise translated(failed) from failed

    async def execute_many(self, text: str, rows: Sequence[Values]) -> int:
        """Run one statement for each row of values and return the number of rows affected."""
        try:
            return self._connection.executemany(text, rows).rowcount
        except sqlite3.Error as failed:
            raise translated(failed) from failed

    async def commit(self, hooks: Sequence[Hook]) -> None:
        """Return once all is on the disk and the hooks have run."""
        try:
            self._connection.execute("RELEASE unit")
        except sqlite3.Error as failed:
            await self.rollback()
            raise translated(failed) from failed
        await self._engine.released(hooks)

    async def rollback(self) -> None:
        """Undo this transaction alone."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK TO unit")
                self._connection.execute("RELEASE unit")
        finally:
            self._engine.undone()
