"""A request of object storage and its answer, free of HTTP's wire: what the Swift API, S3 and features all speak.

Header names are lower case; header values are bytes read as Latin-1, as HTTP has them; names in paths are text. Whoever asks
brings a permit, which is consulted once it is known what guards the thing; a feature that asks on its own brings `anyone`.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from html import escape
from typing import Protocol

import msgspec

from pileus.kit.auth import NOBODY, Caller
from pileus.object_store.models.listings import Entry
from pileus.object_store.models.paths import Path

REASONS = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "No Content",
    206: "Partial Content",
    301: "Moved Permanently",
    303: "See Other",
    304: "Not Modified",
    307: "Temporary Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    409: "Conflict",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    416: "Requested Range Not Satisfiable",
    417: "Expectation Failed",
    422: "Unprocessable Entity",
    498: "Rate Limited",
    499: "Client Disconnect",
    500: "Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    507: "Insufficient Storage",
}
TEXTS = {
    400: "The server could not comply with the request since it is either malformed or otherwise incorrect.",
    401: "This server could not verify that you are authorized to access the document you requested.",
    403: "Access was denied to this resource.",
    404: "The resource could not be found.",
    405: "The method is not allowed for this resource.",
    406: "The resource is not available in a format acceptable to your browser.",
    408: "The server has waited too long for the request to be sent by the client.",
    409: "There was a conflict when trying to complete your request.",
    411: "Content-Length header required.",
    412: "A precondition for this request was not met.",
    413: "The body of your request was too large for this server.",
    416: "The Range requested is not available.",
    422: "Unable to process the contained instructions",
    499: "The client was disconnected during request.",
    500: "The server has either erred or is incapable of performing the requested operation.",
    503: "The server is currently unavailable. Please try again at a later time.",
    507: "There was not enough space to save the resource.",
}


class Body(Protocol):
    """The bytes of a request; `length` is None when nobody said."""

    length: int | None

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class Bytes:
    """A body at hand."""

    def __init__(self, content: bytes = b"") -> None:
        self._content = content
        self.length: int | None = len(content)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._content:
            yield self._content


class Content(Protocol):
    """The bytes of an answer, of which any part can be read. Closed by whoever has sent it, read or not."""

    size: int

    def read(self, start: int, length: int) -> AsyncIterator[bytes]: ...
    async def close(self) -> None: ...


class Guards(msgspec.Struct, frozen=True):
    """What was said about who may: the container's ACL for this kind of access, and the account's."""

    container: str = ""
    account: str = ""


class Landed(msgspec.Struct, frozen=True):
    """What arrived: known when the last byte has."""

    etag: str
    size: int


Permit = Callable[["Ask", Guards], None]  # raises Refused


def anyone(_ask: "Ask", _guards: Guards) -> None:
    """The permit of what the cloud does by itself."""


class Claim(msgspec.Struct, frozen=True):
    """That an object is written by one who claimed it: its path, and a word that nobody else has."""

    path: Path
    token: str

    @classmethod
    def fresh(cls, path: Path) -> "Claim":
        """One that is to be taken."""
        return cls(path, uuid.uuid4().hex)

    def word(self, path: Path) -> str:
        """What writes of this path are done with."""
        return self.token if path == self.path else ""


class Ask(msgspec.Struct, kw_only=True):
    """What is asked. `owner` and `reseller` are set by the permit: who runs the account, who may make and remove accounts."""

    method: str
    path: Path
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    body: Body = msgspec.field(default_factory=Bytes)
    permit: Permit = anyone
    caller: Caller = NOBODY
    owner: bool = False
    reseller: bool = False
    base: str = ""  # scheme://host/mount as the client reaches it
    request_id: str = ""
    remote: str = ""  # the client's address
    stamp: str | None = None  # when it happened, where that is not now
    late: Callable[[Landed], Mapping[str, str]] | None = None  # metadata that is known only when all bytes are
    kept: Callable[[Mapping[str, str]], dict[str, str]] | None = None  # metadata as it is to lie on the disk
    shown: Callable[[Sequence[Entry]], Awaitable[Sequence[Entry]]] | None = None  # entries as they are to be listed
    claim: Claim | None = None  # an object that only this request writes
    sent: str = ""  # the path that was sent, where the host named the rest
    slash: bool = False  # whether the client's path ended in one
    hidden: bool = False  # it may name what begins with NUL

    def again(
        self,
        method: str,
        path: Path,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
    ) -> "Ask":
        """Another request by the same caller, under the same permit; headers, query and body are its own."""
        return msgspec.structs.replace(
            self,
            method=method,
            path=path,
            headers=dict(headers or {}),
            query=dict(query or {}),
            body=body or Bytes(),
            stamp=None,
            late=None,
        )

    def by_cloud(self) -> "Ask":
        """The same, asked by the cloud itself."""
        return msgspec.structs.replace(self, permit=anyone, owner=True, hidden=True)

    def flag(self, name: str) -> bool:
        """Whether a header says yes."""
        return true(self.headers.get(name, ""))


class Answer(msgspec.Struct, kw_only=True):
    """What is answered."""

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes | Content = b""

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return 200 <= self.status < 300

    async def close(self) -> None:
        """Its bytes are not wanted."""
        if not isinstance(self.body, bytes):
            await self.body.close()

    async def bytes(self) -> bytes:
        """The whole body; it is closed."""
        if isinstance(self.body, bytes):
            return self.body
        try:
            return b"".join([chunk async for chunk in self.body.read(0, self.body.size)])
        finally:
            await self.close()


class Refused(Exception):
    """It is not done; the answer says why."""

    def __init__(self, status: int, text: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, text)
        self.answer = refusal(status, text, headers)


def refusal(status: int, text: str | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """The answer that says what is wrong: the text as it is, or a page in HTML that says what the status means."""
    if text is not None:
        body, kind = text.encode(), "text/plain; charset=UTF-8"
        if status in {401, 404, 405} and not text:
            body = b""
    else:
        reason = REASONS.get(status, "Error")
        body = f"<html><h1>{reason}</h1><p>{escape(TEXTS.get(status, reason))}</p></html>".encode()
        kind = "text/html; charset=UTF-8"
    return Answer(status=status, headers={"content-type": kind, **(headers or {})}, body=body)


def true(text: str) -> bool:
    """Whether a word in a header or query means yes."""
    return text.strip().lower() in {"1", "true", "yes", "on", "t", "y"}


Handler = Callable[[Ask], Awaitable[Answer]]


async def answered(rest: Handler, ask: Ask) -> Answer:
    """What is answered, a refusal included."""
    try:
        return await rest(ask)
    except Refused as refused:
        return refused.answer


async def whole(rest: Handler, ask: Ask) -> tuple[Answer, bytes]:
    """What is answered, and all its bytes."""
    answer = await answered(rest, ask)
    return answer, await answer.bytes()


class Feature(Protocol):
    """Something the API can do besides keeping bytes. It answers by itself, or changes what is asked or answered."""

    async def __call__(self, ask: Ask, rest: Handler) -> Answer: ...
