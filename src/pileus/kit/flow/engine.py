"""The runner of operations: gets ids, reads rows, runs the step a row names, commits the outcome.

    begin (in the caller's transaction) -> wake-up after commit -> step, commit, step, commit ... -> ended

Wake-ups only make it sooner: every waiting operation has its moment in the row, and a timer finds what was forgotten. After a
restart everything open is simply looked at again.
"""

import asyncio
import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pileus.kit.bus import Bus, Subscription, WakeUp
from pileus.kit.clock import Clock
from pileus.kit.db import Database
from pileus.kit.errors import NotFound, Problem, Unavailable
from pileus.kit.flow import course
from pileus.kit.flow.book import NEWEST, Book, MovedMeanwhile
from pileus.kit.flow.failpoint import failpoint
from pileus.kit.flow.operation import Busy, Operation, Past, State
from pileus.kit.flow.step import Also, Done, Fail, Flow
from pileus.kit.observe.log import log_of, request_id, within_request

log = log_of(__name__)

OPERATION = "operation"  # topic: an operation's id
SUBJECT = "operation.subject"  # topic: a subject whose running operation shall look again
ENDED = "operation.ended"  # topic: the subject of an operation that has ended

FORGOTTEN_S = 30.0
AFTER_ERROR_S = 5.0
CONCURRENCY = 64


class NoSuchOperation(NotFound):
    """There is no operation {id}."""


class Engine:
    """Runs the operations of all flows it was given."""

    def __init__(
        self,
        db: Database,
        bus: Bus,
        clock: Clock,
        flows: Mapping[str, tuple[Flow, Any]] | None = None,
        *,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self.book = Book(db)
        self._db = db
        self._bus = bus
        self._clock = clock
        self._flows: dict[str, tuple[Flow, Any]] = dict(flows or {})
        self._room = asyncio.Semaphore(concurrency)
        self._woken: Subscription | None = None
        self._dispatcher: asyncio.Task[None] | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._alarms: dict[str, dt.datetime] = {}

    def add(self, flow: Flow, app: object) -> None:
        """Operations of this flow can be begun and are run, each step with `app`."""
        if flow.name in self._flows:
            raise ValueError(f"there are two flows named {flow.name}")
        self._flows[flow.name] = (flow, app)

    # What commands and views ask.

    async def begin(
        self,
        flow: str,
        subject: str,
        args: Mapping[str, object] | msgspec.Struct | None = None,
        *,
        project_id: str | None = None,
        user_id: str | None = None,
        request_id: str | None = None,
        overtake: str | None = None,
        id: str | None = None,
    ) -> Operation:
        """An operation is written in the caller's transaction, and runs once that is committed.

        Raises Busy when the subject has an open operation. With `overtake` (why, in words) that one is told to turn back
        instead, and the new one follows it as soon as it has ended; Busy then only if another one is queued already.
        """
        declared, _ = self._flows[flow]
        async with self._db.transaction():
            running = await self.book.open(subject)
            if running is not None and (overtake is None or running.state is State.QUEUED):
                raise Busy(running)
            state = State.RUNNING if running is None else State.QUEUED
            op = await self.book.begin(
                self._first_row(declared, subject, args, id or str(uuid.uuid4()), state)
                | {"project_id": project_id, "user_id": user_id, "request_id": request_id or _request_id()}
            )
            if running is not None and overtake is not None:
                await self.turn_back(running.id, overtake)
            self._db.on_commit(lambda: self._bus.wake(OPERATION, op.id))
        return op

    def _first_row(
        self, flow: Flow, subject: str, args: Mapping[str, object] | msgspec.Struct | None, id: str, state: State
    ) -> dict[str, object]:
        now = self._clock.now()
        step = flow.steps[0]
        deadline = None if flow.deadline_s is None else now + dt.timedelta(seconds=flow.deadline_s)
        return {
            "id": id, "flow": flow.name, "subject": subject, "args": msgspec.to_builtins(args or {}), "facts": {},
            "step": step.name, "shows": step.shows, "undoing": False, "attempts": 0, "tries": 1, "generation": 1,
            "created": now, "updated": now, "begun": now, "look_again_at": now, "deadline": deadline, "state": state,
        }  # fmt: skip

    async def turn_back(self, id: str, why: str) -> None:
        """The operation will be undone as soon as its present step has answered; a final step goes on regardless."""
        await self.book.turn_back(id, why)
        self._db.on_commit(lambda: self._bus.wake(OPERATION, id))

    async def set_going(self, id: str) -> None:
        """A stuck operation tries again."""
        op = await self.get(id)
        if op.state is State.STUCK:
            flow, _ = self._flows[op.flow]
            await self.book.commit(op, course.resumed(flow, op, self._clock.now()))
            self._db.on_commit(lambda: self._bus.wake(OPERATION, id))

    async def get(self, id: str) -> Operation:
        """The operation with this id; raises NoSuchOperation."""
        op = await self.book.get(id)
        if op is None:
            raise NoSuchOperation(id=id)
        return op

    async def open(self, subject: str) -> Operation | None:
        """The open operation of the subject; of a running one and the one that follows it, the latter."""
        return await self.book.open(subject)

    async def open_many(self, subjects: Sequence[str]) -> dict[str, Operation]:
        """The open operation of each subject that has one."""
        return await self.book.open_many(subjects)

    async def history(self, subject: str, *, limit: int = 100, before: int = NEWEST) -> list[Past]:
        """The operations of a subject with their steps, newest first; go on with the last one's number as `before`."""
        return await self.book.history(subject, limit, before)

    async def stuck(self) -> list[Operation]:
        """All operations that can go neither forward nor back."""
        return await self.book.stuck()

    def wake(self, id: str) -> None:
        """Look again at this operation now."""
        self._bus.wake(OPERATION, id)

    def wake_subject(self, subject: str) -> None:
        """Look again at the operation of this subject now, if it has one."""
        self._bus.wake(SUBJECT, subject)

    async def wait_ended(self, id: str, timeout_s: float | None = None) -> Operation:
        """Return the operation once it has ended; raises TimeoutError. For programs that have the time, not for requests."""
        async with asyncio.timeout(timeout_s):
            op = await self.get(id)
            with self._bus.subscribe(ENDED, id=op.subject) as ended:
                while (op := await self.get(id)).open:
                    await ended.next(FORGOTTEN_S)
        return op

    # Running.

    async def start(self) -> None:
        """Everything open runs, and what is begun from now on."""
        if self._woken is None:
            self._woken = self._bus.subscribe(OPERATION, SUBJECT)
        self._dispatcher = asyncio.create_task(self._dispatch(self._woken))

    async def stop(self) -> None:
        """No step runs any more; what was interrupted is taken up at the next start."""
        tasks = [*self._tasks.values(), *([self._dispatcher] if self._dispatcher else [])]
        await _end_all(tasks)
        self._dispatcher = None
        self._tasks.clear()
        self._again.clear()
        self._alarms.clear()
        if self._woken is not None:
            self._woken.close()
            self._woken = None

    async def turn(self) -> bool:
        """Look once at all that is due or woken, and return whether anything moved. For tests, instead of `start`."""
        if self._woken is None:
            self._woken = self._bus.subscribe(OPERATION, SUBJECT)
            ids = set(await self.book.running_ids())
        else:
            ids = await self._named(await self._woken.next(0)) | set(await self.book.due(self._clock.now()))
        before = [await self.book.get(id) for id in sorted(ids)]
        looks = [asyncio.create_task(self._advance(op.id)) for op in before if op is not None and op.open]
        try:
            await asyncio.gather(*looks)
        except BaseException:
            await _end_all(looks)
            raise
        after = [await self.book.get(id) for id in sorted(ids)]
        return any(_moved(was, now) for was, now in zip(before, after, strict=True))

    async def next_look(self) -> dt.datetime | None:
        """When the next operation is due, None when none is open."""
        return await self.book.earliest()

    async def _dispatch(self, woken: Subscription) -> None:
        looked_at = -FORGOTTEN_S
        ids: set[str] = set()
        first = True
        while True:
            try:
                if self._clock.monotonic() - looked_at >= FORGOTTEN_S:
                    ids |= set(await (self.book.running_ids() if first else self.book.due(self._clock.now())))
                    looked_at, first = self._clock.monotonic(), False
                for id in ids | self._rung():
                    self._set_off(id)
                ids = await self._named(await woken.next(self._pause_s()))
            except Exception as failed:  # noqa: BLE001 - the database may be away; nothing else runs the operations
                log.broke("operations cannot be read", failed)
                await asyncio.sleep(AFTER_ERROR_S)

    async def _named(self, woken: frozenset[WakeUp]) -> set[str]:
        ids = {wake_up.id for wake_up in woken if wake_up.topic == OPERATION}
        for wake_up in woken:
            if wake_up.topic == SUBJECT and (id := await self.book.running(wake_up.id)) is not None:
                ids.add(id)
        return ids

    def _rung(self) -> set[str]:
        now = self._clock.now()
        return {id for id, at in self._alarms.items() if at <= now}

    def _pause_s(self) -> float:
        if not self._alarms:
            return FORGOTTEN_S
        return min(FORGOTTEN_S, max(0.0, (min(self._alarms.values()) - self._clock.now()).total_seconds()))

    def _set_off(self, id: str) -> None:
        self._alarms.pop(id, None)
        if id in self._tasks:
            self._again.add(id)
        else:
            self._tasks[id] = asyncio.create_task(self._go(id))

    async def _go(self, id: str) -> None:
        """Take one operation as far as it goes, then remember when to look again."""
        look_again_at: dt.datetime | None = None
        try:
            async with self._room:
                self._again.discard(id)
                look_again_at = await self._advance(id)
        except Exception as failed:  # noqa: BLE001 - the row is as it was, so trying again later is right whatever it was
            log.broke("an operation cannot be moved", failed, operation=id)
            look_again_at = self._clock.now() + dt.timedelta(seconds=AFTER_ERROR_S)
        finally:
            self._tasks.pop(id, None)
        if look_again_at is not None:
            self._alarms[id] = self._clock.now() if id in self._again else look_again_at
            self._again.discard(id)
            self._bus.wake(SUBJECT, "")  # the dispatcher reckons its pause anew

    async def _advance(self, id: str) -> dt.datetime | None:
        """Run steps until one waits: return when to look again, or None once the operation has ended."""
        while True:
            op = await self.book.get(id)
            if op is None or op.state is not State.RUNNING:
                return None
            with within_request(op.request_id):
                try:
                    after = await self._step(op)
                except MovedMeanwhile:
                    log.info("an operation was moved by another runner", operation=id)
                    continue
            if after.open and not _moved(op, after):
                return after.look_again_at

    async def _step(self, op: Operation) -> Operation:
        now = self._clock.now
        entry = self._flows.get(op.flow)
        if entry is None or entry[0].index(op.step) is None:
            after = course.lost(op, now())
            await self._commit(entry, op, after, None)
            return after
        flow, app = entry
        also: Also | None = None
        if op.turn_back is not None and not op.undoing and not flow[op.step].final:
            after = course.turned_back(flow, op, Fail(op.turn_back), now())
        else:
            after, also = await self._act(flow, app, op)
        await self._commit(entry, op, after, also)
        failpoint("flow.step.committed", _place(op))
        _tell(op, after)
        return after

    async def _act(self, flow: Flow, app: object, op: Operation) -> tuple[Operation, Also | None]:
        """Ask the present step, and return the row after its answer."""
        step = flow[op.step]
        act = step.undo if op.undoing else step.do
        assert act is not None, "the way back stops only at steps that have an undo"
        try:
            failpoint("flow.step.before", _place(op))
            outcome = await act(app, op)
            failpoint("flow.step.after", _place(op))
        except Unavailable as problem:
            return course.erring(flow, op, problem.message, self._clock.now()), None
        except Problem as problem:
            outcome = Fail(problem.message)
        except Exception as failed:  # noqa: BLE001 - a fault in a step ends the operation, never the runner
            log.broke("a step broke", failed, operation=op.id, flow=op.flow, step=op.step, subject=op.subject)
            return course.erring(flow, op, f"{type(failed).__name__}: {failed}", self._clock.now()), None
        also = outcome.also if isinstance(outcome, Done) else None
        return course.after(flow, op, outcome, self._clock.now()), also

    async def _commit(
        self, entry: tuple[Flow, Any] | None, before: Operation, after: Operation, also: Also | None
    ) -> None:
        async with self._db.transaction():
            await self.book.commit(before, after)
            if also is not None:
                await also()
            if not after.open:
                if entry is not None and entry[0].ended is not None:
                    await entry[0].ended(entry[1], after)
                follower = await self.book.promote(after.subject, after.updated)
                self._db.on_commit(lambda: self._bus.wake(ENDED, after.subject))
                if follower is not None:
                    self._db.on_commit(lambda: self._bus.wake(OPERATION, follower.id))


def _moved(was: Operation | None, now: Operation | None) -> bool:
    """Whether a step has ended between the two readings of a row, and not merely waited."""
    if was is None or now is None:
        return was is not now
    return (was.step, was.undoing, was.state, was.tries) != (now.step, now.undoing, now.state, now.tries)


def _place(op: Operation) -> str:
    return f"{op.flow}/{op.step}/undo" if op.undoing else f"{op.flow}/{op.step}"


def _tell(op: Operation, after: Operation) -> None:
    if after.state is State.STUCK:
        log.error("an operation is stuck", operation=op.id, flow=op.flow, subject=op.subject, why=after.failure)
    elif after.undoing and not op.undoing or after.state is State.FAILED:
        log.warning("an operation failed", operation=op.id, flow=op.flow, subject=op.subject, step=op.step,
                    why=after.failure)  # fmt: skip
    elif after.state is State.DONE:
        log.info("an operation is done", operation=op.id, flow=op.flow, subject=op.subject)


def _request_id() -> str | None:
    return request_id.get()


async def _end_all(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
