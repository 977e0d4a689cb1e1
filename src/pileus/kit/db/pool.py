"""Connections to PostgreSQL: opened when needed, kept, and thrown away as soon as one is in doubt.

Whoever takes a connection gives it back, sound or not; one that broke, or whose task was cancelled in the midst of a
statement, is never lent again. The newest is lent first, so that few are in use and their statements stay prepared.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, cast

import asyncpg

from pileus.kit.db.errors import DatabaseUnavailable

CONNECT_S = 10.0
ANSWER_S = 60.0
CLOSE_S = 5.0
STATEMENTS_KEPT = 1024

SESSION = {
    "application_name": "pileus",
    "timezone": "UTC",
    # Statements are small and prepared; compiling them to machine code costs more than it can gain.
    "jit": "off",
    "default_transaction_isolation": "read committed",
    # One that stalls inside a transaction holds up every writer, so the server ends it.
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "20s",
    # A client that is gone is noticed while it waits or works, not only when it is answered.
    "client_connection_check_interval": "2s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}


class Connection(Protocol):
    """What is used of the driver's connections."""

    async def fetch(self, query: str, *args: object) -> list[tuple[object, ...]]: ...
    async def execute(self, query: str, *args: object) -> str: ...
    async def executemany(self, command: str, args: Sequence[Sequence[object]]) -> None: ...
    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None: ...
    def add_termination_listener(self, callback: Callable[..., None]) -> None: ...
    def is_closed(self) -> bool: ...
    async def close(self, *, timeout: float | None = None) -> None: ...
    def terminate(self) -> None: ...


def _number(text: str) -> int | float:
    """Sums of whole numbers come as NUMERIC; they are whole here as on SQLite."""
    return float(text) if "." in text else int(text)


async def connect(address: str, answer_s: float | None = ANSWER_S) -> Connection:
    """Return a connection set up as all of ours are; raises DatabaseUnavailable."""
    try:
        connection = await asyncpg.connect(
            address,
            timeout=CONNECT_S,
            command_timeout=answer_s,
            statement_cache_size=STATEMENTS_KEPT,
            max_cached_statement_lifetime=0,
            server_settings=SESSION,
        )
        try:
            await connection.set_type_codec("numeric", schema="pg_catalog", encoder=str, decoder=_number, format="text")
        except BaseException:
            connection.terminate()
            raise
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as failed:
        raise DatabaseUnavailable(why=str(failed) or "it does not answer") from failed
    return cast(Connection, connection)


class Pool:
    """At most `size` connections to one database."""

    def __init__(self, address: str, size: int) -> None:
        self._address = address
        self._size = size
        self._open = 0
        self._idle: list[Connection] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._ending: set[asyncio.Task[None]] = set()

    async def take(self) -> Connection:
        """Return a connection for the caller alone, who gives it back; raises DatabaseUnavailable."""
        while True:
            while self._idle:
                connection = self._idle.pop()
                if not connection.is_closed():
                    return connection
                self._open -= 1
            if self._open < self._size:
                return await self._another()
            await self._room()

    async def _another(self) -> Connection:
        self._open += 1
        try:
            return await connect(self._address)
        except BaseException:
            self._open -= 1
            self._next()
            raise

    async def _room(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._next()
            raise

    def _next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def give_back(self, connection: Connection) -> None:
        """The connection is sound and somebody else's."""
        if connection.is_closed():
            self._open -= 1
        else:
            self._idle.append(connection)
        if self._waiting:
            self._next()

    def drop(self, connection: Connection) -> None:
        """The connection is in doubt and is closed."""
        self._open -= 1
        ending = asyncio.get_running_loop().create_task(_end(connection), name="end a database connection")
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        self._next()

    def drop_idle(self) -> None:
        """No connection that lies idle is lent again: the server they lead to was seen to go away."""
        idle, self._idle = self._idle, []
        for connection in idle:
            self.drop(connection)

    async def close(self) -> None:
        """Every connection is closed, after what they are lent for has ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                while self._open > len(self._idle):
                    await self._room()
        self.drop_idle()
        await asyncio.gather(*self._ending)


async def _end(connection: Connection) -> None:
    try:
        await connection.close(timeout=CLOSE_S)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
