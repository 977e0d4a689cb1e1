"""Whoever waits long for the writers' lock ends a session that holds it and stands still in the midst of a statement.

PostgreSQL itself ends sessions that are idle in a transaction. But the driver sends a new statement in two halves, and of a
program that freezes between them, or with rows on the way to it, PostgreSQL 15 thinks that it is at work: no time limit
of its own applies, and every other program would wait for as long as that one is frozen.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from pileus.kit.db.engine import Rows, Values
from pileus.kit.db.errors import DatabaseUnavailable
from pileus.kit.db.refusals import DRIVER_ERRORS

log = logging.getLogger(__name__)

STALLED_S = 10.0  # as long as those have that are idle in a transaction
LOOK_S = 2.0

# `state_change` is when the statement's last half came; since then the server waits for its client.
END = """
SELECT pid, pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
 WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = $1
   AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND state = 'active' AND wait_event_type = 'Client' AND clock_timestamp() - state_change > $2 * interval '1 second'
"""


class Stalled:
    """Ends sessions that stand still with a lock, while somebody waits for it."""

    def __init__(self, fetch: Callable[[str, Values], Awaitable[Rows]], lock: int, after_s: float) -> None:
        self._fetch = fetch
        self._lock = lock
        self._after_s = after_s

    @contextlib.asynccontextmanager
    async def ended(self) -> AsyncIterator[None]:
        """While the block waits for the lock, nobody who stands still keeps it for longer than `after_s`."""
        looking: list[asyncio.Task[None]] = []
        loop = asyncio.get_running_loop()
        # Most wait for next to nothing, so that a timer is all this costs.
        timer = loop.call_later(self._after_s, lambda: looking.append(loop.create_task(self._look())))
        try:
            yield
        finally:
            timer.cancel()
            for task in looking:
                task.cancel()
                await asyncio.wait([task])

    async def _look(self) -> None:
        while True:
            try:
                for pid, _ in await self._fetch(END, [self._lock, self._after_s]):
                    log.warning("a program stood still in a transaction, and its session was ended: pid %s", pid)
            except (DatabaseUnavailable, *DRIVER_ERRORS) as failed:
                # Whoever waits is refused in the end, and says so.
                log.warning("whether a program stands still in a transaction cannot be seen: %s", failed)
            await asyncio.sleep(LOOK_S)
