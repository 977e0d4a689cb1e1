"""Clients that are too slow: given up, where and when the limits say, and nobody else."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from pileus.kit.http.pace import Pace, TooSlow

Message = MutableMapping[str, Any]


class Client:
    """Sends a byte each time it is told to."""

    def __init__(self) -> None:
        self.turns: asyncio.Queue[bytes] = asyncio.Queue()
        self.taken = 0

    async def receive(self) -> Message:
        return {"type": "http.request", "body": await self.turns.get(), "more_body": True}

    async def send(self, message: Message) -> None:
        await self.turns.get()
        self.taken += len(message["body"])


async def test_a_client_that_says_nothing_is_given_up() -> None:
    receive = Pace(idle_s=0.05).receiving(Client().receive)
    with pytest.raises(TooSlow):
        await receive()


async def test_a_client_that_takes_nothing_is_given_up() -> None:
    send = Pace(idle_s=0.05).sending(Client().send)
    with pytest.raises(TooSlow):
        await send({"type": "http.response.body", "body": b"x"})


async def test_a_client_that_trickles_is_given_up_though_it_is_never_silent_for_long() -> None:
    client = Client()
    receive = Pace(idle_s=0.3, least=1000).receiving(client.receive)

    async def trickle() -> None:
        while True:
            client.turns.put_nowait(b"x")
            await asyncio.sleep(0.02)

    trickling = asyncio.create_task(trickle())
    with pytest.raises(TooSlow):
        while True:
            await receive()
    trickling.cancel()
    await asyncio.wait({trickling})


async def test_what_the_server_takes_is_not_the_clients_fault() -> None:
    """Between two waits as much time may pass as will: only what is waited for counts."""
    client = Client()
    receive = Pace(idle_s=0.05, least=1_000_000).receiving(client.receive)
    for _ in range(3):
        client.turns.put_nowait(b"x")
        assert b"x" == (await receive())["body"]
        await asyncio.sleep(0.1)


async def test_whoever_is_cancelled_while_waiting_is_cancelled() -> None:
    receive = Pace(idle_s=60).receiving(Client().receive)
    waiting = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
