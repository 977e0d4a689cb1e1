"""All that passes between a host's agent and the controllers: four calls and the documents they carry.

In one process they are function calls, from afar HTTPS. Nothing here may know of databases.
"""

from typing import Any, Protocol

import msgspec

# A document's body is a JSON object whose shape only its kind knows.
Body = dict[str, Any]


class Document(msgspec.Struct, frozen=True):
    """What a host shall have: one thing of some kind, as `body` says; or, if `gone`, not at all."""

    kind: str
    id: str
    generation: int
    body: Body
    gone: bool


class Batch(msgspec.Struct, frozen=True):
    """Documents that changed since a cursor. Only a `whole` one says what else is not wanted."""

    documents: tuple[Document, ...]
    cursor: int
    whole: bool


class Report(msgspec.Struct, frozen=True):
    """What a host has made of a document: it answers that generation. `failure` holds the driver's own words."""

    kind: str
    id: str
    generation: int
    body: Body
    present: bool
    failure: str | None = None


class Exchange(Protocol):
    """What an agent may call. Any call may fail; the agent tries again."""

    async def register(self, host: str, facts: Body) -> None:
        """The host is known, with what it has and can; said again whenever that changes."""
        ...

    async def wanted(self, host: str, after: int, timeout_s: float) -> Batch:
        """Return what changed after the cursor, waiting for it for a while; everything when `after` is 0.

        Asking is the host's heartbeat.
        """
        ...

    async def report(self, host: str, report: Report) -> None:
        """The controllers know what the host has."""
        ...
