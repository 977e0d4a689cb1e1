"""Object storage alone, in directories of its own, asked through its HTTP (ASGI) as clients ask it."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from pileus.kit.auth import Caller
from pileus.kit.clock import Clock, FakeClock
from pileus.kit.errors import Unauthorized
from pileus.object_store import manifest
from pileus.object_store.api.logins import LoggedIn
from pileus.object_store.config import ObjectStoreConfig
from pileus.object_store.storage.reach import Tls

CALLERS = {
    "alice": Caller(user_id="a", user_name="alice", project_id="p1", project_name="one", roles=frozenset({"member"})),
    "rita": Caller(user_id="r", user_name="rita", project_id="p1", project_name="one", roles=frozenset({"reader"})),
    "bob": Caller(user_id="b", user_name="bob", project_id="p2", project_name="two", roles=frozenset({"member"})),
    "nobody": Caller(user_id="n", project_id="p1", roles=frozenset({"stranger"})),
    "root": Caller(user_id="o", project_id="p0", roles=frozenset({"ResellerAdmin"})),
}
ACCOUNT = "/v1/AUTH_p1"


class Tokens:
    async def caller(self, token: str) -> Caller:
        if token not in CALLERS:
            raise Unauthorized
        return CALLERS[token]


async def logged_in(project: str, user: str, password: str, _remote: str) -> LoggedIn | None:
    """Everybody's password is their name, backwards."""
    known = CALLERS.get(user)
    if known is None or known.project_name != project or password != user[::-1]:
        return None
    return LoggedIn(user, str(known.project_id), 3600)


class Said(msgspec.Struct):
    """What was answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def names(self) -> list[str]:
        return [entry.get("name", entry.get("subdir")) for entry in self.json]


class Service:
    """Object storage as its clients see it; paths are below alice's account unless they begin with a slash."""

    def __init__(self, folder: Path, *, tls: Tls = lambda: None, clock: Clock | None = None, **options: Any) -> None:
        self.folder = folder
        self.clock: Any = clock or FakeClock()
        config = ObjectStoreConfig(**{"part_power": 4, "disk_threads": 4, **options})
        state = folder / "objects"
        self.app = manifest.build(people=Tokens(), clock=self.clock, state=state, config=config, tls=tls)
        self.api = manifest.api(self.app, logged_in)

    async def ask(
        self,
        method: str,
        path: str = "",
        body: bytes = b"",
        *,
        query: str = "",
        token: str | None = "alice",
        headers: Mapping[str, str] | None = None,
        messages: Sequence[Mapping[str, Any]] | None = None,
        length: int | None = -1,
    ) -> Said:
        """The answer to one request; `messages` are what ASGI hands over for the body, `length` what the header says."""
        given = {"host": "cloud:1", **{name.lower(): value for name, value in (headers or {}).items()}}
        if token:
            given.setdefault("x-auth-token", token)
        if length is not None:
            given.setdefault("content-length", str(len(body) if length < 0 else length))
        else:
            given.setdefault("transfer-encoding", "chunked")
        queue = list(messages or [{"type": "http.request", "body": body, "more_body": False}])
        sent: list[Any] = []

        async def receive() -> Any:
            if queue:
                return queue.pop(0)
            await asyncio.Event().wait()  # the client is there and says nothing
            return None

        async def send(message: Any) -> None:
            sent.append(message)

        scope = _scope(method, path, query, given)
        await self.api(scope, receive, send)
        answer = {key.decode().lower(): value.decode("latin-1") for key, value in sent[0]["headers"]}
        return Said(sent[0]["status"], answer, b"".join(message.get("body", b"") for message in sent[1:]))

    async def put(self, path: str, body: bytes = b"x", **headers: str) -> Said:
        """An object or a container, made."""
        said = await self.ask(
            "PUT", path, body, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        assert said.status in {201, 202}, said
        return said

    async def listing(self, path: str, query: str = "") -> list[str]:
        """The names in a listing."""
        said = await self.ask("GET", path, query=f"format=json&{query}")
        assert said.status == 200, said
        return said.names

    def files(self) -> list[str]:
        """All files on the devices, by what they are."""
        top = self.folder / "objects"
        return sorted(str(one.relative_to(top)) for one in top.rglob("*") if one.is_file())

    async def close(self) -> None:
        """Nothing is open."""
        await self.app.close()


def _scope(method: str, path: str, query: str, headers: Mapping[str, str]) -> dict[str, Any]:
    whole = path if path.startswith("/") else f"{ACCOUNT}/{quote(path)}" if path else ACCOUNT
    raw = f"/object-store{whole}" if whole.split("/")[1] in {"v1", "v1.0"} else whole
    return {
        "type": "http",
        "method": method,
        "path": raw,
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "scheme": "http",
        "client": ("192.0.2.7", 1),
        "headers": [(key.encode(), value.encode("latin-1")) for key, value in headers.items()],
    }


def run(folder: Path, test: Any, **options: Any) -> None:
    """Run one coroutine function of (service) with fresh object storage."""

    async def whole() -> None:
        service = Service(folder, **options)
        try:
            await test(service)
        finally:
            await service.close()

    asyncio.run(whole())
