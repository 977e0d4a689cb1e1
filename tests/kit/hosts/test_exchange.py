"""The exchange with hosts: wishes go down, reports come up, and nothing is lost or guessed on the way."""

import asyncio

import msgspec
import pytest

from pileus.kit.flow.settle import settle
from pileus.kit.flow.step import Done, Fail, Flow, Step, Wait
from pileus.kit.hosts.agent import Agent
from pileus.kit.hosts.control import SEEN, WANTED
from pileus.kit.hosts.exchange import Batch, Document, Report
from pileus.kit.hosts.registry import NoSuchHost


class Fakes:
    """A handler whose things are entries of a dict; it can be told to fail, to hang, and loses things."""

    def __init__(self, things=None) -> None:
        self.things = dict(things or {})
        self.did = []
        self.failures = []
        self.hang = None

    async def observe(self):
        return {id: {"power": "on", **body} for id, body in self.things.items()}

    async def ensure(self, id, body, generation):
        self.did.append(("ensure", id, generation))
        if self.hang is not None:
            await self.hang.wait()
        if self.failures:
            raise RuntimeError(self.failures.pop(0))
        self.things[id] = body
        return {"power": "on", **body}

    async def ensure_gone(self, id):
        self.did.append(("gone", id))
        if self.failures:
            raise RuntimeError(self.failures.pop(0))
        self.things.pop(id, None)


class Disk(msgspec.Struct):
    size: int


def agent_of(k, handler, exchange=None, **more):
    return Agent(exchange or k.exchange, "a", {"server": handler}, k.clock, {"cores": 4}, **more)


async def calm(agent):
    while await agent.turn():
        pass


async def test_a_wish_is_made_true_reported_and_answered(kit):
    async with kit() as k:
        handler = Fakes()
        agent = agent_of(k, handler)
        generation = await k.hosts.want("a", "server", "1", {"ram": 64})
        assert await k.hosts.answer("a", "server", "1") is None
        await calm(agent)
        answer = await k.hosts.answer("a", "server", "1")
        assert (answer.generation, answer.body, answer.present) == (generation, {"power": "on", "ram": 64}, True)
        assert handler.things == {"1": {"ram": 64}}


async def test_the_same_wish_again_changes_nothing_and_a_new_one_is_not_yet_answered(kit):
    async with kit() as k:
        agent, handler = None, Fakes()
        agent = agent_of(k, handler)
        first = await k.hosts.want("a", "server", "1", Disk(5))
        await calm(agent)
        assert await k.hosts.want("a", "server", "1", {"size": 5}) == first
        assert not await agent.turn()
        second = await k.hosts.want("a", "server", "1", Disk(6))
        assert second > first
        assert await k.hosts.answer("a", "server", "1") is None
        assert (await k.hosts.seen("a", "server", "1")).generation == first


async def test_a_wish_that_holds_tuples_is_the_same_wish_again(kit):
    async with kit() as k:
        first = await k.hosts.want("a", "server", "1", {"disks": ()})
        assert await k.hosts.want("a", "server", "1", {"disks": ()}) == first


async def test_what_is_unwanted_goes_is_confirmed_and_leaves_no_row(kit):
    async with kit() as k:
        handler = Fakes()
        agent = agent_of(k, handler)
        await k.hosts.want("a", "server", "1", {})
        await calm(agent)
        await k.hosts.unwant("a", "server", "1")
        assert (await k.hosts.wanted("a", "server", "1")).gone
        assert not await k.hosts.settled_gone("a", "server", "1")
        await calm(agent)
        assert handler.things == {}
        assert await k.hosts.settled_gone("a", "server", "1")
        await k.hosts.unwant("a", "server", "1")
        assert await k.hosts.settled_gone("a", "server", "1")


async def test_what_is_wanted_again_while_it_goes_comes_back(kit):
    async with kit() as k:
        handler = Fakes()
        agent = agent_of(k, handler)
        await k.hosts.want("a", "server", "1", {"ram": 1})
        await calm(agent)
        await k.hosts.unwant("a", "server", "1")
        gone = (await k.hosts.wanted("a", "server", "1")).generation
        again = await k.hosts.want("a", "server", "1", {"ram": 1})
        await k.hosts.take("a", Report("server", "1", gone, {}, present=False))
        assert (await k.hosts.wanted("a", "server", "1")).generation == again
        await calm(agent)
        assert handler.things == {"1": {"ram": 1}} and (await k.hosts.answer("a", "server", "1")).present


async def test_a_wish_that_is_not_committed_is_not_seen_by_the_host(kit):
    async with kit() as k:
        handler = Fakes()
        with pytest.raises(RuntimeError):
            async with k.db.transaction():
                await k.hosts.want("a", "server", "1", {})
                raise RuntimeError("no")
        await calm(agent_of(k, handler))
        assert handler.did == []


async def test_a_failure_is_reported_in_the_drivers_words_and_tried_again(kit):
    async with kit() as k:
        handler = Fakes()
        handler.failures = ["qemu: no such CPU", "qemu: still not"]
        agent = agent_of(k, handler)
        await k.hosts.want("a", "server", "1", {})
        await calm(agent)
        answer = await k.hosts.answer("a", "server", "1")
        assert (answer.failure, answer.present) == ("qemu: no such CPU", False)
        k.clock.move(1.5)
        await calm(agent)
        assert (await k.hosts.answer("a", "server", "1")).failure == "qemu: still not"
        k.clock.move(2.5)
        await calm(agent)
        answer = await k.hosts.answer("a", "server", "1")
        assert (answer.failure, answer.present) == (None, True)


async def test_what_cannot_go_stays_wanted_gone_until_it_can(kit):
    async with kit() as k:
        handler = Fakes()
        agent = agent_of(k, handler)
        await k.hosts.want("a", "server", "1", {})
        await calm(agent)
        handler.failures = ["device busy"]
        await k.hosts.unwant("a", "server", "1")
        await calm(agent)
        report = await k.hosts.answer("a", "server", "1")
        assert (report.failure, report.present) == ("device busy", True)
        k.clock.move(2)
        await calm(agent)
        assert await k.hosts.settled_gone("a", "server", "1")


async def test_a_restarted_agent_adopts_what_runs_and_touches_no_stranger(kit):
    async with kit() as k:
        handler = Fakes()
        await k.hosts.want("a", "server", "1", {"ram": 1})
        await calm(agent_of(k, handler))
        handler.things["stranger"] = {"ram": 9}
        handler.did.clear()
        restarted = agent_of(k, handler)
        await calm(restarted)
        assert [did[:2] for did in handler.did] == [("ensure", "1")]
        assert restarted.strangers == {("server", "stranger")}
        report = await k.hosts.seen("a", "server", "stranger")
        assert (report.generation, report.present, report.body) == (0, True, {"power": "on", "ram": 9})

        await k.hosts.unwant("a", "server", "stranger")
        await calm(restarted)
        assert handler.things == {"1": {"ram": 1}} and restarted.strangers == frozenset()


async def test_an_empty_answer_is_no_empty_set(kit):
    async with kit() as k:
        handler = Fakes()
        exchange = _Forgetful(k.exchange)
        agent = agent_of(k, handler, exchange)
        await k.hosts.want("a", "server", "1", {})
        await calm(agent)
        for answer in (Batch((), 5, whole=False), Batch((), 5, whole=True)):
            exchange.answer = answer
            await agent.turn()
            assert handler.things == {"1": {}} and ("gone", "1") not in handler.did


class _Forgetful:
    """An exchange that can be made to give a wrong answer."""

    def __init__(self, real) -> None:
        self.real, self.answer = real, None
        self.register, self.report = real.register, real.report

    async def wanted(self, host, after, timeout_s):
        if self.answer is not None:
            return self.answer
        return await self.real.wanted(host, after, timeout_s)


async def test_an_agent_from_another_life_of_the_database_reads_everything_again(kit):
    async with kit() as k:
        generation = await k.hosts.want("a", "server", "1", {})
        batch = await k.exchange.wanted("a", 99, 0)
        assert batch.whole and batch.cursor == generation and len(batch.documents) == 1


async def test_an_old_report_does_not_replace_a_newer_one(kit):
    async with kit() as k:
        generation = await k.hosts.want("a", "server", "1", {})
        await k.hosts.take("a", Report("server", "1", generation, {"power": "on"}, present=True))
        await k.hosts.take("a", Report("server", "1", generation - 1, {"power": "off"}, present=True))
        assert (await k.hosts.seen("a", "server", "1")).body == {"power": "on"}


async def test_an_unchanged_report_is_not_sent_again_and_a_loss_is_found_by_looking_again(kit):
    async with kit() as k:
        handler = Fakes()
        agent = agent_of(k, handler)
        await k.hosts.want("a", "server", "1", {})
        await calm(agent)
        before = await k.hosts.seen("a", "server", "1")
        with k.bus.subscribe(SEEN) as told:
            k.clock.move(61)
            await calm(agent)
            assert len(handler.did) == 2 and await told.next(0) == frozenset()
            agent.look_again("server", "1")
            handler.failures = ["the process ended, signal 9"]
            await calm(agent)
            assert await told.next(0)
        assert (await k.hosts.seen("a", "server", "1")).failure == "the process ended, signal 9"
        assert before.failure is None


async def test_progress_can_be_told_before_the_wish_is_answered(kit):
    async with kit() as k:
        handler = Fakes()
        handler.hang = asyncio.Event()
        agent = agent_of(k, handler)
        await agent.start()
        await k.hosts.want("a", "server", "1", {})
        while not handler.did:
            await asyncio.sleep(0.001)
        await agent.tell("server", "1", {"fetched": 40})
        assert (await k.hosts.seen("a", "server", "1")).body == {"fetched": 40}
        assert await k.hosts.answer("a", "server", "1") is None
        await agent.stop()


async def test_what_is_unwanted_while_it_is_being_made_is_made_no_further(kit):
    async with kit() as k:
        handler = Fakes()
        handler.hang = asyncio.Event()
        agent = agent_of(k, handler)
        await agent.start()
        await k.hosts.want("a", "server", "1", {})
        while not handler.did:
            await asyncio.sleep(0.001)
        with k.bus.subscribe(SEEN) as told:
            await k.hosts.unwant("a", "server", "1")
            while not await k.hosts.settled_gone("a", "server", "1"):
                await told.next(1)
        assert handler.did[-1] == ("gone", "1")
        await agent.stop()


class Told:
    """An exchange in which the host hears of documents at the very moment at which the test says so."""

    def __init__(self) -> None:
        self.says = asyncio.Queue()
        self.reports = []

    async def register(self, host, facts):
        return

    async def wanted(self, host, after, timeout_s):
        return await self.says.get()

    async def report(self, host, report):
        self.reports.append(report)


async def test_what_is_unwanted_before_work_on_it_has_begun_goes(kit):
    async with kit() as k:
        handler, told = Fakes(), Told()
        agent = agent_of(k, handler, told)
        await agent.start()
        try:
            told.says.put_nowait(Batch((Document("server", "1", 2, {}, gone=False),), 2, whole=True))
            async with asyncio.timeout(60):
                while not told.reports:
                    await asyncio.sleep(0)
                for _ in range(10):
                    await asyncio.sleep(0)  # everybody waits
            # Both wake up in one turn of the loop: work on the thing is set off, and before it begins comes the news.
            agent.look_again("server", "1")
            told.says.put_nowait(Batch((Document("server", "1", 3, {}, gone=True),), 3, whole=False))
            async with asyncio.timeout(60):
                while told.reports[-1].present:
                    await asyncio.sleep(0)
        finally:
            await agent.stop()
        assert handler.did == [("ensure", "1", 2), ("gone", "1")]
        assert told.reports[-1] == Report("server", "1", 3, {}, present=False)


async def test_work_that_takes_long_is_told_with_what_it_waits_for(kit, caplog):
    async with kit() as k:
        handler, told = Fakes(), Told()
        handler.hang = asyncio.Event()
        agent = agent_of(k, handler, told)
        await agent.start()
        try:
            told.says.put_nowait(Batch((Document("server", "1", 2, {}, gone=False),), 2, whole=True))
            async with asyncio.timeout(60):
                while not handler.did:
                    await asyncio.sleep(0)
                k.clock.move(61)
                agent.look_again("server", "1")
                while not caplog.records:
                    await asyncio.sleep(0)
        finally:
            await agent.stop()
        (said,) = [record.fields for record in caplog.records if record.message == "work takes long"]
        assert (said["kind"], said["id"], said["for_s"]) == ("server", "1", 61)
        assert "test_exchange.py" in said["at"] and "ensure" in said["at"]


async def test_a_running_agent_hears_of_wishes_at_once_and_works_on_several_things_at_a_time(kit):
    async with kit() as k:
        handler = Fakes()
        handler.hang = asyncio.Event()
        agent = agent_of(k, handler, at_once=2)
        await agent.start()
        with k.bus.subscribe(SEEN) as told:
            for id in "123":
                await k.hosts.want("a", "server", id, {})
            while len(handler.did) < 2:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)
            assert len(handler.did) == 2
            handler.hang.set()
            while len(await k.hosts.seen_list("a")) < 3:
                await told.next(1)
        await agent.stop()


async def test_a_host_is_known_with_its_facts_and_up_while_it_is_heard(kit):
    async with kit() as k:
        with pytest.raises(NoSuchHost):
            await k.hosts.get("a")
        agent = agent_of(k, Fakes())
        await agent.turn()
        (host,) = await k.hosts.list()
        assert (host.name, host.facts) == ("a", {"cores": 4}) and host.up(k.clock.now())
        k.clock.move(14)
        assert await k.hosts.is_up("a")
        await agent.turn()
        k.clock.move(14)
        assert await k.hosts.is_up("a")
        k.clock.move(2)
        assert not await k.hosts.is_up("a")
        await agent.set_facts({"cores": 8})
        assert (await k.hosts.get("a")).facts == {"cores": 8} and (await k.hosts.get("a")).joined == host.joined
        assert await k.hosts.is_up("a")


async def test_a_long_poll_returns_when_something_is_wanted(kit):
    async with kit() as k:
        read = await k.hosts.want("a", "server", "1", {})
        poll = asyncio.create_task(k.exchange.wanted("a", read, 60))
        with k.bus.subscribe(WANTED, id="a"):
            await asyncio.sleep(0.01)
            await k.hosts.want("b", "server", "1", {})
            await k.hosts.want("a", "server", "2", {})
        batch = await poll
        assert [document.id for document in batch.documents] == ["2"] and not batch.whole


async def test_a_host_of_which_nothing_is_wanted_waits_without_asking_all_the_time(kit):
    async with kit() as k:
        first = await k.exchange.wanted("a", 0, 5)
        assert first.whole and not first.documents
        waiting = asyncio.create_task(k.exchange.wanted("a", first.cursor, 60))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await k.hosts.want("a", "server", "1", {})
        assert len((await waiting).documents) == 1


async def test_a_report_wakes_the_operation_that_waits_for_it(kit):
    async with kit() as k:
        handler = Fakes()
        agent = agent_of(k, handler)

        async def start(app, op):
            await app.want("a", "server", "1", {})
            answer = await app.answer("a", "server", "1")
            if answer is None:
                return Wait(3600, "for the host")
            return Fail(answer.failure) if answer.failure else Done()

        async def start_not(app, op):
            await app.unwant("a", "server", "1")
            return Done() if await app.settled_gone("a", "server", "1") else Wait(3600, "for the host")

        k.engine.add(Flow("boot", (Step("start", start, undo=start_not),)), k.hosts)
        k.hosts.on_seen(lambda kind, id: k.engine.wake_subject(f"{kind}:{id}"))
        began = k.clock.now()
        good = await k.engine.begin("boot", "server:1")
        await settle(k.engine, k.clock, agent)
        assert (await k.engine.get(good.id)).state == "done" and k.clock.now() == began

        await k.hosts.unwant("a", "server", "1")
        await calm(agent)
        handler.failures = ["no room on the disk"]
        bad = await k.engine.begin("boot", "server:1")
        await settle(k.engine, k.clock, agent)
        assert (await k.engine.get(bad.id)).failure == "no room on the disk" and handler.things == {}
        assert k.clock.now() == began


async def test_what_a_host_has_is_told_again_when_it_has_changed(kit):
    async with kit() as k:
        rooms = iter([{"room": 4}, {"room": 4}, {"room": 3}])
        looked = asyncio.Event()

        async def look():
            found = next(rooms, None)
            if found is None:
                looked.set()
                await asyncio.Event().wait()
            return found

        agent = agent_of(k, Fakes(), resync_s=0.001, look=look)
        await agent.start()
        try:
            async with asyncio.timeout(60):
                await looked.wait()
            (host,) = await k.hosts.list()
            assert {"room": 3} == host.facts
        finally:
            await agent.stop()


async def test_hosts_that_were_up_when_last_anybody_listened_have_the_time_to_be_heard_again(kit):
    async with kit() as k:
        await k.hosts.register("gone", {})
        k.clock.move(100)
        await k.hosts.register("a", {})
        await k.hosts.register("b", {})
        k.clock.move(3600)  # No controller ran.
        assert not await k.hosts.is_up("a")
        await k.hosts.listen()
        assert [await k.hosts.is_up(name) for name in ("a", "b", "gone")] == [True, True, False]
        k.clock.move(12)
        await k.hosts.heard("a")
        # Another controller starts while one listens: whoever is silent has no more time for that.
        await k.hosts.listen()
        k.clock.move(3)
        assert [await k.hosts.is_up(name) for name in ("a", "b", "gone")] == [True, False, False]


async def test_who_listens_first_knows_no_hosts(kit):
    async with kit() as k:
        await k.hosts.listen()
        assert await k.hosts.list() == []
