"""What is open at another host, each on a connection of its own: bytes on their way there, and copies that are read."""

from collections.abc import AsyncIterator, Mapping

import h11
import msgspec

from pileus.kit.hosts.wire import BadMessage, Wire
from pileus.object_store.errors import Missing
from pileus.object_store.storage.far.calls import BYTES, FRAME, WHAT, Head, framed, problem_of
from pileus.object_store.storage.far.lines import Lines, abort, answered, asked, head
from pileus.object_store.storage.interface import Told

WRITE = 1 << 18  # bytes sent at once


class FarUpload:
    """Bytes on their way to a device of another host."""

    def __init__(self, lines: Lines, wire: Wire) -> None:
        self._lines = lines
        self._wire: Wire | None = wire
        self._begun = False

    async def write(self, *chunks: bytes) -> None:
        """The bytes are behind those before them, or on their way there."""
        wire = self._wire
        if wire is None:
            raise self._lines.failed("the upload was given up")
        try:
            await self._begin(wire)
            for chunk in chunks:
                await send_bytes(self._lines, wire, chunk)
        except BadMessage as broken:
            await self.drop()
            raise self._lines.failed(str(broken)) from broken

    async def keep(
        self,
        stamp: str,
        metadata: Mapping[str, str],
        told: Told | None,
        *,
        only_new: bool,
        fragment: int | None = None,
    ) -> None:
        """The object is durable, and its container knows or will. A fragment waits for its commit."""
        wire = self._wire
        if wire is None:
            raise self._lines.failed("the upload was given up")
        try:
            await self._begin(wire)
            said = msgspec.json.encode((stamp, metadata, told, only_new, fragment))
            status, answer = await self._lines.timely(_ended(wire, said))
        except BadMessage as broken:
            raise self._lines.failed(str(broken)) from broken
        self._wire = None
        self._lines.give(wire)
        if status >= 400:
            raise problem_of(self._lines.host, answer)

    async def drop(self) -> None:
        """Nothing of it is left, unless it was kept: the other end drops what a connection leaves behind."""
        wire, self._wire = self._wire, None
        if wire is not None:
            abort(wire)

    async def _begin(self, wire: Wire) -> None:
        if not self._begun:
            self._begun = True
            wire.state.start_next_cycle()
            await wire.send(head("session/write", None))


class FarFound:
    """A copy of an object, or one of its files, at another host. It stays whole until it is closed."""

    def __init__(self, lines: Lines, wire: Wire | None, about: Head, inline: bytes) -> None:
        self._lines = lines
        self._wire = wire
        self._inline = inline
        self.metadata = about.metadata
        self.size = about.size
        self.stamp = about.stamp
        self.changed = about.changed

    async def read(self, start: int, length: int) -> AsyncIterator[bytes]:
        """The bytes from there; raises what keeps them from coming."""
        length = min(length, self.size - start)
        if length <= 0:
            return
        if self._inline:
            yield self._inline[start : start + length]
            return
        wire, self._wire = self._wire, None
        if wire is None:
            raise Missing
        done = False
        try:
            async for chunk in self._read(wire, start, length):
                yield chunk
            done = True
        except BadMessage as broken:
            raise self._lines.failed(str(broken)) from broken
        finally:
            if done:
                self._wire = wire
            else:
                abort(wire)

    async def _read(self, wire: Wire, start: int, length: int) -> AsyncIterator[bytes]:
        wire.state.start_next_cycle()
        body = msgspec.json.encode((start, length))
        await wire.send(head("session/read", str(len(body))), h11.Data(data=body), h11.EndOfMessage())
        event = await self._lines.timely(wire.event())
        if not isinstance(event, h11.Response):
            raise BadMessage(f"instead of an answer came {event!r}")
        if event.status_code >= 400:
            raise problem_of(self._lines.host, await wire.body())
        parts = wire.parts()
        while True:
            try:
                part = await self._lines.timely(anext(parts))
            except StopAsyncIteration:
                return
            yield part

    async def close(self) -> None:
        """It is not read any more."""
        wire, self._wire = self._wire, None
        if wire is None:
            return
        wire.state.start_next_cycle()
        try:
            await self._lines.timely(asked(wire, "session/close", b""))
        except BadMessage:
            abort(wire)  # then it is closed there as well
        except BaseException:
            abort(wire)
            raise
        else:
            self._lines.give(wire)


async def send_bytes(lines: Lines, wire: Wire, chunk: bytes) -> None:
    """The bytes are on their way, as one frame."""
    await lines.timely(wire.send(h11.Data(data=FRAME.pack(BYTES, len(chunk)))))
    view = memoryview(chunk)
    for at in range(0, len(view), WRITE):
        await lines.timely(wire.send(h11.Data(data=bytes(view[at : at + WRITE]))))


async def _ended(wire: Wire, said: bytes) -> tuple[int, bytes]:
    await wire.send(h11.Data(data=framed(WHAT, said)), h11.EndOfMessage())
    return await answered(wire)
