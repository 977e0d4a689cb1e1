"""Wake-ups between controllers: heard by all, each once, and again after the connection was lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pileus.kit.bus import LocalBus, WakeUp, open_bus
from pileus.kit.bus.postgres import LETTER_BYTES, PostgresBus, letters

END_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@contextlib.asynccontextmanager
async def opened(address: str, count: int = 2) -> AsyncIterator[list[PostgresBus]]:
    buses = [await PostgresBus.open(address) for _ in range(count)]
    try:
        yield buses
    finally:
        for bus in buses:
            await bus.close()


async def gathered(woken: Any, count: int) -> set[WakeUp]:
    found: set[WakeUp] = set()
    async with asyncio.timeout(60):
        while len(found) < count:
            found |= await woken.next()
    return found


@pytest.mark.postgres
async def test_a_wake_up_is_heard_here_at_once_and_there_soon(postgres: str) -> None:
    async with opened(postgres, 3) as (one, *others):
        with (
            one.subscribe("server") as here,
            others[0].subscribe("server") as a,
            others[1].subscribe("server", id="b") as b,
        ):
            one.wake("server", "a")
            one.wake("server", "b")
            assert await here.next(0) == {WakeUp("server", "a"), WakeUp("server", "b")}
            assert await gathered(a, 2) == {WakeUp("server", "a"), WakeUp("server", "b")}
            assert await gathered(b, 1) == {WakeUp("server", "b")}
            others[0].wake("server", "c")
            assert await gathered(here, 1) == {WakeUp("server", "c")}  # and nothing of its own once more


@pytest.mark.postgres
async def test_a_burst_arrives_whole_in_few_notifications(postgres: str) -> None:
    async with opened(postgres) as (one, other):
        with other.subscribe("server") as woken:
            for _ in range(3):
                for n in range(500):
                    one.wake("server", f"{n:036}")
            assert await gathered(woken, 500) == {WakeUp("server", f"{n:036}") for n in range(500)}


@pytest.mark.postgres
async def test_a_lost_connection_is_made_anew(postgres: str, postgres_server: Any) -> None:
    async with opened(postgres) as (one, other):
        with other.subscribe("server") as woken:
            for round_ in range(2):
                postgres_server.sql(END_ALL, postgres)
                async with asyncio.timeout(60):
                    while not (found := await woken.next(0.05)):
                        one.wake("server", f"{round_}")
                assert found == {WakeUp("server", f"{round_}")}
                await woken.next(0.2)


@pytest.mark.postgres
async def test_closing_sends_what_was_woken(postgres: str) -> None:
    async with opened(postgres) as (one, other):
        with other.subscribe("server") as woken:
            one.wake("server", "last")
            await one.close()
            assert await gathered(woken, 1) == {WakeUp("server", "last")}


def test_letters_fit_whatever_they_hold() -> None:
    wake_ups = [WakeUp("operation.subject", f"port:é{n:0{n % 200}}") for n in range(1000)]
    written = list(letters("x" * 32, wake_ups))
    assert all(len(letter.encode()) <= LETTER_BYTES for letter in written)
    assert len(written) < 25


async def test_sqlite_needs_none() -> None:
    assert isinstance(await open_bus("/some/file"), LocalBus)
