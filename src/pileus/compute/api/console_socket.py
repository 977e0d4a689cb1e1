"""The WebSocket behind console addresses: bytes both ways, no faster than the slower side takes them."""

import asyncio
import contextlib

from pileus.compute.app import Compute
from pileus.compute.commands.consoles import use_token
from pileus.kit.errors import Problem
from pileus.kit.http.socket import Socket
from pileus.kit.observe.log import log_of
from pileus.ports.consoles import ConsoleName

log = log_of(__name__)

REFUSED = 1008
UNAVAILABLE = 1011
CHUNK = 65536
KINDS: dict[str, ConsoleName] = {"vnc": "vnc", "serial": "serial"}


async def console_socket(app: Compute, socket: Socket) -> None:
    """The connection is joined to the console its token leads to, until either side ends it."""
    taken = await use_token(app, socket.query.get("token", ""))
    if taken is None:
        await socket.close(REFUSED, "the token is not good: it was used, has expired, or never was one")
        return
    try:
        reader, writer = await app.consoles.open(taken.host, taken.server_id, KINDS[taken.kind])
    except Problem as refused:
        log.warning("a console cannot be opened", server=taken.server_id, why=refused.message)
        await socket.close(UNAVAILABLE, "the console cannot be opened")
        return
    await socket.accept("binary" if "binary" in socket.subprotocols else None)
    try:
        await _join(socket, reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _join(socket: Socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    inward = asyncio.create_task(_inward(socket, writer))
    outward = asyncio.create_task(_outward(socket, reader))
    try:
        await asyncio.wait({inward, outward}, return_when=asyncio.FIRST_COMPLETED)
        if not inward.done():
            await socket.close(1000, "the server closed its console")
    finally:
        for task in (inward, outward):
            task.cancel()
        await asyncio.gather(inward, outward, return_exceptions=True)


async def _inward(socket: Socket, writer: asyncio.StreamWriter) -> None:
    """What is typed reaches the server."""
    while (typed := await socket.receive()) is not None:
        writer.write(typed)
        await writer.drain()


async def _outward(socket: Socket, reader: asyncio.StreamReader) -> None:
    """What the server shows reaches the other side."""
    while shown := await reader.read(CHUNK):
        await socket.send(shown)
