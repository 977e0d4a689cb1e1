"""The runner of operations: gets ids, reads rows, runs the step a row names, commits the outcome.

    begin (in the caller's transaction) -> wake-up after commit -> step, commit, step, commit ... -> ended

Wake-ups only make it sooner: every waiting operation has its moment in the row, and a timer finds what was forgotten. After a
restart everything open is simply looked at again.
"""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from pileus.kit.bus import Bus, Subscription, WakeUp
from pileus.kit.clock import Clock
from pileus.kit.db import Database
from pileus.kit.errors import Problem, Unavailable
from pileus.kit.flow import course
from pileus.kit.flow.book import MovedMeanwhile, take_over
from pileus.kit.flow.failpoint import failpoint
from pileus.kit.flow.leases import Leases
from pileus.kit.flow.operation import Operation, State
from pileus.kit.flow.operations import ENDED, FORGOTTEN_S, OPERATION, SUBJECT, Operations
from pileus.kit.flow.step import Also, Done, Fail, Flow
from pileus.kit.observe.log import log_of, within_request

log = log_of(__name__)

AFTER_ERROR_S = 5.0
CONCURRENCY = 64


class Engine(Operations):
    """Runs the operations of all flows it was given; with leases, those that this controller holds."""

    def __init__(
        self,
        db: Database,
        bus: Bus,
        clock: Clock,
        flows: Mapping[str, tuple[Flow, Any]] | None = None,
        *,
        concurrency: int = CONCURRENCY,
        leases: Leases | None = None,
    ) -> None:
        super().__init__(db, bus, clock, flows, holder=None if leases is None else leases.name)
        self._leases = leases
        if leases is not None:
            leases.on_turn(self._take_over)
            leases.on_lost(self._let_go)
        self._room = asyncio.Semaphore(concurrency)
        self._woken: Subscription | None = None
        self._dispatcher: asyncio.Task[None] | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._alarms: dict[str, dt.datetime] = {}
        self._let_gone = False
        self._letting_go: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Everything open runs, and what is begun from now on."""
        if self._woken is None:
            self._woken = self._bus.subscribe(OPERATION, SUBJECT)
        self._dispatcher = asyncio.create_task(self._dispatch(self._woken))

    async def stop(self) -> None:
        """No step runs any more; what was interrupted is taken up at the next start."""
        tasks = [*self._tasks.values(), *self._letting_go, *([self._dispatcher] if self._dispatcher else [])]
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
        if self._dispatcher is not None:
            raise RuntimeError("an engine that was started takes no turns")
        if self._woken is None:
            self._woken = self._bus.subscribe(OPERATION, SUBJECT)
            ids = set(await self.book.due())
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

    async def _take_over(self) -> None:
        """What no controller alive holds is run here, and what this one holds again after it had to let go."""
        assert self._leases is not None, "whoever has no leases is alone"
        taken = await take_over(self._db, self._leases.name)
        if taken:
            log.info("operations were taken over", operations=len(taken))
        if self._let_gone:
            taken, self._let_gone = await self.book.due(), False
        for id in taken:
            self._bus.wake(OPERATION, id)

    def _let_go(self) -> None:
        """No step runs here any more, since another controller may run it."""
        self._let_gone = True
        for task in self._tasks.values():
            task.cancel()
        self._letting_go = {task for task in (*self._letting_go, *self._tasks.values()) if not task.done()}
        self._tasks.clear()
        self._again.clear()
        self._alarms.clear()

    def _may_run(self, op: Operation) -> bool:
        return self._leases is None or (op.holder == self._leases.name and self._leases.holds)

    async def _dispatch(self, woken: Subscription) -> None:
        looked_at = -FORGOTTEN_S
        ids: set[str] = set()
        first = True
        while True:
            try:
                if self._clock.monotonic() - looked_at >= FORGOTTEN_S:
                    ids |= set(await self.book.due(None if first else self._clock.now()))
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
            if wake_up.topic == SUBJECT and wake_up.id and (id := await self.book.running(wake_up.id)) is not None:
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
            if self._tasks.get(id) is asyncio.current_task():
                del self._tasks[id]
        if look_again_at is not None:
            self._alarms[id] = self._clock.now() if id in self._again else look_again_at
            self._again.discard(id)
            self._bus.wake(SUBJECT, "")  # the dispatcher reckons its pause anew

    async def _advance(self, id: str) -> dt.datetime | None:
        """Run steps until one waits: return when to look again, or None once the operation has ended."""
        while True:
            op = await self.book.get(id)
            if op is None or op.state is not State.RUNNING or not self._may_run(op):
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


async def _end_all(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
