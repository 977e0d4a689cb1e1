"""Hosts that listen to different controllers: a question reaches them from either, and nobody but a controller may pass one on."""

import asyncio
import contextlib

import pytest
from tests.kit.hosts.test_remote import Cloud

from pileus.kit.flow.leases import JOIN, LEAVE
from pileus.kit.hosts.answers import Answers
from pileus.kit.hosts.asks import Asks, CannotTell, NoAnswer
from pileus.kit.hosts.channel import CONTROLLER, Channel
from pileus.kit.hosts.dial import Dialler, Refused
from pileus.kit.hosts.listeners import Listeners
from pileus.kit.hosts.relay import RELAY, OwnAnswers, Passed, Relay
from pileus.main.certificates import share_authority
from pileus.main.host_certificates import controller_certificate, host_tls

BODY = {"lines": 3}


class Controller(Cloud):
    """A controller whose hosts others reach through it."""

    def __init__(self, k, folder, name) -> None:
        folder.mkdir()
        super().__init__(k, folder)
        assert share_authority(self.state, folder.parent / "keys")
        self.name = name
        self.listeners = Listeners(k.db, name)
        self.relay = Relay(Asks(), self.listeners, self.there)
        self.channel = Channel(self.relay.routes(), self.members.admits)

    def there(self, where):
        own = controller_certificate(self.state)
        return Dialler(where, host_tls((self.state / "ca.pem").read_text(), own))


async def _tell(body):
    if "why" in body:
        raise CannotTell(host="far", why=body["why"])
    return {"said": body}


async def _echo(_body):
    """A connection that says everything again, in capitals."""

    async def serve(reader, writer):
        while part := await reader.read(100):
            writer.write(part.upper())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        return await asyncio.open_connection(*server.sockets[0].getsockname())


@pytest.fixture
def two(kit, tmp_path):
    @contextlib.asynccontextmanager
    async def opened():
        async with kit() as k, contextlib.AsyncExitStack() as stack:
            made = []
            for name in ("one", "two"):
                controller = Controller(k, tmp_path / name, name)
                await controller.listen()
                stack.push_async_callback(controller.close)
                await k.db.run(JOIN, name=name, place=name, beat=1)
                await controller.relay.opened("127.0.0.1", controller.port)
                made.append(controller)
            yield made

    return opened


@contextlib.asynccontextmanager
async def listening(controller, host):
    """The host listens to the controller."""
    dialler = await controller.join(host)
    task = asyncio.create_task(Answers(dialler, _tell, _echo).listen())
    anybody = Listeners(controller.k.db, "anybody")
    try:
        async with asyncio.timeout(60):
            while (found := await anybody.elsewhere(host)) is None or found.controller != controller.name:
                await asyncio.sleep(0.01)
        yield dialler
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_question_reaches_the_host_from_either_controller(two) -> None:
    async with two() as (one, other), listening(one, "far"):
        for controller in (one, other):
            assert {"said": BODY} == await controller.relay.ask("far", BODY)
            reader, writer = await controller.relay.open("far", BODY)
            writer.write(b"hello")
            assert b"HELLO" == await reader.readexactly(5)
            writer.close()


async def test_so_does_one_to_the_other_controllers_own_machine(two) -> None:
    async with two() as (one, other):
        one.relay.own = OwnAnswers("h1", _tell, _echo)
        await one.relay.opened("127.0.0.1", one.port)
        assert {"said": BODY} == await other.relay.ask("h1", BODY)
        reader, writer = await other.relay.open("h1", BODY)
        writer.write(b"hello")
        assert b"HELLO" == await reader.readexactly(5)
        writer.close()


async def test_why_the_host_cannot_is_told_on_the_way_back(two) -> None:
    async with two() as (one, other), listening(one, "far"):
        with pytest.raises(CannotTell, match="on fire"):
            await other.relay.ask("far", {"why": "on fire"})
        await one.listeners.heard("silent")
        with pytest.raises(CannotTell, match="does not answer now"):
            await other.relay.open("silent", BODY, deadline_s=0.01)


async def test_a_host_that_moved_is_asked_where_it_is_now(two) -> None:
    async with two() as (one, other):
        await one.listeners.heard("far")
        async with listening(other, "far"):
            assert {"said": BODY} == await one.relay.ask("far", BODY)


async def test_of_a_controller_that_is_gone_nobody_asks(two) -> None:
    async with two() as (one, other):
        await one.listeners.heard("far")
        assert one.name == (await other.listeners.elsewhere("far")).controller
        await one.k.db.run(LEAVE, of_name=one.name)
        assert await other.listeners.elsewhere("far") is None
        with pytest.raises(NoAnswer):
            await other.relay.ask("far", BODY, deadline_s=0.01)


async def test_one_that_answers_no_others_is_not_asked(two) -> None:
    async with two() as (one, other):
        one.listeners.address = ""
        await one.listeners.heard("far")
        with pytest.raises(NoAnswer):
            await other.relay.ask("far", BODY)


async def test_only_controllers_pass_on_questions_and_they_do_nothing_else(two) -> None:
    async with two() as (one, other), listening(one, "far") as host:
        path = RELAY.format(host="far")
        for refused in (host, one.dial()):
            with pytest.raises(Refused) as why:
                await refused.ask("POST", path, Passed(BODY))
            assert 401 == why.value.answered
        as_controller = one.dial(controller_certificate(other.state))
        with pytest.raises(Refused) as why:
            await as_controller.ask("GET", "/v1/asks?after=0&timeout=0")
        assert 401 == why.value.answered
        with pytest.raises(Exception, match="no name for a host"):
            await one.join(CONTROLLER)


async def test_controllers_with_the_same_keys_have_one_authority(two, tmp_path) -> None:
    async with two() as (one, other):
        assert (one.state / "ca.pem").read_text() == (other.state / "ca.pem").read_text()
        (other.state / "ca.pem").write_text("another")
        assert not share_authority(other.state, tmp_path / "keys")


async def test_one_controller_alone_writes_nothing_down() -> None:
    asks = Asks()
    relay = Relay(asks, None, lambda where: pytest.fail(f"{where} was dialled"))
    await relay.opened("127.0.0.1", 1)
    await relay.say("southbound", "x")
    assert "" == await relay.said("southbound")
    with pytest.raises(NoAnswer):
        await relay.ask("far", BODY, deadline_s=0.01)
