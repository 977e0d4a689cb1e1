"""The story of one request: what was answered, what it set going, which steps that took, and what was logged, in order of time.

Read from the database and the log while the cloud runs or not. Long work that a request began carries its id, and so does what
that work changes and logs; the hosts' own lines are in their logs.
"""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import sqlalchemy as sa

from pileus.kit.db import Database, query
from pileus.kit.errors import NotFound
from pileus.kit.flow.book import STEPS_OF
from pileus.kit.flow.operation import Operation, StepRun
from pileus.kit.observe.events import OF_REQUEST, Event
from pileus.kit.tables import operations

OF_REQUEST_OPERATIONS = query(
    sa.select(*operations.c).where(operations.c.request_id == sa.bindparam("request_id")).order_by(operations.c.number),
    Operation,
)
_KNOWN = frozenset({"at", "level", "event", "from", "request", "traceback"})


class NoSuchRequest(NotFound):
    """Nothing is known of request {id}: it began no work, changed nothing, and no line of {log} names it."""


class Moment(msgspec.Struct, frozen=True, order=True):
    """Something that happened; `rank` orders what happened at once: events, then work, then words."""

    at: dt.datetime
    rank: int
    what: str
    says: str


async def story(db: Database, log: Path, id: str) -> list[Moment]:
    """All that is known of a request, in order; raises NoSuchRequest."""
    found = await db.all(OF_REQUEST_OPERATIONS, request_id=id)
    moments = [_event(event) for event in await db.all(OF_REQUEST, request_id=id)]
    steps = await db.all(STEPS_OF, operations=[op.id for op in found]) if found else []
    for op in found:
        moments += _operation(op)
    moments += [moment for step in steps for moment in _step(step)]
    moments += _lines(log, id)
    if not moments:
        raise NoSuchRequest(id=id, log=log)
    return sorted(moments)


def told(moments: list[Moment]) -> list[str]:
    """A line for each moment, with the time since the first."""
    first = moments[0].at
    lines = [f"{first:%Y-%m-%d %H:%M:%S} UTC"]
    lines += [f"{(one.at - first).total_seconds():>9.3f}  {one.what:<10} {one.says}" for one in moments]
    return lines


def _event(event: Event) -> Moment:
    more = " ".join(f"{key}={value}" for key, value in event.payload.items())
    return Moment(event.at, 0, "event", f"{event.kind}  {event.subject}  {more}".rstrip())


def _operation(op: Operation) -> Iterator[Moment]:
    yield Moment(op.created, 1, "operation", f"{op.flow} of {op.subject} begins ({op.id})")
    if op.finished is not None:
        why = f": {op.failure}" if op.failure else ""
        took_s = (op.finished - op.created).total_seconds()
        yield Moment(op.finished, 3, "operation", f"{op.flow} of {op.subject} is {op.state} after {took_s:.3f} s{why}")
    else:
        why = f", waiting: {op.waiting_why}" if op.waiting_why else ""
        yield Moment(op.updated, 3, "operation", f"{op.flow} of {op.subject} is {op.state} at {op.step!r}{why}")


def _step(step: StepRun) -> Iterator[Moment]:
    verb = "undo" if step.undoing else "step"
    where = f" on {step.host}" if step.host else ""
    if step.finished is None:
        yield Moment(step.started, 2, verb, f"{step.step}{where} has begun")
        return
    took_s = (step.finished - step.started).total_seconds()
    why = f": {step.why}" if step.why else ""
    yield Moment(step.finished, 2, verb, f"{step.step}{where} {step.result} in {took_s:.3f} s{why}")


def _lines(log: Path, id: str) -> Iterator[Moment]:
    """The log's lines that name the request, those of the file before included."""
    for file in (log.with_name(f"{log.name}.1"), log):
        if not file.exists():
            continue
        with file.open(errors="replace") as lines:
            for line in lines:
                moment = _line(line, id) if id in line else None
                if moment is not None:
                    yield moment


def _line(line: str, id: str) -> Moment | None:
    try:
        told = json.loads(line)
        at = dt.datetime.fromisoformat(told["at"])
    except (ValueError, KeyError):  # half a line, as the end of a killed process leaves it
        return None
    if told.get("request") != id:
        return None
    more = " ".join(f"{key}={value}" for key, value in told.items() if key not in _KNOWN)
    last = told.get("traceback", "").strip().rpartition("\n")[2]
    return Moment(at, 4, told["level"], "  ".join(part for part in (told["event"], more, last) if part))
