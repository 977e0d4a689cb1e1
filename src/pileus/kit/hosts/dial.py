"""The host's end of the channel: asks a controller, over connections that are kept for the next question.

Every question is safe to repeat, so one whose kept connection turns out to be closed is asked again on a fresh one.
"""

import asyncio
import contextlib
import datetime as dt
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Mapping
from pathlib import Path
from typing import TypeVar

import h11
import msgspec

from pileus.kit.errors import Problem
from pileus.kit.hosts.wire import SPEAKS, SPOKEN, UPGRADE, BadMessage, Wire, headers_of, spoken
from pileus.kit.timely import timely

CONNECT_S = 5.0
DEADLINE_S = 20.0
KEPT = 4
Shape = TypeVar("Shape")


class Unreachable(Problem):
    """The controller at {where} cannot be reached: {why}"""

    status = 503


class Refused(Problem):
    """The controller refuses: {why}"""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why=why)
        self.answered = code


class Address(msgspec.Struct, frozen=True):
    """Where a controller answers: host and port, or a unix socket."""

    host: str = ""
    port: int = 0
    unix: Path | None = None

    def __str__(self) -> str:
        return str(self.unix) if self.unix is not None else f"{self.host}:{self.port}"


class Response(msgspec.Struct, frozen=True):
    """The head of an answer; its body is in `parts` of the wire."""

    status: int
    headers: Mapping[str, str]


class Dialler:
    """Asks one controller. `tls` may be replaced when a certificate was renewed."""

    def __init__(
        self,
        address: Address,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        *,
        speaks: int = SPEAKS,
    ) -> None:
        self.address = address
        self._speaks = speaks
        self._tls = tls
        self._server_name = server_name
        self._kept: list[Wire] = []

    async def ask(self, method: str, path: str, body: object = None, *, deadline_s: float = DEADLINE_S) -> bytes:
        """The answer's body; raises Refused with the controller's words, or Unreachable."""
        return await self._answered(method, path, b"" if body is None else msgspec.json.encode(body), deadline_s)

    async def put(self, path: str, content: bytes, *, deadline_s: float = DEADLINE_S) -> bytes:
        """These bytes are taken there; raises Refused with the controller's words, or Unreachable."""
        return await self._answered("PUT", path, content, deadline_s)

    async def _answered(self, method: str, path: str, sent: bytes, deadline_s: float) -> bytes:
        async with self._asked(method, path, sent, {}, deadline_s) as (response, wire):
            content = await self._timely(wire.body(), deadline_s)
            if response.status >= 400:
                raise Refused(response.status, _why(content))
            return content

    async def get(self, shape: type[Shape], path: str, *, deadline_s: float = DEADLINE_S) -> Shape:
        """The answer as a value; fields unknown here are left aside."""
        return msgspec.json.decode(await self.ask("GET", path, deadline_s=deadline_s), type=shape)

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, headers: Mapping[str, str], *, deadline_s: float = DEADLINE_S
    ) -> AsyncIterator[tuple[Response, AsyncIterator[bytes]]]:
        """The answer's head, which may take until the deadline, and its bytes as they come; raises Refused."""
        async with self._asked("GET", path, b"", headers, deadline_s) as (response, wire):
            if response.status >= 400:
                raise Refused(response.status, _why(await self._timely(wire.body(), DEADLINE_S)))
            yield response, self._parts(wire)

    async def take_over(
        self, path: str, body: object = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
        """A connection that is bytes both ways from now on, and the first of them that came already.

        Raises Refused with the controller's words, or Unreachable.
        """
        sent = b"" if body is None else msgspec.json.encode(body)
        wire = await self._connect()
        try:
            upgrade = {"connection": "upgrade", "upgrade": UPGRADE.decode()}
            await wire.send(self._request("POST", path, sent, upgrade), h11.Data(data=sent), h11.EndOfMessage())
            event = await self._timely(wire.event(), DEADLINE_S)
            if isinstance(event, h11.Response):
                raise Refused(event.status_code, _why(await self._timely(wire.body(), DEADLINE_S)))
            if not isinstance(event, h11.InformationalResponse) or event.status_code != 101:
                raise BadMessage(f"instead of a stream came {event!r}")
        except BadMessage as broken:
            await wire.close()
            raise Unreachable(where=self.address, why=broken) from broken
        except BaseException:
            await wire.close()
            raise
        return wire.reader, wire.writer, wire.state.trailing_data[0]

    async def close(self) -> None:
        """No connection is left."""
        while self._kept:
            await self._kept.pop().close()

    async def renew(self, tls: ssl.SSLContext) -> None:
        """From now on the controller sees the new certificate."""
        self._tls = tls
        await self.close()

    @contextlib.asynccontextmanager
    async def _asked(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], deadline_s: float
    ) -> AsyncIterator[tuple[Response, Wire]]:
        wire, response = await self._send(self._request(method, path, body, headers), body, deadline_s)
        whole = False
        try:
            yield response, wire
            whole = wire.state.their_state is h11.DONE and wire.state.our_state is h11.DONE
        except BadMessage as broken:
            raise Unreachable(where=self.address, why=broken) from broken
        finally:
            if whole and len(self._kept) < KEPT:
                wire.state.start_next_cycle()
                self._kept.append(wire)
            else:
                await wire.close()

    async def _send(self, request: h11.Request, body: bytes, deadline_s: float) -> tuple[Wire, Response]:
        while True:
            kept = bool(self._kept)
            wire = self._kept.pop() if kept else await self._connect()
            try:
                await wire.send(request, h11.Data(data=body), h11.EndOfMessage())
                event = await self._timely(wire.event(), deadline_s)
                if not isinstance(event, h11.Response):
                    raise BadMessage(f"instead of an answer came {event!r}")
                self._understood(headers_of(event))
                return wire, Response(event.status_code, headers_of(event))
            except BadMessage as broken:
                await wire.close()
                if not kept:
                    raise Unreachable(where=self.address, why=broken) from broken
            except BaseException:
                await wire.close()
                raise

    async def _connect(self) -> Wire:
        try:
            async with asyncio.timeout(CONNECT_S):
                if self.address.unix is not None:
                    return Wire(h11.CLIENT, *await _open_unix(self.address.unix))
                reader, writer = await asyncio.open_connection(
                    self.address.host,
                    self.address.port,
                    ssl=self._tls,
                    server_hostname=(self._server_name or self.address.host) if self._tls is not None else None,
                )
        except TimeoutError as failed:
            raise Unreachable(where=self.address, why=f"no connection in {CONNECT_S:g} s") from failed
        except ssl.SSLCertVerificationError as failed:
            now = f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC"
            why = f"its certificate is not good here, where it is {now}: {failed.verify_message}"
            raise Unreachable(where=self.address, why=why) from failed
        except OSError as failed:
            raise Unreachable(where=self.address, why=failed) from failed
        return Wire(h11.CLIENT, reader, writer)

    def _request(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> h11.Request:
        told = {
            "host": str(self.address.host or "localhost"),
            "content-length": str(len(body)),
            SPOKEN: str(self._speaks),
            **headers,
        }
        return h11.Request(method=method, target=path, headers=list(told.items()))

    def _understood(self, headers: Mapping[str, str]) -> None:
        """Raise Refused where who answers is of a release that does not go with this one."""
        theirs = spoken(headers)
        if abs(theirs - self._speaks) > 1:
            older = "there" if theirs < self._speaks else "here"
            raise Refused(
                426,
                f"{self.address} speaks version {theirs} of the channel and this machine {self._speaks}, of which only "
                f"neighbours understand one another; install a newer release {older}",
            )

    async def _timely(self, work: Awaitable[Shape], deadline_s: float) -> Shape:
        try:
            return await timely(work, deadline_s)
        except TimeoutError as late:
            raise Unreachable(where=self.address, why=f"no answer in {deadline_s:g} s") from late

    async def _parts(self, wire: Wire) -> AsyncIterator[bytes]:
        parts = wire.parts()
        while True:
            try:
                yield await self._timely(anext(parts), DEADLINE_S)
            except StopAsyncIteration:
                return


async def _open_unix(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    # Unix addresses hold 107 bytes, so a long path is shortened by going through its folder.
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return await asyncio.open_unix_connection(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def _why(content: bytes) -> str:
    try:
        return str(msgspec.json.decode(content, type=dict[str, object]).get("why", "no reason given"))
    except msgspec.DecodeError:
        return content[:200].decode(errors="replace")
