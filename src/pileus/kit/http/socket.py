"""WebSockets: a connection as a handler sees it, and where the paths lead."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from pileus.kit.http.call import Receive
from pileus.kit.http.send import Send


class Socket:
    """One WebSocket; `receive` returns None once the other side has closed."""

    def __init__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        self.path: str = scope["path"]
        self.query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        self.headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        self.subprotocols: list[str] = list(scope.get("subprotocols") or [])
        self._receive = receive
        self._send = send

    async def accept(self, subprotocol: str | None = None) -> None:
        """Open the connection."""
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})

    async def receive(self) -> bytes | None:
        """The next message, text as UTF-8."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            return None
        data = message.get("bytes")
        return data if data is not None else (message.get("text") or "").encode()

    async def send(self, data: bytes) -> None:
        """Send a binary message."""
        await self._send({"type": "websocket.send", "bytes": data})

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close, or refuse to open, the connection."""
        await self._send({"type": "websocket.close", "code": code, "reason": reason})


SocketHandler = Callable[[Socket], Awaitable[None]]
