"""The runner: what a flow may rely on, in good weather and bad."""

import asyncio

import pytest

from pileus.kit.errors import Conflict, OverQuota
from pileus.kit.flow.engine import Engine
from pileus.kit.flow.operation import Busy, State
from pileus.kit.flow.settle import NeverQuiet, settle
from pileus.kit.flow.step import Done, Fail, Flow, Step, Wait
from pileus.kit.observe.log import within_request


class Diary:
    """An app that notes what its steps did, and answers what it is told to."""

    def __init__(self, **answers) -> None:
        self.did: list[str] = []
        self.answers = answers

    async def say(self, name, op):
        self.did.append(name)
        answer = self.answers.get(name, Done())
        if isinstance(answer, list):
            answer = answer.pop(0) if answer else Done()
        if isinstance(answer, Exception):
            raise answer
        return answer(op) if callable(answer) else answer


def saying(name):
    return lambda app, op: app.say(name, op)


def step(name, *, undo=True, **more):
    return Step(name, saying(name), undo=saying(f"undo {name}") if undo else None, **more)


THREE = Flow("three", (step("one"), step("two"), step("three")))


async def test_runs_the_steps_in_order_and_gives_each_the_facts_so_far(kit):
    async with kit() as k:
        facts = []
        app = Diary(one=Done({"host": "a"}), two=lambda op: facts.append(dict(op.facts)) or Done({"port": 1}))
        k.engine.add(THREE, app)
        op = await k.engine.begin("three", "server:1", {"flavor": "small"})
        await settle(k.engine, k.clock)
        assert app.did == ["one", "two", "three"]
        ended = await k.engine.get(op.id)
        assert (ended.state, ended.facts, ended.args) == (State.DONE, {"host": "a", "port": 1}, {"flavor": "small"})
        assert facts == [{"host": "a"}]


async def test_what_the_caller_does_not_commit_never_runs(kit):
    async with kit() as k:
        app = Diary()
        k.engine.add(THREE, app)
        with pytest.raises(RuntimeError):
            async with k.db.transaction():
                await k.engine.begin("three", "server:1")
                raise RuntimeError("the request failed")
        await settle(k.engine, k.clock)
        assert app.did == [] and await k.engine.history("server:1") == []


async def test_a_second_operation_on_the_subject_is_refused_and_told_which_one_runs(kit):
    async with kit() as k:
        k.engine.add(THREE, Diary(one=Wait(1, "not yet")))
        op = await k.engine.begin("three", "server:1")
        with pytest.raises(Busy) as refused:
            await k.engine.begin("three", "server:1")
        assert refused.value.running.id == op.id and isinstance(refused.value, Conflict)
        assert "three" in refused.value.message and "server:1" in refused.value.message
        await k.engine.begin("three", "server:2")


async def test_the_book_itself_refuses_a_second_one(kit):
    async with kit() as k:
        k.engine.add(THREE, Diary())
        await k.engine.begin("three", "server:1")
        row = k.engine._first_row(THREE, "server:1", None, "other", State.RUNNING)
        with pytest.raises(Busy):
            await k.engine.book.begin(row)


async def test_undo_begins_with_the_step_that_failed_and_walks_back(kit):
    async with kit() as k:
        app = Diary(two=Fail("no"))
        k.engine.add(THREE, app)
        op = await k.engine.begin("three", "server:1")
        await settle(k.engine, k.clock)
        assert app.did == ["one", "two", "undo two", "undo one"]
        ended = await k.engine.get(op.id)
        assert (ended.state, ended.failure) == (State.FAILED, "no")


async def test_again_from_undoes_back_to_that_step_and_goes_on_with_the_facts(kit):
    async with kit() as k:
        flow = Flow("boot", (step("quota"), step("room"), step("define"), step("start")))
        app = Diary(start=[Fail("host a broke", again_from="room", facts={"avoid": ["a"]}), Done()])
        k.engine.add(flow, app)
        op = await k.engine.begin("boot", "server:1")
        await settle(k.engine, k.clock)
        assert app.did == [
            "quota", "room", "define", "start", "undo start", "undo define", "undo room", "room", "define", "start",
        ]  # fmt: skip
        ended = await k.engine.get(op.id)
        assert (ended.state, ended.failure, ended.facts, ended.tries) == (State.DONE, None, {"avoid": ["a"]}, 2)


async def test_again_from_works_for_a_step_without_an_undo(kit):
    async with kit() as k:
        flow = Flow("boot", (step("quota"), step("room", undo=False), step("start")))
        app = Diary(start=[Fail("no", again_from="room")])
        k.engine.add(flow, app)
        await k.engine.begin("boot", "server:1")
        await settle(k.engine, k.clock)
        assert app.did == ["quota", "room", "start", "undo start", "room", "start"]


async def test_again_from_is_bounded_then_all_is_undone(kit):
    async with kit() as k:
        flow = Flow("boot", (step("room"), step("start")), tries=3)
        app = Diary(start=Fail("no", again_from="room"))
        k.engine.add(flow, app)
        op = await k.engine.begin("boot", "server:1")
        await settle(k.engine, k.clock)
        assert app.did.count("start") == 3 and app.did[-1] == "undo room"
        assert (await k.engine.get(op.id)).state is State.FAILED


async def test_an_unexpected_exception_is_tried_again_and_then_fails(kit):
    async with kit() as k:
        app = Diary(two=RuntimeError("bug"))
        k.engine.add(THREE, app)
        op = await k.engine.begin("three", "server:1")
        await settle(k.engine, k.clock)
        assert app.did.count("two") == 3 and app.did[-2:] == ["undo two", "undo one"]
        assert (await k.engine.get(op.id)).failure == "RuntimeError: bug"


async def test_an_exception_that_passes_is_forgiven(kit):
    async with kit() as k:
        app = Diary(two=[OSError("once"), OSError("twice"), Done()])
        k.engine.add(THREE, app)
        op = await k.engine.begin("three", "server:1")
        await settle(k.engine, k.clock)
        assert (await k.engine.get(op.id)).state is State.DONE


async def test_a_problem_is_a_failure_in_its_own_words(kit):
    async with kit() as k:
        app = Diary(two=OverQuota("Quota exceeded for cores."))
        k.engine.add(THREE, app)
        op = await k.engine.begin("three", "server:1")
        await settle(k.engine, k.clock)
        assert app.did.count("two") == 1
        assert (await k.engine.get(op.id)).failure == "Quota exceeded for cores."


async def test_a_final_step_is_never_undone_but_tried_until_it_is_done(kit):
    async with kit() as k:
        flow = Flow("delete", (step("one"), step("gone", final=True)), deadline_s=10)
        app = Diary(
            gone=[Fail("busy"), RuntimeError("bug"), Wait(100, "host is away"), Fail("busy"), Fail("busy"), Done()]
        )
        k.engine.add(flow, app)
        op = await k.engine.begin("delete", "server:1")
        await settle(k.engine, k.clock)
        assert app.did == ["one"] + ["gone"] * 6
        assert (await k.engine.get(op.id)).state is State.DONE


def test_after_a_final_step_only_final_steps_may_follow():
    with pytest.raises(ValueError, match="final"):
        Flow("wrong", (step("one", final=True), step("two")))


async def test_an_undo_that_cannot_is_retried_and_past_its_time_the_operation_is_stuck(kit):
    async with kit() as k:
        flow = Flow("three", THREE.steps, undo_deadline_s=60)
        app = Diary(**{"two": Fail("no"), "undo two": RuntimeError("the disk is gone")})
        k.engine.add(flow, app)
        op = await k.engine.begin("three", "server:1")
        await settle(k.engine, k.clock)
        stuck = await k.engine.get(op.id)
        assert stuck.state is State.STUCK and "undo one" not in app.did and app.did.count("undo two") > 3
        assert stuck.failure.startswith("no Undoing") and "the disk is gone" in stuck.failure
        assert [found.id for found in await k.engine.stuck()] == [op.id]
        assert await k.engine.open("server:1") is None

        app.answers.clear()
        await k.engine.set_going(op.id)
        await settle(k.engine, k.clock)
        assert (await k.engine.get(op.id)).state is State.FAILED and app.did[-1] == "undo one"


async def test_a_step_that_takes_too_long_fails_and_is_undone(kit):
    async with kit() as k:
        flow = Flow("slow", (step("one"), step("two", deadline_s=30)))
        app = Diary(two=Wait(7, "the guest does not answer"))
        k.engine.add(flow, app)
        op = await k.engine.begin("slow", "server:1")
        await settle(k.engine, k.clock)
        ended = await k.engine.get(op.id)
        assert ended.state is State.FAILED and app.did[-1] == "undo one"
        assert ended.failure == "two took longer than 30 s: the guest does not answer"


async def test_a_flow_past_its_deadline_is_undone(kit):
    async with kit() as k:
        app = Diary(two=Wait(7, "nobody answers"))
        k.engine.add(Flow("three", THREE.steps, deadline_s=20), app)
        op = await k.engine.begin("three", "server:1")
        await settle(k.engine, k.clock)
        assert (await k.engine.get(op.id)).state is State.FAILED and "nobody answers" in (
            await k.engine.get(op.id)
        ).failure


async def test_also_and_ended_are_in_the_transaction_of_the_progress(kit):
    async with kit() as k:
        seen = []

        async def also():
            seen.append(("also", k.db.in_transaction))

        async def ended(app, op):
            seen.append((op.state, k.db.in_transaction))

        k.engine.add(Flow("one", (step("one"),), ended=ended), Diary(one=Done(also=also)))
        await k.engine.begin("one", "server:1")
        await settle(k.engine, k.clock)
        assert seen == [("also", True), (State.DONE, True)]


async def test_of_two_runners_with_the_same_row_one_is_refused_and_its_also_undone(kit):
    async with kit() as k:
        wrote = []

        async def also():
            wrote.append(1)

        async def meanwhile(app, op):
            app.did.append("one")
            if app.did.count("one") == 1:
                await k.fresh_engine().book.commit(op, op.__class__(**{**_fields(op), "waiting_why": "moved"}))
            return Done(also=also)

        app = Diary()
        k.engine.add(Flow("one", (Step("one", meanwhile),)), app)
        op = await k.engine.begin("one", "server:1")
        await settle(k.engine, k.clock)
        assert (app.did, wrote) == (["one", "one"], [1])
        assert (await k.engine.get(op.id)).state is State.DONE


def _fields(op):
    return {name: getattr(op, name) for name in op.__struct_fields__}


async def test_overtaking_turns_the_running_one_back_and_then_runs(kit):
    async with kit() as k:
        app = Diary(two=Wait(100, "booting"))
        k.engine.add(THREE, app)
        k.engine.add(Flow("delete", (step("gone", final=True, shows="deleting"),)), app)
        booting = await k.engine.begin("three", "server:1")
        await settle(k.engine, k.clock, until_s=1)
        deleting = await k.engine.begin("delete", "server:1", overtake="The server is being deleted.")
        assert (await k.engine.open("server:1")).shows == "deleting"
        with pytest.raises(Busy):
            await k.engine.begin("delete", "server:1", overtake="again")
        await settle(k.engine, k.clock)
        assert app.did == ["one", "two", "undo two", "undo one", "gone"]
        first, second = await k.engine.get(booting.id), await k.engine.get(deleting.id)
        assert (first.state, first.failure) == (State.FAILED, "The server is being deleted.")
        assert second.state is State.DONE


async def test_history_has_the_operations_newest_first_with_their_steps(kit):
    async with kit() as k:
        k.engine.add(THREE, Diary(one=Done({"host": "a"}), two=[Fail("no")]))
        with within_request("req-1"):
            await k.engine.begin("three", "server:1", project_id="p", user_id="u")
        await settle(k.engine, k.clock)
        await k.engine.begin("three", "server:1", request_id="req-2")
        await settle(k.engine, k.clock)
        newest, oldest = await k.engine.history("server:1")
        assert [past.operation.request_id for past in (newest, oldest)] == ["req-2", "req-1"]
        assert [(run.step, run.undoing, run.result, run.why) for run in oldest.steps] == [
            ("one", False, "done", None), ("two", False, "failed", "no"),
            ("two", True, "done", None), ("one", True, "done", None),
        ]  # fmt: skip
        assert oldest.steps[1].host == "a" and (oldest.operation.project_id, oldest.operation.user_id) == ("p", "u")
        assert await k.engine.history("server:1", limit=1, before=newest.operation.number) == [oldest]


async def test_open_many_gives_what_lists_need(kit):
    async with kit() as k:
        k.engine.add(Flow("one", (step("one", shows="scheduling"),)), Diary(one=Wait(1, "not yet")))
        await k.engine.begin("one", "server:1")
        await k.engine.begin("one", "server:2")
        found = await k.engine.open_many(["server:1", "server:2", "server:3"])
        assert {subject: op.shows for subject, op in found.items()} == dict.fromkeys(
            ["server:1", "server:2"], "scheduling"
        )


async def test_a_flow_this_release_does_not_know_is_stuck_and_not_guessed(kit):
    async with kit() as k:
        k.engine.add(THREE, Diary())
        op = await k.engine.begin("three", "server:1")
        later = k.fresh_engine()
        await settle(later, k.clock)
        assert (await later.get(op.id)).state is State.STUCK


async def test_settle_names_what_never_comes_to_rest(kit):
    async with kit() as k:
        k.engine.add(Flow("one", (step("one"),)), Diary(one=Wait(1, "the moon")))
        await k.engine.begin("one", "server:1")
        with pytest.raises(NeverQuiet, match="the moon"):
            await settle(k.engine, k.clock)


# With the dispatcher, in real time.


async def test_a_wake_up_looks_again_long_before_the_time(kit):
    async with kit() as k:
        ready = asyncio.Event()
        app = Diary(one=lambda op: Done() if ready.is_set() else Wait(3600, "for the host"))
        k.engine.add(Flow("one", (step("one"),)), app)
        await k.engine.start()
        op = await k.engine.begin("one", "server:1")
        while (await k.engine.get(op.id)).waiting_why is None:
            await asyncio.sleep(0.001)
        ready.set()
        k.engine.wake_subject("server:1")
        assert (await k.engine.wait_ended(op.id, 60)).state is State.DONE
        assert app.did == ["one", "one"]


async def test_a_fresh_engine_takes_up_what_is_open(kit):
    async with kit() as k:
        k.engine.add(THREE, Diary(two=Wait(3600, "for ever")))
        op = await k.engine.begin("three", "server:1")
        await settle(k.engine, k.clock, until_s=1)
        later, app = k.fresh_engine(), Diary()
        later.add(THREE, app)
        await later.start()
        assert (await later.wait_ended(op.id, 60)).state is State.DONE
        assert app.did == ["two", "three"]
        await later.stop()


async def test_a_lost_wake_up_only_costs_time(kit):
    async with kit() as k:
        k.engine.add(THREE, Diary())
        await k.engine.start()
        other = Engine(k.db, _Deaf(), k.clock)
        other.add(THREE, Diary())
        op = await other.begin("three", "server:1")
        assert (await k.engine.get(op.id)).state is State.RUNNING
        k.clock.move(31)
        k.engine.wake_subject("")  # the timer, in a test whose clock stands still
        assert (await k.engine.wait_ended(op.id, 60)).state is State.DONE


class _Deaf:
    def wake(self, topic, id):
        pass


async def test_no_more_operations_run_at_once_than_allowed(kit):
    async with kit() as k:
        at_work, most = 0, 0

        async def work(app, op):
            nonlocal at_work, most
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(0.02)
            at_work -= 1
            return Done()

        engine = Engine(k.db, k.bus, k.clock, {"one": (Flow("one", (Step("one", work),)), None)}, concurrency=3)
        ops = [await engine.begin("one", f"server:{n}") for n in range(12)]
        await engine.start()
        for op in ops:
            await engine.wait_ended(op.id, 60)
        await engine.stop()
        assert most == 3


async def test_stopping_in_the_middle_of_a_step_leaves_it_to_the_next_start(kit):
    async with kit() as k:
        began = asyncio.Event()

        async def hang(app, op):
            began.set()
            await asyncio.sleep(3600)
            return Done()

        k.engine.add(Flow("one", (Step("one", hang),)), None)
        await k.engine.start()
        op = await k.engine.begin("one", "server:1")
        await began.wait()
        await k.engine.stop()
        assert (await k.engine.get(op.id)).state is State.RUNNING
