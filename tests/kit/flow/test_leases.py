"""Leases: one controller at a time runs an operation or a standing reconciler, and another takes over when it is gone."""

import asyncio

import pytest

from pileus.kit.flow.book import MovedMeanwhile
from pileus.kit.flow.engine import Engine
from pileus.kit.flow.leases import BEAT_S, LAPSE_S, OWN_S, Leases
from pileus.kit.flow.operation import State
from pileus.kit.flow.standing import Reconcilers, Standing
from pileus.kit.flow.step import Done, Flow, Step, Wait


class Controller:
    """One of several over the same database, which notes what it ran."""

    def __init__(self, k, place) -> None:
        self.leases = Leases(k.db, k.bus, k.clock, place)
        self.engine = Engine(k.db, k.bus, k.clock, leases=self.leases)
        self.ran: list[str] = []
        self.pause_s = 0.0
        self.began = asyncio.Event()
        self.engine.add(Flow("make", (Step("one", self.one), Step("two", self.two))), None)
        self.sweeps = 0
        self.standing = Reconcilers([Standing("sweep", 1, self.sweep)], k.bus, k.clock, self.leases)

    async def one(self, app, op):
        self.began.set()
        await asyncio.sleep(self.pause_s)
        self.ran.append("one")
        return Wait(5, "half") if "half" not in op.facts and len(self.ran) == 1 else Done()

    async def two(self, app, op):
        self.ran.append("two")
        return Done()

    async def sweep(self):
        self.sweeps += 1

    async def close(self) -> None:
        await self.engine.stop()
        await self.leases.stop()


@pytest.fixture
def two(kit):
    class Both:
        async def __aenter__(self):
            self.open = kit()
            k = await self.open.__aenter__()
            self.pair = Controller(k, "a"), Controller(k, "b")
            for controller in self.pair:
                await controller.leases.join()
            for controller in self.pair:
                await controller.leases.turn()
            return k, *self.pair

        async def __aexit__(self, *failed):
            for controller in self.pair:
                await controller.close()
            await self.open.__aexit__(*failed)

    return Both


async def beats(k, seconds, *controllers):
    """Time passes, and these controllers are alive meanwhile."""
    for _ in range(int(seconds / BEAT_S) + 1):
        k.clock.move(BEAT_S)
        for controller in controllers:
            await controller.leases.turn()


async def test_an_operation_is_run_by_the_controller_that_began_it_only(two):
    async with two() as (k, a, b):
        op = await a.engine.begin("make", "thing:1")
        assert not await b.engine.turn()
        await a.engine.turn()
        await b.engine.turn()
        k.clock.move(5)
        await b.engine.turn()
        await a.engine.turn()
        assert (a.ran, b.ran) == (["one", "one", "two"], [])
        assert (await a.engine.get(op.id)).state is State.DONE


async def test_another_takes_over_once_the_holder_is_silent_and_not_before(two):
    async with two() as (k, a, b):
        op = await a.engine.begin("make", "thing:1")
        await beats(k, LAPSE_S - 2 * BEAT_S, b)
        await b.engine.turn()
        assert b.ran == []
        await beats(k, 2 * BEAT_S, b)
        await b.engine.turn()
        k.clock.move(5)
        await b.engine.turn()
        assert (await b.engine.get(op.id)).state is State.DONE and a.ran == []


async def test_another_takes_over_at_once_when_the_holder_stops(two):
    async with two() as (k, a, b):
        await a.engine.begin("make", "thing:1")
        await a.close()
        await b.leases.turn()
        await b.engine.turn()
        assert b.ran == ["one"]


async def test_a_next_life_at_the_same_place_takes_over_at_once(two):
    async with two() as (k, a, b):
        await a.engine.begin("make", "thing:1")
        again = Controller(k, "a")
        await again.leases.join()
        await again.leases.turn()
        await again.engine.turn()
        assert again.ran == ["one"]
        await again.close()


async def test_a_step_that_outlived_its_lease_commits_nothing(two):
    async with two() as (k, a, b):
        op = await a.engine.begin("make", "thing:1")
        held = await a.engine.get(op.id)
        await beats(k, LAPSE_S, b)
        with pytest.raises(MovedMeanwhile):
            await a.engine.book.commit(held, held)


async def test_a_controller_that_cannot_beat_runs_nothing_and_ends_its_steps(two):
    async with two() as (k, a, b):
        a.pause_s = 3600
        await a.engine.start()
        op = await a.engine.begin("make", "thing:1")
        await a.began.wait()
        k.clock.move(OWN_S)
        assert not a.leases.holds and not await a.leases.has("sweep")
        a.began.clear()
        a.leases._lapsed()  # the timer, in a test whose clock stands still
        a.pause_s = 0
        await a.leases.turn()
        await a.began.wait()  # nobody had taken it, so it runs here again
        k.clock.move(5)
        a.engine.wake(op.id)
        assert (await a.engine.wait_ended(op.id, 5)).state is State.DONE
        assert a.ran == ["one", "one", "two"]


async def test_a_follower_is_run_by_the_controller_that_ended_the_one_before(two):
    async with two() as (k, a, b):
        await a.engine.begin("make", "thing:1")
        follower = await b.engine.begin("make", "thing:1", overtake="enough")
        await a.engine.turn()
        assert (await a.engine.get(follower.id)).holder == a.leases.name


async def test_a_standing_reconciler_runs_on_one_and_on_another_once_that_is_gone(two):
    async with two() as (k, a, b):
        await a.standing.turn()
        await b.standing.turn()
        assert (a.sweeps, b.sweeps, list(b.standing.last)) == (1, 0, [])
        await beats(k, LAPSE_S, b)
        await b.standing.turn()
        assert b.sweeps == 1
        await a.leases.turn()
        k.clock.move(1)
        await a.standing.turn()
        assert a.sweeps == 1


async def test_what_stands_everywhere_runs_on_each(two):
    async with two() as (k, a, b):
        runs = []

        async def run():
            runs.append(1)

        for controller in (a, b):
            await Reconcilers([Standing("mine", 1, run, everywhere=True)], k.bus, k.clock, controller.leases).turn()
        assert len(runs) == 2


async def test_alone_on_a_database_nothing_is_written_for_leases(kit):
    async with kit() as k:
        k.engine.add(Flow("make", (Step("one", _done),)), None)
        op = await k.engine.begin("make", "thing:1")
        before = k.db.tally.committed
        await k.engine.turn()
        ended = await k.engine.get(op.id)
        assert (ended.state, ended.holder, k.db.tally.committed - before) == (State.DONE, None, 1)


async def _done(app, op):
    return Done()
