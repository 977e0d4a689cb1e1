"""Passwords that the agent in a guest sets."""

import asyncio
import json
from typing import Any

import pytest
from tests.compute.fakes import IMAGE, an_image
from tests.compute.world import World, a_world

from pileus.compute.drivers.guest_agent import GuestAgent
from pileus.compute.drivers.interface import DriverError


async def with_agent(world: World, **properties: str) -> str:
    """A server whose image says that the agent is in it."""
    world.images.images[IMAGE] = an_image(properties={"hw_qemu_guest_agent": "yes", **properties})
    return await world.boot()


async def change(world: World, id: str, password: Any = "horse battery") -> tuple[int, str]:
    answered = await world.act(id, changePassword={"adminPass": password})
    return answered.status, next(iter(answered.body.values()))["message"] if answered.body else ""


async def test_the_agent_sets_the_password_and_nobody_keeps_it() -> None:
    async with a_world() as world:
        id = await with_agent(world)
        assert (202, "") == await change(world, id)
        assert "horse battery" == world.drivers["h1"]._servers[id].password
        assert "ACTIVE" == (await world.show(id))["status"]
        rows = [str(wish.body) for wish in await world.hosts.wanted_list(kind="server")]
        assert not [row for row in rows if "horse" in row]


async def test_without_an_agent_it_is_refused_in_novas_words() -> None:
    async with a_world() as world:
        id = await world.boot()
        assert (409, "QEMU guest agent is not enabled") == await change(world, id)


async def test_what_the_agent_says_against_it_is_told() -> None:
    async with a_world() as world:
        id = await with_agent(world, os_admin_user="nobody-knows")
        status, said = await change(world, id)
        assert 409 == status
        assert said.startswith(f"Failed to set admin password on {id} because")
        assert "no such user" in said


async def test_a_host_that_is_silent_is_a_reason() -> None:
    async with a_world() as world:
        id = await with_agent(world)
        world.drivers["h1"].fail_next("open", "nobody is there")
        status, said = await change(world, id)
        assert (409, True) == (status, "nobody is there" in said)


async def test_only_running_servers_get_passwords() -> None:
    async with a_world() as world:
        id = await with_agent(world)
        assert 400 == (await change(world, id, password=7))[0]
        await world.act(id, by="root", lock=None)
        assert 409 == (await change(world, id))[0]
        await world.act(id, by="root", unlock=None)
        await world.act(id, os_stop=None)
        await world.settle()
        assert 409 == (await change(world, id))[0]


async def told(world: World, id: str) -> tuple[Any, ...]:
    """The newest action, and the event in it."""
    base = f"/v2.1/servers/{id}/os-instance-actions"
    newest = (await world.ask("GET", base, by="root", at="2.84")).body["instanceActions"][0]
    shown = (await world.ask("GET", f"{base}/{newest['request_id']}", by="root", at="2.84")).body["instanceAction"]
    (event,) = shown["events"]
    return shown["action"], shown["message"], event["event"], event["result"], event["host"], event["details"]


async def test_it_is_among_the_actions_without_the_password() -> None:
    async with a_world() as world:
        id = await with_agent(world)
        await change(world, id)
        done = ("changePassword", None, "compute_set_admin_password", "Success", "h1", None)
        assert done == await told(world, id)
        world.drivers["h1"].fail_next("open", "nobody is there")
        _, said = await change(world, id)
        failed = ("changePassword", "Error", "compute_set_admin_password", "Error", "h1", said)
        assert failed == await told(world, id)
        rows = str(await world.engine.history(f"server:{id}"))
        assert "horse" not in rows
        (event, _) = await world.app.events.of_subject(f"server:{id}")
        assert "server.password_changed" == event.kind


class Deaf(asyncio.StreamReader):
    """An agent that says what a test wants it to."""

    def __init__(self, *said: bytes) -> None:
        super().__init__()
        for words in said:
            self.feed_data(words)
        self.feed_eof()


class Ear:
    """What the agent was told."""

    def __init__(self) -> None:
        self.heard = b""

    def write(self, words: bytes) -> None:
        self.heard += words


async def test_what_was_said_before_is_passed_over() -> None:
    ear, reader = Ear(), asyncio.StreamReader()
    agent = GuestAgent(reader, ear)  # type: ignore[arg-type]
    greeting = asyncio.create_task(agent.greet())
    await asyncio.sleep(0)
    assert ear.heard.startswith(b"\xff")
    number = json.loads(ear.heard.lstrip(b"\xff"))["arguments"]["id"]
    reader.feed_data(b'{"return": {}}\n\xff{"return": 1}\n{"ret\xff' + json.dumps({"return": number}).encode() + b"\n")
    await greeting
    reader.feed_data(b'{"error": {"class": "GenericError", "desc": "too short"}}\n')
    with pytest.raises(DriverError, match="too short"):
        await agent.set_password("root", "x")


@pytest.mark.parametrize("said", [b"", b'{"return"', b"nonsense\n"])
async def test_an_agent_that_makes_no_sense_is_a_failure(said: bytes) -> None:
    agent = GuestAgent(Deaf(said), Ear())  # type: ignore[arg-type]
    with pytest.raises(DriverError):
        await agent.set_password("root", "x")
