"""The controller's end of the hosts' channel: a small HTTP server that knows who asks by their certificate.

    channel = Channel({("GET", "/v1/wanted"): Route(handler)}, admits)
    await channel.listen(host, port, tls)

A route is for hosts unless it is `open`. `admits` has the last word on every host: a certificate that is still valid may belong
to one that was removed. The same server, on a unix socket and without TLS, answers the owner's commands.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

import h11
import msgspec

from pileus.kit.errors import Denied, Invalid, NotFound, Problem, Unauthorized
from pileus.kit.hosts.wire import SPEAKS, SPOKEN, UPGRADE, BadMessage, Peer, Wire, headers_of, peer_of, spoken
from pileus.kit.observe.log import log_of

log = log_of(__name__)

IDLE_S = 75.0
HANDSHAKE_S = 10.0
MOST_CONNECTIONS = 20_000
# The name in a controller's certificate. No host has it, since no host's name has a colon, and only controllers can sign it.
CONTROLLER = "pileus:controller"
Shape = TypeVar("Shape")


class NotAdmitted(Denied):
    """{host} is no host of this cloud any more; to become one again, it needs a new token."""


class Stranger(Unauthorized):
    """This address is for hosts and controllers of the cloud, which prove themselves with a certificate."""


class SpeaksOtherwise(Problem):
    """{who} speaks version {given} of the channel, and this controller speaks {own}: {remedy}."""

    status = 426


class BadBody(Invalid):
    """The request's body is not as agreed: {why}"""


class Asked(msgspec.Struct, frozen=True):
    """A request. `host` is who asks, proven by certificate; empty on open routes and on the unix socket."""

    host: str
    peer: Peer
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def decoded(self, shape: type[Shape]) -> Shape:
        """The body as JSON of that shape; fields unknown here are left aside."""
        try:
            return msgspec.json.decode(self.body, type=shape)
        except msgspec.DecodeError as bad:
            raise BadBody(why=bad) from bad


class Told(msgspec.Struct, frozen=True):
    """An answer: JSON of `body`, or the bytes of `parts`."""

    body: object = None
    status: int = 200
    headers: Mapping[str, str] = {}
    parts: AsyncIterator[bytes] | None = None


# Called with both ends of a connection that was taken over; it closes the writer.
TakenOver = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Handler = Callable[[Asked], Awaitable[Told | TakenOver]]
Admits = Callable[[Peer], Awaitable[bool]]


class Route(msgspec.Struct, frozen=True):
    """Who answers, and whether anybody may ask, or other controllers alone may."""

    handler: Handler
    open: bool = False
    controllers: bool = False


async def admit_owner(peer: Peer) -> bool:
    """On a unix socket: whoever could connect is the owner."""
    return True


class Channel:
    """Serves routes to hosts."""

    def __init__(self, routes: Mapping[tuple[str, str], Route], admits: Admits, *, speaks: int = SPEAKS) -> None:
        self._routes = [(method, _split(path), route) for (method, path), route in routes.items()]
        self._admits = admits
        self._speaks = speaks
        self._not_understood: set[tuple[str, int]] = set()  # who was told so, and the log with them
        self._servers: list[asyncio.Server] = []
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def listen(self, host: str, port: int, tls: ssl.SSLContext) -> None:
        """Hosts are answered at the address; raises OSError."""
        self._servers.append(
            await asyncio.start_server(
                self._connected, host, port, ssl=tls, ssl_handshake_timeout=HANDSHAKE_S, backlog=1024, limit=1 << 18
            )
        )

    async def listen_unix(self, at: socket.socket) -> None:
        """The owner is answered at a bound unix socket."""
        self._servers.append(await asyncio.start_unix_server(self._connected, sock=at))

    async def close(self) -> None:
        """Nobody is answered any more, and no connection is left."""
        for server in self._servers:
            server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._servers = []

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._connections) >= MOST_CONNECTIONS:
            writer.close()
            return
        self._connections[task] = writer
        wire = Wire(h11.SERVER, reader, writer)
        try:
            while await self._one(wire):
                wire.state.start_next_cycle()
        except (BadMessage, TimeoutError, ConnectionError) as ended:
            log.debug("a connection ended", why=str(ended))
        except asyncio.CancelledError:  # asyncio would log a cancelled connection as an error
            log.debug("a connection was closed by us")
        except Exception as failed:  # noqa: BLE001 - one connection's failure is not the others'
            log.broke("a host's connection broke", failed)
        finally:
            await wire.close()
            del self._connections[task]

    async def _one(self, wire: Wire) -> bool:
        """One request is answered; False when the connection is to be closed."""
        async with asyncio.timeout(IDLE_S):
            asked = await wire.event()
            if not isinstance(asked, h11.Request):
                return False
            body = await wire.body()
        try:
            told = await self._answer(asked, body, peer_of(wire.writer))
        except Problem as problem:
            told = Told({"code": problem.code, "why": problem.message}, problem.status)
        except Exception as failed:  # noqa: BLE001 - the asker is told, the log says what
            log.broke("a host could not be answered", failed, target=asked.target.decode("latin-1"))
            told = Told({"code": "Broken", "why": "It could not be done; the controller's log says why."}, 500)
        if not isinstance(told, Told):
            return await _take_over(wire, told)
        await _send(wire, msgspec.structs.replace(told, headers={**told.headers, SPOKEN: str(self._speaks)}))
        return wire.state.our_state is h11.DONE and wire.state.their_state is h11.DONE

    async def _answer(self, asked: h11.Request, body: bytes, peer: Peer) -> Told | TakenOver:
        target = urlsplit(asked.target.decode("latin-1"))
        route, path = self._route(asked.method.decode("latin-1"), _split(target.path))
        if not route.open:
            if not peer.name and self._admits is not admit_owner:
                raise Stranger
            if route.controllers != (peer.name == CONTROLLER):
                raise Stranger
            if not route.controllers and not await self._admits(peer):
                raise NotAdmitted(host=peer.name)
            self._understood(peer, spoken(headers_of(asked)))
        query = dict(parse_qsl(target.query))
        return await route.handler(Asked("" if route.open else peer.name, peer, path, query, headers_of(asked), body))

    def _understood(self, peer: Peer, given: int) -> None:
        """Raise SpeaksOtherwise for who is too old, or newer than a host may be."""
        newest = self._speaks + (peer.name == CONTROLLER)  # controllers are upgraded one after the other
        if self._speaks - 1 <= given <= newest:
            return
        who = "The owner's command" if self._admits is admit_owner else peer.name
        remedy = "upgrade the controllers first" if given > newest else "install the controllers' release there"
        refused = SpeaksOtherwise(who=who, given=given, own=self._speaks, remedy=remedy)
        if (peer.name, given) not in self._not_understood:
            self._not_understood.add((peer.name, given))
            log.error("who asks is of another release", who=who, speaks=given, why=refused.message)
        raise refused

    def _route(self, method: str, parts: tuple[str, ...]) -> tuple[Route, dict[str, str]]:
        for of_method, pattern, route in self._routes:
            if of_method == method and len(pattern) == len(parts):
                pairs = list(zip(pattern, parts, strict=True))
                if all(wanted == given or wanted[:1] == "{" for wanted, given in pairs):
                    return route, {wanted[1:-1]: given for wanted, given in pairs if wanted[:1] == "{"}
        raise NotFound(f"There is nothing at {method} /{'/'.join(parts)}.")


def _split(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part)


async def _send(wire: Wire, told: Told) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in told.headers.items()]
    if told.parts is not None:
        await wire.send(h11.Response(status_code=told.status, headers=headers))
        async for part in told.parts:
            await wire.send(h11.Data(data=part))
        await wire.send(h11.EndOfMessage())
        return
    body = msgspec.json.encode(told.body)
    headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await wire.send(h11.Response(status_code=told.status, headers=headers), h11.Data(data=body), h11.EndOfMessage())


async def _take_over(wire: Wire, taken_over: TakenOver) -> bool:
    switched = [(b"connection", b"upgrade"), (b"upgrade", UPGRADE)]
    await wire.send(h11.InformationalResponse(status_code=101, headers=switched))
    # The other side says nothing before it has read our answer, so h11 holds no bytes that would be lost.
    await taken_over(wire.reader, wire.writer)
    return False
