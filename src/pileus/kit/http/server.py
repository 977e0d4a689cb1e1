"""The listener: one granian worker inside this process's event loop, or uvicorn in its place.

Both serve the same plain ASGI application; which one runs is a matter of configuration, and the tests run both.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from pileus.kit.http.call import Receive
from pileus.kit.http.kernel import Kernel
from pileus.kit.http.pace import TooSlow
from pileus.kit.http.peers import Unwanted, way_of
from pileus.kit.http.send import Send, until_gone
from pileus.kit.http.socket import Socket, SocketHandler

Asgi = Callable[[Mapping[str, Any], Receive, Send], Awaitable[None]]
HEADERS_S = 30.0
GONE_S = 10.0  # for a listener to see that a connection has been reset


class Tls(Protocol):
    """Where the certificate and its key are, PEM files."""

    certificate: str
    key: str


class Application:
    """The whole cloud as one ASGI application: the kernel's HTTP, and WebSockets by the beginning of their path."""

    def __init__(self, kernel: Kernel, sockets: Mapping[str, SocketHandler]) -> None:
        self._kernel = kernel
        self._sockets = sockets

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._kernel.http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case "lifespan":
                await _lifespan(receive, send)
            case kind:
                raise ValueError(f"an ASGI server is not expected to ask for '{kind}'")

    async def _websocket(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        connection = Socket(scope, receive, send)
        for beginning, handler in self._sockets.items():
            if scope["path"].startswith(beginning):
                await handler(connection)
                return
        await connection.close(1008, "nothing is served at this address")


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def impatient(app: Asgi) -> Asgi:
    """The same application; a client that takes its answers too slowly is disconnected.

    A listener writes what it has before it closes a connection. It would wait for such a client for ever, and so would whoever stops it.
    Behind a proxy the client is the proxy, which then knows that the answer is not whole.
    """
    unwanted = Unwanted()

    async def answered(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except TooSlow:
            client, server = scope.get("client"), scope.get("server")
            if client and server:
                # granian spells ports as strings.
                await unwanted.hang_up(way_of(client[0], int(client[1]), int(server[1])))
                # A listener complains of answers that end before they are whole while it believes that there is a client.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(GONE_S):
                        await until_gone(receive)

    return answered


class Listener(Protocol):
    """Serves until it is told to stop."""

    async def serve(self) -> None: ...
    def stop(self) -> None: ...


class Granian:
    """granian's embedded server; HTTP parsing runs outside the interpreter's lock.

    Whoever does not end a request's headers within `headers_s` is disconnected.
    """

    def __init__(
        self, app: Asgi, host: str, port: int, tls: Tls | None = None, *, headers_s: float = HEADERS_S
    ) -> None:
        from pathlib import Path

        from granian.constants import HTTPModes, Interfaces
        from granian.http import HTTP1Settings
        from granian.server.embed import Server

        self._server = Server(
            impatient(app),
            address=host,
            port=port,
            interface=Interfaces.ASGI,
            http=HTTPModes.http1,
            log_enabled=False,
            backlog=1024,
            http1_settings=HTTP1Settings(header_read_timeout=int(headers_s * 1000)),
            ssl_cert=Path(tls.certificate) if tls else None,
            ssl_key=Path(tls.key) if tls else None,
        )

    async def serve(self) -> None:
        """Serve until stopped."""
        await self._server.serve()

    def stop(self) -> None:
        """Finish what is under way and end."""
        self._server.stop()  # type: ignore[no-untyped-call]


class Uvicorn:
    """uvicorn: pure Python, the drop-in."""

    def __init__(self, app: Asgi, host: str, port: int, tls: Tls | None = None) -> None:
        import uvicorn

        self._server = uvicorn.Server(
            uvicorn.Config(
                impatient(app),
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                # Whoever is at the other end is asked for here; whom a proxy speaks for, only who trusts that proxy decides.
                proxy_headers=False,
                ssl_certfile=tls.certificate if tls else None,
                ssl_keyfile=tls.key if tls else None,
            )
        )

    async def serve(self) -> None:
        """Serve until stopped."""
        await self._server.serve()

    def stop(self) -> None:
        """Finish what is under way and end."""
        self._server.should_exit = True


LISTENERS: Mapping[str, Callable[..., Listener]] = {"granian": Granian, "uvicorn": Uvicorn}


async def until_listening(host: str, port: int, deadline_s: float = 10.0) -> None:
    """Return once a connection to the address succeeds; raises TimeoutError."""
    async with asyncio.timeout(deadline_s):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
