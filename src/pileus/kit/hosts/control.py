"""The controller's side: say what a host shall have, read what it has (and which are up: `registry`).

    want -> (agent ensures, reports) -> seen          unwant -> (agent confirms absence) -> both rows vanish

Each change to a host's documents takes the next number of that host's cursor, which is also the document's generation: it never
goes back, so a report says by itself whether it answers the newest wish.
"""

import datetime as dt
from collections.abc import Callable

import msgspec
import sqlalchemy as sa

from pileus.kit.bus import Bus
from pileus.kit.clock import Clock
from pileus.kit.db import Database, command, query, scalar, upsert
from pileus.kit.hosts.exchange import Batch, Body, Document, Report
from pileus.kit.hosts.registry import Registry
from pileus.kit.observe.log import log_of
from pileus.kit.tables import host_cursors, seen, wanted

log = log_of(__name__)

WANTED = "wanted"  # topic: a host for which documents changed
SEEN = "seen"  # topic: a kind of thing that was reported

# A cursor of 0 asks for everything, so a host that has read that nothing was ever wanted must have a higher one.
FIRST_CURSOR = 1

OnSeen = Callable[[str, str], None]


class Wanted(msgspec.Struct, frozen=True):
    """What a host shall have."""

    host: str
    kind: str
    id: str
    generation: int
    body: Body
    gone: bool


class Seen(msgspec.Struct, frozen=True):
    """What a host has, in answer to the wish of that generation; `failure` is the driver's own words."""

    host: str
    kind: str
    id: str
    generation: int
    body: Body
    present: bool
    failure: str | None
    updated: dt.datetime


def _this(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(
        table.c.host == sa.bindparam("of_host"),
        table.c.kind == sa.bindparam("of_kind"),
        table.c.id == sa.bindparam("of_id"),
    )


def _matching(table: sa.Table) -> sa.Select[tuple[object, ...]]:
    """All rows of a host, of a kind, or of both; an empty string stands for any."""
    host, kind = sa.bindparam("of_host", type_=sa.String), sa.bindparam("of_kind", type_=sa.String)
    return sa.select(*table.c).where(
        sa.or_(host == "", table.c.host == host), sa.or_(kind == "", table.c.kind == kind)
    ).order_by(table.c.host, table.c.kind, table.c.id)  # fmt: skip


CURSOR_FIRST = command(upsert(host_cursors, ["host"]))
CURSOR_NEXT = scalar(
    sa.update(host_cursors)
    .where(host_cursors.c.host == sa.bindparam("of_host"))
    .values(cursor=host_cursors.c.cursor + 1)
    .returning(host_cursors.c.cursor),
    int,
)
CURSOR = scalar(sa.select(host_cursors.c.cursor).where(host_cursors.c.host == sa.bindparam("of_host")), int)

WANT = command(upsert(wanted, ["host", "kind", "id"], ["generation", "body", "gone"]))
WANTED_GET = query(sa.select(*wanted.c).where(_this(wanted)), Wanted)
WANTED_LIST = query(_matching(wanted), Wanted)
WANTED_DROP = command(sa.delete(wanted).where(wanted.c.host == sa.bindparam("of_host")))
SEEN_DROP = command(sa.delete(seen).where(seen.c.host == sa.bindparam("of_host")))
WANTED_FORGET = command(sa.delete(wanted).where(_this(wanted)))
SINCE = query(
    sa.select(wanted.c.kind, wanted.c.id, wanted.c.generation, wanted.c.body, wanted.c.gone)
    .where(wanted.c.host == sa.bindparam("of_host"), wanted.c.generation > sa.bindparam("after"))
    .order_by(wanted.c.generation),
    Document,
)

SAW = command(upsert(seen, ["host", "kind", "id"], ["generation", "body", "present", "failure", "updated"]))
SEEN_GET = query(sa.select(*seen.c).where(_this(seen)), Seen)
SEEN_LIST = query(_matching(seen), Seen)
SEEN_FORGET = command(sa.delete(seen).where(_this(seen)))


class Hosts(Registry):
    """The hosts, what they shall have and what they have. Every method joins the ambient transaction."""

    def __init__(self, db: Database, bus: Bus, clock: Clock) -> None:
        super().__init__(db, bus, clock)
        self._on_seen: list[OnSeen] = []

    # What is wanted.

    async def want(self, host: str, kind: str, id: str, body: msgspec.Struct | Body) -> int:
        """The host shall have this; the same wish again changes nothing. Returns the wish's generation."""
        # As it will be read again: JSON makes lists of tuples, and a wish is compared with what was written.
        plain: Body = msgspec.json.decode(msgspec.json.encode(body))
        async with self._db.transaction():
            was = await self.wanted(host, kind, id)
            if was is not None and not was.gone and was.body == plain:
                return was.generation
            return await self._change(host, kind, id, plain, gone=False)

    async def unwant(self, host: str, kind: str, id: str) -> None:
        """The host shall not have this; `settled_gone` tells when it has confirmed that."""
        async with self._db.transaction():
            was = await self.wanted(host, kind, id)
            if was is None and await self.seen(host, kind, id) is None:
                return
            if was is None or not was.gone:
                await self._change(host, kind, id, was.body if was is not None else {}, gone=True)

    async def _change(self, host: str, kind: str, id: str, body: Body, *, gone: bool) -> int:
        await self._db.run(CURSOR_FIRST, host=host, cursor=FIRST_CURSOR)
        generation = await self._db.one(CURSOR_NEXT, of_host=host)
        assert generation is not None
        await self._db.run(WANT, host=host, kind=kind, id=id, generation=generation, body=body, gone=gone)
        self._db.on_commit(lambda: self._bus.wake(WANTED, host))
        return generation

    async def wanted(self, host: str, kind: str, id: str) -> Wanted | None:
        """What the host shall have, or shall have no more but has not confirmed."""
        return await self._db.one(WANTED_GET, of_host=host, of_kind=kind, of_id=id)

    async def wanted_list(self, host: str = "", kind: str = "") -> list[Wanted]:
        """All wishes for a host, of a kind, or both."""
        return await self._db.all(WANTED_LIST, of_host=host, of_kind=kind)

    async def drop(self, host: str) -> None:
        """Nothing is wanted of the host or known about it: it was removed, and will never confirm anything."""
        async with self._db.transaction():
            await self._db.run(WANTED_DROP, of_host=host)
            await self._db.run(SEEN_DROP, of_host=host)
            await self.forget(host)

    # What is seen.

    async def seen(self, host: str, kind: str, id: str) -> Seen | None:
        """The host's last report, whatever wish it answers."""
        return await self._db.one(SEEN_GET, of_host=host, of_kind=kind, of_id=id)

    async def answer(self, host: str, kind: str, id: str) -> Seen | None:
        """The host's report if it answers the newest wish, else None: look again later."""
        wish = await self.wanted(host, kind, id)
        report = await self.seen(host, kind, id)
        return report if report is not None and wish is not None and report.generation >= wish.generation else None

    async def settled_gone(self, host: str, kind: str, id: str) -> bool:
        """Whether the host has confirmed that it does not have this, or never was to have it."""
        return await self.wanted(host, kind, id) is None and await self.seen(host, kind, id) is None

    async def seen_list(self, host: str = "", kind: str = "") -> list[Seen]:
        """All reports of a host, of a kind, or both."""
        return await self._db.all(SEEN_LIST, of_host=host, of_kind=kind)

    def on_seen(self, callback: OnSeen) -> None:
        """Call back with kind and id after each report that changed something is committed."""
        self._on_seen.append(callback)

    # What an exchange brings from hosts.

    async def batch(self, host: str, after: int) -> Batch:
        """What changed for the host after the cursor; everything when that is 0 or from another life of the database."""
        cursor = await self._db.one(CURSOR, of_host=host) or FIRST_CURSOR
        whole = after == 0 or after > cursor
        documents = await self._db.all(SINCE, of_host=host, after=0 if whole else after)
        # A change committed between the two readings is in the documents; the cursor then says so too.
        newest = max((document.generation for document in documents), default=0)
        return Batch(tuple(documents), max(cursor, newest), whole)

    async def take(self, host: str, report: Report) -> None:
        """The report is written, unless a newer one is; a confirmed absence removes wish and report."""
        async with self._db.transaction():
            wish = await self.wanted(host, report.kind, report.id)
            was = await self.seen(host, report.kind, report.id)
            if was is not None and was.generation > report.generation:
                log.info("an old report was dropped", host=host, kind=report.kind, id=report.id)
                return
            if report.present or report.failure is not None or (wish is not None and not wish.gone):
                await self._db.run(
                    SAW, host=host, kind=report.kind, id=report.id, generation=report.generation, body=report.body,
                    present=report.present, failure=report.failure, updated=self._clock.now(),
                )  # fmt: skip
            else:
                await self._gone(host, report, wish)
            self._db.on_commit(lambda: self._tell_seen(report.kind, report.id))

    async def _gone(self, host: str, report: Report, wish: Wanted | None) -> None:
        await self._db.run(SEEN_FORGET, of_host=host, of_kind=report.kind, of_id=report.id)
        if wish is not None and report.generation >= wish.generation:
            await self._db.run(WANTED_FORGET, of_host=host, of_kind=report.kind, of_id=report.id)

    def _tell_seen(self, kind: str, id: str) -> None:
        self._bus.wake(SEEN, kind)
        for callback in self._on_seen:
            callback(kind, id)
