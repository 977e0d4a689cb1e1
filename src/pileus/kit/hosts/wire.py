"""HTTP/1.1 on one asyncio connection, for either side of the hosts' channel.

h11 knows the protocol, asyncio and ssl carry the bytes; whoever holds the connection also sees the other side's certificate,
which ASGI servers keep to themselves. A connection may be taken over (`Upgrade: bytes`) and is then bytes both ways.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

import h11
import msgspec

CHUNK = 1 << 16
MOST_BODY = 16 << 20  # documents of a host with thousands of servers; files come as streams
UPGRADE = b"bytes"
# What this release speaks over the channel, told with each request and each answer. A change that the release before would not
# understand takes the next number; controllers understand the one before as well, and are upgraded first.
SPEAKS = 1
SPOKEN = "pileus-speaks"


class BadMessage(Exception):
    """The other side does not speak as agreed, or has gone away."""


class Peer(msgspec.Struct, frozen=True):
    """Who the other side has proven to be: the certificate's common name and serial number; empty without one."""

    name: str = ""
    serial: str = ""


def peer_of(writer: asyncio.StreamWriter) -> Peer:
    """The other side, as TLS has verified it."""
    tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    found: Mapping[str, Any] = (tls.getpeercert() if tls is not None else None) or {}
    subject = {key: value for part in found.get("subject", ()) for key, value in part}
    return Peer(subject.get("commonName", ""), found.get("serialNumber", "").lower().lstrip("0")) if found else Peer()


class Wire:
    """One connection with h11's account of it."""

    def __init__(self, role: type[h11.CLIENT | h11.SERVER], reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.reader = reader
        self.writer = writer
        self.state = h11.Connection(role)

    async def event(self) -> h11.Event | type[h11.PAUSED]:
        """What comes next from the other side; raises BadMessage."""
        while True:
            try:
                found = self.state.next_event()
            except h11.RemoteProtocolError as bad:
                raise BadMessage(str(bad)) from bad
            if found is not h11.NEED_DATA:
                return found  # type: ignore[return-value]
            try:
                came = await self.reader.read(CHUNK)
            except OSError as failed:
                raise BadMessage(str(failed)) from failed
            if not came and self.state.our_role is h11.CLIENT and self.state.their_state is h11.SEND_RESPONSE:
                raise BadMessage("the connection was closed without an answer")
            self.state.receive_data(came)

    async def send(self, *events: h11.Event) -> None:
        """The events are on their way; raises BadMessage when the other side is gone."""
        try:
            for event in events:
                self.writer.write(self.state.send(event) or b"")
            await self.writer.drain()
        except (OSError, h11.LocalProtocolError) as failed:
            raise BadMessage(str(failed) or type(failed).__name__) from failed

    async def body(self, most: int = MOST_BODY) -> bytes:
        """All of the message's body; raises BadMessage if it is longer than `most`."""
        parts = []
        async for part in self.parts():
            parts.append(part)
            most -= len(part)
            if most < 0:
                raise BadMessage("the body is too long")
        return b"".join(parts)

    async def parts(self) -> AsyncIterator[bytes]:
        """The message's body as it comes; raises BadMessage when it breaks off."""
        while True:
            match await self.event():
                case h11.Data(data=data):
                    yield bytes(data)
                case h11.EndOfMessage():
                    return
                case other:
                    raise BadMessage(f"the body breaks off: {other!r}")

    async def close(self) -> None:
        """The connection is closed."""
        await shut(self.writer)


async def shut(writer: asyncio.StreamWriter) -> None:
    """The connection is closed, whatever the other side thinks of it.

    What came before and was not read yet may still be read: asyncio forgets it where TLS is closed a second time.
    """
    if not writer.transport.is_closing():
        writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(5):
            await writer.wait_closed()


def headers_of(event: h11.Request | h11.Response | h11.InformationalResponse) -> dict[str, str]:
    """Headers by their names in lower case."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}


def spoken(headers: Mapping[str, str]) -> int:
    """What the other side speaks; the releases before it was told spoke 1."""
    given = headers.get(SPOKEN, "1")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 7 else 0


async def join(
    one: tuple[asyncio.StreamReader, asyncio.StreamWriter], other: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    """Bytes have gone both ways until one side ended; both are closed."""
    flows = {asyncio.create_task(_flow(one[0], other[1])), asyncio.create_task(_flow(other[0], one[1]))}
    try:
        await asyncio.wait(flows, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for flow in flows:
            flow.cancel()
        await asyncio.gather(*flows, return_exceptions=True)
        await shut(one[1])
        await shut(other[1])


async def _flow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while part := await reader.read(CHUNK):
            writer.write(part)
            await writer.drain()
