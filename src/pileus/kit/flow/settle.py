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


class NeverQuiet(AssertionError):
    """The flows do not come to rest."""


async def settle(engine: Engine, clock: FakeClock, *others: TakesTurns, until_s: float | None = None) -> None:
    """All operations have ended, or `until_s` seconds have passed on the clock; raises NeverQuiet when neither comes."""
    end = None if until_s is None else clock.now() + dt.timedelta(seconds=until_s)
    for _ in range(MOST_TURNS):
        moved = [await worker.turn() for worker in (engine, *others)]
        if any(moved):
            continue
        due = await engine.next_look()
        if due is None or (end is not None and due > end):
            if end is not None and clock.now() < end:
                clock.move((end - clock.now()).total_seconds())
            return
        clock.move(max(0.0, (due - clock.now()).total_seconds()))
    waiting = [await engine.get(id) for id in await engine.book.running_ids()]
    raise NeverQuiet("; ".join(f"{op.flow} of {op.subject} at {op.step}: {op.waiting_why}" for op in waiting))
