"""Rows on their way into ledgers, in this process: whoever comes while a commit is under way shares the next one.

Where several did, the next commit waits a moment for more of them: each costs an fsync and a trip to a thread, however many rows it has.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

GATHER_S = 0.003
Row = TypeVar("Row")
Commit = Callable[[Sequence[Row]], Awaitable[None]]


class GroupCommit(Generic[Row]):
    """One queue for each ledger, emptied by one commit after the other."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, list[tuple[Sequence[Row], asyncio.Future[None]]]] = {}
        self._running: dict[Hashable, asyncio.Task[None]] = {}

    async def add(self, ledger: Hashable, rows: Sequence[Row], commit: Commit[Row]) -> None:
        """The rows are in the ledger, durably; raises what the commit raises."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(ledger, []).append((rows, done))
        if ledger not in self._running:
            self._running[ledger] = asyncio.create_task(self._empty(ledger, commit))
        await done

    async def _empty(self, ledger: Hashable, commit: Commit[Row]) -> None:
        crowded = False
        try:
            while batch := self._waiting.pop(ledger, None):
                if crowded:
                    await asyncio.sleep(GATHER_S)
                    batch += self._waiting.pop(ledger, [])
                crowded = len(batch) > 1
                try:
                    await commit([row for rows, _ in batch for row in rows])
                except Exception as failed:  # noqa: BLE001  each of those who wait is told
                    _tell(batch, failed)
                else:
                    _tell(batch, None)
        finally:
            del self._running[ledger]

    async def settle(self) -> None:
        """Nothing is under way."""
        while self._running:
            await asyncio.wait(list(self._running.values()))


def _tell(batch: Sequence[tuple[object, "asyncio.Future[None]"]], failed: Exception | None) -> None:
    for _, done in batch:
        if done.done():  # whoever waited has gone
            continue
        if failed is None:
            done.set_result(None)
        else:
            done.set_exception(failed)
