"""The host's side of a controller's questions: keeps asking for them and answers each in a task of its own."""

import asyncio
from collections.abc import Awaitable, Callable

from pileus.kit.errors import Problem
from pileus.kit.hosts.asks import ASKS, Ask, Reply, Stream
from pileus.kit.hosts.dial import Dialler
from pileus.kit.hosts.exchange import Body
from pileus.kit.hosts.wire import join
from pileus.kit.observe.log import log_of

log = log_of(__name__)

POLL_S = 20.0
LONGEST_PAUSE_S = 2.0  # with the time a connection may take, less than whoever asks is ready to wait


class Answers:
    """Answers the questions of one controller, with what `tell` says or what `connect` opens."""

    def __init__(
        self,
        dialler: Dialler,
        tell: Callable[[Body], Awaitable[Body]],
        connect: Callable[[Body], Awaitable[Stream]],
    ) -> None:
        self._dialler = dialler
        self._tell = tell
        self._connect = connect
        self._tasks: set[asyncio.Task[None]] = set()
        self._last = 0

    async def listen(self) -> None:
        """Never returns; questions are answered meanwhile."""
        pause_s = 1.0
        try:
            while True:
                try:
                    await self._poll()
                    pause_s = 1.0
                except Problem as failed:
                    log.debug("no questions can be had", why=failed.message)
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _poll(self) -> None:
        found = await self._dialler.get(
            list[Ask], f"{ASKS}?after={self._last}&timeout={POLL_S:g}", deadline_s=POLL_S + 5
        )
        for ask in found:
            self._last = max(self._last, ask.id)
            task = asyncio.create_task(self._answer(ask))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, ask: Ask) -> None:
        try:
            if ask.stream:
                await self._stream(ask)
            else:
                await self._dialler.ask("POST", f"{ASKS}/{ask.id}", Reply(await self._tell(ask.body)))
        except Exception as failed:  # noqa: BLE001 - whatever it is, whoever asked is told
            log.warning("a question cannot be answered", why=str(failed))
            await self._fail(ask, str(failed) or type(failed).__name__)

    async def _stream(self, ask: Ask) -> None:
        ours = await self._connect(ask.body)
        try:
            reader, writer, first = await self._dialler.take_over(f"{ASKS}/{ask.id}/stream")
        except BaseException:
            ours[1].close()
            raise
        ours[1].write(first)
        await join(ours, (reader, writer))

    async def _fail(self, ask: Ask, why: str) -> None:
        try:
            await self._dialler.ask("POST", f"{ASKS}/{ask.id}", Reply(failure=why))
        except Problem as failed:
            log.debug("nobody is there to be told", why=failed.message)
