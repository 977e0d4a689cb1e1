"""Waiting for something, but not for ever."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Got = TypeVar("Got")


async def timely(work: Awaitable[Got], seconds: float) -> Got:
    """What `work` gives; raises TimeoutError when that takes longer.

    Python 3.11's `asyncio.wait_for` forgets that it was cancelled if `work` ends at that moment, and whoever waits for the
    end of the cancelled task waits for ever. From 3.12 on it is what stands here.
    """
    async with asyncio.timeout(seconds):
        return await work
