"""A cloud's identity in one process: `Cloud` asks it over the HTTP API, as people of several kinds."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from argon2 import PasswordHasher
from tests.postgres import open_with

from pileus.identity.config import Config
from pileus.identity.drivers.passwords import Argon2Passwords
from pileus.identity.manifest import API, METADATA, IdentityPort, ServiceEntry, bootstrap, build
from pileus.kit.clock import FakeClock
from pileus.kit.http import Kernel

PASSWORD = "correct horse"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # most tests are about something else than the price
SERVICES = (
    ServiceEntry.at("identity", "keystone", "Identity", "/identity/v3"),
    ServiceEntry.at("object-store", "swift", "Objects", "/object-store/v1/AUTH_%(project_id)s"),
)


class Answer(msgspec.Struct):
    status: int
    body: Any
    headers: dict[str, str]


class Cloud:
    """Identity and its HTTP API, with an administrator logged in."""

    def __init__(self, keys: Path) -> None:
        self.keys = keys
        self.clock = FakeClock()
        self.config = Config()
        self.web: Any = None
        self.admin = ""
        self.shown: dict[str, str] = {}  # headers that go with every request
        self.scheme = "http"

    async def start(self) -> None:
        self.db = await open_with(METADATA)
        self.restart()
        self.account = await bootstrap(
            self.app, admin_password=PASSWORD, public_url="http://cloud:1", services=SERVICES
        )
        self.admin = await self.login("admin", project="admin")

    def restart(self) -> None:
        """As another process over the same database would see it."""
        app = build(db=self.db, clock=self.clock, state=self.keys, config=self.config, web=self.web)
        passwords = Argon2Passwords(self.clock, self.config.password_memory_s, hasher=CHEAP)
        self.app = msgspec.structs.replace(app, passwords=passwords)
        self.port = IdentityPort(self.app)
        self.kernel = Kernel(self.port, self.port.certificate)
        self.kernel.mount("identity", API, self.app)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        token: str | None = "admin",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """What the API answers; the token is the administrator's unless given."""
        token = self.admin if token == "admin" else token
        given = {**(headers or {}), **({"x-auth-token": token} if token else {})}
        status, text, answer = await self.raw(method, path, None if body is None else json.dumps(body), given)
        is_json = text and answer.get("content-type", "").startswith("application/json")
        return Answer(status, json.loads(text) if is_json else None, answer)

    async def raw(
        self, method: str, path: str, body: str | None, headers: Mapping[str, str], client: str = "192.0.2.1"
    ) -> tuple[int, str, dict[str, str]]:
        """The status, text and headers of an answer."""
        raw = (body or "").encode()
        given = {"host": "cloud:1", "content-length": str(len(raw)), **self.shown, **headers}
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": f"/identity{path}",
            "query_string": query.encode(),
            "scheme": self.scheme,
            "client": (client, 4711),
            "headers": [(key.encode(), value.encode()) for key, value in given.items()],
        }
        await self.kernel.http(scope, receive, send)
        answer = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
        data = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], data.decode(), answer

    @staticmethod
    def by_password(user: str, password: str = PASSWORD, domain: str = "default") -> dict[str, Any]:
        return {
            "methods": ["password"],
            "password": {"user": {"name": user, "domain": {"id": domain}, "password": password}},
        }

    @staticmethod
    def by_token(token: str) -> dict[str, Any]:
        return {"methods": ["token"], "token": {"id": token}}

    async def auth(self, identity: Any, scope: Any = None, query: str = "") -> Answer:
        """What a login answers."""
        auth = {"identity": identity} if scope is None else {"identity": identity, "scope": scope}
        return await self.ask("POST", f"/v3/auth/tokens{query}", {"auth": auth}, None)

    async def login(
        self,
        user: str,
        password: str = PASSWORD,
        *,
        project: str | None = None,
        scope: Any = None,
        domain: str = "default",
    ) -> str:
        """A token for a user named by name."""
        if project is not None:
            scope = {"project": {"name": project, "domain": {"id": domain}}}
        answer = await self.auth(self.by_password(user, password, domain), scope)
        assert 201 == answer.status, answer.body
        return answer.headers["x-subject-token"]

    async def make(self, kind: str, **values: Any) -> dict[str, Any]:
        """A new thing, made by the administrator."""
        answer = await self.ask("POST", f"/v3/{kind}s", {kind: values})
        assert 201 == answer.status, answer.body
        made: dict[str, Any] = answer.body[kind]
        return made

    async def role(self, name: str) -> str:
        """The id of a role."""
        answer = await self.ask("GET", f"/v3/roles?name={name}")
        return str(answer.body["roles"][0]["id"])

    async def person(self, name: str, role: str, *, domain: str = "default", scope: str = "project") -> str:
        """A token of a new user with this role in a new project of their name, in their domain, or on the system."""
        user = await self.make("user", name=name, password=PASSWORD, domain_id=domain)
        role_id = await self.role(role)
        match scope:
            case "project":
                project = await self.make("project", name=name, domain_id=domain)
                place, asked = f"projects/{project['id']}", {"project": {"id": project["id"]}}
            case "domain":
                place, asked = f"domains/{domain}", {"domain": {"id": domain}}
            case _:
                place, asked = "system", {"system": {"all": True}}
        answer = await self.ask("PUT", f"/v3/{place}/users/{user['id']}/roles/{role_id}")
        assert 204 == answer.status, answer.body
        return await self.login(name, scope=asked, domain=domain)


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    """An identity to be started by the test, inside its event loop."""
    return Cloud(tmp_path)
