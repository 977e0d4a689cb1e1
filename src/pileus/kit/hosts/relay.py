"""Questions to hosts, whichever controller they listen to.

    relay.ask ── the host listens here ─────> asks
             ── it is this machine ─────────> its own answers
             ── it listens elsewhere ── POST /v1/relay/HOST[/stream], mutual TLS ──> that controller's asks, or own answers

A controller passes on only what another controller puts to it, and only to hosts that listen to it, so a question takes one
turn at most. Nothing is stored; what cannot be passed on fails as if the host did not answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from pileus.kit.errors import Problem
from pileus.kit.hosts.asks import DEADLINE_S, Asks, CannotTell, NoAnswer, Stream
from pileus.kit.hosts.channel import Asked, Route, TakenOver, Told
from pileus.kit.hosts.dial import Address, Dialler
from pileus.kit.hosts.exchange import Body
from pileus.kit.hosts.listeners import Listener, Listeners
from pileus.kit.hosts.wire import join
from pileus.kit.observe.log import log_of

log = log_of(__name__)

RELAY = "/v1/relay/{host}"
MORE_S = 5.0  # than the other controller waits for the host
GO = b"+"  # said by whoever asked for a stream, so that nothing of it comes along with the answer's head


class Passed(msgspec.Struct, frozen=True):
    """A question that another controller passes on."""

    body: Body
    deadline_s: float = DEADLINE_S


class OwnAnswers(msgspec.Struct, frozen=True):
    """What this machine answers as a host."""

    host: str
    tell: Callable[[Body], Awaitable[Body]]
    connect: Callable[[Body], Awaitable[Stream]]


class Relay:
    """Puts questions where they are heard. Without `listeners` every host listens here; `dial` reaches other controllers."""

    def __init__(self, asks: Asks, listeners: Listeners | None, dial: Callable[[Address], Dialler]) -> None:
        self._asks = asks
        self._listeners = listeners
        self._dial = dial
        self.own: OwnAnswers | None = None
        if listeners is not None:
            asks.on_poll(listeners.heard)

    async def ask(self, host: str, body: Body, deadline_s: float = DEADLINE_S) -> Body:
        """The host's answer; raises Unavailable when it has none or does not come in time."""
        there = await self._elsewhere(host)
        if there is None:
            return await self._asks.ask(host, body, deadline_s)
        dialler = self._dialler(host, there)
        try:
            path, passed = RELAY.format(host=host), Passed(body, deadline_s)
            answer = await dialler.ask("POST", path, passed, deadline_s=deadline_s + MORE_S)
            return msgspec.json.decode(answer, type=Body)
        except Problem as failed:
            raise CannotTell(host=host, why=failed.message) from failed
        finally:
            await dialler.close()

    async def open(self, host: str, body: Body, deadline_s: float = DEADLINE_S) -> Stream:
        """A connection from the host; raises Unavailable. Whoever asked closes it."""
        there = await self._elsewhere(host)
        if there is None:
            return await self._asks.open(host, body, deadline_s)
        dialler = self._dialler(host, there)
        try:
            path = f"{RELAY.format(host=host)}/stream"
            reader, writer, _ = await dialler.take_over(path, Passed(body, deadline_s))
        except Problem as failed:
            raise CannotTell(host=host, why=failed.message) from failed
        writer.write(GO)
        return reader, writer

    async def opened(self, host: str, port: int) -> None:
        """Other controllers reach this one, and its own machine by it, at that address."""
        if self._listeners is not None:
            self._listeners.address = f"{host}:{port}"
            if self.own is not None:
                await self._listeners.heard(self.own.host)

    async def say(self, name: str, address: str) -> None:
        """Every controller knows where the cloud has this."""
        if self._listeners is not None:
            await self._listeners.say(name, address)

    async def said(self, name: str) -> str:
        """Where the cloud has it; empty if nobody said so."""
        return await self._listeners.said(name) if self._listeners is not None else ""

    def routes(self) -> Mapping[tuple[str, str], Route]:
        """What the channel is to serve: hosts, and other controllers."""
        mine = {
            ("POST", RELAY): Route(self._tell, controllers=True),
            ("POST", f"{RELAY}/stream"): Route(self._stream, controllers=True),
        }
        return {**self._asks.routes(), **mine}

    async def _elsewhere(self, host: str) -> Listener | None:
        return await self._listeners.elsewhere(host) if self._listeners is not None else None

    def _dialler(self, host: str, there: Listener) -> Dialler:
        name, _, port = there.address.rpartition(":")
        if not port.isdecimal():
            log.warning("a host's controller cannot be reached by others: it has no hosts_listen", host=host)
            raise NoAnswer(host=host)
        return self._dial(Address(name, int(port)))

    async def _tell(self, asked: Asked) -> Told:
        host, passed = asked.path["host"], asked.decoded(Passed)
        if self.own is not None and host == self.own.host:
            return Told(await self.own.tell(passed.body))
        return Told(await self._asks.ask(host, passed.body, min(passed.deadline_s, DEADLINE_S)))

    async def _stream(self, asked: Asked) -> TakenOver:
        host, passed = asked.path["host"], asked.decoded(Passed)
        if self.own is not None and host == self.own.host:
            there = await self.own.connect(passed.body)
        else:
            there = await self._asks.open(host, passed.body, min(passed.deadline_s, DEADLINE_S))

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if await reader.read(1) != GO:
                there[1].close()
                writer.close()
                return
            await join((reader, writer), there)

        return carry
