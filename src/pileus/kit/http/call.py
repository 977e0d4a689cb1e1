"""A request as a handler sees it, and what a handler may answer besides a wire."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

import msgspec

from pileus.kit.auth import NOBODY, Caller
from pileus.kit.errors import Invalid, TooLarge
from pileus.kit.http.version import ALWAYS, Version
from pileus.kit.policy import Enforcer, Target

App = TypeVar("App")
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Reply(msgspec.Struct):
    """An answer in full: status, body and headers. A body of chunks is sent as it comes."""

    status: int = 200
    body: bytes | AsyncIterator[bytes] = b""
    headers: dict[str, str] = {}


class Disconnected(Exception):
    """The client went away before its body was complete."""


class BadPaging(Invalid):
    """{name} must be a non-negative number, not '{given}'."""


class Page(msgspec.Struct):
    """Which part of a list is asked for, and in what order; sort is a list of (key, 'asc' | 'desc')."""

    limit: int | None = None
    marker: str | None = None
    sort: list[tuple[str, str]] = []
    reverse: bool = False
    total: int | None = None  # how many there are in all, where the answer is to say so


class Stream:
    """The body of an upload, chunk by chunk; raises Disconnected when the client stops early."""

    def __init__(self, receive: Receive, length: int | None, limit: int | None = None) -> None:
        self._receive = receive
        self.length = length
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        got = 0
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            chunk: bytes = message.get("body", b"")
            more = bool(message.get("more_body", False))
            got += len(chunk)
            if self._limit is not None and got > self._limit:
                raise TooLarge("The request body is too large.")
            if chunk:
                yield chunk
        if self.length is not None and got != self.length:
            raise Disconnected


class Call(Generic[App]):
    """One request on its way through a service."""

    __slots__ = (
        "_query",
        "app",
        "base",
        "caller",
        "client",
        "enforcer",
        "headers",
        "method",
        "page",
        "path",
        "query_string",
        "reply_headers",
        "reply_status",
        "request_id",
        "version",
    )

    app: App

    def __init__(self, method: str, path: str, query_string: str, headers: Mapping[str, str], request_id: str) -> None:
        self.method = method
        self.path = path  # below the service's mount point
        self.query_string = query_string
        self.headers = headers  # names in lower case
        self.request_id = request_id
        self.caller: Caller = NOBODY
        self.version: Version = ALWAYS
        self.page = Page()
        self.client = ""  # the address the request came from, as the listener saw it
        self.base = ""  # scheme://host/mount, without a slash at the end
        self.reply_headers: dict[str, str] = {}
        self.reply_status: int | None = None
        self._query: list[tuple[str, str]] | None = None

    enforcer: Enforcer

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query's pairs in their order, decoded."""
        if self._query is None:
            self._query = parse_qsl(self.query_string, keep_blank_values=True) if self.query_string else []
        return self._query

    def url(self, path: str) -> str:
        """An address of this service, as this client reaches it."""
        return self.base + path

    def allows(self, rule: str, target: Target | None = None) -> bool:
        """Whether policy lets the caller; the target is the caller's own project unless given."""
        return self.enforcer.allows(rule, self.caller, own(self.caller) if target is None else target)

    def require(self, rule: str, target: Target | None = None) -> None:
        """Raise Forbidden unless policy lets the caller."""
        self.enforcer.require(rule, self.caller, own(self.caller) if target is None else target)


def own(caller: Caller) -> Target:
    """What a rule is checked against when there is no object yet: the caller's own project and user."""
    return {
        "project_id": caller.project_id,
        "tenant_id": caller.project_id,
        "user_id": caller.user_id,
        "domain_id": caller.domain_id,
    }
