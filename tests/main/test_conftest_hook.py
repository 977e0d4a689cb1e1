"""The hook that runs `async def` tests."""

import asyncio

from pileus.kit.clock import FakeClock


async def test_async_tests_run_in_a_loop_with_their_fixtures(clock: FakeClock) -> None:
    before = clock.monotonic()
    clock.move(2)
    await asyncio.sleep(0)
    assert 2 == clock.monotonic() - before


class TestMethods:
    async def test_methods_run_too(self, clock: FakeClock) -> None:
        assert 0 == clock.monotonic()
