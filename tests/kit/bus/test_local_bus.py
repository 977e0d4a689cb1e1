"""Wake-ups: coalesced, kept for a subscription, and without data."""

import asyncio

from pileus.kit.bus import LocalBus, WakeUp


async def test_a_subscription_keeps_what_came_before_it_asked():
    bus = LocalBus()
    with bus.subscribe("server") as woken:
        bus.wake("server", "a")
        bus.wake("server", "a")
        bus.wake("server", "b")
        bus.wake("volume", "c")
        assert await woken.next(0) == {WakeUp("server", "a"), WakeUp("server", "b")}
        assert await woken.next(0) == frozenset()


async def test_a_subscription_for_one_id_hears_of_that_one_only():
    bus = LocalBus()
    with bus.subscribe("server", id="a") as woken:
        bus.wake("server", "b")
        assert await woken.next(0) == frozenset()
        bus.wake("server", "a")
        assert await woken.next(0) == {WakeUp("server", "a")}


async def test_one_subscription_can_hear_of_several_topics():
    bus = LocalBus()
    with bus.subscribe("server", "volume") as woken:
        bus.wake("server", "a")
        bus.wake("volume", "a")
        assert len(await woken.next(0)) == 2


async def test_a_wake_up_ends_a_wait_and_no_wake_up_ends_it_by_time():
    bus = LocalBus()
    waiting = asyncio.create_task(bus.wait("server", "a", 5))
    await asyncio.sleep(0)
    bus.wake("server", "a")
    assert await waiting
    assert not await bus.wait("server", "a", 0.001)


async def test_a_closed_subscription_is_forgotten():
    bus = LocalBus()
    with bus.subscribe("server") as woken:
        pass
    bus.wake("server", "a")
    assert await woken.next(0) == frozenset()
    assert not bus._listeners
