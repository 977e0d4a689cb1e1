"""Placement alone, in memory, asked through its API."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from tests.postgres import open_with

from pileus.kit.auth import Caller
from pileus.kit.clock import FakeClock
from pileus.kit.errors import Unauthorized
from pileus.kit.http import Kernel
from pileus.placement.app import PlacementApp
from pileus.placement.manifest import API, METADATA

CALLERS = {
    "root": Caller(user_id="o", project_id="p0", roles=frozenset({"admin", "member", "reader"})),
    "service": Caller(user_id="s", project_id="services", roles=frozenset({"service"})),
    "alice": Caller(user_id="a", project_id="p1", roles=frozenset({"member", "reader"})),
    "nobody": Caller(user_id="n", project_id="p1", roles=frozenset()),
}


class Tokens:
    async def caller(self, token: str) -> Caller:
        if token not in CALLERS:
            raise Unauthorized
        return CALLERS[token]


async def build() -> PlacementApp:
    """An empty placement."""
    db = await open_with(METADATA)
    return PlacementApp(db=db, clock=FakeClock())


class Service:
    """Placement as its clients see it."""

    def __init__(self, app: PlacementApp) -> None:
        self.app = app
        self.kernel = Kernel(Tokens())
        self.kernel.mount("placement", API, app)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        at: str = "1.39",
        token: str | None = "root",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON (or bytes) and headers of the answer."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent: list[Any] = []
        given = {"host": "cloud:1", "openstack-api-version": f"placement {at}", **(headers or {})}
        if raw:
            given.setdefault("content-type", "application/json")
        if token:
            given["x-auth-token"] = token

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": f"/placement{path}",
            "query_string": query.encode(),
            "scheme": "http",
            "headers": [(key.encode(), value.encode()) for key, value in given.items()],
        }
        await self.kernel.http(scope, receive, send)
        answer = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
        data = b"".join(message.get("body", b"") for message in sent[1:])
        is_json = data and "json" in answer.get("content-type", "")
        return sent[0]["status"], json.loads(data) if is_json else data, answer


def run(test: Any) -> None:
    """Run one coroutine function of (service) with a fresh service."""

    async def whole() -> None:
        app = await build()
        try:
            await test(Service(app))
        finally:
            await app.db.close()

    asyncio.run(whole())
