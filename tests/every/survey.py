"""The whole cloud with fakes, at work in a thread of its own, for tests whose tool is not written for an event loop."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from tests.main.assembled import Answered, Assembled, ask, assembled


class Surveyed:
    """A cloud whose admin asks; what is asked for is there, and is made anew when a request has taken it away."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cloud")
        self._world: Any = None
        self._cloud: Assembled | None = None
        self.ids: dict[str, str] = {}
        self.asked = 0
        self.not_offered: dict[str, Any] = {}  # the operations that answered so, and the last words of each

    def __enter__(self) -> "Surveyed":
        self._thread.start()
        try:
            self._do(self._begin())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._do(self._world.__aexit__(None, None, None))
        finally:
            self._stop()

    def ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Answered:
        """One request by the admin."""
        assert self._cloud is not None
        self.asked += 1
        given = {"x_auth_token": self._cloud.token, **headers}
        return self._do(ask(self._cloud.frame.kernel, method, path, body, **given))

    def renew(self) -> None:
        """A server, its port and its network are there to be asked for."""
        self._do(self._renewed())

    async def _begin(self) -> None:
        self._world = assembled(self._path)
        self._cloud = await self._world.__aenter__()
        _, image, network = await self._cloud.furnish()
        project = (await self._cloud.ask("GET", f"/network/v2.0/networks/{network}")).json["network"]["project_id"]
        self.ids = {"images": image, "networks": network, "flavors": "1", "project_id": project}
        await self._renewed()

    async def _renewed(self) -> None:
        assert self._cloud is not None
        found = await self._cloud.ask("GET", f"/compute/v2.1/servers/{self.ids.get('servers', 'none')}")
        if found.status == 200 and found.json["server"]["status"] == "ACTIVE":
            return
        server = await self._cloud.boot(self.ids["images"], self.ids["networks"])
        (port, *_) = (await self._cloud.ask("GET", f"/network/v2.0/ports?device_id={server}")).json["ports"]
        self.ids |= {"servers": server, "ports": port["id"], "subnets": port["fixed_ips"][0]["subnet_id"]}

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        done: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result(60)

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
