"""One event per change of state: the source of notifications, audit, server-sent events and the story of a request.

An event is a row written in the transaction that changed the state, so there is none without the other. Readers go by number,
and are woken after the commit; old events are dropped.
"""

import datetime as dt
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kit.bus import Bus, Subscription
from pileus.kit.clock import Clock, SystemClock
from pileus.kit.db import Database, command, query, scalar
from pileus.kit.observe.log import request_id as current_request_id
from pileus.kit.tables import events

EVENT = "event"  # topic: a kind of event

KEPT = 200_000
KEPT_FOR = dt.timedelta(days=30)


class Event(msgspec.Struct, frozen=True):
    """Something has changed."""

    number: int
    at: dt.datetime
    kind: str  # such as "server.started"
    subject: str  # such as "server:<id>"
    project_id: str | None
    user_id: str | None
    request_id: str | None
    payload: dict[str, Any]


_all = sa.select(*events.c)
TELL = command(sa.insert(events))
SINCE = query(
    _all.where(events.c.number > sa.bindparam("after")).order_by(events.c.number).limit(sa.bindparam("limit")), Event
)
OF_SUBJECT = query(
    _all.where(events.c.subject == sa.bindparam("subject"))
    .order_by(events.c.number.desc())
    .limit(sa.bindparam("limit")),
    Event,
)
OF_REQUEST = query(_all.where(events.c.request_id == sa.bindparam("request_id")).order_by(events.c.number), Event)
LAST = scalar(sa.select(sa.func.coalesce(sa.func.max(events.c.number), 0)), int)
_old = sa.or_(events.c.number <= sa.bindparam("up_to"), events.c.at < sa.bindparam("before"))
_lasting = events.c.kind.like(sa.bindparam("kind", type_=sa.String()), escape="\\")
_others = events.c.kind.not_like(sa.bindparam("kind", type_=sa.String()), escape="\\")
FORGET = command(sa.delete(events).where(_old))
FORGET_OTHERS = command(sa.delete(events).where(_others, _old))
FORGET_LASTING = command(sa.delete(events).where(_lasting, _old))
NUMBER_OF_LASTING = scalar(
    sa.select(events.c.number)
    .where(_lasting)
    .order_by(events.c.number.desc())
    .limit(1)
    .offset(sa.bindparam("kept", type_=sa.Integer())),
    int,
)


class Lasting(msgspec.Struct, frozen=True):
    """Events whose kind begins so are kept by themselves: so many of them, for so long."""

    prefix: str
    kept: int
    kept_for: dt.timedelta


class Events:
    """Tells and reads events."""

    def __init__(
        self, db: Database, bus: Bus, clock: Clock | None = None, *, kept: int = KEPT, lasting: Lasting | None = None
    ) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock or SystemClock()
        self._kept = kept
        self._lasting = lasting

    async def tell(
        self,
        kind: str,
        subject: str,
        project_id: str | None = None,
        request_id: str | None = None,
        payload: dict[str, object] | msgspec.Struct | None = None,
        *,
        user_id: str | None = None,
    ) -> None:
        """The event is written in the caller's transaction; readers are woken once that is committed."""
        await self._db.run(
            TELL, at=self._clock.now(), kind=kind, subject=subject, project_id=project_id, user_id=user_id,
            request_id=request_id or current_request_id.get(), payload=payload if payload is not None else {},
        )  # fmt: skip
        self._db.on_commit(lambda: self._bus.wake(EVENT, kind))

    async def since(self, after: int, limit: int = 500) -> list[Event]:
        """The events after this number, oldest first."""
        return await self._db.all(SINCE, after=after, limit=limit)

    async def last(self) -> int:
        """The number of the newest event, 0 when there is none: where a reader of what is to come begins."""
        return await self._db.one(LAST) or 0

    async def of_subject(self, subject: str, limit: int = 100) -> list[Event]:
        """What happened to a subject, newest first."""
        return await self._db.all(OF_SUBJECT, subject=subject, limit=limit)

    async def of_request(self, request_id: str) -> list[Event]:
        """What a request brought about, in order."""
        return await self._db.all(OF_REQUEST, request_id=request_id)

    def subscribe(self) -> Subscription:
        """Be woken when there are events to read with `since`; close it after use."""
        return self._bus.subscribe(EVENT)

    async def forget_old(self) -> int:
        """Only so many events are left, none of them too old; returns how many were dropped."""
        up_to, now = await self.last() - self._kept, self._clock.now()
        if self._lasting is None:
            return await self._db.run(FORGET, up_to=up_to, before=now - KEPT_FOR)
        kind = f"{self._lasting.prefix}%"
        gone = await self._db.run(FORGET_OTHERS, kind=kind, up_to=up_to, before=now - KEPT_FOR)
        last = await self._db.one(NUMBER_OF_LASTING, kind=kind, kept=self._lasting.kept) or 0
        before = now - self._lasting.kept_for
        return gone + await self._db.run(FORGET_LASTING, kind=kind, up_to=last, before=before)
