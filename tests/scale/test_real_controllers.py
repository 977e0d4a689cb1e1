"""Three controllers over one PostgreSQL, real QEMU and OVN below them: whoever dies, guests run on and nothing runs twice."""

import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.postgres import Server
from tests.scale.controllers import SOURCE, Controller
from tests.scale.load import LIVE, Load, all_take_each_others_tokens, furnish, quiet, settled, wrong

from pileus.guest.sector import boot_sector
from pileus.kit.flow.leases import LAPSE_S
from pileus.main.processes import servers_of

pytestmark = [pytest.mark.scale, pytest.mark.postgres, pytest.mark.timeout(900)]

SERVERS, PORTS = 8, 20
KILLS = 15
WITNESSES = 3


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that a server's user may search, and of whose cloud nothing is left."""
    path = Path(tempfile.mkdtemp(prefix="pl-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    _pileus("destroy", path / "a", "--yes")
    shutil.rmtree(path)


async def test_real_guests_run_on_while_any_of_three_controllers_is_killed(
    folder: Path, postgres: str, postgres_server: Server
) -> None:
    controllers = [Controller(folder, name, postgres, agent=name == "a", real=True) for name in "abc"]
    try:
        for controller in controllers:
            await controller.start()
        await all_take_each_others_tokens(controllers)
        made_of = await furnish(controllers[0], servers=SERVERS, ports=PORTS, image=boot_sector())
        before = await _witnesses(controllers[0], made_of)
        load = Load(controllers, *made_of)
        await _kill_them(controllers, load)
        await quiet(postgres, postgres_server)
        await _judge(controllers, load, before, postgres, postgres_server)
    finally:
        for controller in controllers:
            controller.end()


async def _witnesses(controller: Controller, made_of: tuple[str, str, str]) -> dict[str, int]:
    """Servers that nobody asks anything of, and the processes they are."""
    flavor, image, network = made_of
    about = {"flavorRef": flavor, "imageRef": image, "networks": [{"uuid": network}]}
    paths = []
    for number in range(WITNESSES):
        made = await controller.made("/compute/v2.1/servers", {"server": {"name": f"witness-{number}", **about}})
        paths.append(f"/compute/v2.1/servers/{made['server']['id']}")
    for path in paths:
        while (await controller.ask("GET", path)).json["server"]["status"] != "ACTIVE":
            await asyncio.sleep(0.2)
    return {id: process.pid for id, process in servers_of(controller.state)}


async def _kill_them(controllers: list[Controller], load: Load) -> None:
    """Any of them was killed, at any moment, again and again, while users went on; one was given up by the others."""
    users = [asyncio.create_task(load.user(controller, "server")) for controller in controllers]
    chosen = random.Random(3)
    try:
        for number in range(KILLS):
            await load.heard(4)
            await asyncio.sleep(chosen.random())  # any moment of what they have begun
            victim = chosen.choice(controllers)
            victim.kill()
            if number == KILLS // 2:
                await asyncio.sleep(LAPSE_S + 6)
            await victim.start()
    finally:
        load.stopped = True
        await asyncio.gather(*users, return_exceptions=True)
    for user in users:
        assert user.exception() is None, user.exception()


async def _judge(
    controllers: list[Controller], load: Load, before: dict[str, int], address: str, server: Server
) -> None:
    runs = Counter(id for id, _ in servers_of(controllers[0].state))
    pids = {id: process.pid for id, process in servers_of(controllers[0].state)}
    kills = {controller.name: controller.kills for controller in controllers}
    print(
        f"\nkilled {kills}; {load.answers} answers, {load.refused} refused by quota, {load.away} without an answer;"
        f" kept {len(load.kept)}, deleted {len(load.gone)}, unknown {len(load.going)}; {len(runs)} guests run"
    )
    assert not load.odd, load.odd
    assert wrong(address, server) == {}
    assert {id: pids.get(id) for id in before} == before, "guests that nobody touched run on"
    assert set(runs.values()) == {1}, "nothing runs twice"
    started = {row[0] for row in server.sql(f"{LIVE['servers']} AND NOT broken", address)}
    assert set(runs) == started, "what is there runs, and nothing else"
    for number, path in enumerate(load.kept):
        assert settled((await controllers[number % 3].ask("GET", path)).json["server"]), path
    for number, path in enumerate(load.gone):
        assert (await controllers[number % 3].ask("GET", path)).status == 404, path
    said = await asyncio.to_thread(_pileus, "doctor", controllers[0].state.path)
    assert "All is well" in said, said


def _pileus(command: str, state: Path, *options: str) -> str:
    argv = [sys.executable, "-m", "pileus.main.cli", command, "--state", str(state), *options]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=120).stdout
