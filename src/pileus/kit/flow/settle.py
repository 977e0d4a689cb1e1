"""Run flows until all is quiet, moving a clock that stands still: what tests and drills use instead of waiting.

Everything that works takes turns: the engine, host agents, reconcilers. Only when none of them has anything to do now does
time move on, to the moment the next one is due.
"""

import datetime as dt
from typing import Protocol

from pileus.kit.clock import FakeClock
from pileus.kit.flow.engine import Engine

MOST_TURNS = 2000


class TakesTurns(Protocol):
    """Does what is due now when asked, and says whether that moved anything."""

    async def turn(self) -> bool: ...

    def next_due(self) -> float | None:
        """When, on the monotonic clock, it will have something to do of itself."""
        ...


class NeverQuiet(AssertionError):
    """The flows do not come to rest."""


async def settle(engine: Engine, clock: FakeClock, *others: TakesTurns, until_s: float | None = None) -> None:
    """All operations have ended, or `until_s` seconds have passed on the clock; raises NeverQuiet when neither comes."""
    end = None if until_s is None else clock.now() + dt.timedelta(seconds=until_s)
    for _ in range(MOST_TURNS):
        moved = [await engine.turn(), *[await other.turn() for other in others]]
        if any(moved):
            continue
        due = await engine.next_look()
        if due is None or (end is not None and due > end):
            if end is not None and clock.now() < end:
                clock.move((end - clock.now()).total_seconds())
            return
        pauses = [(due - clock.now()).total_seconds()]
        pauses += [at - clock.monotonic() for other in others if (at := other.next_due()) is not None]
        clock.move(max(0.0, min(pauses)))
    waiting = [await engine.get(id) for id in await engine.book.due()]
    raise NeverQuiet("; ".join(f"{op.flow} of {op.subject} at {op.step}: {op.waiting_why}" for op in waiting))
