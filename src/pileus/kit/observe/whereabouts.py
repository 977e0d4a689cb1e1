"""Where a task stands: what tells, of work that does not end, what it waits for."""

import asyncio
from pathlib import Path
from types import FrameType
from typing import Any


def whereabouts(task: "asyncio.Task[Any]") -> str:
    """The places a task stands at, outermost first, each as `file:line function`; the last is what it waits for."""
    places = []
    waits: Any = task.get_coro()
    # What waits for a future, a lock's too, ends the chain: a future does not say who is to settle it.
    while (frame := _frame(waits)) is not None:
        code = frame.f_code
        places.append(f"{Path(code.co_filename).name}:{frame.f_lineno} {code.co_name}")
        waits = getattr(waits, "cr_await", None)
    return " > ".join(places)


def _frame(waits: object) -> FrameType | None:
    frame = getattr(waits, "cr_frame", None)
    return frame if isinstance(frame, FrameType) else None
