"""The book of operations: the only place that reads and writes their rows.

Progress is written with a generation check, so that of two runners that hold the same row one is refused and does nothing.
"""

import datetime as dt
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from pileus.kit.db import Database, command, query, scalar
from pileus.kit.db.errors import UniqueViolation
from pileus.kit.flow.operation import OPEN, Busy, Operation, Past, State, StepRun
from pileus.kit.tables import controllers, operation_steps, operations

_is_open = operations.c.state.in_([sa.literal_column(f"'{state.value}'") for state in OPEN])
_is_running = operations.c.state == sa.literal_column("'running'")
_is_queued = operations.c.state == sa.literal_column("'queued'")
_all = sa.select(*operations.c)

INSERT = query(sa.insert(operations).returning(*operations.c), Operation)
BY_ID = query(_all.where(operations.c.id == sa.bindparam("id")), Operation)
OPEN_OF_SUBJECT = query(
    _all.where(_is_open, operations.c.subject == sa.bindparam("subject")).order_by(operations.c.number), Operation
)
OPEN_OF_SUBJECTS = query(
    _all.where(_is_open, operations.c.subject.in_(sa.bindparam("subjects", expanding=True))).order_by(
        operations.c.number
    ),
    Operation,
)
OF_SUBJECT = query(
    _all.where(operations.c.subject == sa.bindparam("subject"), operations.c.number < sa.bindparam("before"))
    .order_by(operations.c.number.desc())
    .limit(sa.bindparam("limit")),
    Operation,
)
STUCK = query(_all.where(operations.c.state == sa.literal_column("'stuck'")).order_by(operations.c.number), Operation)
_is_held = operations.c.holder.is_not_distinct_from(sa.bindparam("holder"))
RUNNING_IDS = scalar(sa.select(operations.c.id).where(_is_running, _is_held).order_by(operations.c.number), str)
DUE_IDS = scalar(
    sa.select(operations.c.id)
    .where(_is_running, _is_held, operations.c.look_again_at <= sa.bindparam("now"))
    .order_by(operations.c.look_again_at),
    str,
)
RUNNING_OF_SUBJECT = scalar(
    sa.select(operations.c.id).where(_is_running, _is_held, operations.c.subject == sa.bindparam("subject")), str
)
_is_free = sa.and_(
    _is_running,
    sa.or_(operations.c.holder.is_(None), operations.c.holder.not_in(sa.select(controllers.c.name))),
)
FREE = scalar(sa.select(operations.c.id).where(_is_free).limit(1), str)
TAKE_OVER = scalar(
    sa.update(operations)
    .where(_is_free)
    .values(holder=sa.bindparam("by"), generation=operations.c.generation + 1)
    .returning(operations.c.id),
    str,
)
EARLIEST = scalar(sa.select(sa.func.min(operations.c.look_again_at)).where(_is_running), dt.datetime | None)  # type: ignore[arg-type]
PROGRESS = command(
    sa.update(operations).where(
        operations.c.id == sa.bindparam("of_id"), operations.c.generation == sa.bindparam("of_generation")
    )
)
TURN_BACK = command(
    sa.update(operations)
    .where(operations.c.id == sa.bindparam("of_id"), _is_open)
    .values(turn_back=sa.func.coalesce(operations.c.turn_back, sa.bindparam("why")))
)
QUEUED_OF_SUBJECT = query(_all.where(_is_queued, operations.c.subject == sa.bindparam("subject")), Operation)

STEP_BEGAN = command(sa.insert(operation_steps))
STEP_ENDED = command(
    sa.update(operation_steps).where(
        operation_steps.c.operation == sa.bindparam("of_operation"), operation_steps.c.finished.is_(None)
    )
)
STEPS_OF = query(
    sa.select(*operation_steps.c)
    .where(operation_steps.c.operation.in_(sa.bindparam("operations", expanding=True)))
    .order_by(operation_steps.c.number),
    StepRun,
)

# What progress may change; who began it, and whether somebody wants it turned back, are not the runner's to write.
_PROGRESSING = (
    "facts", "step", "shows", "undoing", "back_to", "failure", "attempts", "tries", "updated", "begun", "finished",
    "look_again_at", "waiting_why", "deadline", "state", "holder",
)  # fmt: skip
NEWEST = 2**62


class MovedMeanwhile(Exception):
    """Somebody else has moved the row."""


class Book:
    """Operations in the database. Every method joins the ambient transaction.

    `holder` is the controller that keeps this book, and the only one of whose operations it tells that they run or are due.
    """

    def __init__(self, db: Database, holder: str | None = None) -> None:
        self._db = db
        self.holder = holder

    async def begin(self, values: dict[str, object]) -> Operation:
        """A new row, with its first step begun unless it is queued; raises Busy when the subject has one already."""
        try:
            op = await self._db.one(INSERT, **values, holder=self.holder)
        except UniqueViolation:
            running = await self.open(str(values["subject"]))
            if running is None:
                raise
            raise Busy(running) from None
        assert op is not None
        if op.state is State.RUNNING:
            await self._step_began(op)
        return op

    async def get(self, id: str) -> Operation | None:
        """The operation with this id."""
        return await self._db.one(BY_ID, id=id)

    async def open(self, subject: str) -> Operation | None:
        """The open operation of the subject; of a running one and the one that follows it, the latter."""
        found = await self._db.all(OPEN_OF_SUBJECT, subject=subject)
        return found[-1] if found else None

    async def open_many(self, subjects: Sequence[str]) -> dict[str, Operation]:
        """The open operation of each subject that has one."""
        if not subjects:
            return {}
        return {op.subject: op for op in await self._db.all(OPEN_OF_SUBJECTS, subjects=list(subjects))}

    async def running(self, subject: str) -> str | None:
        """The id of the operation that runs on the subject."""
        return await self._db.one(RUNNING_OF_SUBJECT, subject=subject, holder=self.holder)

    async def due(self, now: dt.datetime | None = None) -> list[str]:
        """The ids of the running operations that are to be looked at by `now`; of all without it."""
        if now is None:
            return await self._db.all(RUNNING_IDS, holder=self.holder)
        return await self._db.all(DUE_IDS, now=now, holder=self.holder)

    async def earliest(self) -> dt.datetime | None:
        """When the next running operation is to be looked at."""
        return await self._db.one(EARLIEST)

    async def stuck(self) -> list[Operation]:
        """All that can go neither forward nor back."""
        return await self._db.all(STUCK)

    async def turn_back(self, id: str, why: str) -> None:
        """The runner of this operation will undo it, unless it is past the point of no return."""
        await self._db.run(TURN_BACK, of_id=id, why=why)

    async def history(self, subject: str, limit: int, before: int) -> list[Past]:
        """The operations of a subject with their steps, newest first."""
        found = await self._db.all(OF_SUBJECT, subject=subject, limit=limit, before=before)
        return await self._with_steps(found)

    async def commit(self, before: Operation, after: Operation) -> None:
        """The row is as `after`, its steps are told, and what was queued behind it runs if it has ended."""
        changes = {name: getattr(after, name) for name in _PROGRESSING if getattr(after, name) != getattr(before, name)}
        changed = await self._db.run(
            PROGRESS, of_id=before.id, of_generation=before.generation, generation=before.generation + 1, **changes
        )
        if not changed:
            raise MovedMeanwhile(before.id)
        if (before.step, before.begun, before.state) == (after.step, after.begun, after.state) and (
            before.undoing == after.undoing
        ):
            return
        await self._step_ended(before, after)
        if after.open:
            await self._step_began(after)

    async def promote(self, subject: str, now: dt.datetime) -> Operation | None:
        """What was queued on the subject runs now."""
        queued = await self._db.one(QUEUED_OF_SUBJECT, subject=subject)
        if queued is None:
            return None
        running = msgspec.structs.replace(
            queued, state=State.RUNNING, begun=now, look_again_at=now, updated=now, holder=self.holder
        )
        await self._db.run(
            PROGRESS, of_id=queued.id, of_generation=queued.generation, generation=queued.generation + 1,
            state=running.state, begun=now, look_again_at=now, updated=now, holder=self.holder,
        )  # fmt: skip
        await self._step_began(running)
        return running

    async def _with_steps(self, found: list[Operation]) -> list[Past]:
        steps: dict[str, list[StepRun]] = {op.id: [] for op in found}
        if found:
            for run in await self._db.all(STEPS_OF, operations=list(steps)):
                steps[run.operation].append(run)
        return [Past(op, tuple(steps[op.id])) for op in found]

    async def _step_began(self, op: Operation) -> None:
        await self._db.run(
            STEP_BEGAN, operation=op.id, step=op.step, undoing=op.undoing, started=op.begun, host=_host(op)
        )

    async def _step_ended(self, before: Operation, after: Operation) -> None:
        failed = after.undoing and not before.undoing or (after.state is State.FAILED and not before.undoing)
        result = "stuck" if after.state is State.STUCK else "failed" if failed else "done"
        why = after.failure if result != "done" else None
        await self._db.run(
            STEP_ENDED, of_operation=before.id, finished=after.updated, result=result, why=why, host=_host(after)
        )


async def take_over(db: Database, holder: str) -> list[str]:
    """What runs and is held by no controller alive is held by this one; whoever held it can commit nothing more."""
    if await db.one(FREE) is None:
        return []
    return await db.all(TAKE_OVER, by=holder)


def _host(op: Operation) -> str | None:
    """The host a step works on, by the name flows give it among their facts or arguments."""
    host = op.facts.get("host", op.args.get("host"))
    return host if isinstance(host, str) else None
