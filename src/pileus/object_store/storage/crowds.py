"""Small objects on their way to one device: those that come while others are being written share the next fsyncs.

A trip to a thread, a wake-up of the event loop and a wait for the disk are then of many, and not of each.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from pileus.object_store.disk.syncs import Steps, Syncs
from pileus.object_store.storage.threads import Threads

LANES = 2  # while one crowd waits for the disk, another may write
MOST = 64


class Crowd:
    """What waits for a device: few threads at once, each of which takes all that is there."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._waiting: deque[tuple[Steps[None], asyncio.Future[None]]] = deque()
        self._lanes: dict[Syncs, asyncio.Task[None]] = {}
        self._idle: list[Syncs] = []

    async def do(self, steps: Steps[None]) -> None:
        """The steps are done; raises what they raise. Those that nobody waits for any more when their turn comes are left out."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append((steps, future))
        if len(self._lanes) < LANES:
            syncs = self._idle.pop() if self._idle else Syncs()
            self._lanes[syncs] = loop.create_task(self._empty(syncs))
        await future

    async def _empty(self, syncs: Syncs) -> None:
        try:
            while self._waiting:
                taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST))]
                crowd = [(steps, future) for steps, future in taken if not future.done()]
                work = [steps for steps, _ in crowd]
                outcomes: Sequence[object]
                try:
                    outcomes = await self._threads.do(lambda work=work: syncs.together(work))  # type: ignore[misc]
                except Exception as failed:  # noqa: BLE001  each of those who wait is told
                    outcomes = [failed] * len(crowd)
                for (_, future), outcome in zip(crowd, outcomes, strict=True):
                    if future.done():  # whoever waited has gone
                        continue
                    if isinstance(outcome, BaseException):
                        future.set_exception(outcome)
                    else:
                        future.set_result(None)
        finally:
            del self._lanes[syncs]  # before anybody else runs: who comes now begins another
            self._idle.append(syncs)

    def close(self) -> None:
        """Nothing is left of it, as no thread is."""
        for syncs in self._idle:
            syncs.close()
        self._idle.clear()
