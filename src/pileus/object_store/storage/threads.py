"""Threads that wait for a disk, so that the event loop does not.

What asyncio offers for this wakes the loop once for each piece of work that is done; here all that is done until the loop gets
round to it is handed over at once. Under load that is a fraction of the wake-ups, each of which costs both sides a system call
and a fight for the interpreter.
"""

import asyncio
import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

Done = TypeVar("Done")
Work = tuple[Callable[[], Any], "asyncio.Future[Any]", "Arrivals"]


class Arrivals:
    """What threads have done for one event loop, on its way there."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._done: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._called = False

    def add(self, future: "asyncio.Future[Any]", result: object, failed: BaseException | None) -> None:
        """The loop will hear of it; called by threads."""
        self._done.append((future, result, failed))
        if not self._called:  # whoever sees it set has its work handed over by the call that is on its way
            self._called = True
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
                self.loop.call_soon_threadsafe(self._arrive)

    def _arrive(self) -> None:
        self._called = False
        while self._done:
            future, result, failed = self._done.popleft()
            if future.done():  # whoever waited has gone
                continue
            if failed is None:
                future.set_result(result)
            else:
                future.set_exception(failed)


class Threads:
    """So many threads, started as they are needed."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._arrivals: Arrivals | None = None

    async def do(self, work: Callable[[], Done]) -> Done:
        """What the work returns. Work that nobody waits for any more when its turn comes is left out."""
        loop = asyncio.get_running_loop()
        if self._arrivals is None or self._arrivals.loop is not loop:
            self._arrivals = Arrivals(loop)
        future: asyncio.Future[Done] = loop.create_future()
        self._queue.put((work, future, self._arrivals))
        if len(self._threads) < self._most and not self._idle.acquire(blocking=False):
            thread = threading.Thread(target=self._run, name=f"{self._name} {len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return await future

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            work, future, arrivals = item
            del item
            if not future.cancelled():
                try:
                    result = work()
                except BaseException as failed:  # noqa: BLE001  it is raised where the work was asked for
                    arrivals.add(future, None, failed)
                else:
                    arrivals.add(future, result, None)
                    del result
            del work, future, arrivals
            if len(self._threads) < self._most:
                self._idle.release()

    def close(self) -> None:
        """What was asked for is done, and no thread is left."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()
