"""Questions of a controller to a host: a host takes no calls, so it keeps asking for them.

    controller: asks.ask(host, body) ── host polls /v1/asks ── answers ── POST /v1/asks/ID, or a stream in its place

For what cannot be a document because somebody waits for it: the text of a console, a connection to one. Nothing is stored; a
question that nobody comes for fails soon.
"""

import asyncio
import contextlib
import itertools
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import msgspec

from pileus.kit.errors import Problem, Unavailable
from pileus.kit.hosts.channel import Asked, Route, TakenOver, Told
from pileus.kit.hosts.exchange import Body
from pileus.kit.hosts.gate import LONGEST_S, number

ASKS = "/v1/asks"
DEADLINE_S = 10.0

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Polled = Callable[[str], Awaitable[None]]


class Ask(msgspec.Struct, frozen=True):
    """A question; `stream` asks for a connection instead of an answer."""

    id: int
    body: Body
    stream: bool = False


class Reply(msgspec.Struct, frozen=True):
    """A host's answer, or why there is none."""

    body: Body = {}
    failure: str | None = None


class NoAnswer(Unavailable):
    """Host {host} does not answer now."""


class CannotTell(Unavailable):
    """Host {host}: {why}"""


class Open(msgspec.Struct, frozen=True):
    """A question somebody waits for the answer to."""

    host: str
    ask: Ask
    answer: "asyncio.Future[Reply | Stream]"


class Puts(Protocol):
    """Puts questions to hosts."""

    async def ask(self, host: str, body: Body, deadline_s: float = DEADLINE_S) -> Body:
        """The host's answer; raises Unavailable when it has none or does not come in time."""
        ...

    async def open(self, host: str, body: Body, deadline_s: float = DEADLINE_S) -> Stream:
        """A connection from the host; raises Unavailable. Whoever asked closes it."""
        ...


class Asks:
    """Questions under way. They live in this process: a host asks the controller it listens to (see `relay`)."""

    def __init__(self) -> None:
        # Hosts ask for what came after the last they saw, so a restarted controller must not count from the beginning.
        self._numbers = itertools.count(time.time_ns() // 1_000_000)
        self._news: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._open: dict[int, Open] = {}
        self._polled: Polled | None = None

    def on_poll(self, polled: "Polled") -> None:
        """From now on `polled(host)` is awaited when a host asks for questions."""
        self._polled = polled

    async def ask(self, host: str, body: Body, deadline_s: float = DEADLINE_S) -> Body:
        """The host's answer; raises Unavailable when it has none or does not come in time."""
        answer = await self._put(host, body, deadline_s, stream=False)
        assert isinstance(answer, Reply)
        return answer.body

    async def open(self, host: str, body: Body, deadline_s: float = DEADLINE_S) -> Stream:
        """A connection from the host; raises Unavailable. Whoever asked closes it."""
        answer = await self._put(host, body, deadline_s, stream=True)
        assert not isinstance(answer, Reply)
        return answer

    def routes(self) -> Mapping[tuple[str, str], Route]:
        """What the channel is to serve."""
        return {
            ("GET", ASKS): Route(self._next),
            ("POST", f"{ASKS}/{{id}}"): Route(self._answered),
            ("POST", f"{ASKS}/{{id}}/stream"): Route(self._streams),
        }

    async def _put(self, host: str, body: Body, deadline_s: float, *, stream: bool) -> Reply | Stream:
        question = Ask(next(self._numbers), body, stream)
        answer: asyncio.Future[Reply | Stream] = asyncio.get_running_loop().create_future()
        self._open[question.id] = Open(host, question, answer)
        self._news.pop(host, asyncio.Event()).set()
        try:
            async with asyncio.timeout(deadline_s):
                found = await answer
        except TimeoutError:
            raise NoAnswer(host=host) from None
        finally:
            del self._open[question.id]
        if isinstance(found, Reply) and (found.failure is not None or stream):
            raise CannotTell(host=host, why=found.failure or "it answers where a connection was asked for")
        return found

    async def _next(self, asked: Asked) -> Told:
        """The open questions for the host that asks, after the last it saw; an empty list after a while.

        A question is not taken away by being told: the answer to a host that was just cut off or killed is lost.
        """
        if self._polled is not None:
            await self._polled(asked.host)
        after = number(asked, "after")
        found = self._for(asked.host, after)
        try:
            async with asyncio.timeout(min(number(asked, "timeout"), LONGEST_S)):
                while not found:
                    await self._news[asked.host].wait()
                    found = self._for(asked.host, after)
        except TimeoutError:
            found = []
        return Told(found)

    def _for(self, host: str, after: float) -> list[Ask]:
        return [one.ask for one in self._open.values() if one.host == host and one.ask.id > after]

    async def _answered(self, asked: Asked) -> Told:
        self._asker(asked).set_result(asked.decoded(Reply))
        return Told({})

    async def _streams(self, asked: Asked) -> TakenOver:
        self._asker(asked)

        async def hand_over(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._asker(asked).set_result((reader, writer))
            # The connection ends with its task; so it lasts until whoever got it has closed it.
            with contextlib.suppress(OSError):  # An end of TLS that is not quite in order is an end as well.
                await writer.wait_closed()

        return hand_over

    def _asker(self, asked: Asked) -> "asyncio.Future[Reply | Stream]":
        found = self._open.get(int(asked.path["id"]) if asked.path["id"].isdigit() else 0)
        if found is None or found.host != asked.host or found.answer.done():
            raise TooLate
        return found.answer


class TooLate(Problem):
    """Nobody waits for that answer any more."""

    status = 404
