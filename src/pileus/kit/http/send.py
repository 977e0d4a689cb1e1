"""Writing an answer to the ASGI server, whole or chunk by chunk."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import quote

from pileus.kit.http.call import Receive, Reply
from pileus.kit.http.pace import Pace, TooSlow
from pileus.kit.http.pace import Send as Send
from pileus.kit.observe.log import log_of

log = log_of(__name__)
_PRINTED = "".join(map(chr, range(0x20, 0x7F)))


async def send_reply(reply: Reply, send: Send, receive: Receive, *, head: bool, pace: Pace) -> None:
    """Send an answer; for a HEAD, its head alone. Who takes it too slowly gets no more of it; raises TooSlow then."""
    body = reply.body
    whole = isinstance(body, bytes)
    headers = [(name.lower().encode("latin-1"), _spelled(value)) for name, value in reply.headers.items()]
    if isinstance(body, bytes) and "Content-Length" not in reply.headers and reply.status not in {204, 304}:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if head or whole:
        await send({"type": "http.response.body", "body": body if whole and not head else b""})
        return
    assert not isinstance(body, bytes)
    await send_chunks(body, pace.sending(send), receive)


def _spelled(value: str) -> bytes:
    """A header's value: where a name in it holds what no header can, that is percent-encoded (RFC 3986)."""
    return (value if value.isascii() and value.isprintable() else quote(value, safe=_PRINTED)).encode()


async def send_chunks(chunks: AsyncIterator[bytes], send: Send, receive: Receive) -> None:
    """Send chunks until they end or the client goes away.

    A server may swallow what is sent to a client that left, so a watcher on `receive` is what stops the reading.
    """
    gone = asyncio.create_task(until_gone(receive))
    try:
        async for chunk in chunks:
            if gone.done():
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    except TooSlow as slow:
        log.info("a client does not take what it asked for", why=str(slow))
        raise
    finally:
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


async def until_gone(receive: Receive) -> None:
    """The client has gone; whatever it still says is dropped."""
    while (await receive())["type"] != "http.disconnect":
        pass
