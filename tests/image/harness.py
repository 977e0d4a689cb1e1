"""The image service alone, in memory and a folder, asked through its API."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from tests.postgres import open_with

from pileus.image import manifest
from pileus.image.app import ImageApp
from pileus.image.config import ImageConfig
from pileus.image.drivers.interface import Stores, Web
from pileus.image.manifest import API, METADATA
from pileus.kit.auth import Caller
from pileus.kit.bus import LocalBus
from pileus.kit.clock import Clock, FakeClock
from pileus.kit.db import Database
from pileus.kit.errors import Unauthorized
from pileus.kit.flow.engine import Engine
from pileus.kit.flow.settle import settle
from pileus.kit.http import Kernel
from pileus.kit.tables import metadata
from pileus.ports.identity import Directory
from pileus.ports.limits import Limits

CALLERS = {
    "root": Caller(user_id="o", project_id="p0", roles=frozenset({"admin", "member", "reader"})),
    "alice": Caller(user_id="a", project_id="p1", roles=frozenset({"member", "reader"})),
    "rita": Caller(user_id="r", project_id="p1", roles=frozenset({"reader"})),
    "bob": Caller(user_id="b", project_id="p2", roles=frozenset({"member", "reader"})),
    "nobody": Caller(user_id="n", project_id="p1", roles=frozenset()),
}
OCTETS = {"content-type": "application/octet-stream"}
PATCH = {"content-type": "application/openstack-images-v2.1-json-patch"}
RAW = bytes(range(256)) * 5000  # 1.28 MB of nothing in particular


class Tokens:
    async def caller(self, token: str) -> Caller:
        if token not in CALLERS:
            raise Unauthorized
        return CALLERS[token]


async def build(folder: Path, **config: Any) -> ImageApp:
    """An image service without images."""
    db = await open_with(METADATA, metadata)
    return over(db, folder, FakeClock(), ImageConfig(**config))


def over(
    db: Database,
    folder: Path,
    clock: Clock,
    config: ImageConfig,
    stores: Stores | None = None,
    directory: Directory | None = None,
    web: Web | None = None,
    limits: Limits | None = None,
) -> ImageApp:
    """The service over a database that is there, with an engine for its imports."""
    engine = Engine(db, LocalBus(), clock)
    app = manifest.build(
        db=db, clock=clock, operations=engine, state=folder, config=config, directory=directory, limits=limits,
        region="RegionOne" if limits is not None else None,
    )  # fmt: skip
    if stores is not None:
        app = msgspec.structs.replace(app, stores=stores)
    if web is not None:
        app = msgspec.structs.replace(app, web=web)
    for flow in manifest.FLOWS:
        engine.add(flow, app)
    return app


class Service:
    """The image service as its clients see it."""

    def __init__(self, app: ImageApp, folder: Path) -> None:
        self.app = app
        self.state = folder
        self.folder = folder / "images"
        self.kernel = Kernel(Tokens())
        self.kernel.mount("image", API, app)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "alice",
        headers: Mapping[str, str] | None = None,
        messages: Sequence[Mapping[str, Any]] | None = None,
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON (or bytes) and headers of the answer; `messages` are what ASGI hands over for the body."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent: list[Any] = []
        given = {"host": "cloud:1", **(headers or {})}
        if raw:
            given.setdefault("content-type", "application/json")
        if token:
            given["x-auth-token"] = token
        queue = list(messages or [{"type": "http.request", "body": raw, "more_body": False}])

        async def receive() -> Any:
            if queue:
                return queue.pop(0)
            await asyncio.Event().wait()  # the client is there and says nothing
            return None

        async def send(message: Any) -> None:
            sent.append(message)

        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": f"/image{path}",
            "query_string": query.encode(),
            "scheme": "http",
            "headers": [(key.encode(), value.encode()) for key, value in given.items()],
        }
        await self.kernel.http(scope, receive, send)
        answer = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
        data = b"".join(message.get("body", b"") for message in sent[1:])
        is_json = data and "json" in answer.get("content-type", "")
        return sent[0]["status"], json.loads(data) if is_json else data, answer

    async def create(self, token: str = "alice", **about: Any) -> dict[str, Any]:
        """A new image."""
        given = {"name": "one", "disk_format": "raw", "container_format": "bare", **about}
        status, image, _ = await self.ask("POST", "/v2/images", given, token=token)
        assert 201 == status, image
        assert isinstance(image, dict)
        return image

    async def upload(self, id: str, content: bytes = RAW, token: str = "alice") -> int:
        """The status an upload ends with."""
        return (await self.ask("PUT", f"/v2/images/{id}/file", content, token=token, headers=OCTETS))[0]

    async def patch(self, id: str, *steps: Mapping[str, Any], token: str = "alice") -> tuple[int, Any]:
        """Status and image (or error) of a patch."""
        body = json.dumps(steps).encode()
        return (await self.ask("PATCH", f"/v2/images/{id}", body, token=token, headers=PATCH))[:2]

    async def show(self, id: str, token: str = "alice") -> dict[str, Any]:
        """The image as one caller sees it."""
        status, image, _ = await self.ask("GET", f"/v2/images/{id}", token=token)
        assert 200 == status
        assert isinstance(image, dict)
        return image

    async def names(self, query: str = "", token: str = "alice") -> list[str]:
        """The names in a list."""
        status, body, _ = await self.ask("GET", f"/v2/images?{query}", token=token)
        assert 200 == status, body
        return [image["name"] for image in body["images"]]

    def over(self, stores: Stores) -> "Service":
        """The same service with other stores."""
        app = self.app
        return Service(over(app.db, self.state, app.clock, app.config, stores), self.state)

    async def settle(self) -> None:
        """All imports have ended."""
        assert isinstance(self.app.operations, Engine)
        assert isinstance(self.app.clock, FakeClock)
        await settle(self.app.operations, self.app.clock)

    def stored(self) -> list[str]:
        """All files in the store, whole or not."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


def run(folder: Path, test: Any, **config: Any) -> None:
    """Run one coroutine function of (service) with a fresh service."""

    async def whole() -> None:
        app = await build(folder, **config)
        try:
            await test(Service(app, folder))
        finally:
            await app.db.close()

    asyncio.run(whole())
