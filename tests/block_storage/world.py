"""Block storage with fake hosts, asked through its API, with a clock the test moves."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from tests.compute.fakes import IMAGE, FakeDirectory, FakeImages
from tests.postgres import open_with

from pileus.block_storage import agent as volume_agent
from pileus.block_storage import manifest
from pileus.block_storage.config import BlockStorageConfig
from pileus.block_storage.drivers.fake import Fake
from pileus.block_storage.drivers.interface import Origin, Room
from pileus.block_storage.tables import BLOCK_STORAGE
from pileus.kit.auth import Caller
from pileus.kit.bus import LocalBus
from pileus.kit.clock import FakeClock
from pileus.kit.db import Database
from pileus.kit.errors import Unauthorized
from pileus.kit.flow.engine import Engine
from pileus.kit.flow.settle import settle
from pileus.kit.flow.standing import Reconcilers
from pileus.kit.hosts.agent import Agent
from pileus.kit.hosts.control import Hosts
from pileus.kit.hosts.local import LocalExchange
from pileus.kit.http import Kernel
from pileus.kit.observe.events import Events
from pileus.kit.tables import metadata
from pileus.ports.servers import VolumeHolders

CALLERS = {
    "alice": Caller(user_id="alice", project_id="p1", roles=frozenset({"member", "reader"})),
    "rita": Caller(user_id="rita", project_id="p1", roles=frozenset({"reader"})),
    "bob": Caller(user_id="bob", project_id="p2", roles=frozenset({"member", "reader"})),
    "root": Caller(user_id="root", project_id="p0", roles=frozenset({"admin", "manager", "member", "reader"})),
    "outsider": Caller(user_id="o", project_id="p1", roles=frozenset()),
}
LATEST = "3.71"
__all__ = ["IMAGE", "World", "a_store", "a_world"]


class Tokens:
    async def caller(self, token: str) -> Caller:
        if token not in CALLERS:
            raise Unauthorized
        return CALLERS[token]


class Answered(msgspec.Struct):
    """What the API said."""

    status: int
    body: Any
    headers: dict[str, str]


def a_store(name: str, driver: str = "fake", shared: str | None = None, gib: int = 1000) -> Fake:
    """A pretended back end of that kind."""
    room = Room(name=name, driver=driver, shared=shared, total_gib=gib, free_gib=gib,
                capabilities={"multiattach": True, "thin_provisioning_support": True})  # fmt: skip
    return Fake(name, room)


class PretendedVault:
    """Keeps pileus.ports.vault.Vault; whoever reads what it seals does not see the payload."""

    def seal(self, payload: bytes) -> str:
        return f"sealed:{payload.hex()}"

    def open(self, token: str) -> bytes | None:
        return bytes.fromhex(token.removeprefix("sealed:")) if token.startswith("sealed:") else None


class World:
    """A cloud of block storage alone."""

    def __init__(
        self, db: Database, clock: FakeClock, hosts: tuple[str, ...], config: BlockStorageConfig,
        survived: "World | None" = None, more: Mapping[str, Sequence[Fake]] = {}, servers: VolumeHolders | None = None,
    ) -> None:  # fmt: skip
        self.db, self.clock, self.bus = db, clock, LocalBus()
        self.engine = Engine(db, self.bus, clock)
        self.hosts = Hosts(db, self.bus, clock)
        self.backends = {name: Fake() for name in hosts}
        self.stores = {name: {"fake": own, **{one.name: one for one in more.get(name, ())}}
                       for name, own in self.backends.items()}  # fmt: skip
        self.images = FakeImages()
        if survived is not None:  # what is outside the process that died
            self.backends, self.stores, self.images = survived.backends, survived.stores, survived.images
        self.app = manifest.build(
            db, clock, self.bus, self.engine, self.hosts, Events(db, self.bus, clock), images=self.images,
            identity=FakeDirectory(), vault=PretendedVault(), config=config, servers=servers,
        )  # fmt: skip
        for flow in manifest.FLOWS:
            self.engine.add(flow, self.app)
        self.hosts.on_seen(lambda kind, id: self.engine.wake_subject(f"{kind}:{id}"))
        self.agents: dict[str, Agent] = {}
        self.reconcilers = Reconcilers(manifest.standing(self.app), self.bus, clock)
        self.kernel = Kernel(Tokens())
        self.kernel.mount("volume", manifest.API, self.app)

    async def begin(self) -> None:
        """Hosts are at work and the default type is there."""
        for name, own in self.stores.items():
            volume_agent.meet(own, self)
            exchange = LocalExchange(self.hosts, self.bus)
            handlers = volume_agent.handlers(own)
            agent = Agent(exchange, name, handlers, self.clock, await volume_agent.facts(own))
            volume_agent.wake(own, agent.look_again)
            self.agents[name] = agent
        await manifest.prepare(self.app)

    async def fetch(self, host: str, backend: str, kind: str, id: str, destination: Path) -> None:
        """Keeps pileus.ports.volume_files.VolumeFiles."""
        origin = Origin(kind=kind, id=id)
        async with self.stores[host][backend].reading(origin, destination.parent, live=False) as file:
            file.replace(destination)

    async def settle(self, until_s: float | None = None) -> None:
        """Everything that can end has ended."""
        await settle(self.engine, self.clock, *self.agents.values(), self.reconcilers, until_s=until_s)

    async def ask(
        self, method: str, path: str, body: Any = None, *, by: str | None = "alice", at: str = LATEST,
        headers: Mapping[str, str] | None = None, prefix: str = "/volume/v3",
    ) -> Answered:  # fmt: skip
        """What the API says to a caller at a microversion."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent: list[Any] = []
        given = {"host": "cloud:1", "openstack-api-version": f"volume {at}", **(headers or {})}
        if raw:
            given.setdefault("content-type", "application/json")
        if by:
            given["x-auth-token"] = by

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": f"{prefix}{path}",
            "query_string": query.encode(),
            "scheme": "http",
            "headers": [(key.encode(), value.encode()) for key, value in given.items()],
        }
        await self.kernel.http(scope, receive, send)
        answer = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
        text = b"".join(message.get("body", b"") for message in sent[1:])
        is_json = text and "json" in answer.get("content-type", "")
        return Answered(sent[0]["status"], json.loads(text) if is_json else text, answer)

    async def got(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The body of an answer that says yes."""
        answered = await self.ask(method, path, body, **more)
        assert 200 <= answered.status < 300, (answered.status, answered.body)
        return answered.body

    async def volume(self, *, by: str = "alice", settled: bool = True, **asked: Any) -> str:
        """The id of a volume, which is there unless it is not waited for."""
        made = await self.got("POST", "/volumes", {"volume": {"name": "one", "size": 1, **asked}}, by=by)
        if settled:
            await self.settle()
        return str(made["volume"]["id"])

    async def show(self, id: str, *, by: str = "alice", of: str = "volume") -> Any:
        """The thing as it is shown."""
        return (await self.got("GET", f"/{of}s/{id}", by=by))[of]

    async def act(self, id: str, *, by: str = "alice", at: str = LATEST, of: str = "volume", **action: Any) -> Answered:
        """Ask for an action; the first `__` in its name stands for `-`."""
        named = {name.replace("__", "-", 1): value for name, value in action.items()}
        return await self.ask("POST", f"/{of}s/{id}/action", named, by=by, at=at)


async def a_database() -> Database:
    """An empty database in memory."""
    return await open_with(BLOCK_STORAGE, metadata)


@contextlib.asynccontextmanager
async def a_world(
    *hosts: str,
    config: BlockStorageConfig | None = None,
    more: Mapping[str, Sequence[Fake]] = {},
    servers: VolumeHolders | None = None,
) -> AsyncIterator[World]:
    """A world with these hosts, each with a fake back end called fake, and those with more that have more."""
    own = await a_database()
    world = World(own, FakeClock(), hosts or ("h1",), config or BlockStorageConfig(), more=more, servers=servers)
    await world.begin()
    await world.settle()
    try:
        yield world
    finally:
        await world.engine.stop()
        for backends in world.stores.values():
            for backend in backends.values():
                await backend.close()
        await own.close()
