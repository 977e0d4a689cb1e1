"""Small objects on their way to one device: those that come while others are being written share the next fsyncs.

A trip to a thread, a wake-up of the event loop and a wait for the disk are then of many, and not of each.
"""

import asyncio
from collections import deque

from pileus.object_store.disk.syncs import Steps, Syncs
from pileus.object_store.storage.threads import Threads

MOST = 64


class Crowd:
    """What waits for a device: one thread after the other takes all that is there."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._waiting: deque[tuple[Steps[None], asyncio.Future[None]]] = deque()
        self._running: asyncio.Task[None] | None = None
        self._syncs: Syncs | None = None

    async def do(self, steps: Steps[None]) -> None:
        """The steps are done; raises what they raise. Those that nobody waits for any more when their turn comes are left out."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append((steps, future))
        if self._running is None:
            self._running = loop.create_task(self._empty())
        await future

    async def _empty(self) -> None:
        syncs = self._syncs = self._syncs or Syncs()
        try:
            while self._waiting:
                taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST))]
                crowd = [(steps, future) for steps, future in taken if not future.done()]
                work = [steps for steps, _ in crowd]
                outcomes = await self._threads.do(lambda work=work: syncs.together(work))  # type: ignore[misc]
                for (_, future), outcome in zip(crowd, outcomes, strict=True):
                    if future.done():  # whoever waited has gone
                        continue
                    if isinstance(outcome, BaseException):
                        future.set_exception(outcome)
                    else:
                        future.set_result(outcome)
        finally:
            self._running = None

    def close(self) -> None:
        """Nothing is left of it, as no thread is."""
        if self._syncs is not None:
            self._syncs.close()
            self._syncs = None
