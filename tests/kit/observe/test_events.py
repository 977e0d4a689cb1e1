"""Events: one row per change of state, with the change or not at all."""

import datetime as dt

import pytest

from pileus.kit.observe.events import EVENT, Events, Lasting
from pileus.kit.observe.log import within_request


async def test_an_event_is_there_with_the_change_that_made_it_and_wakes_readers_after(kit):
    async with kit() as k:
        with k.events.subscribe() as woken:
            with within_request("req-1"):
                async with k.db.transaction():
                    await k.events.tell("server.started", "server:1", "p", payload={"host": "a"}, user_id="u")
                    assert await woken.next(0) == frozenset()
            assert {wake_up.topic for wake_up in await woken.next(0)} == {EVENT}
        (event,) = await k.events.since(0)
        assert (event.kind, event.subject, event.project_id, event.user_id) == ("server.started", "server:1", "p", "u")
        assert (event.request_id, event.payload, event.at) == ("req-1", {"host": "a"}, k.clock.now())
        assert await k.events.of_request("req-1") == await k.events.of_subject("server:1") == [event]


async def test_an_event_of_a_change_that_failed_never_was(kit):
    async with kit() as k:
        with pytest.raises(RuntimeError):
            async with k.db.transaction():
                await k.events.tell("server.started", "server:1")
                raise RuntimeError("no")
        assert await k.events.since(0) == []


async def test_readers_go_on_from_a_number_and_only_the_newest_are_kept(kit):
    async with kit() as k:
        events = Events(k.db, k.bus, k.clock, kept=3)
        for number in range(5):
            await events.tell("tick", f"server:{number}")
        assert [event.subject for event in await events.since(3)] == ["server:3", "server:4"]
        assert await events.forget_old() == 2
        assert len(await events.since(0)) == 3
        k.clock.move(31 * 24 * 3600)
        assert await events.forget_old() == 3


async def test_some_kinds_last_by_themselves_and_are_bounded_by_themselves(kit):
    async with kit() as k:
        lasting = Lasting("audit.", 2, dt.timedelta(days=90))
        events = Events(k.db, k.bus, k.clock, kept=2, lasting=lasting)
        for kind in ("audit.a", "audit.b", "audit.c", "tick", "tick", "audits", "tock"):
            await events.tell(kind, "server:1")
        assert await events.forget_old() == 3
        assert [one.kind for one in await events.since(0)] == ["audit.b", "audit.c", "audits", "tock"]
        k.clock.move(31 * 24 * 3600)
        await events.forget_old()
        assert [one.kind for one in await events.since(0)] == ["audit.b", "audit.c"]
        k.clock.move(60 * 24 * 3600)
        assert await events.forget_old() == 2
