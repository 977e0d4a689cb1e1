"""Pieces of a body that are hashed or written while the next ones come, in their order, up to some bytes behind.

All that waits is taken at once, so a piece costs no trip to a thread of its own, and whoever works on them does not wait for the next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

ROOM = 4 << 20  # bytes


class Behind:
    """Work on pieces, in the background."""

    def __init__(self, work: Callable[[Sequence[bytes]], Awaitable[None]]) -> None:
        self._work = work
        self._waiting: list[bytes] = []
        self._size = 0  # of what waits or is being worked on
        self._task: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()

    async def add(self, piece: bytes) -> None:
        """The piece is worked on soon; returns when there is room for another. Raises what work on an earlier one raised."""
        if self._task is not None and self._task.done():
            await self.flush()
        self._waiting.append(piece)
        self._size += len(piece)
        if self._task is None:
            self._task = asyncio.create_task(self._empty())
        while self._size > ROOM and not self._task.done():
            self._moved.clear()
            await self._moved.wait()

    async def _empty(self) -> None:
        try:
            while self._waiting:
                pieces, self._waiting = self._waiting, []
                await self._work(pieces)
                self._size -= sum(len(piece) for piece in pieces)
                self._moved.set()
        finally:
            self._moved.set()

    async def flush(self) -> None:
        """All has been worked on; raises what that raised."""
        if self._task is not None:
            await asyncio.wait({self._task})
            task, self._task = self._task, None
            task.result()

    async def drop(self) -> None:
        """Nothing is under way, and what was not begun is not."""
        self._waiting = []
        if self._task is not None:
            await asyncio.wait({self._task})
            task, self._task = self._task, None
            task.exception()
