"""Standing reconcilers: what compares wanted and seen for ever, woken by wake-ups and by a timer.

A reconciler takes no input, since after a restart there would be none: it reads what is, plans, applies, and sums up. It has no
retries of its own; its next run is the retry.
"""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from pileus.kit.bus import Bus, Subscription
from pileus.kit.clock import Clock
from pileus.kit.flow.leases import BEAT_S, Leases
from pileus.kit.observe.log import log_of

log = log_of(__name__)

LONGEST_PAUSE_S = 300.0
REST_S = 0.05  # a burst of wake-ups is one run


class Standing(msgspec.Struct, frozen=True):
    """One reconciler. `do` makes things right and returns what it did in a few words, or None for nothing.

    One whose controller was only slow may for a moment run beside its successor: it keeps what it relies on in transactions.
    """

    name: str
    every_s: float
    do: Callable[[], Awaitable[str | None]]
    wake_topic: str | None = None
    everywhere: bool = False  # on each controller, since it looks at what only that one has; else on one at a time


class LastRun(msgspec.Struct, frozen=True):
    """How a reconciler's last run went."""

    ok: bool
    at: dt.datetime
    took_s: float
    summary: str | None
    failures: int = 0  # in a row


class Reconcilers:
    """Runs standing reconcilers until stopped, and knows how each fared."""

    def __init__(self, standings: Sequence[Standing], bus: Bus, clock: Clock, leases: Leases | None = None) -> None:
        self._leases = leases
        self._standings = tuple(standings)
        self._bus = bus
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []
        self._due: dict[str, float] = {}
        self._woken: dict[str, Subscription] = {}
        self.last: dict[str, LastRun] = {}

    async def start(self) -> None:
        """Every reconciler runs now, and from now on when it is woken or its time has come."""
        self._tasks = [asyncio.create_task(run_standing(standing, self._bus, self)) for standing in self._standings]

    async def stop(self) -> None:
        """No reconciler runs any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for woken in self._woken.values():
            woken.close()
        self._woken = {}

    async def turn(self) -> bool:
        """Run what is due or woken, once; True when one of them did something. For tests, instead of `start`."""
        moved = False
        for standing in self._standings:
            woken = await self._has_woken(standing)
            if woken or self._clock.monotonic() >= self._due.get(standing.name, 0.0):
                self._due[standing.name] = self._clock.monotonic() + await self.run(standing)
                last = self.last.get(standing.name)
                moved = moved or (last is not None and last.summary is not None)
        return moved

    def next_due(self) -> float | None:
        """When, on the monotonic clock, one of them has its time; None before the first turn."""
        return min(self._due.values(), default=None)

    async def _has_woken(self, standing: Standing) -> bool:
        if standing.wake_topic is None:
            return False
        if standing.name not in self._woken:
            self._woken[standing.name] = self._bus.subscribe(standing.wake_topic)
        return bool(await self._woken[standing.name].next(0))

    async def run(self, standing: Standing) -> float:
        """Run it once, whatever comes of it, and return after how many seconds it is due again."""
        try:
            if self._leases is not None and not standing.everywhere and not await self._leases.has(standing.name):
                self.last.pop(standing.name, None)  # whoever has it knows how it fares
                return min(BEAT_S, standing.every_s)
        except Exception as failed:  # noqa: BLE001 - the database may be away
            log.broke("whose a reconciler is cannot be read", failed, reconciler=standing.name)
            return min(BEAT_S, standing.every_s)
        at, began = self._clock.now(), self._clock.monotonic()
        before = self.last.get(standing.name)
        try:
            summary = await standing.do()
        except Exception as failed:  # noqa: BLE001 - a reconciler never dies: its next run is the retry
            failures = 1 + (before.failures if before is not None else 0)
            log.broke("a reconciler failed", failed, reconciler=standing.name, failures=failures)
            why = str(failed) or type(failed).__name__
            self.last[standing.name] = LastRun(False, at, self._clock.monotonic() - began, why, failures)
            return min(max(LONGEST_PAUSE_S, standing.every_s), standing.every_s * 2.0 ** min(failures - 1, 10))
        if summary is not None:
            log.info("reconciled", reconciler=standing.name, did=summary)
        self.last[standing.name] = LastRun(True, at, self._clock.monotonic() - began, summary)
        return standing.every_s


async def run_standing(standing: Standing, bus: Bus, reconcilers: Reconcilers) -> None:
    """Run one reconciler for ever."""
    with bus.subscribe(*((standing.wake_topic,) if standing.wake_topic else ())) as woken:
        while True:
            pause_s = await reconcilers.run(standing)
            await asyncio.sleep(min(REST_S, pause_s))
            await woken.next(pause_s)
