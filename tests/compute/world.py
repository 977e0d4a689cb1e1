"""Compute with fake hosts, asked through its API, with a clock the test moves."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
from tests.compute.fakes import (
    IMAGE,
    VAULT,
    FakeConsoles,
    FakeDirectory,
    FakeFiles,
    FakeImages,
    FakeNetworks,
    FakePlacement,
    FakeStreams,
)
from tests.postgres import open_with

from pileus.block_storage import agent as volume_agent
from pileus.block_storage import manifest as block_storage
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.drivers.fake import Fake as FakeBackend
from pileus.block_storage.drivers.interface import Backend
from pileus.block_storage.tables import BLOCK_STORAGE
from pileus.compute import manifest
from pileus.compute.agent import KIND, ServerHandler
from pileus.compute.agent.images import ERRAND, ErrandHandler
from pileus.compute.app import Compute
from pileus.compute.config import ComputeConfig
from pileus.compute.drivers.fake import Fake
from pileus.compute.drivers.interface import ABILITIES, Facts
from pileus.compute.tables import COMPUTE
from pileus.image import manifest as image
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
from pileus.main.late import LateHolders
from pileus.network import manifest as network
from pileus.network.drivers.fake import FakeFabric
from pileus.ports.image import Images
from pileus.ports.network import Networks

CALLERS = {
    "alice": Caller(user_id="alice", project_id="p1", roles=frozenset({"member", "reader"})),
    "rita": Caller(user_id="rita", project_id="p1", roles=frozenset({"reader"})),
    "bob": Caller(user_id="bob", project_id="p2", roles=frozenset({"member", "reader"})),
    "root": Caller(user_id="root", project_id="p0", roles=frozenset({"admin", "manager", "member", "reader"})),
    "outsider": Caller(user_id="o", project_id="p1", roles=frozenset()),
}
LATEST = "3.71"  # of block storage
UP_S = 3 * 86400 + 2 * 3600 + 5 * 60  # how long hosts were up when the world began
HOST_FACTS = Facts(
    hostname="h", cpus=4, ram_mib=8192, disk_gib=100, disk_free_gib=90, arch="x86_64", hypervisor="fake",
    hypervisor_version="1.0", accel="none", abilities=ABILITIES,
)  # fmt: skip


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


class World:
    """A cloud of compute alone."""

    def __init__(
        self, db: Database, clock: FakeClock, hosts: tuple[str, ...], config: ComputeConfig,
        survived: "World | None" = None, files: Path | None = None, backends: Mapping[str, Backend] | None = None,
        shared: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.db, self.clock, self.bus = db, clock, LocalBus()
        self.engine = Engine(db, self.bus, clock)
        self.hosts = Hosts(db, self.bus, clock)
        self.placement, self.images, self.networks = FakePlacement(), FakeImages(), FakeNetworks()
        self.drivers: dict[str, Fake] = {}
        for name in hosts:
            self.drivers[name] = Fake(
                clock=clock, facts=HOST_FACTS, files=FakeFiles(self.drivers), streams=FakeStreams(self.drivers)
            )
        if survived is not None:  # what is outside the process that died
            self.placement, self.networks, self.drivers = survived.placement, survived.networks, survived.drivers
            self.images = survived.images
            backends, shared = survived.backends, survived.shared
        self.backends, self.shared = backends or {}, shared or {}
        self.booted_at = int(clock.now().timestamp()) - UP_S
        self.kernel = Kernel(Tokens())
        events = Events(db, self.bus, clock)
        images, networks = cast(Images, self.images), cast(Networks, self.networks)
        if files is not None:  # the services themselves instead of fakes
            networks, images = self._services(events, files)
        self.holders = LateHolders()
        self.storage = self._storage(events, images)
        self.app: Compute = manifest.build(
            db, clock, self.bus, self.engine, self.hosts, events, placement=self.placement, images=images,
            networks=networks, identity=FakeDirectory(), consoles=FakeConsoles(self.drivers),
            files=FakeFiles(self.drivers), vault=VAULT, config=config,
            volumes=block_storage.port(self.storage) if self.backends else None,
        )  # fmt: skip
        self.holders.of = manifest.holders(self.app)
        for flow in manifest.FLOWS:
            self.engine.add(flow, self.app)
        self.hosts.on_seen(lambda kind, id: self.engine.wake_subject(f"{kind}:{id}"))
        self.agents = {name: self._agent(name) for name in hosts}
        self.reconcilers = Reconcilers(manifest.standing(self.app), self.bus, clock)
        self.kernel.mount("compute", manifest.API, self.app)

    def _services(self, events: Events, files: Path) -> tuple[Networks, Images]:
        """The network and image services."""
        built = network.build(
            db=self.db, clock=self.clock, bus=self.bus, hosts=self.hosts, events=events, fabric=FakeFabric()
        )
        self.kernel.mount("network", network.API, built)
        pictures = image.build(db=self.db, clock=self.clock, operations=self.engine, state=files)
        self.kernel.mount("image", image.API, pictures)
        return network.port(built), image.port(pictures)

    def _storage(self, events: Events, images: Images) -> BlockStorage:
        """Block storage, which does nothing where no host keeps volumes."""
        storage = block_storage.build(
            self.db, self.clock, self.bus, self.engine, self.hosts, events, images=images, identity=FakeDirectory(),
            servers=self.holders,
        )  # fmt: skip
        for flow in block_storage.FLOWS if self.backends else ():
            self.engine.add(flow, storage)
        self.kernel.mount("volume", block_storage.API, storage)
        return storage

    def _agent(self, name: str) -> Agent:
        handler = ServerHandler(self.drivers[name])
        errands = ErrandHandler(self.drivers[name].images)
        exchange = LocalExchange(self.hosts, self.bus)
        own = {
            (key.partition("/")[2] or "file"): each
            for key, each in self.backends.items()
            if key.partition("/")[0] == name
        }
        facts = {**msgspec.to_builtins(HOST_FACTS), "booted_at": self.booted_at, "keeps_images": True}
        if own:
            room = {"driver": "file", "total_gib": 1000.0, "free_gib": 900.0, "capabilities": {"multiattach": True}}
            stores = {"shared": self.shared[name]} if name in self.shared else {}
            facts[volume_agent.FACTS] = [{**room, **stores, "name": each} for each in own]
        handlers = volume_agent.handlers(own) if own else {}
        agent = Agent(exchange, name, {KIND: handler, ERRAND: errands, **handlers}, self.clock, facts)
        volume_agent.wake(own, agent.look_again)
        handler.wake(agent.look_again)
        errands.wake(agent.look_again)
        return agent

    async def settle(self, until_s: float | None = None) -> None:
        """Everything that can end has ended."""
        await settle(self.engine, self.clock, *self.agents.values(), self.reconcilers, until_s=until_s)

    async def ask(
        self, method: str, path: str, body: Any = None, *, by: str | None = "alice", at: str = "2.1",
        headers: Mapping[str, str] | None = None, of: str = "compute",
    ) -> Answered:  # fmt: skip
        """What the API says to a caller at a microversion."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent: list[Any] = []
        api = f"volume {LATEST}" if of == "volume" else f"compute {at}"
        given = {"host": "cloud:1", "openstack-api-version": api, **(headers or {})}
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
            "path": f"/{of}{path}",
            "query_string": query.encode(),
            "scheme": "http",
            "headers": [(key.encode(), value.encode()) for key, value in given.items()],
        }
        await self.kernel.http(scope, receive, send)
        answer = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
        text = b"".join(message.get("body", b"") for message in sent[1:])
        is_json = text and "json" in answer.get("content-type", "")
        return Answered(sent[0]["status"], json.loads(text) if is_json else text, answer)

    async def make(self, what: str, *, by: str = "alice", **values: Any) -> str:
        """The id of a new network, subnet, router ..."""
        answered = await self.ask("POST", f"/v2.0/{what}s", {what: values}, by=by, of="network")
        assert 201 == answered.status, answered.body
        return str(answered.body[what]["id"])

    async def flavor(self, id: str = "small", **more: Any) -> str:
        """A flavor to make servers with."""
        flavor = {"id": id, "name": id, "vcpus": 1, "ram": 512, "disk": 1, **more}
        answered = await self.ask("POST", "/v2.1/flavors", {"flavor": flavor}, by="root")
        assert 200 == answered.status, answered.body
        return id

    async def create(self, *, by: str = "alice", at: str = "2.1", **more: Any) -> Answered:
        """Ask for a server."""
        server = {"name": "one", "flavorRef": "small", "imageRef": IMAGE, **more}
        return await self.ask("POST", "/v2.1/servers", {"server": server}, by=by, at=at)

    async def boot(self, *, by: str = "alice", **more: Any) -> str:
        """The id of a server that runs."""
        answered = await self.create(by=by, **more)
        assert 202 == answered.status, answered.body
        await self.settle()
        return str(answered.body["server"]["id"])

    async def show(self, id: str, *, by: str = "alice", at: str = "2.1") -> Any:
        """The server as it is shown."""
        answered = await self.ask("GET", f"/v2.1/servers/{id}", by=by, at=at)
        assert 200 == answered.status, answered.body
        return answered.body["server"]

    async def volume(self, *, by: str = "alice", **more: Any) -> str:
        """The id of a volume that is there."""
        answered = await self.ask("POST", "/v3/volumes", {"volume": {"size": 1, **more}}, by=by, of="volume")
        assert 202 == answered.status, answered.body
        await self.settle()
        return str(answered.body["volume"]["id"])

    async def volume_shown(self, id: str, *, by: str = "alice") -> Any:
        """The volume as it is shown."""
        answered = await self.ask("GET", f"/v3/volumes/{id}", by=by, of="volume")
        return answered.body["volume"] if answered.status == 200 else None

    async def act(self, id: str, *, by: str = "alice", at: str = "2.1", **action: Any) -> Answered:
        """Ask for an action; `_` in its name stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in action.items()}
        return await self.ask("POST", f"/v2.1/servers/{id}/action", named, by=by, at=at)


def backends_of(*hosts: str) -> dict[str, Backend]:
    """A back end for each host, or for each `host/backend`, whose volumes only servers on that host get at."""
    return {name: FakeBackend(name.partition("/")[2] or "file") for name in hosts}


async def a_database() -> Database:
    """An empty database in memory."""
    return await open_with(COMPUTE, BLOCK_STORAGE, metadata)


@contextlib.asynccontextmanager
async def a_city(files: Path) -> AsyncIterator[World]:
    """A world with the network and image services themselves: `private` with a subnet, `public` behind a router, an image."""
    own = await open_with(COMPUTE, network.METADATA, image.METADATA, metadata)
    world = World(own, FakeClock(), ("h1",), ComputeConfig(), files=files)
    await world.settle()
    await world.flavor()
    await _furnish(world)
    try:
        yield world
    finally:
        await world.engine.stop()
        for driver in world.drivers.values():
            await driver.close()
        await own.close()


async def _furnish(world: World) -> None:
    external = {"router:external": True, "provider:network_type": "flat", "provider:physical_network": "external"}
    public = await world.make("network", name="public", by="root", **external)
    await world.make("subnet", by="root", network_id=public, ip_version=4, cidr="172.24.4.0/24")
    private = await world.make("network", name="private")
    subnet = await world.make("subnet", network_id=private, ip_version=4, cidr="10.0.0.0/24")
    router = await world.make("router", external_gateway_info={"network_id": public})
    await world.ask("PUT", f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet}, of="network")
    new = {"id": IMAGE, "name": "guest", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
    assert 201 == (await world.ask("POST", "/v2/images", new, by="root", of="image")).status
    bytes_ = {"content-type": "application/octet-stream"}
    answered = await world.ask("PUT", f"/v2/images/{IMAGE}/file", b"boot" * 512, by="root", of="image", headers=bytes_)
    assert 204 == answered.status, answered.body


@contextlib.asynccontextmanager
async def a_world(
    *hosts: str, config: ComputeConfig | None = None, flavor: bool = True,
    volumes: bool | Sequence[str] = False, shared: Mapping[str, str] | None = None,
) -> AsyncIterator[World]:  # fmt: skip
    """A world with these hosts known to placement, and a small flavor; with `volumes` each, or each of those, keeps some.

    Servers get at those of their own host. Hosts for which `shared` names the same store get at one another's.
    """
    own, names = await a_database(), hosts or ("h1",)
    backends = backends_of(*(names if volumes is True else volumes)) if volumes else None
    world = World(own, FakeClock(), names, config or ComputeConfig(), backends=backends, shared=shared)
    if volumes:
        await block_storage.prepare(world.storage)
    await world.settle()
    if flavor:
        await world.flavor()
    try:
        yield world
    finally:
        await world.engine.stop()
        for driver in world.drivers.values():
            await driver.close()
        await own.close()
