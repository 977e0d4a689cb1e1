"""Connections to the storage server of one other host, kept for the next call.

Every call may be repeated, so one whose kept connection turns out to be closed is made again on a fresh one. A host that does
not answer is left alone for a moment, longer each time: others stand in, and nobody waits for it meanwhile. One that takes no connections
is knocked at until it does, and counts again at that moment: where six of eight disks are needed, seconds of doubt are refusals.
"""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import h11
import msgspec

from pileus.kit.hosts.wire import BadMessage, Wire
from pileus.object_store.errors import Unreachable
from pileus.object_store.storage.far.calls import problem_of
from pileus.object_store.storage.published import Reached, server_name

KEPT = 64
KEPT_S = 30.0  # less than the other end keeps one that is silent
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 4.0
KNOCK_S, SELDOM_S = 0.25, 1.0
Done = TypeVar("Done")


class Timeouts(msgspec.Struct, frozen=True):
    """How long another host may take: to accept a connection, and for each thing it is asked."""

    connect_s: float = 2.0
    answer_s: float = 10.0


class Lines:
    """Connections to one host. `tls` says how we prove ourselves; None while nothing is known of certificates."""

    def __init__(
        self, host: str, where: Callable[[], Reached | None], tls: Callable[[], ssl.SSLContext | None], times: Timeouts
    ) -> None:
        self.host = host
        self.times = times
        self._where = where
        self._tls = tls
        self._kept: list[tuple[float, Wire]] = []
        self._failures = 0
        self._not_before = 0.0
        self._knocking: asyncio.Task[None] | None = None

    async def call(self, target: str, body: bytes) -> bytes:
        """What the other end answers; raises the problem it tells, or Unreachable."""
        answer, wire = await self.begin(target, body)
        self.give(wire)
        return answer

    async def begin(self, target: str, body: bytes) -> tuple[bytes, Wire]:
        """The answer, and the connection it came by, which whoever called now has; raises as `call` does."""
        while True:
            kept = self._pop()
            wire = kept or await self._connect()
            try:
                status, answer = await self.timely(asked(wire, target, body))
            except BadMessage as broken:
                abort(wire)
                if kept is None:
                    raise self.failed(str(broken)) from broken
            except BaseException:
                abort(wire)
                raise
            else:
                self._failures = 0
                if status < 400:
                    return answer, wire
                self.give(wire)
                raise problem_of(self.host, answer)

    def give(self, wire: Wire) -> None:
        """The connection is free for the next call, if nothing is half said on it."""
        if wire.state.our_state is h11.DONE and wire.state.their_state is h11.DONE:
            wire.state.start_next_cycle()
        if wire.state.our_state is h11.IDLE and len(self._kept) < KEPT:
            self._kept.append((time.monotonic(), wire))
        else:
            abort(wire)

    def failed(self, why: str) -> Unreachable:
        """What to raise; the host is left alone for a while."""
        pause_s = min(FIRST_PAUSE_S * 2 ** min(self._failures, 8), LONGEST_PAUSE_S)
        self._failures += 1
        self._not_before = time.monotonic() + pause_s
        return Unreachable(server=self.host or "controller", why=why)

    async def timely(self, work: Awaitable[Done]) -> Done:
        """What the work gives, if it does so in time; else raises Unreachable."""
        try:
            async with asyncio.timeout(self.times.answer_s):
                return await work
        except TimeoutError as late:
            raise self.failed(f"no answer in {self.times.answer_s:g} s") from late

    async def close(self) -> None:
        """No connection is left."""
        if self._knocking is not None:
            self._knocking.cancel()
            await asyncio.wait({self._knocking})
        while self._kept:
            await self._kept.pop()[1].close()

    def _pop(self) -> Wire | None:
        while self._kept:
            since, wire = self._kept.pop()
            if time.monotonic() - since < KEPT_S and not wire.reader.at_eof():
                return wire
            abort(wire)
        return None

    async def _connect(self) -> Wire:
        if time.monotonic() < self._not_before or self._knocking is not None:
            raise Unreachable(server=self.host or "controller", why="it did not answer a moment ago")
        try:
            return await self._dial()
        except _Away as away:
            if self._knocking is None:
                self._knocking = asyncio.create_task(self._knock())
            raise Unreachable(server=self.host or "controller", why=str(away)) from away

    async def _dial(self) -> Wire:
        at, tls = self._where(), self._tls()
        if at is None or tls is None:
            raise Unreachable(server=self.host or "controller", why="it is not known where it is")
        try:
            async with asyncio.timeout(self.times.connect_s):
                reader, writer = await asyncio.open_connection(
                    at.address, at.port, ssl=tls, server_hostname=server_name(self.host)
                )
        except TimeoutError as late:
            raise _Away(f"no connection in {self.times.connect_s:g} s") from late
        except OSError as failed:
            raise _Away(str(failed)) from failed
        return Wire(h11.CLIENT, reader, writer)

    async def _knock(self) -> None:
        """The host takes connections again, or it is not known any more where it is."""
        pause_s = KNOCK_S
        try:
            while True:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 1.1, SELDOM_S)
                try:
                    self.give(await self._dial())
                except _Away:
                    continue
                except Unreachable:
                    return
                return
        finally:
            self._knocking = None


class _Away(Exception):
    """No connection came about."""


def abort(wire: Wire) -> None:
    """The connection is gone, without waiting for the other end to agree."""
    wire.writer.transport.abort()


async def asked(wire: Wire, target: str, body: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to one request."""
    await wire.send(head(target, str(len(body))), h11.Data(data=body), h11.EndOfMessage())
    return await answered(wire)


async def answered(wire: Wire) -> tuple[int, bytes]:
    """Status and body of the answer that comes next."""
    event = await wire.event()
    if not isinstance(event, h11.Response):
        raise BadMessage(f"instead of an answer came {event!r}")
    return event.status_code, await wire.body()


def head(target: str, length: str | None) -> h11.Request:
    """The head of a request; without a length its body comes in chunks."""
    said = [("content-length", length)] if length is not None else [("transfer-encoding", "chunked")]
    return h11.Request(method="POST", target=f"/v1/{target}", headers=[("host", "objects"), *said])
