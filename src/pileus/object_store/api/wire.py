"""The wire: ASGI to an Ask, an Answer to ASGI. Bytes flow both ways as they come, and nobody holds them whole."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from pileus.kit.http.call import Receive, Stream
from pileus.kit.http.pace import Pace, TooSlow
from pileus.kit.http.send import Send
from pileus.kit.observe.log import log_of
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Answer, Ask, Refused

INWARD = (
    "x-account-sysmeta-",
    "x-container-sysmeta-",
    "x-object-sysmeta-",
    "x-object-transient-sysmeta-",
    "x-backend-",
)
log = log_of(__name__)
NEVER = {"x-timestamp", "x-if-delete-at"}
WHOLE = 1 << 18  # bytes that are sent at once


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """The headers of a request; without those by which the parts of object storage speak to one another."""
    found: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").lower()
        if name == "x-timestamp":  # only container sync may say when something was written
            found["x-backend-inbound-x-timestamp"] = value.decode("latin-1")
        if name == "x-account-sysmeta-read-only":  # from a reseller it is taken
            found["x-account-read-only"] = value.decode("latin-1")
        if name not in NEVER and not name.startswith(INWARD):
            text = value.decode("latin-1")
            found[name] = f"{found[name]},{text}" if name in found else text
    return found


def query_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """The query; of a name given twice the first counts."""
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="surrogateescape")
    return dict(reversed(pairs))


def parts_of(scope: Mapping[str, Any]) -> list[str]:
    """The path's segments, decoded; what is behind the third slash is one, slashes and all."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    parts = raw.partition(b"?")[0].split(b"/", 5)[1:]
    return [unquote_to_bytes(part).decode("utf-8", "surrogateescape") for part in parts]


def path_of(parts: list[str]) -> Path:
    """The account, container or object that `/v1/...` names; refuses what is none."""
    account = parts[1] if len(parts) > 1 else ""
    container = parts[2] if len(parts) > 2 and parts[2] else None
    name = parts[3] if len(parts) > 3 and parts[3] else None
    if not account or (container is None and name is not None):
        raise Refused(404)
    path = Path(account, container, name)
    try:
        text = str(path).encode()
    except UnicodeEncodeError:
        raise Refused(412, "Invalid UTF8 or contains NULL") from None
    if b"\0" in text:
        raise Refused(412, "Invalid UTF8 or contains NULL")
    return path


def body_of(headers: Mapping[str, str], receive: Receive) -> Stream:
    """The body of a request, as it comes."""
    text = headers.get("content-length")
    if text is None:
        return Stream(receive, None)
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise Refused(400, "Invalid Content-Length header value")
    return Stream(receive, int(text))


@cache
def wired(name: str) -> bytes:
    """The name of a header as Swift writes it."""
    return name.title().encode("latin-1")


async def send_answer(
    ask: Ask | None,
    answer: Answer,
    send: Send,
    receive: Receive,
    *,
    spelled: Callable[[str], bytes] = wired,
    pace: Pace | None = None,
) -> None:
    """The answer is with the client, or the client has gone; `spelled` says how header names are written.

    A client that does not keep `pace` is left with part of the answer, which tells it that there is more.
    """
    head = ask is not None and ask.method == "HEAD"
    headers = dict(answer.headers)
    body = answer.body
    if isinstance(body, bytes) and answer.status not in {304} and not (head and "content-length" in headers):
        headers["content-length"] = str(len(body))
    sent = [
        (spelled(name), value.encode("latin-1", "replace").translate(None, b"\r\n")) for name, value in headers.items()
    ]
    start = {"type": "http.response.start", "status": answer.status, "headers": sent}
    if isinstance(body, bytes):
        await send(start)
        await send({"type": "http.response.body", "body": b"" if head else body})
        return
    try:
        if head:
            await send(start)
            await send({"type": "http.response.body", "body": b""})
        elif body.size <= WHOLE:
            whole = b"".join([chunk async for chunk in body.read(0, body.size)])
            await send(start)
            await send({"type": "http.response.body", "body": whole})
        else:
            await send(start)
            await _send_chunks(body.read(0, body.size), send if pace is None else pace.sending(send), receive)
    finally:
        await answer.close()


async def _send_chunks(chunks: AsyncIterator[bytes], send: Send, receive: Receive) -> None:
    """A server may swallow what is sent to a client that left, so a watcher on `receive` is what stops the reading."""
    gone = asyncio.create_task(_until_gone(receive))
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


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
