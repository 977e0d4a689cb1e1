"""The exchange from afar keeps the promises of the one in process, and adds: a host is who its certificate says."""

import asyncio
import contextlib
import datetime as dt

import msgspec
import pytest
from tests.ports import free_port

from pileus.kit.hosts.agent import Agent
from pileus.kit.hosts.answers import Answers
from pileus.kit.hosts.asks import Asks, CannotTell, NoAnswer
from pileus.kit.hosts.channel import Channel, Route, Told
from pileus.kit.hosts.dial import Address, Dialler, Refused, Unreachable
from pileus.kit.hosts.exchange import Report
from pileus.kit.hosts.gate import ExchangeRoutes
from pileus.kit.hosts.members import BadHostName, BadToken, Members, NameTaken, Signed
from pileus.kit.hosts.registry import Registry
from pileus.kit.hosts.remote import RemoteExchange
from pileus.kit.hosts.wire import Peer, shut
from pileus.kit.timely import timely
from pileus.main.certificates import Certificate, ensure_leaf
from pileus.main.host_certificates import channel_tls, ensure_key, host_tls, key_of, request_for, sign, unproven_tls
from pileus.main.state import State

HOUR = dt.timedelta(hours=1)


class Cloud:
    """A controller's channel on loopback, with an authority of its own, and machines that join it."""

    def __init__(self, k, folder) -> None:
        self.k = k
        self.state = State(folder)
        self.state.create()
        self.members = Members(k.db, k.clock)
        self.asks = Asks()
        self.port = free_port()
        routes = {
            **ExchangeRoutes(k.exchange).routes(),
            **self.asks.routes(),
            ("GET", "/open"): Route(_open, open=True),
        }
        self.channel = Channel(routes, self.members.admits)
        self._diallers = []

    async def listen(self):
        own = ensure_leaf(self.state, "hosts", ["127.0.0.1"])
        await self.channel.listen("127.0.0.1", self.port, channel_tls(own))

    async def join(self, host):
        """A machine that is the host from now on, as its end of the channel."""
        key, pem = self.state / f"{host}.key", self.state / f"{host}.pem"
        ensure_key(key)
        request = request_for("whatever", key)
        secret = await self.members.new_token(HOUR)
        signed = await self.members.admit(secret, host, key_of(request), lambda: sign(self.state, request, host))
        pem.write_text(signed.certificate)
        return self.dial(Certificate(str(pem), str(key)))

    def dial(self, own=None, tls=None):
        tls = tls or host_tls((self.state / "ca.pem").read_text(), own)
        self._diallers.append(Dialler(Address("127.0.0.1", self.port), tls))
        return self._diallers[-1]

    async def close(self):
        for dialler in self._diallers:
            await dialler.close()
        await self.channel.close()


async def _open(asked):
    return Told({"name": asked.peer.name})


@pytest.fixture
def cloud(kit, tmp_path):
    @contextlib.asynccontextmanager
    async def opened():
        async with kit() as k:
            made = Cloud(k, tmp_path)
            await made.listen()
            try:
                yield made
            finally:
                await made.close()

    return opened


class Things:
    """A handler whose things are entries of a dict."""

    def __init__(self) -> None:
        self.things = {}

    async def observe(self):
        return dict(self.things)

    async def ensure(self, id, body, generation):
        self.things[id] = body
        return {"power": "on", **body}

    async def ensure_gone(self, id):
        self.things.pop(id, None)


async def calm(agent):
    while await agent.turn():
        pass


async def test_a_remote_host_makes_what_is_wanted_and_reports_it(cloud):
    async with cloud() as c:
        things = Things()
        agent = Agent(RemoteExchange(await c.join("b")), "b", {"server": things}, c.k.clock, {"cores": 4})
        generation = await c.k.hosts.want("b", "server", "1", {"ram": 64})
        await calm(agent)
        answer = await c.k.hosts.answer("b", "server", "1")
        assert (answer.generation, answer.body) == (generation, {"power": "on", "ram": 64})
        assert (await c.k.hosts.get("b")).facts == {"cores": 4}
        await c.k.hosts.unwant("b", "server", "1")
        await calm(agent)
        assert things.things == {} and await c.k.hosts.settled_gone("b", "server", "1")


async def test_both_exchanges_answer_alike(cloud):
    async with cloud() as c:
        far = RemoteExchange(await c.join("b"))
        for exchange in (c.k.exchange, far):
            await exchange.register("b", {"cores": 4})
        empty = [await exchange.wanted("b", 0, 0) for exchange in (c.k.exchange, far)]
        assert empty[0] == empty[1] and empty[0].whole
        await c.k.hosts.want("b", "server", "1", {"ram": 64, "tags": ["x"], "name": "ü"})
        await c.k.hosts.want("b", "server", "2", {})
        await c.k.hosts.unwant("b", "server", "2")
        for after in (0, 1, 2, 3, 99):
            near, afar = [await exchange.wanted("b", after, 0) for exchange in (c.k.exchange, far)]
            assert near == afar
        await far.report("b", Report("server", "1", 2, {"power": "on"}, present=True, failure="no ü"))
        seen = await c.k.hosts.seen("b", "server", "1")
        assert (seen.body, seen.failure, seen.generation) == ({"power": "on"}, "no ü", 2)


async def test_a_wish_wakes_a_remote_host_at_once(cloud):
    async with cloud() as c:
        far = RemoteExchange(await c.join("b"))
        cursor = (await far.wanted("b", 0, 0)).cursor
        waiting = asyncio.create_task(far.wanted("b", cursor, 20))
        await until(lambda: any(topic == "wanted" for topic, _ in c.k.bus._listeners))
        await c.k.hosts.want("b", "server", "1", {})
        batch = await timely(waiting, 60)
        assert [document.id for document in batch.documents] == ["1"]


async def until(look):
    while not look():
        await asyncio.sleep(0.01)


async def test_a_host_sees_and_reports_only_what_is_its_own(cloud):
    async with cloud() as c:
        b, other = RemoteExchange(await c.join("b")), RemoteExchange(await c.join("c"))
        await c.k.hosts.want("c", "server", "1", {"secret": 1})
        assert (await b.wanted("c", 0, 0)).documents == ()
        await b.report("c", Report("server", "1", 99, {}, present=False))
        assert (await c.k.hosts.wanted("c", "server", "1")) is not None
        assert [document.id for document in (await other.wanted("c", 0, 0)).documents] == ["1"]


async def test_whoever_has_no_certificate_is_refused_but_for_open_routes(cloud):
    async with cloud() as c:
        await c.join("b")
        stranger = c.dial()
        with pytest.raises(Refused) as refused:
            await stranger.ask("GET", "/v1/wanted")
        assert refused.value.answered == 401
        assert await stranger.ask("GET", "/open") == b'{"name":""}'


async def test_a_removed_host_is_refused_at_once(cloud):
    async with cloud() as c:
        dialler = await c.join("b")
        await dialler.ask("GET", "/v1/wanted")
        await c.members.expel("b")
        with pytest.raises(Refused) as refused:
            await dialler.ask("GET", "/v1/wanted")
        assert refused.value.answered == 403 and "host" in refused.value.message


async def test_the_certificate_of_another_authority_does_not_get_in(cloud, tmp_path):
    async with cloud() as c:
        elsewhere = State(tmp_path / "elsewhere")
        elsewhere.create()
        key, pem = tmp_path / "k", tmp_path / "p"
        ensure_key(key)
        pem.write_text(sign(elsewhere, request_for("b", key), "b").certificate)
        await c.join("b")
        with pytest.raises(Unreachable):
            await c.dial(Certificate(str(pem), str(key))).ask("GET", "/v1/wanted")


async def test_a_host_does_not_talk_to_a_controller_of_another_authority(cloud, tmp_path):
    async with cloud() as c:
        elsewhere = State(tmp_path / "elsewhere")
        elsewhere.create()
        ensure_leaf(elsewhere, "hosts", ["127.0.0.1"])
        with pytest.raises(Unreachable):
            await c.dial(tls=host_tls((elsewhere / "ca.pem").read_text())).ask("GET", "/open")
        assert await c.dial(tls=unproven_tls()).ask("GET", "/open")


async def test_a_hosts_certificate_cannot_pass_for_a_controllers(cloud):
    async with cloud() as c:
        await c.join("b")
        port = free_port()
        false = Channel({("GET", "/open"): Route(_open, open=True)}, c.members.admits)
        own = Certificate(str(c.state / "b.pem"), str(c.state / "b.key"), str(c.state / "ca.pem"))
        await false.listen("127.0.0.1", port, channel_tls(own))
        try:
            with pytest.raises(Unreachable):
                await Dialler(Address("127.0.0.1", port), host_tls((c.state / "ca.pem").read_text())).ask(
                    "GET", "/open"
                )
        finally:
            await false.close()


async def test_fields_a_newer_controller_sends_are_left_aside(cloud):
    async with cloud() as c:
        dialler = await c.join("b")
        await c.k.hosts.want("b", "server", "1", {"ram": 1, "invented": {"later": True}})
        plain = msgspec.json.decode(await dialler.ask("GET", "/v1/wanted?after=0&timeout=0"))
        plain["documents"][0]["invented"] = 1
        plain["invented"] = 2
        from pileus.kit.hosts.exchange import Batch

        assert msgspec.json.decode(msgspec.json.encode(plain), type=Batch).documents[0].body["ram"] == 1


async def test_a_controller_that_was_away_is_found_again(cloud):
    async with cloud() as c:
        far = RemoteExchange(await c.join("b"))
        await far.wanted("b", 0, 0)
        await c.channel.close()
        with pytest.raises(Unreachable):
            await far.wanted("b", 0, 0)
        await c.listen()
        assert (await far.wanted("b", 0, 0)).whole


async def test_garbage_is_refused_and_others_are_served_on(cloud):
    async with cloud() as c:
        dialler = await c.join("b")
        for method, path, body, status in (
            ("POST", "/v1/reports", {"kind": 1}, 400),
            ("GET", "/v1/wanted?after=x", None, 400),
            ("GET", "/v1/nothing", None, 404),
            ("DELETE", "/v1/wanted", None, 404),
            ("POST", "/v1/asks/9", {}, 404),
            ("POST", "/v1/asks/x", {}, 404),
        ):
            with pytest.raises(Refused) as refused:
                await dialler.ask(method, path, body)
            assert refused.value.answered == status, path
        reader, writer = await asyncio.open_connection("127.0.0.1", c.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
        assert await dialler.ask("GET", "/v1/wanted")


async def test_questions_to_a_host_are_answered_and_their_failures_told(cloud):
    async with cloud() as c:
        dialler = await c.join("b")

        async def tell(body):
            if body.get("fail"):
                raise RuntimeError("no such server")
            return {"text": f"log of {body['server']}"}

        async def connect(body):
            return await asyncio.open_connection("127.0.0.1", echo.sockets[0].getsockname()[1])

        echo = await asyncio.start_server(_echo, "127.0.0.1", 0)
        listening = asyncio.create_task(Answers(dialler, tell, connect).listen())
        try:
            assert await c.asks.ask("b", {"server": "1"}) == {"text": "log of 1"}
            with pytest.raises(CannotTell, match="no such server"):
                await c.asks.ask("b", {"fail": True})
            reader, writer = await c.asks.open("b", {})
            writer.write(b"x" * 300_000)
            assert await timely(reader.readexactly(300_000), 60) == b"x" * 300_000
            writer.write(b"bye")
            assert await timely(reader.read(), 60) == b"bye"
            writer.close()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            echo.close()


async def test_what_came_before_a_connection_was_closed_can_be_read_after_it_was_closed_twice(cloud):
    whole = b"x" * 100_000

    async def give(reader, writer):
        writer.write(whole)
        await writer.drain()

    async with cloud() as c:
        own = ensure_leaf(c.state, "hosts", ["127.0.0.1"])
        giving = await asyncio.start_server(give, "127.0.0.1", 0, ssl=channel_tls(own))
        at, tls = giving.sockets[0].getsockname(), unproven_tls()
        reader, writer = await asyncio.open_connection(*at, ssl=tls, limit=1024)
        first = await timely(reader.read(1), 60)  # there is more than the limit, so no more is taken for now
        await shut(writer)
        await shut(writer)
        assert whole.startswith(first + await timely(reader.read(), 60))
        giving.close()
        await giving.wait_closed()


async def _echo(reader, writer):
    while part := await reader.read(65536):
        writer.write(part)
        await writer.drain()
        if part.endswith(b"bye"):
            break
    writer.close()


async def test_a_question_nobody_comes_for_fails_soon(cloud):
    async with cloud() as c:
        with pytest.raises(NoAnswer, match="b"):
            await c.asks.ask("b", {}, deadline_s=0.05)


async def test_a_question_told_to_an_agent_that_died_is_told_to_the_next(cloud):
    async with cloud() as c:
        dialler = await c.join("b")
        dead = asyncio.create_task(dialler.ask("GET", "/v1/asks?timeout=20"))  # polls, and will never answer
        await until(lambda: c.asks._news.get("b"))
        asking = asyncio.create_task(c.asks.ask("b", {"server": "1"}))
        assert b'"server":"1"' in await dead

        async def tell(body):
            return {"text": "here"}

        listening = asyncio.create_task(Answers(dialler, tell, tell).listen())
        try:
            assert await timely(asking, 60) == {"text": "here"}
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def test_one_host_cannot_answer_for_another(cloud):
    async with cloud() as c:
        other = await c.join("c")
        asking = asyncio.create_task(c.asks.ask("b", {}, deadline_s=0.5))
        await until(lambda: c.asks._open)
        (id,) = c.asks._open
        with pytest.raises(Refused):
            await other.ask("POST", f"/v1/asks/{id}", {"body": {"text": "false"}})
        with pytest.raises(NoAnswer):
            await asking


# Who may join.


def signed(serial="a1"):
    return lambda: Signed("PEM", serial, dt.datetime(2027, 1, 1, tzinfo=dt.UTC))


async def test_a_token_is_good_once_for_one_machine_and_for_a_while(kit):
    async with kit() as k:
        members = Members(k.db, k.clock)
        secret = await members.new_token(HOUR)
        await members.admit(secret, "b", b"key", signed())
        await members.admit(secret, "b", b"key", signed("a2"))  # the answer was lost on its way
        assert await members.admits(Peer("b", "a2"))
        for host, key in (("c", b"key"), ("b", b"other")):
            with pytest.raises(BadToken):
                await members.admit(secret, host, key, signed())
        late = await members.new_token(HOUR)
        k.clock.move(3601)
        for bad in (late, "made up", ""):
            with pytest.raises(BadToken):
                await members.admit(bad, "c", b"key", signed())


async def test_names_of_hosts_are_names_and_are_taken_once(kit):
    async with kit() as k:
        members = Members(k.db, k.clock)
        await k.hosts.register("a", {})
        secret = await members.new_token(HOUR)
        for bad in ("", "-b", "b/../c", "b c", "ü", "x" * 64, "b\n"):
            with pytest.raises(BadHostName):
                await members.admit(secret, bad, b"key", signed())
        with pytest.raises(NameTaken):
            await members.admit(secret, "a", b"key", signed())
        await members.admit(secret, "b", b"key", signed())


async def test_a_renewed_certificate_takes_over_when_it_is_first_used(kit):
    async with kit() as k:
        members = Members(k.db, k.clock)
        await members.admit(await members.new_token(HOUR), "b", b"key", signed("1"))
        await members.renew(Peer("b", "1"), signed("2"))
        assert await members.admits(Peer("b", "1"))
        assert await members.admits(Peer("b", "2"))
        assert not await members.admits(Peer("b", "1"))
        assert not await members.admits(Peer("c", "2"))


class Upgraded(Cloud):
    """The channel of a controller of the third release."""

    async def listen(self):
        routes = {**ExchangeRoutes(self.k.exchange).routes(), ("GET", "/open"): Route(_open, open=True)}
        self.channel = Channel(routes, self.members.admits, speaks=3)
        await super().listen()

    def dial(self, own=None, tls=None, speaks=3):
        tls = tls or host_tls((self.state / "ca.pem").read_text(), own)
        self._diallers.append(Dialler(Address("127.0.0.1", self.port), tls, speaks=speaks))
        return self._diallers[-1]


@pytest.mark.parametrize(
    ("speaks", "words"),
    [
        (1, "a speaks version 1 of the channel, and this controller speaks 3: install the controllers' release there"),
        (2, None),
        (3, None),
        (4, "a speaks version 4 of the channel, and this controller speaks 3: upgrade the controllers first"),
    ],
)
async def test_a_host_may_be_one_release_behind_and_others_are_told_why_not(kit, tmp_path, caplog, speaks, words):
    async with kit() as k:
        cloud = Upgraded(k, tmp_path)
        await cloud.listen()
        try:
            await cloud.join("a")
            own = Certificate(str(cloud.state / "a.pem"), str(cloud.state / "a.key"))
            a = RemoteExchange(cloud.dial(own, speaks=speaks))
            if words is None:
                await a.register("a", {"cpus": 2})
                assert ["a"] == await Registry(k.db, k.bus, k.clock).names()
                return
            for _ in range(2):
                with pytest.raises(Refused) as refused:
                    await a.register("a", {"cpus": 2})
            # One that is two numbers off finds out by itself, from the answer.
            assert words in refused.value.message or "only neighbours understand one another" in refused.value.message
            assert 1 == sum(words in str(record.__dict__) for record in caplog.records)
            assert [] == await Registry(k.db, k.bus, k.clock).names()
        finally:
            await cloud.close()


async def test_a_host_far_newer_than_its_controller_says_so_itself(cloud):
    async with cloud() as c:
        tls = host_tls((c.state / "ca.pem").read_text(), None)
        far = Dialler(Address("127.0.0.1", c.port), tls, speaks=9)
        try:
            with pytest.raises(Refused, match="speaks version 1 of the channel and this machine 9"):
                await far.ask("GET", "/open")
        finally:
            await far.close()
