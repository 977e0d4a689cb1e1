"""How long operations are kept: those that have ended, as long as what they are about, and a while longer.

What they are about is only known to the service whose it is; of a kind that no service vouches for, age alone counts. Open and
stuck operations stay whatever their age.
"""

import datetime as dt
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import msgspec
import sqlalchemy as sa

from pileus.kit.clock import Clock
from pileus.kit.db import Database, command, query
from pileus.kit.tables import operation_steps, operations

KEPT_FOR = dt.timedelta(days=30)
AT_ONCE = 200

# Of these ids, those that are there, or were at that moment.
Living = Callable[[Sequence[str], dt.datetime], Awaitable[Collection[str]]]


class Ended(msgspec.Struct, frozen=True):
    """What has to be known of an operation that has ended."""

    number: int
    id: str
    subject: str


OLD = query(
    sa.select(operations.c.number, operations.c.id, operations.c.subject)
    .where(
        operations.c.number > sa.bindparam("after"),
        operations.c.finished < sa.bindparam("before"),
        operations.c.state.in_([sa.literal_column("'done'"), sa.literal_column("'failed'")]),
    )
    .order_by(operations.c.number)
    .limit(sa.bindparam("limit")),
    Ended,
)
DROP_STEPS = command(
    sa.delete(operation_steps).where(operation_steps.c.operation.in_(sa.bindparam("ids", expanding=True)))
)
DROP = command(sa.delete(operations).where(operations.c.id.in_(sa.bindparam("ids", expanding=True))))


class Retention:
    """Forgets old operations; `living` tells, by kind of subject, which subjects are still there."""

    def __init__(self, db: Database, clock: Clock, living: Mapping[str, Living], *, at_once: int = AT_ONCE) -> None:
        self._db = db
        self._clock = clock
        self._living = living
        self._at_once = at_once

    async def forget_old(self) -> int:
        """No operation is left that ended so long ago about something that is gone as long; returns how many went."""
        before, after, gone = self._clock.now() - KEPT_FOR, 0, 0
        while found := await self._db.all(OLD, after=after, before=before, limit=self._at_once):
            after = found[-1].number
            kept = await self._kept({one.subject for one in found}, before)
            ids = [one.id for one in found if one.subject not in kept]
            if ids:
                async with self._db.transaction():
                    await self._db.run(DROP_STEPS, ids=ids)
                    gone += await self._db.run(DROP, ids=ids)
        return gone

    async def _kept(self, subjects: Collection[str], before: dt.datetime) -> set[str]:
        kept: set[str] = set()
        for kind, living in self._living.items():
            ids = [id for named, _, id in (subject.partition(":") for subject in subjects) if named == kind]
            if ids:
                kept |= {f"{kind}:{id}" for id in await living(ids, before)}
        return kept
