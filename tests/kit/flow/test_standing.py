"""Standing reconcilers: they run by wake-up and by time, and nothing kills them."""

import asyncio

from pileus.kit.bus import LocalBus
from pileus.kit.flow.standing import Reconcilers, Standing
from pileus.kit.timely import timely


class Sweeper:
    def __init__(self) -> None:
        self.runs = 0
        self.answers = []
        self.ran = asyncio.Event()

    async def sweep(self):
        self.runs += 1
        self.ran.set()
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def next_run(self):
        self.ran.clear()
        await timely(self.ran.wait(), 60)


async def test_it_runs_when_its_time_has_come_and_when_woken_and_not_between(clock):
    bus, sweeper = LocalBus(), Sweeper()
    reconcilers = Reconcilers([Standing("orphans", 60, sweeper.sweep, "server")], bus, clock)
    await reconcilers.turn()
    await reconcilers.turn()
    assert sweeper.runs == 1
    bus.wake("server", "1")
    await reconcilers.turn()
    assert sweeper.runs == 2
    clock.move(60)
    sweeper.answers = ["removed 2 ports"]
    assert await reconcilers.turn()
    last = reconcilers.last["orphans"]
    assert (sweeper.runs, last.ok, last.summary, last.at) == (3, True, "removed 2 ports", clock.now())
    await reconcilers.stop()


async def test_a_failing_one_is_known_pauses_longer_and_recovers(clock):
    sweeper = Sweeper()
    sweeper.answers = [RuntimeError("OVN is away"), RuntimeError("OVN is away"), None]
    reconcilers = Reconcilers([Standing("drift", 10, sweeper.sweep)], LocalBus(), clock)
    await reconcilers.turn()
    assert (reconcilers.last["drift"].ok, reconcilers.last["drift"].summary) == (False, "OVN is away")
    clock.move(10)
    await reconcilers.turn()
    assert reconcilers.last["drift"].failures == 2
    clock.move(10)
    await reconcilers.turn()
    assert sweeper.runs == 2
    clock.move(10)
    await reconcilers.turn()
    assert reconcilers.last["drift"].ok and reconcilers.last["drift"].failures == 0


async def test_started_ones_live_through_failures_and_hear_wake_ups(clock):
    bus, sweeper = LocalBus(), Sweeper()
    sweeper.answers = [RuntimeError("no")]
    reconcilers = Reconcilers([Standing("drift", 3600, sweeper.sweep, "server")], bus, clock)
    await reconcilers.start()
    await sweeper.next_run()
    bus.wake("server", "1")
    await sweeper.next_run()
    assert sweeper.runs == 2
    await reconcilers.stop()
