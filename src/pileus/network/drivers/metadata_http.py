"""A small HTTP server for guests' questions about themselves.

One request per connection, heads and bodies of at most 8 KiB, ten seconds for everything, few connections at a time: a guest can only
harm its own network's door. Who asks is told by the network the socket is in and the address the question comes from.
"""

import asyncio
import http
import logging
import socket

import msgspec

from pileus.network.drivers.interface import Answer, MetadataAnswers

log = logging.getLogger(__name__)

_HEAD_BYTES = 8192
_BODY_BYTES = 8192
_DEADLINE_S = 10.0
_AT_ONCE = 64
_METHODS = frozenset(("GET", "HEAD", "POST"))


class Question(msgspec.Struct, frozen=True):
    """The head of a request; header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]


def parse(head: bytes) -> Question | None:
    """The question in a request's head, or None if it is not HTTP."""
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1.") or not parts[1].startswith("/"):
        return None
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return Question(parts[0], parts[1], headers)


def written(answer: Answer, *, with_body: bool) -> bytes:
    """An answer as bytes; the connection ends with it."""
    try:
        reason = http.HTTPStatus(answer.status).phrase
    except ValueError:
        reason = "Unknown"
    head = (
        f"HTTP/1.1 {answer.status} {reason}\r\nContent-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("latin-1") + (answer.body if with_body else b"")


class MetadataServer:
    """Serves one network on a listening socket made in the network's namespace."""

    def __init__(self, network_id: str, answers: MetadataAnswers) -> None:
        self._network_id = network_id
        self._answers = answers
        self._open = 0
        self._server: asyncio.Server | None = None

    async def start(self, listening: socket.socket) -> None:
        """Guests are answered on `listening`."""
        self._server = await asyncio.start_server(self._serve, sock=listening, limit=_HEAD_BYTES)

    async def close(self) -> None:
        """Nobody listens."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= _AT_ONCE:
            writer.close()
            return
        self._open += 1
        try:
            async with asyncio.timeout(_DEADLINE_S):
                writer.write(await self._reply(reader, str(writer.get_extra_info("peername")[0])))
                await writer.drain()
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError):
            pass  # The guest went away or is too slow; nobody is left to tell.
        finally:
            self._open -= 1
            writer.close()

    async def _reply(self, reader: asyncio.StreamReader, source_ip: str) -> bytes:
        try:
            question = parse(await reader.readuntil(b"\r\n\r\n"))
        except asyncio.LimitOverrunError:
            return written(Answer(431), with_body=True)
        if question is None:
            return written(Answer(400), with_body=True)
        if question.method not in _METHODS:
            return written(Answer(405), with_body=True)
        length = question.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > _BODY_BYTES:
            return written(Answer(413), with_body=True)
        body = await reader.readexactly(int(length))
        try:
            answer = await self._answers.answer(
                self._network_id, source_ip, question.method, question.path, question.headers, body
            )
        except Exception:
            log.exception("metadata question failed", extra={"network": self._network_id, "source": source_ip})
            answer = Answer(500)
        return written(answer, with_body=question.method != "HEAD")
