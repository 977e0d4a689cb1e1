"""Three controllers over one PostgreSQL, any of them killed at any moment: nothing that was acknowledged is lost or done twice."""

import asyncio
import itertools
import random
import time
from pathlib import Path

import pytest
from tests.postgres import Server
from tests.scale.controllers import Away, Controller

from pileus.kit.flow.leases import LAPSE_S

pytestmark = [pytest.mark.scale, pytest.mark.postgres, pytest.mark.timeout(900)]

SERVERS, PORTS = 30, 70  # quotas: low, so that they are reached all the time
KILLS = 9
BETWEEN = 12  # answers between two kills
QUIET_S = 90.0

TWICE = """SELECT s.operation, s.step, count(*) FROM operation_steps s JOIN operations o ON o.id = s.operation
 WHERE o.tries = 1 AND s.result = 'done' GROUP BY s.operation, s.step, s.undoing HAVING count(*) > 1"""
# A boot that its server's deletion has overtaken ends as failed, and that is as it should be.
FAILED = """SELECT state, flow, step, failure FROM operations
 WHERE state = 'stuck' OR state = 'failed' AND turn_back IS NULL"""
LIVE = {"servers": "SELECT id FROM servers WHERE deleted_at IS NULL", "ports": "SELECT id FROM ports"}
NO_SERVER = f"NOT IN ({LIVE['servers']})"
ORPHANS = {
    "ports of no server": f"SELECT id FROM ports WHERE server_id {NO_SERVER}",
    "documents of no server": f"SELECT id FROM wanted WHERE kind = 'server' AND id {NO_SERVER}",
    "reports of no server": f"SELECT id FROM seen WHERE kind = 'server' AND id {NO_SERVER}",
    "claims of no server": f"SELECT id FROM consumers WHERE id {NO_SERVER}",
    "servers without their one port": f"{LIVE['servers']}"
    " AND (SELECT count(*) FROM ports WHERE server_id = servers.id) <> 1",
    "servers without their claim": f"{LIVE['servers']} AND id NOT IN (SELECT id FROM consumers)",
}


class Load:
    """Users who make and delete servers and ports, and remember what they were told."""

    def __init__(self, controllers: list[Controller], flavor: str, image: str, network: str) -> None:
        self._controllers = controllers
        self._server = {"flavorRef": flavor, "imageRef": image, "networks": [{"uuid": network}]}
        self._network = network
        self._names = itertools.count()
        self._random = random.Random(7)
        self.stopped = False
        self.answers = 0
        self.refused = 0
        self.away = 0
        self.kept: dict[str, str] = {}  # path of what was acknowledged and not asked away, and by whom
        self.going: set[str] = set()  # asked away, and nothing heard
        self.gone: set[str] = set()
        self.deleted = 0
        self.odd: list[str] = []

    async def user(self, controller: Controller, kind: str) -> None:
        """Ask one controller until told to stop."""
        own: list[str] = []
        while not self.stopped:
            try:
                if own and self._random.random() < 0.35:
                    await self._delete(controller, own.pop(self._random.randrange(len(own))))
                else:
                    path = await self._make(controller, kind)
                    own += [path] if path else []
                self.answers += 1
            except Away:
                self.away += 1
                await asyncio.sleep(0.3)

    async def _make(self, controller: Controller, kind: str) -> str | None:
        name = f"{controller.name}-{next(self._names)}"
        if kind == "server":
            path, body = "/compute/v2.1/servers", {"server": {"name": name, **self._server}}
        else:
            path, body = "/network/v2.0/ports", {"port": {"name": name, "network_id": self._network}}
        answered = await controller.ask("POST", path, body)
        if answered.status in {403, 409}:
            self.refused += 1
            return None
        if answered.status not in {201, 202}:
            self.odd.append(f"{controller.name} POST {path}: {answered.status} {answered.json}")
            return None
        made = f"{path}/{answered.json[kind]['id']}"
        self.kept[made] = controller.name
        return made

    async def _delete(self, controller: Controller, path: str) -> None:
        del self.kept[path]
        self.going.add(path)
        answered = await controller.ask("DELETE", path)
        if answered.status not in {204, 404}:
            self.odd.append(f"{controller.name} DELETE {path}: {answered.status} {answered.json}")
            return
        self.going.discard(path)
        self.gone.add(path)

    async def heard(self, answers: int) -> None:
        """So many more answers have come."""
        enough = self.answers + answers
        while self.answers < enough:
            await asyncio.sleep(0.05)


async def test_three_controllers_killed_one_after_another_keep_what_they_said(
    tmp_path: Path, postgres: str, postgres_server: Server
) -> None:
    controllers = [Controller(tmp_path, name, postgres, agent=name == "a") for name in "abc"]
    try:
        for controller in controllers:
            await controller.start()
        await _all_take_each_others_tokens(controllers)
        load = Load(controllers, *await _furnish(controllers[0]))
        most = await _kill_them(controllers, load, postgres, postgres_server)
        await _quiet(postgres, postgres_server)
        await _judge(controllers, load, most, postgres, postgres_server)
    finally:
        for controller in controllers:
            controller.end()


async def _all_take_each_others_tokens(controllers: list[Controller]) -> None:
    first, *others = controllers
    await first.ask("GET", "/identity/v3/users")
    for other in others:
        other.use(first.token)
        assert (await other.ask("GET", "/identity/v3/users")).status == 200


async def _furnish(controller: Controller) -> tuple[str, str, str]:
    """A flavor, an image and a network, and quotas that are soon reached."""
    await controller.made(
        "/compute/v2.1/flavors", {"flavor": {"id": "1", "name": "tiny", "vcpus": 1, "ram": 64, "disk": 1}}
    )
    about = {"name": "own", "disk_format": "raw", "container_format": "bare", "min_disk": 0}
    image = (await controller.made("/image/v2/images", about))["id"]
    assert (await controller.ask("PUT", f"/image/v2/images/{image}/file", bytes(512))).status == 204
    network = (await controller.made("/network/v2.0/networks", {"network": {"name": "inside"}}))["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.6.0.0/16"}
    await controller.made("/network/v2.0/subnets", {"subnet": subnet})
    projects = (await controller.ask("GET", "/identity/v3/projects?name=admin")).json["projects"]
    quota = {"quota_set": {"instances": SERVERS, "cores": -1, "ram": -1}}
    await controller.made(f"/compute/v2.1/os-quota-sets/{projects[0]['id']}", quota, "PUT")
    await controller.made(f"/network/v2.0/quotas/{projects[0]['id']}", {"quota": {"port": PORTS}}, "PUT")
    while not (await controller.ask("GET", "/placement/resource_providers")).json["resource_providers"]:
        await asyncio.sleep(0.1)
    return "1", image, network


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
        await controllers[1].hang(LAPSE_S + 6)
        await load.heard(BETWEEN)
    finally:
        load.stopped = True
        counting.cancel()
        await asyncio.gather(*users, counting, return_exceptions=True)
    for user in users:
        assert user.exception() is None, user.exception()
    return most


async def _count(most: dict[str, int], address: str, server: Server) -> None:
    while True:
        for table, live in LIVE.items():
            most[table] = max(most[table], len(await asyncio.to_thread(server.sql, live, address)))
        await asyncio.sleep(0.3)


async def _quiet(address: str, server: Server) -> None:
    """No operation is open."""
    end = time.monotonic() + QUIET_S
    of = "SELECT flow, step, waiting_why, holder FROM operations WHERE state IN ('running', 'queued')"
    while left := await asyncio.to_thread(server.sql, of, address):
        assert time.monotonic() < end, left
        await asyncio.sleep(0.2)


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
    assert "given up by the others" in controllers[1].log()
    assert not load.odd, load.odd
    for number, path in enumerate(load.kept):
        answered = await controllers[number % 3].ask("GET", path)
        assert answered.status == 200, (path, answered)
        if "server" in path:
            assert answered.json["server"]["status"] in {"ACTIVE", "SHUTOFF"}, answered
    for number, path in enumerate(load.gone):
        assert (await controllers[number % 3].ask("GET", path)).status == 404, path
    assert rows(FAILED) == []
    assert most["servers"] <= SERVERS and most["ports"] <= PORTS
    assert rows(TWICE) == []
    assert {what: found for what, text in ORPHANS.items() if (found := rows(text))} == {}
