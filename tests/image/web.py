"""A web server on this machine that serves what a test puts there, and remembers what it was asked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

Answer = tuple[int, dict[str, str], bytes]


class Web:
    """What is served: by path, a status, headers and a body, or what makes them of the request's head."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer | Callable[[str], Answer]] = {}
        self.asked: list[str] = []
        self.port = 0

    def url(self, path: str) -> str:
        """The address of a page."""
        return f"http://127.0.0.1:{self.port}{path}"

    def serve(self, path: str, body: bytes) -> str:
        """The page has this body; returns its address."""
        self.pages[path] = (200, {}, body)
        return self.url(path)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ", 2)[1]
        self.asked.append(path)
        page = self.pages.get(path, (404, {}, b"no such page"))
        status, headers, body = page(head) if callable(page) else page
        lines = {"content-length": str(len(body)), "connection": "close", **headers}
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"HTTP/1.1 {status} So\r\n{text}\r\n".encode() + body)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def a_web() -> AsyncIterator[Web]:
    """The server runs."""
    web = Web()
    server = await asyncio.start_server(web.answer, "127.0.0.1", 0)
    web.port = server.sockets[0].getsockname()[1]
    async with server:
        yield web
