"""Connections between the two hosts of a server that moves while it runs: every end of that way.

    origin ── POST /v1/servers/ID/streams/NAME, taken over ──> controller ── question, answered by a stream ──> target

The controller joins only what its own documents put together: the origin's says where the server goes, and the target's awaits
it from there, in the same attempt. What a host asks for besides does not exist for it.
"""

from collections.abc import Mapping

import msgspec

from pileus.compute.agent import KIND
from pileus.compute.drivers.interface import DriverError, MovesLive, Wanted
from pileus.kit.errors import Unavailable
from pileus.kit.hosts.asks import Puts, Stream
from pileus.kit.hosts.channel import Asked, Route, TakenOver
from pileus.kit.hosts.control import Hosts
from pileus.kit.hosts.dial import Dialler
from pileus.kit.hosts.exchange import Body
from pileus.kit.hosts.wire import join
from pileus.main.host_needs import NotYours
from pileus.main.machine import LocalConsoles
from pileus.ports.server_streams import Opened

STREAMS = "/v1/servers/{id}/streams/{name}"


class NotAwaited(Unavailable):
    """Host {host} does not await server {server}: {why}."""


class StreamAsk(msgspec.Struct, frozen=True):
    """What is asked for: a connection to what waits for a server."""

    server: str
    landing: str


class StreamAnswers:
    """The target's end: what this machine's hypervisor has waiting."""

    def __init__(self, host: str, local: LocalConsoles) -> None:
        self._host = host
        self._local = local

    async def connect(self, body: Body) -> Stream:
        """A connection to what waits for the server; raises NotAwaited."""
        asked = msgspec.convert(body, StreamAsk)
        runs: object = self._local.of
        if not isinstance(runs, MovesLive):
            raise NotAwaited(host=self._host, server=asked.server, why="it takes no servers that run")
        try:
            return await runs.landing(asked.server, asked.landing)
        except DriverError as refused:
            raise NotAwaited(host=self._host, server=asked.server, why=refused) from refused


class AllServerStreams:
    """The controller's end; keeps pileus.ports.server_streams.ServerStreams for its own machine."""

    def __init__(self, own: str, hosts: Hosts, local: StreamAnswers, asks: Puts) -> None:
        self._own = own
        self._hosts = hosts
        self._local = local
        self._asks = asks

    async def open(self, server_id: str, name: str) -> Opened:
        """A connection to what waits for a server of this machine."""
        return (*await self.between(self._own, server_id, name), b"")

    async def between(self, origin: str, server_id: str, name: str) -> Stream:
        """A connection to what waits for a server of the origin; raises NotYours."""
        leaves = await self._document(origin, server_id)
        if leaves is None or leaves.departure is None:
            raise NotYours(host=origin)
        target = leaves.departure.to
        comes = await self._document(target, server_id)
        awaited = comes is not None and comes.origin == origin and comes.arrival is not None
        if comes is None or not awaited or comes.arrival is None or comes.arrival.id != leaves.departure.id:
            raise NotYours(host=origin)
        body: Body = msgspec.to_builtins(StreamAsk(server_id, name))
        return await self._local.connect(body) if target == self._own else await self._asks.open(target, body)

    async def _document(self, host: str, server_id: str) -> Wanted | None:
        wish = await self._hosts.wanted(host, KIND, server_id)
        return None if wish is None or wish.gone else msgspec.convert({**wish.body, "id": wish.id}, Wanted)


class StreamRoutes:
    """What the controller serves of it to hosts that servers leave."""

    def __init__(self, streams: AllServerStreams) -> None:
        self._streams = streams

    def routes(self) -> Mapping[tuple[str, str], Route]:
        """What the channel is to serve."""
        return {("POST", STREAMS): Route(self.carry)}

    async def carry(self, asked: Asked) -> TakenOver:
        """What waits for a server of the asking host."""
        there = await self._streams.between(asked.host, asked.path["id"], asked.path["name"])
        return lambda reader, writer: join((reader, writer), there)


class FarServerStreams:
    """The origin's end, from afar; keeps pileus.ports.server_streams.ServerStreams."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler

    async def open(self, server_id: str, name: str) -> Opened:
        """A connection to what waits for the server; the controller knows where."""
        return await self._dialler.take_over(STREAMS.format(id=server_id, name=name))
