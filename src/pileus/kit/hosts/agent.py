"""The loop on a host: make it as wanted, tell what is seen.

    read documents -> ensure each, one at a time per thing -> report what changed

Nothing that must survive is in memory: a restarted agent observes, reads everything again and ensures it again. What exists
without being wanted is reported and left alone: that a document is unread does not mean that it is not there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import msgspec

from pileus.kit.clock import Clock
from pileus.kit.hosts.exchange import Batch, Body, Document, Exchange, Report
from pileus.kit.observe.log import log_of
from pileus.kit.observe.whereabouts import whereabouts

log = log_of(__name__)

POLL_S = 5.0
RESYNC_S = 60.0
LONG_S = 60.0  # work on one thing that takes longer is told, each time that everything is looked at again
LONGEST_PAUSE_S = 60.0
# Between two tries to reach a controller; a host that is not heard for 15 s is down.
SILENCE_STEP_S = 0.5
LONGEST_SILENCE_S = 5.0
AT_ONCE = 16

Key = tuple[str, str]


class Handler(Protocol):
    """Makes things of one kind as they are wanted. Every verb ensures a state and may be repeated.

    `ensure` may be cancelled when the thing is no longer wanted; `ensure_gone` then follows.
    """

    async def observe(self) -> Mapping[str, Body]:
        """Return all things of this kind that exist on this host, however they came there."""
        ...

    async def ensure(self, id: str, body: Body, generation: int) -> Body | msgspec.Struct:
        """The thing is as `body` says, or on its way: return what is to be seen now."""
        ...

    async def ensure_gone(self, id: str) -> None:
        """Nothing of the thing is left on this host."""
        ...


class Work(msgspec.Struct):
    """What the agent remembers of one thing."""

    document: Document
    due: float | None  # when to ensure again; None: nothing to do
    failures: int = 0
    answered: int = 0  # the generation last ensured
    told: Report | None = None
    task: "asyncio.Task[bool] | None" = None
    began: float = 0.0


class Agent:
    """Keeps one host as the controllers want it."""

    def __init__(
        self,
        exchange: Exchange,
        host: str,
        handlers: Mapping[str, Handler],
        clock: Clock,
        facts: Body | None = None,
        *,
        resync_s: float = RESYNC_S,
        at_once: int = AT_ONCE,
        look: Callable[[], Awaitable[Body]] | None = None,
    ) -> None:
        self._exchange = exchange
        self.host = host
        self._handlers = dict(handlers)
        self._clock = clock
        self._facts = facts or {}
        self._look = look  # what the facts are now, where they change of themselves
        self._resync_s = resync_s
        self._room = asyncio.Semaphore(at_once)
        self._work: dict[Key, Work] = {}
        self._existing: dict[Key, Body] = {}
        self._cursor = 0
        self._joined = False
        self._resync_at = clock.monotonic() + resync_s
        self._changed = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """The agent works until `stop`; what it finds on the host it adopts."""
        self._loops = [asyncio.create_task(self._listen()), asyncio.create_task(self._toil())]
        if self._look is not None:
            self._loops.append(asyncio.create_task(self._keep_facts(self._look)))

    async def stop(self) -> None:
        """The agent does nothing more; what runs on the host runs on."""
        tasks = self._loops + [work.task for work in self._work.values() if work.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loops = []

    def look_again(self, kind: str, id: str) -> None:
        """Something happened to the thing: ensure and report it again, now."""
        work = self._work.get((kind, id))
        if work is not None:
            self._make_due(work)

    async def set_facts(self, facts: Body) -> None:
        """The controllers know what this host now has and can."""
        self._facts = facts
        await self._exchange.register(self.host, facts)

    async def _keep_facts(self, look: Callable[[], Awaitable[Body]]) -> None:
        """The controllers know what the host has and can as of a resync ago. By itself: to look may take long."""
        while True:
            await asyncio.sleep(self._resync_s)
            try:
                facts = await look()
                if facts != self._facts:
                    await self.set_facts(facts)
            except Exception as failed:  # noqa: BLE001 - whatever it is, it is looked and told again
                log.warning("what the host has cannot be told", host=self.host, why=str(failed))

    async def tell(self, kind: str, id: str, body: Body | msgspec.Struct) -> None:
        """Report how far a thing is while `ensure` is still at work on it; it does not yet answer the wish."""
        work = self._work.get((kind, id))
        if work is not None:
            await self._report(work, Report(kind, id, work.answered, _plain(body), present=True))

    def wants(self, kind: str) -> Mapping[str, Body]:
        """The bodies of all things of a kind that shall be on this host, as far as read."""
        return {
            id: work.document.body
            for (of_kind, id), work in self._work.items()
            if of_kind == kind and not work.document.gone
        }

    @property
    def strangers(self) -> frozenset[Key]:
        """What exists on this host and is not wanted, as of the last whole answer."""
        return frozenset(self._existing.keys() - self._work.keys())

    async def turn(self) -> bool:
        """Do all that is due now, without waiting; True when something moved. For tests and drills, instead of `start`."""
        moved = await self._poll(0.0)
        self._resync()
        due = self._due()
        for work in due:
            work.due = None
        return any(await asyncio.gather(*(self._ensure(work) for work in due))) or moved

    def next_due(self) -> float | None:
        """When, on the monotonic clock, something will be tried again; None when nothing failed."""
        return min((work.due for work in self._work.values() if work.due is not None), default=None)

    # Reading what is wanted.

    async def _listen(self) -> None:
        pause_s = 0.0
        while True:
            try:
                await self._poll(POLL_S)
                if pause_s:
                    self._catch_up()
                pause_s = 0.0
            except Exception as failed:  # noqa: BLE001 - whatever keeps the host from hearing, it asks again
                pause_s = min(pause_s + SILENCE_STEP_S, LONGEST_SILENCE_S)
                log.warning("the controllers cannot be heard", host=self.host, why=str(failed), again_in_s=pause_s)
                await asyncio.sleep(pause_s)

    def _catch_up(self) -> None:
        """What could not be told while nobody heard us, or was waiting to be tried again, is tried now."""
        for work in self._work.values():
            if work.due is not None:
                self._make_due(work)

    async def _poll(self, timeout_s: float) -> bool:
        if not self._joined:
            await self._join()
        batch = await self._exchange.wanted(self.host, self._cursor, timeout_s)
        if batch.whole:
            await self._begin_anew(batch)
        for document in batch.documents:
            self._absorb(document)
        self._cursor = batch.cursor
        return bool(batch.documents)

    async def _join(self) -> None:
        await self._exchange.register(self.host, self._facts)
        for kind, handler in self._handlers.items():
            for id, body in (await handler.observe()).items():
                self._existing[kind, id] = body
        self._joined = True

    async def _begin_anew(self, batch: Batch) -> None:
        """Forget documents that are no more (their things become strangers), and tell everything again."""
        known = {(document.kind, document.id) for document in batch.documents}
        for key in self._work.keys() - known:
            forgotten = self._work.pop(key)
            self._existing[key] = forgotten.told.body if forgotten.told is not None else {}
        for work in self._work.values():
            work.told = None
        for kind, id in sorted(self._existing.keys() - known):
            log.warning("a stranger is on this host", host=self.host, kind=kind, id=id)
            await self._exchange.report(self.host, Report(kind, id, 0, self._existing[kind, id], present=True))

    def _absorb(self, document: Document) -> None:
        if document.kind not in self._handlers:
            log.warning("this host has nothing for that kind", host=self.host, kind=document.kind, id=document.id)
            return
        key = (document.kind, document.id)
        work = self._work.get(key)
        if work is None:
            work = self._work[key] = Work(document, due=None)
        elif document.generation > work.document.generation:
            work.document, work.failures = document, 0
            if document.gone and work.task is not None:
                work.task.cancel()
        self._make_due(work)

    # Making it so.

    async def _toil(self) -> None:
        while True:
            self._changed.clear()
            self._resync()
            for work in self._due():
                self._set_to_work(work)
            try:
                async with asyncio.timeout(self._pause_s()):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _set_to_work(self, work: Work) -> None:
        work.due, work.began = None, self._clock.monotonic()
        work.task = asyncio.create_task(self._ensure(work), name=f"{work.document.kind} {work.document.id}")
        # Not by a `finally` within: a task that is cancelled before it has begun never comes to any.
        work.task.add_done_callback(lambda task: self._ended(work, task))

    def _ended(self, work: Work, task: "asyncio.Task[bool]") -> None:
        work.task = None
        self._changed.set()
        if not task.cancelled() and (broke := task.exception()) is not None:
            log.broke("work broke off", broke, host=self.host, kind=work.document.kind, id=work.document.id)
        if work.due is None and (task.cancelled() or task.exception() is not None):
            self._try_later(work)

    async def _ensure(self, work: Work) -> bool:
        """Bring one thing to its document and report it; True when there was something new to tell."""
        async with self._room:
            document = work.document
            key = (document.kind, document.id)
            try:
                report = await self._made(document)
                work.failures, work.answered = 0, document.generation
            except Exception as failed:  # noqa: BLE001 - whatever a driver says belongs into the report
                log.warning("not as wanted", host=self.host, kind=key[0], id=key[1], why=str(failed))
                report = self._failed(work, document, failed)
            try:
                moved = await self._report(work, report)
            except Exception as failed:  # noqa: BLE001 - what could not be told is told later
                log.warning("cannot report", host=self.host, kind=key[0], id=key[1], why=str(failed))
                self._try_later(work)
                return False
            if report.failure is None and document.gone and work.document is document:
                self._work.pop(key, None)
                self._existing.pop(key, None)
            return moved

    async def _made(self, document: Document) -> Report:
        handler = self._handlers[document.kind]
        if document.gone:
            await handler.ensure_gone(document.id)
            return Report(document.kind, document.id, document.generation, {}, present=False)
        body = await handler.ensure(document.id, document.body, document.generation)
        return Report(document.kind, document.id, document.generation, _plain(body), present=True)

    def _failed(self, work: Work, document: Document, failed: Exception) -> Report:
        self._try_later(work)
        told = work.told
        body = told.body if told is not None else {}
        present = told.present if told is not None else (document.kind, document.id) in self._existing
        why = str(failed) or type(failed).__name__
        return Report(document.kind, document.id, document.generation, body, present, failure=why)

    async def _report(self, work: Work, report: Report) -> bool:
        if report == work.told:
            return False
        await self._exchange.report(self.host, report)
        work.told = report
        return True

    # When.

    def _due(self) -> list[Work]:
        now = self._clock.monotonic()
        due = [work for work in self._work.values() if work.due is not None and work.due <= now and work.task is None]
        # First what shall not be here: a host that was away may have what runs elsewhere by now.
        return sorted(due, key=lambda work: not work.document.gone)

    def _make_due(self, work: Work) -> None:
        work.due = self._clock.monotonic()
        self._changed.set()

    def _try_later(self, work: Work) -> None:
        pause_s = min(LONGEST_PAUSE_S, 2.0 ** min(work.failures, 10))
        work.failures += 1
        if work.due is None:
            work.due = self._clock.monotonic() + pause_s

    def _resync(self) -> None:
        """Ensure everything again from time to time: somebody may have changed the host behind our back."""
        now = self._clock.monotonic()
        if now >= self._resync_at:
            self._resync_at = now + self._resync_s
            for work in self._work.values():
                work.due = now if work.due is None else min(work.due, now)
                if work.task is not None and now - work.began >= LONG_S:
                    self._tell_long(work, work.task, now)

    def _tell_long(self, work: Work, task: "asyncio.Task[bool]", now: float) -> None:
        log.warning(
            "work takes long", host=self.host, kind=work.document.kind, id=work.document.id, gone=work.document.gone,
            for_s=round(now - work.began), at=whereabouts(task),
        )  # fmt: skip

    def _pause_s(self) -> float:
        """How long there is nothing to do. What is due but still at work wakes the loop when it ends."""
        dues = [work.due for work in self._work.values() if work.due is not None and work.task is None]
        return max(0.0, min([self._resync_at, *dues]) - self._clock.monotonic())


def _plain(body: Body | msgspec.Struct) -> Body:
    plain: Body = msgspec.to_builtins(body)
    return plain
