"""Three controllers over one PostgreSQL, any of them killed at any moment: nothing that was acknowledged is lost or done twice."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.postgres import Server
from tests.scale.controllers import Controller
from tests.scale.load import LIVE, Load, all_take_each_others_tokens, furnish, quiet, settled, wrong

from pileus.kit.flow.leases import LAPSE_S

pytestmark = [pytest.mark.scale, pytest.mark.postgres, pytest.mark.timeout(900)]

SERVERS, PORTS = 30, 70  # quotas: low, so that they are reached all the time
KILLS = 9
GIVEN_UP_S = 120.0
BETWEEN = 12  # answers between two kills


async def test_three_controllers_killed_one_after_another_keep_what_they_said(
    tmp_path: Path, postgres: str, postgres_server: Server
) -> None:
    controllers = [Controller(tmp_path, name, postgres, agent=name == "a") for name in "abc"]
    try:
        for controller in controllers:
            await controller.start()
        await all_take_each_others_tokens(controllers)
        load = Load(controllers, *await furnish(controllers[0], servers=SERVERS, ports=PORTS))
        most = await _kill_them(controllers, load, postgres, postgres_server)
        await quiet(postgres, postgres_server)
        await _judge(controllers, load, most, postgres, postgres_server)
    finally:
        for controller in controllers:
            controller.end()


async def _kill_them(controllers: list[Controller], load: Load, address: str, server: Server) -> dict[str, int]:
    """Each was killed some times under load; returns the most servers and ports that there were at once."""
    users = [
        asyncio.create_task(load.user(controller, kind)) for controller in controllers for kind in ("server", "port")
    ]
    most = {"servers": 0, "ports": 0}
    counting = asyncio.create_task(_count(most, address, server))
    try:
        for number in range(KILLS):
            await load.heard(BETWEEN)
            victim = controllers[number % len(controllers)]
            victim.kill()
            if number == 1:  # long enough that the others notice, and do its work
                await asyncio.sleep(LAPSE_S + 6)
            await victim.start()
        # One that was only slow is given up like one that is dead, and what it still tries counts for nothing.
        await load.heard(BETWEEN)
        alive = "SELECT place, beat FROM controllers ORDER BY place"
        with controllers[1].hung():
            await _until(
                lambda: len(server.sql(alive, address)) < len(controllers), lambda: _told(server, alive, address)
            )
        await _until(lambda: "given up by the others" in controllers[1].log(), controllers[1].log)
        await load.heard(BETWEEN)
    finally:
        load.stopped = True
        counting.cancel()
        await asyncio.gather(*users, counting, return_exceptions=True)
    for user in users:
        assert user.exception() is None, user.exception()
    return most


async def _until(true: Callable[[], bool], seen: Callable[[], object]) -> None:
    end = time.monotonic() + GIVEN_UP_S
    while not await asyncio.to_thread(true):
        assert time.monotonic() < end, seen()
        await asyncio.sleep(0.2)


def _told(server: Server, alive: str, address: str) -> str:
    return f"{server.sql(alive, address)}\n{server.held(address)}"


async def _count(most: dict[str, int], address: str, server: Server) -> None:
    while True:
        for table, live in LIVE.items():
            most[table] = max(most[table], len(await asyncio.to_thread(server.sql, live, address)))
        await asyncio.sleep(0.3)


async def _judge(controllers: list[Controller], load: Load, most: dict[str, int], address: str, server: Server) -> None:
    def rows(text: str) -> list[tuple[str, ...]]:
        return server.sql(text, address)

    states = {row[0]: row[1] for row in rows("SELECT state, count(*) FROM operations GROUP BY state")}
    kills = {controller.name: controller.kills for controller in controllers}
    taken = sum(controller.log().count("operations were taken over") for controller in controllers)
    print(
        f"\nkilled {kills}; {load.answers} answers, {load.refused} refused by quota, {load.away} without an answer;"
        f" kept {len(load.kept)}, deleted {len(load.gone)}, unknown {len(load.going)}; operations {states},"
        f" taken over {taken} times; at most {most}"
    )
    assert not load.odd, load.odd
    for number, path in enumerate(load.kept):
        answered = await controllers[number % 3].ask("GET", path)
        assert answered.status == 200, (path, answered)
        if "server" in path:
            assert settled(answered.json["server"]), answered
    for number, path in enumerate(load.gone):
        assert (await controllers[number % 3].ask("GET", path)).status == 404, path
    assert most["servers"] <= SERVERS and most["ports"] <= PORTS
    assert wrong(address, server) == {}
