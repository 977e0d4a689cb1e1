"""Work that goes on by itself, under names: begun when it is first asked for, asked for again until it is done."""

import asyncio
from collections.abc import Awaitable, Callable

from pileus.block_storage.drivers.interface import Changed, Kind

Name = tuple[Kind, str, str]


class Works:
    """What a back end is at. Whoever asks again after a failure is told of it once, and the next time it begins anew."""

    def __init__(self) -> None:
        self._tasks: dict[Name, asyncio.Task[None]] = {}
        self.changed: Changed = lambda kind, id: None

    def ready(self, name: Name, begin: Callable[[], Awaitable[None]]) -> bool:
        """Whether it is done; else it goes on. Raises what it failed with, once: to ask again is to try again."""
        task = self._tasks.get(name)
        if task is None:
            self._begin(name, begin)
            return False
        if not task.done():
            return False
        del self._tasks[name]
        failed = None if task.cancelled() else task.exception()
        if failed is not None:
            raise failed
        return not task.cancelled()

    def busy(self, kind: Kind, id: str) -> bool:
        """Whether anything goes on with the thing."""
        return any(name[:2] == (kind, id) and not task.done() for name, task in self._tasks.items())

    def _begin(self, name: Name, begin: Callable[[], Awaitable[None]]) -> None:
        kind, id, _ = name

        async def go() -> None:
            await begin()

        self._tasks[name] = task = asyncio.create_task(go(), name=f"{kind} {id}")
        # Told to whoever asks next; if nobody does any more, asyncio need not complain of it.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        task.add_done_callback(lambda done: done.cancelled() or self.changed(kind, id))

    async def end(self, which: Callable[[Name], bool] = lambda name: True) -> None:
        """No such work goes on any more; it is begun anew when it is asked for again."""
        ended = [self._tasks.pop(name) for name in list(self._tasks) if which(name)]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
