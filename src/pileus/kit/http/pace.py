"""How slowly a client may send a body, or take an answer: nobody holds a connection, a thread and memory for nothing.

Who says nothing for `idle_s` is given up, and so is who moves fewer than `least` bytes a second over that time while it is waited for.
One timer looks after everybody, once a second: a timer of its own for each piece of a body would cost more than the piece.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any

from pileus.kit.http.call import Disconnected, Receive

TICK_S = 1.0
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class TooSlow(Disconnected):
    """The client is so slow that it is treated as if it had gone; where an answer is still possible, that is 408."""


class Pace:
    """The limits of one service, and whoever is waited for now."""

    def __init__(self, idle_s: float, least: float = 0.0) -> None:
        self.idle_s = idle_s
        self.least = least  # bytes a second
        self._waiting: set[Patience] = set()
        self._ticking: asyncio.AbstractEventLoop | None = None

    def receiving(self, receive: Receive) -> Receive:
        """The same, of a client that sends fast enough; raises TooSlow when it does not."""
        patience: Patience | None = None

        async def received() -> MutableMapping[str, Any]:
            nonlocal patience
            patience = patience or Patience(self)
            async with patience:
                message = await receive()
            patience.moved += len(message.get("body", b""))
            return message

        return received

    def sending(self, send: Send) -> Send:
        """The same, to a client that takes it fast enough; raises TooSlow when it does not."""
        patience = Patience(self)

        async def sent(message: MutableMapping[str, Any]) -> None:
            async with patience:
                await send(message)
            patience.moved += len(message.get("body", b""))

        return sent

    def add(self, one: "Patience") -> None:
        """It is waited for a client."""
        self._waiting.add(one)
        loop = asyncio.get_running_loop()
        if self._ticking is not loop:
            self._ticking = loop
            loop.call_later(self._tick_s, self._tick)

    def discard(self, one: "Patience") -> None:
        """It is not waited for that client any more."""
        self._waiting.discard(one)

    @property
    def _tick_s(self) -> float:
        return min(TICK_S, self.idle_s / 4)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for one in [one for one in self._waiting if one.exhausted(now)]:
            one.end()
        if self._waiting:
            loop.call_later(self._tick_s, self._tick)
        else:
            self._ticking = None


class Patience:
    """`async with` around each wait for one client; raises TooSlow there when the limits are passed."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._since = 0.0
        self._waited = 0.0
        self._ended = False
        self.moved = 0  # bytes

    async def __aenter__(self) -> "Patience":
        self._task = asyncio.current_task()
        self._since = self._loop.time()
        self._pace.add(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pace.discard(self)
        self._waited += self._loop.time() - self._since
        if not self._ended:
            return
        assert self._task is not None
        if self._task.uncancel() <= 0 and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TooSlow(f"the client moved {self.moved} bytes in {self._waited:.0f} s")

    def exhausted(self, now: float) -> bool:
        """Whether the client has been waited for long enough; each stretch of `idle_s` counts by itself."""
        pace = self._pace
        if now - self._since >= pace.idle_s:
            return True
        waited = self._waited + now - self._since
        if waited < pace.idle_s:
            return False
        slow = self.moved < pace.least * waited
        self._waited, self.moved = self._since - now, 0
        return slow

    def end(self) -> None:
        """Whoever waits is told."""
        if not self._ended and self._task is not None:
            self._ended = True
            self._task.cancel()
