"""Work in threads that does not outlive whoever waits for it."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Args = ParamSpec("Args")
Result = TypeVar("Result")


async def in_thread(work: Callable[Args, Result], *args: Args.args, **named: Args.kwargs) -> Result:
    """What the work returned. Cancelled, it waits for the thread's end: nobody writes to what was given up already."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **named))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        task.cancelled() or task.exception()  # nobody is left to be told
        raise
