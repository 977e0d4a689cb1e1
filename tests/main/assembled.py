"""A whole cloud with fakes in this process: the parts `pileus up --compute fake --network fake` runs, asked without a network."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pileus.kit.flow.operations import OPERATION
from pileus.kit.hosts.registry import HOST
from pileus.kit.http import Kernel
from pileus.main.assemble import Cloud, assemble
from pileus.main.credentials import ensure_credentials
from pileus.main.settings import ExternalNetwork, Settings
from pileus.main.state import State

IMAGE = b"QFI\xfb\0\0\0\x02" + bytes(12) + b"\0\0\0\x10" + (1 << 20).to_bytes(8, "big") + bytes(480)
SETTINGS = Settings(
    compute_driver="fake", network_driver="fake", host_name="h1", external=ExternalNetwork(cidr="172.24.4.0/24")
)
LONG_S = 60.0


class Answered(msgspec.Struct, frozen=True):
    """What the cloud said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(kernel: Kernel, method: str, path: str, body: Any = None, **headers: str) -> Answered:
    """One request, as a listener would pass it on. A body of bytes is sent as it is, anything else as JSON."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    given = {"host": "cloud:1"}
    given |= {"content-type": "application/octet-stream" if isinstance(body, bytes) else "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    sent: list[Any] = []

    coming = [{"type": "http.request", "body": raw, "more_body": False}]

    async def receive() -> dict[str, Any]:
        # Who has said all stays, and says nothing more.
        return coming.pop() if coming else await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        sent.append(message)

    path, _, query = path.partition("?")
    scope = {
        "type": "http", "method": method, "path": path, "query_string": query.encode(), "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in given.items() if value],
    }  # fmt: skip
    await kernel.http(scope, receive, send)
    told = {name.decode().lower(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return Answered(sent[0]["status"], told, b"".join(message.get("body", b"") for message in sent[1:]))


class Assembled:
    """A cloud, and its admin."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.frame = cloud.frame
        self.state = cloud.frame.state
        self.db = cloud.frame.db
        self.token = ""

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answered:
        """One request, by the admin once he has logged in."""
        given = {"x_auth_token": self.token, "openstack_api_version": "compute 2.90", **headers}
        return await ask(self.frame.kernel, method, path, body, **given)

    async def until(self, status: int, method: str, path: str) -> Answered:
        """The answer to a request, as soon as it has the status."""
        end = time.monotonic() + LONG_S
        while (answered := await self.ask(method, path)).status != status:
            assert time.monotonic() < end, answered
            await asyncio.sleep(0.05)
        return answered

    async def made(self, path: str, body: Any) -> Any:
        """What a POST that must succeed answers."""
        answered = await self.ask("POST", path, body)
        assert answered.status < 300, answered
        return answered.json

    async def log_in(self) -> None:
        """From now on the admin asks."""
        domain = {"id": "default"}
        password = self.state.credentials().passwords["admin"]
        user = {"name": "admin", "domain": domain, "password": password}
        scope = {"project": {"name": "admin", "domain": domain}}
        auth = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        answered = await self.ask("POST", "/identity/v3/auth/tokens", auth)
        assert answered.status == 201, answered
        self.token = answered.headers["x-subject-token"]

    async def furnish(self) -> tuple[str, str, str]:
        """A flavor, an image and a network to boot on; their ids."""
        flavor = {"id": "1", "name": "tiny", "vcpus": 1, "ram": 64, "disk": 1}
        await self.made("/compute/v2.1/flavors", {"flavor": flavor})
        about = {"name": "own", "disk_format": "qcow2", "container_format": "bare"}
        image = (await self.made("/image/v2/images", about))["id"]
        assert (await self.ask("PUT", f"/image/v2/images/{image}/file", IMAGE)).status == 204
        network = (await self.made("/network/v2.0/networks", {"network": {"name": "inside"}}))["network"]["id"]
        subnet = {"network_id": network, "ip_version": 4, "cidr": "10.6.0.0/16"}
        await self.made("/network/v2.0/subnets", {"subnet": subnet})
        return "1", image, network

    async def boot(self, image: str, network: str, name: str = "one") -> str:
        """A server that runs."""
        server = {"name": name, "flavorRef": "1", "imageRef": image, "networks": [{"uuid": network}]}
        id = str((await self.made("/compute/v2.1/servers", {"server": server}))["server"]["id"])
        await self.until_quiet()
        return id

    async def until_quiet(self) -> None:
        """No operation is under way."""
        end = time.monotonic() + LONG_S
        for id in await self.frame.engine.book.due():
            await self.frame.engine.wait_ended(id, end - time.monotonic())


@contextlib.asynccontextmanager
async def assembled(path: Path) -> AsyncIterator[Assembled]:
    """A cloud in the directory, at work, its admin logged in."""
    state = State(path)
    state.create()
    ensure_credentials(state, SETTINGS)
    cloud = await assemble(state, SETTINGS)
    await cloud.start()
    try:
        made = Assembled(cloud)
        await made.log_in()
        end = time.monotonic() + LONG_S
        with cloud.frame.bus.subscribe(HOST, OPERATION) as woken:
            while not (await made.ask("GET", "/placement/resource_providers")).json["resource_providers"]:
                assert time.monotonic() < end, "the host does not come"
                await woken.next(0.05)
        yield made
    finally:
        await cloud.stop()
