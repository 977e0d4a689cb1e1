"""JSON-RPC 1.0 over a unix socket, as Open vSwitch speaks it: for its databases (RFC 7047) and for `appctl`.

Messages follow one another without any delimiter, so a small scanner finds where each ends. Answers go to whoever
asked, `echo` is answered here, other requests go to a listener.
"""

import asyncio
import itertools
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from pileus.kit.flow.failpoint import failpoint

Json = Any  # What JSON may hold; mypy has no comfortable recursive type for it.
Notified = Callable[[str, list[Json]], None]

_OUTSIDE = re.compile(rb'["{}\[\]]')
_INSIDE = re.compile(rb'["\\]')
_READ = 1 << 18
ANSWER_S = (
    60.0  # the largest database is copied in a few; who is silent for so long hangs, and another connection is tried
)


class RpcFailed(Exception):
    """The other side answered with an error, or went away before it answered."""


class Framer:
    """Cuts a stream of bytes into whole JSON objects."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._seen = 0
        self._depth = 0
        self._in_string = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The objects that are complete with `chunk`."""
        self._buffer += chunk
        whole: list[bytes] = []
        while True:
            found = (_INSIDE if self._in_string else _OUTSIDE).search(self._buffer, self._seen)
            if found is None:
                self._seen = len(self._buffer)
                return whole
            mark = found.group()
            if mark == b"\\":
                if found.end() == len(self._buffer):
                    self._seen = found.start()
                    return whole
                self._seen = found.end() + 1
                continue
            self._seen = found.end()
            if mark == b'"':
                self._in_string = not self._in_string
                continue
            self._depth += 1 if mark in b"{[" else -1
            if self._depth == 0:
                whole.append(bytes(self._buffer[: self._seen]))
                del self._buffer[: self._seen]
                self._seen = 0


def connect_unix(path: Path) -> socket.socket:
    """A connected unix socket, however long the path is (the kernel takes 107 bytes, so we go through the folder)."""
    plug = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    folder = -1
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        plug.connect(f"/proc/self/fd/{folder}/{path.name}")
        plug.setblocking(False)
    except OSError:
        plug.close()
        raise
    finally:
        if folder >= 0:
            os.close(folder)
    return plug


class Connection:
    """One open connection; `closed` is set once it is over."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, notified: Notified | None, answer_s: float
    ) -> None:
        self._reader = reader
        self._answer_s = answer_s
        self._writer = writer
        self._notified = notified
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Json]] = {}
        self.closed = asyncio.Event()
        self._task = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, path: Path, notified: Notified | None = None, *, answer_s: float = ANSWER_S) -> "Connection":
        """A connection to the socket at `path`; raises OSError."""
        reader, writer = await asyncio.open_unix_connection(sock=connect_unix(path))
        return cls(reader, writer, notified, answer_s)

    async def call(self, method: str, params: list[Json]) -> Json:
        """The result of one request; raises RpcFailed. A connection that does not answer in time is closed."""
        if self.closed.is_set():
            raise RpcFailed("the connection is closed")
        number = next(self._ids)
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            self._send({"method": method, "params": params, "id": number})
            failpoint("ovn.sent", method)
            async with asyncio.timeout(self._answer_s):
                return await answer
        except TimeoutError:
            self._writer.transport.abort()  # What it does with the request is not known: nothing else is asked here.
            raise RpcFailed(f"no answer to {method} within {self._answer_s:g} s") from None
        finally:
            self._asked.pop(number, None)

    async def close(self) -> None:
        """The connection is closed and nothing of it runs any more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _send(self, message: dict[str, Json]) -> None:
        self._writer.write(msgspec.json.encode(message))

    async def _listen(self) -> None:
        framer = Framer()
        try:
            while chunk := await self._reader.read(_READ):
                for text in framer.feed(chunk):
                    self._take(msgspec.json.decode(text))
        except (ConnectionError, msgspec.DecodeError):
            pass  # The peer is gone or talks nonsense: both end the connection, and whoever waits is told below.
        finally:
            self.closed.set()
            self._writer.close()
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(RpcFailed("the connection was lost"))

    def _take(self, message: dict[str, Json]) -> None:
        method = message.get("method")
        if method is None:
            answer = self._asked.get(message["id"])
            if answer is None or answer.done():
                return
            if message.get("error") is not None:
                answer.set_exception(RpcFailed(_words(message["error"])))
            else:
                answer.set_result(message.get("result"))
        elif method == "echo":
            self._send({"result": message["params"], "error": None, "id": message["id"]})
        elif self._notified is not None:
            self._notified(method, message["params"])


def _words(error: Json) -> str:
    if isinstance(error, dict):
        return ": ".join(str(error[k]) for k in ("error", "details") if k in error)
    return str(error).strip()


async def appctl(path: Path, command: str, *args: str, deadline_s: float = 5.0) -> str:
    """What a daemon of Open vSwitch or OVN answers to a command on its control socket; raises RpcFailed."""
    try:
        async with asyncio.timeout(deadline_s):
            connection = await Connection.open(path)
            try:
                return str(await connection.call(command, list(args)) or "")
            finally:
                await connection.close()
    except TimeoutError:
        raise RpcFailed(f"{path.name}: no answer to {command} within {deadline_s:g} s") from None
    except OSError as failed:
        raise RpcFailed(f"{path.name}: {failed.strerror}") from failed
