"""What programs over one database do when they start, they do one after another: look what is there, make what is missing."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from pileus.kit.db import pool, postgres
from pileus.kit.db.database import is_postgres

STARTERS_LOCK = postgres.WRITERS_LOCK + 1


@contextlib.asynccontextmanager
async def one_at_a_time(address: str | Path) -> AsyncIterator[None]:
    """No other program is in such a block over the same PostgreSQL; one that dies in it is out of it.

    Over SQLite there is one program anyway. It waits for as long as the other takes: that may be a long migration.
    """
    if not is_postgres(address):
        yield
        return
    connection = await pool.connect(str(address), answer_s=None)
    try:
        with postgres.translating(connection):
            await connection.execute("SET lock_timeout = 0")
            await connection.execute(f"SELECT pg_advisory_lock({STARTERS_LOCK})")
        yield
    finally:
        connection.terminate()  # the server lets go of the lock with the connection
