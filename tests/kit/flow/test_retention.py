"""What ended long ago is forgotten, unless it is about something that is still there."""

import sqlalchemy as sa

from pileus.kit.db import scalar
from pileus.kit.flow.book import NEWEST
from pileus.kit.flow.retention import KEPT_FOR, Retention
from pileus.kit.flow.settle import settle
from pileus.kit.flow.step import Done, Fail, Flow, Step, Wait
from pileus.kit.tables import operation_steps

STEPS = scalar(sa.select(sa.func.count()).select_from(operation_steps), int)
DAY_S = 86_400
MONTH_S = KEPT_FOR.total_seconds()


async def done(_app, _op):
    return Done()


async def fails(_app, _op):
    return Fail("no")


async def waits(_app, _op):
    return Wait(3600, "for ever")


def flows(engine):
    for name, act in (("done", done), ("fails", fails), ("waits", waits)):
        engine.add(Flow(name, (Step("it", act),)), None)


def living(*ids):
    async def which(asked, _before):
        return set(asked) & set(ids)

    return which


async def history(k, subject):
    return [past.operation.flow for past in await k.engine.history(subject, before=NEWEST)]


async def test_what_is_about_something_that_is_gone_goes_after_a_month(kit):
    async with kit() as k:
        flows(k.engine)
        for subject, flow in (
            ("server:gone", "done"),
            ("server:gone", "fails"),
            ("server:here", "done"),
            ("odd:1", "done"),
        ):
            await k.engine.begin(flow, subject)
            await settle(k.engine, k.clock)
        retention = Retention(k.db, k.clock, {"server": living("here")})
        k.clock.move(MONTH_S - DAY_S)
        assert await retention.forget_old() == 0
        k.clock.move(2 * DAY_S)
        await k.engine.begin("done", "server:gone")
        await settle(k.engine, k.clock)
        assert await retention.forget_old() == 3
        assert await history(k, "server:gone") == ["done"]
        assert await history(k, "server:here") == ["done"]
        assert await history(k, "odd:1") == []
        assert await retention.forget_old() == 0


async def test_what_is_still_open_stays_however_old_it_is(kit):
    async with kit() as k:
        flows(k.engine)
        await k.engine.begin("waits", "server:gone")
        await k.engine.turn()
        k.clock.move(3 * MONTH_S)
        assert await Retention(k.db, k.clock, {}).forget_old() == 0
        assert await history(k, "server:gone") == ["waits"]


async def test_no_step_is_left_of_what_was_forgotten_and_pages_make_no_difference(kit):
    async with kit() as k:
        flows(k.engine)
        kept = [str(number) for number in range(0, 20, 5)]
        for number in range(20):
            await k.engine.begin("done", f"server:{number}")
        await settle(k.engine, k.clock)
        k.clock.move(2 * MONTH_S)
        assert await Retention(k.db, k.clock, {"server": living(*kept)}, at_once=7).forget_old() == 20 - len(kept)
        assert all([await history(k, f"server:{number}") == ["done"] for number in kept])
        assert await k.db.one(STEPS) == len(kept)
