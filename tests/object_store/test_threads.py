"""The threads of a device: what they do comes back to whoever asked, in any number, and none is left."""

import asyncio
import threading

import pytest

from pileus.object_store.storage.threads import Threads


async def test_each_gets_what_his_work_returns_or_raises() -> None:
    threads = Threads(3, "of a test")
    try:
        found = await asyncio.gather(*(threads.do(lambda at=at: at * at) for at in range(200)))  # type: ignore[misc]
        assert [at * at for at in range(200)] == found
        with pytest.raises(ZeroDivisionError):
            await threads.do(lambda: 1 // 0)
    finally:
        threads.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("of a test")]


async def test_no_more_than_so_many_work_at_once_and_as_many_as_are_needed() -> None:
    threads = Threads(3, "of a test")
    together = threading.Barrier(3)
    try:
        async with asyncio.timeout(60):
            await asyncio.gather(*(threads.do(together.wait) for _ in range(9)))
        assert 3 == len([one for one in threading.enumerate() if one.name.startswith("of a test")])
    finally:
        threads.close()


async def test_work_that_nobody_waits_for_any_more_is_left_out() -> None:
    threads = Threads(1, "of a test")
    free, done = threading.Event(), []
    try:
        first = asyncio.ensure_future(threads.do(free.wait))
        second = asyncio.ensure_future(threads.do(lambda: done.append("second")))
        third = asyncio.ensure_future(threads.do(lambda: done.append("third")))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait({second})
        free.set()
        async with asyncio.timeout(60):
            await asyncio.gather(first, third)
        assert ["third"] == done
    finally:
        free.set()
        threads.close()
