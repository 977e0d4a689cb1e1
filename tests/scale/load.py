"""Users of several controllers, what they were told, and what must hold of the database afterwards."""

import asyncio
import itertools
import random
import time
from typing import Any

from tests.postgres import Server
from tests.scale.controllers import Answered, Away, Controller

QUIET_S = 90.0
REFUSED_S = 0.1  # whoever is at the quota's limit waits, as people do, instead of asking a thousand times

TWICE = """SELECT s.operation, s.step, count(*) FROM operation_steps s JOIN operations o ON o.id = s.operation
 WHERE o.tries = 1 AND s.result = 'done' GROUP BY s.operation, s.step, s.undoing HAVING count(*) > 1"""
# A boot that its server's deletion has overtaken ends as failed, and that is as it should be.
# One that found its only host away, which was killed just then, says so: on a busy machine that comes to pass.
FAILED = """SELECT state, flow, step, failure FROM operations
 WHERE state = 'stuck' OR state = 'failed' AND turn_back IS NULL AND failure NOT LIKE '%has not been heard since%'"""
LIVE = {"servers": "SELECT id FROM servers WHERE deleted_at IS NULL", "ports": "SELECT id FROM ports"}
NO_SERVER = f"NOT IN ({LIVE['servers']})"
ORPHANS = {
    "ports of no server": f"SELECT id FROM ports WHERE server_id {NO_SERVER}",
    "documents of no server": f"SELECT id FROM wanted WHERE kind = 'server' AND id {NO_SERVER}",
    "reports of no server": f"SELECT id FROM seen WHERE kind = 'server' AND id {NO_SERVER}",
    "claims of no server": f"SELECT id FROM consumers WHERE id {NO_SERVER}",
    "servers without their one port": f"{LIVE['servers']}"
    " AND (SELECT count(*) FROM ports WHERE server_id = servers.id) <> 1",
    "servers without their claim": f"{LIVE['servers']} AND NOT broken AND id NOT IN (SELECT id FROM consumers)",
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
        self._heard_of(answered)
        if answered.status in {403, 409}:
            self.refused += 1
            await asyncio.sleep(REFUSED_S)
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
        self._heard_of(answered)
        if answered.status not in {204, 404}:
            self.odd.append(f"{controller.name} DELETE {path}: {answered.status} {answered.json}")
            return
        self.going.discard(path)
        self.gone.add(path)

    def _heard_of(self, answered: Answered) -> None:
        """One that was hung has lost its transaction and says so: as good as no answer, and no more is known."""
        if answered.status == 503:
            raise Away(str(answered.json))

    async def heard(self, answers: int) -> None:
        """So many more answers have come."""
        enough = self.answers + answers
        while self.answers < enough:
            await asyncio.sleep(0.05)


async def all_take_each_others_tokens(controllers: list[Controller]) -> None:
    first, *others = controllers
    await first.ask("GET", "/identity/v3/users")
    for other in others:
        other.use(first.token)
        assert (await other.ask("GET", "/identity/v3/users")).status == 200


async def furnish(
    controller: Controller, *, servers: int, ports: int, image: bytes = bytes(512)
) -> tuple[str, str, str]:
    """A flavor, an image and a network, and quotas that are soon reached."""
    await controller.made(
        "/compute/v2.1/flavors", {"flavor": {"id": "1", "name": "tiny", "vcpus": 1, "ram": 64, "disk": 1}}
    )
    about = {"name": "own", "disk_format": "raw", "container_format": "bare", "min_disk": 0}
    made = (await controller.made("/image/v2/images", about))["id"]
    assert (await controller.ask("PUT", f"/image/v2/images/{made}/file", image)).status == 204
    network = (await controller.made("/network/v2.0/networks", {"network": {"name": "inside"}}))["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.6.0.0/16"}
    await controller.made("/network/v2.0/subnets", {"subnet": subnet})
    projects = (await controller.ask("GET", "/identity/v3/projects?name=admin")).json["projects"]
    quota = {"quota_set": {"instances": servers, "cores": -1, "ram": -1}}
    await controller.made(f"/compute/v2.1/os-quota-sets/{projects[0]['id']}", quota, "PUT")
    await controller.made(f"/network/v2.0/quotas/{projects[0]['id']}", {"quota": {"port": ports}}, "PUT")
    while not (await controller.ask("GET", "/placement/resource_providers")).json["resource_providers"]:
        await asyncio.sleep(0.1)
    return "1", made, network


async def quiet(address: str, server: Server) -> None:
    """No operation is open."""
    end = time.monotonic() + QUIET_S
    of = "SELECT flow, step, waiting_why, holder FROM operations WHERE state IN ('running', 'queued')"
    while left := await asyncio.to_thread(server.sql, of, address):
        assert time.monotonic() < end, left
        await asyncio.sleep(0.2)


def settled(shown: dict[str, Any]) -> bool:
    """Whether a server is as it was left, or says that its host was away when it should have started."""
    unheard = "has not been heard since" in shown.get("fault", {}).get("message", "")
    return shown["status"] in {"ACTIVE", "SHUTOFF"} or unheard


def wrong(address: str, server: Server) -> dict[str, object]:
    """What does not hold in the database: operations that failed, steps done twice, rows without those they belong to."""
    found = {
        "failed": server.sql(FAILED, address),
        "done twice": server.sql(TWICE, address),
        **{what: server.sql(text, address) for what, text in ORPHANS.items()},
    }
    return {what: rows for what, rows in found.items() if rows}
