"""What commands and views ask about long work: begin it, turn it back, see what is open and what was.

Nothing here runs a step; that is the engine's, which is these questions and the runner in one.
"""

import asyncio
import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pileus.kit.bus import Bus
from pileus.kit.clock import Clock
from pileus.kit.db import Database
from pileus.kit.errors import NotFound
from pileus.kit.flow import course
from pileus.kit.flow.book import NEWEST, Book
from pileus.kit.flow.operation import Busy, Operation, Past, State
from pileus.kit.flow.step import Flow
from pileus.kit.observe.log import request_id as current_request_id

OPERATION = "operation"  # topic: an operation's id
SUBJECT = "operation.subject"  # topic: a subject whose running operation shall look again
ENDED = "operation.ended"  # topic: the subject of an operation that has ended

FORGOTTEN_S = 30.0


class NoSuchOperation(NotFound):
    """There is no operation {id}."""


class Operations:
    """The operations of all flows given. Every method joins the ambient transaction."""

    def __init__(
        self,
        db: Database,
        bus: Bus,
        clock: Clock,
        flows: Mapping[str, tuple[Flow, Any]] | None = None,
        *,
        holder: str | None = None,
    ) -> None:
        self.book = Book(db, holder)
        self._db = db
        self._bus = bus
        self._clock = clock
        self._flows: dict[str, tuple[Flow, Any]] = dict(flows or {})

    def add(self, flow: Flow, app: object) -> None:
        """Operations of this flow can be begun and are run, each step with `app`."""
        if flow.name in self._flows:
            raise ValueError(f"there are two flows named {flow.name}")
        self._flows[flow.name] = (flow, app)

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
                | {"project_id": project_id, "user_id": user_id, "request_id": request_id or current_request_id.get()}
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
            resumed = course.resumed(flow, op, self._clock.now())
            await self.book.commit(op, msgspec.structs.replace(resumed, holder=self.book.holder))
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
        """Return the operation once it has ended; raises TimeoutError. For who has the time."""
        async with asyncio.timeout(timeout_s):
            op = await self.get(id)
            with self._bus.subscribe(ENDED, id=op.subject) as ended:
                while (op := await self.get(id)).open:
                    await ended.next(FORGOTTEN_S)
        return op
