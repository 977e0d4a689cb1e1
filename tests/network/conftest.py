"""A cloud's network in one process: `Net` asks it over the HTTP API as people of two projects, over a fake fabric."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from tests.postgres import open_with

from pileus.kit import tables as kit_tables
from pileus.kit.auth import Caller
from pileus.kit.bus import LocalBus
from pileus.kit.clock import FakeClock
from pileus.kit.db import Database
from pileus.kit.errors import Unauthorized
from pileus.kit.flow.standing import Reconcilers
from pileus.kit.hosts.control import Hosts
from pileus.kit.http import Kernel
from pileus.kit.observe.events import Events
from pileus.network.app import Network
from pileus.network.drivers.fake import FakeFabric
from pileus.network.manifest import API, METADATA, build, port, standing
from pileus.network.port import Ports

MEMBER = frozenset({"member", "reader"})
CALLERS = {
    "alice": Caller(user_id="a", project_id="p1", roles=MEMBER),
    "rita": Caller(user_id="r", project_id="p1", roles=frozenset({"reader"})),
    "mona": Caller(user_id="m", project_id="p1", roles=MEMBER | {"manager"}),
    "bob": Caller(user_id="b", project_id="p2", roles=MEMBER),
    "root": Caller(user_id="o", project_id="p0", roles=MEMBER | {"admin", "manager"}),
    "nova": Caller(user_id="n", project_id="service", roles=frozenset({"service"})),
    "nobody": Caller(user_id="x", project_id="p1", roles=frozenset()),
}


class Tokens:
    async def caller(self, token: str) -> Caller:
        if token not in CALLERS:
            raise Unauthorized
        return CALLERS[token]


class Answer(msgspec.Struct):
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def kind(self) -> str:
        """The type of the error."""
        return str(self.body["NeutronError"]["type"])

    @property
    def message(self) -> str:
        return str(self.body["NeutronError"]["message"])


class Net:
    """The network service and its HTTP API."""

    def __init__(self, db: Database, clock: FakeClock) -> None:
        self.db, self.clock, self.bus = db, clock, LocalBus()
        self.hosts = Hosts(db, self.bus, clock)
        self.fabric = FakeFabric()
        self.app: Network = build(
            db=db, clock=clock, bus=self.bus, hosts=self.hosts, events=Events(db, self.bus, clock), fabric=self.fabric
        )
        self.ports: Ports = port(self.app)
        self.kernel = Kernel(Tokens())
        self.kernel.mount("network", API, self.app)
        self.reconcilers = Reconcilers(standing(self.app), self.bus, clock)

    async def ask(
        self, method: str, path: str, body: Any = None, who: str | None = "alice", headers: dict[str, str] | None = None
    ) -> Answer:
        """What the API answers."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given = {"host": "cloud:1", "content-length": str(len(raw)), **(headers or {})}
        if who:
            given["x-auth-token"] = who
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": f"/network{path}",
            "query_string": query.encode(),
            "scheme": "http",
            "headers": [(key.encode(), value.encode()) for key, value in given.items()],
        }
        await self.kernel.http(scope, receive, send)
        answer = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
        data = b"".join(message.get("body", b"") for message in sent[1:])
        return Answer(sent[0]["status"], json.loads(data) if data else None, answer)

    async def get(self, path: str, who: str = "alice") -> Any:
        """What is read; the body without its envelope."""
        answer = await self.ask("GET", f"/v2.0/{path}", who=who)
        assert 200 == answer.status, answer.body
        return next(iter(answer.body.values()))

    async def post(self, collection: str, who: str = "alice", /, **values: Any) -> Answer:
        """What making one thing answers."""
        return await self.ask("POST", f"/v2.0/{collection}", {_one(collection): values}, who)

    async def make(self, collection: str, who: str = "alice", /, **values: Any) -> dict[str, Any]:
        """A new thing."""
        answer = await self.post(collection, who, **values)
        assert 201 == answer.status, answer.body
        made: dict[str, Any] = answer.body[_one(collection)]
        return made

    async def put(self, collection: str, id: str, who: str = "alice", /, **values: Any) -> Answer:
        """What changing one thing answers."""
        return await self.ask("PUT", f"/v2.0/{collection}/{id}", {_one(collection): values}, who)

    async def delete(self, collection: str, id: str, who: str = "alice") -> Answer:
        """What deleting one thing answers."""
        return await self.ask("DELETE", f"/v2.0/{collection}/{id}", None, who)

    async def network(self, who: str = "alice", cidr: str = "10.0.0.0/24", **values: Any) -> tuple[str, str]:
        """Ids of a new network and of a subnet on it."""
        network = await self.make("networks", who, **values)
        subnet = await self.make("subnets", who, network_id=network["id"], ip_version=4, cidr=cidr)
        return network["id"], subnet["id"]

    async def outside(self, cidr: str = "172.24.4.0/24") -> tuple[str, str]:
        """Ids of the external network and its subnet."""
        network = await self.make(
            "networks", "root", name="public",
            **{"router:external": True, "provider:network_type": "flat", "provider:physical_network": "external"},
        )  # fmt: skip
        subnet = await self.make(
            "subnets", "root", network_id=network["id"], ip_version=4, cidr=cidr, enable_dhcp=False
        )
        return network["id"], subnet["id"]

    async def settle(self) -> None:
        """Nothing is left to reconcile."""
        while await self.reconcilers.turn():
            pass


def _one(collection: str) -> str:
    singular = collection.replace("-", "_")
    return f"{singular.removesuffix('ies')}y" if singular.endswith("ies") else singular.removesuffix("s")


@pytest.fixture
def net(clock: FakeClock) -> Callable[[], contextlib.AbstractAsyncContextManager[Net]]:
    """`async with net() as n:` gives a network service of its own."""

    @contextlib.asynccontextmanager
    async def _open() -> AsyncIterator[Net]:
        db = await open_with(kit_tables.metadata, METADATA)
        yield Net(db, clock)
        await db.close()

    return _open
