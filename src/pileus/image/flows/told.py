"""How far an import is, told while its bytes pass: its task's message says how many have, and of how many where that is known."""

from collections.abc import AsyncIterator

from pileus.image.app import ImageApp
from pileus.image.drivers.interface import closing
from pileus.image.models.imports import TaskStatus
from pileus.image.store import tasks
from pileus.kit.flow.operation import Operation

EVERY = 32 << 20  # bytes


def so_far(done: int, whole: int | None) -> str:
    """So many of so many."""
    if not whole:
        return f"{done >> 20} MiB"
    return f"{done >> 20} of {whole >> 20} MiB ({min(done * 100 // whole, 100)} %)"


class Told:
    """What an import's task is told of some bytes; `whole` may become known while they come."""

    def __init__(self, app: ImageApp, op: Operation, what: str, whole: int | None = None) -> None:
        self._app = app
        self._op = op
        self._what = what
        self.whole = whole

    def of(self, whole: int) -> None:
        """There are so many bytes."""
        self.whole = whole

    async def watched(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same bytes; the task tells of them."""
        done = told = 0
        await self._tell(done)
        async with closing(chunks):
            async for chunk in chunks:
                done += len(chunk)
                if done - told >= EVERY:
                    told = done
                    await self._tell(done)
                yield chunk

    async def _tell(self, done: int) -> None:
        message = f"{self._what} {so_far(done, self.whole)}"
        await tasks.task_update(self._app, self._op.id, ended=False, status=TaskStatus.PROCESSING, message=message)
