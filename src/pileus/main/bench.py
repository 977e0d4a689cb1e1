"""What an API operation costs: a cloud with fakes in this process, asked through the kernel as a listener would, each kind of
operation by itself.

Wall time says what one process can answer, CPU time what it costs; the latter is the steadier on a shared machine. The listener
and the wire are left out: what they add is the same for all.
"""

import asyncio
import gc
import json
import shutil
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from pileus.compute.app import Compute
from pileus.compute.flows.choice import choose_host
from pileus.compute.store.servers import server_find
from pileus.identity.models import Project, User
from pileus.identity.store.projects import CREATE as PROJECT_CREATE
from pileus.identity.store.users import USER_CREATE
from pileus.kit.flow.operations import OPERATION
from pileus.main.assemble import Cloud, assemble
from pileus.main.blocks import BLOCKS
from pileus.main.credentials import ensure_credentials
from pileus.main.memory import settle_memory
from pileus.main.settings import ExternalNetwork, Settings, VolumeBackend
from pileus.main.state import State

SERVERS = 200
PORTS = 400
READS = 4000
LISTS = 40
LOGINS = 400
VOLUMES = 100
PEOPLE = 100_000
PROJECTS = 10_000
AT_ONCE = 16
PROVIDERS = "/placement/resource_providers"
HOSTS = 1000
PATIENCE_S = 120.0

Op = Callable[[int], Awaitable[object]]


class Measured(msgspec.Struct, frozen=True):
    """One kind of operation; `target` is the least a second, `most_ms` the most it may take, `upstream_ms` of CPU there."""

    name: str
    count: int
    wall_s: float
    cpu_s: float
    target: float | None = None
    most_ms: float | None = None
    upstream_ms: float | None = None

    @property
    def rate(self) -> float:
        """Operations a second."""
        return self.count / self.wall_s

    @property
    def cpu_ms(self) -> float:
        """CPU time an operation."""
        return 1000 * self.cpu_s / self.count

    @property
    def met(self) -> bool:
        """Whether the target is met; what has none always does."""
        by_rate = self.target is None or self.rate >= self.target
        return by_rate and (self.most_ms is None or 1000 * self.wall_s / self.count <= self.most_ms)


class Refused(Exception):
    """The cloud answered a request of the measurement with an error."""


class Bench:
    """A furnished cloud and its user."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._token = ""
        self._password = cloud.frame.state.credentials().passwords["admin"]

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[dict[str, str], bytes]:
        """Headers and body of an answer; raises Refused."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        kind = b"application/octet-stream" if isinstance(body, bytes) else b"application/json"
        given = [(b"host", b"cloud:1"), (b"content-type", kind), (b"openstack-api-version", b"compute 2.90")]
        given += [(b"x-auth-token", self._token.encode()), (b"x-subject-token", self._token.encode())]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        path, _, query = path.partition("?")
        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "scheme": "http",
                 "headers": given}  # fmt: skip
        await self.cloud.frame.kernel.http(scope, receive, send)
        told = b"".join(message.get("body", b"") for message in sent[1:])
        if sent[0]["status"] >= 400:
            raise Refused(f"{method} {path}: {sent[0]['status']} {told[:300]!r}")
        return {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}, told

    async def made(self, path: str, body: Any) -> Any:
        """What a POST answers."""
        return json.loads((await self.ask("POST", path, body))[1])

    async def log_in(self, _at: int = 0) -> None:
        """The user has a new token."""
        domain = {"id": "default"}
        user = {"name": "admin", "domain": domain, "password": self._password}
        scope = {"project": {"name": "admin", "domain": domain}}
        auth = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        self._token = (await self.ask("POST", "/identity/v3/auth/tokens", auth))[0]["x-subject-token"]

    async def furnish(self) -> dict[str, Any]:
        """What servers are made of, as the body of a request for one; quotas are out of the way."""
        flavor = {"id": "1", "name": "tiny", "vcpus": 1, "ram": 64, "disk": 1}
        await self.made("/compute/v2.1/flavors", {"flavor": flavor})
        about = {"name": "bench", "disk_format": "raw", "container_format": "bare"}
        image = (await self.made("/image/v2/images", about))["id"]
        await self.ask("PUT", f"/image/v2/images/{image}/file", bytes(4096))
        network = (await self.made("/network/v2.0/networks", {"network": {"name": "bench"}}))["network"]
        subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.64.0.0/16"}
        await self.made("/network/v2.0/subnets", {"subnet": subnet})
        project = network["project_id"]
        quota = {"quota": {"port": -1}}
        await self.ask("PUT", f"/network/v2.0/quotas/{project}", quota)
        limits = {"quota_set": {"instances": -1, "cores": -1, "ram": -1}}
        await self.ask("PUT", f"/compute/v2.1/os-quota-sets/{project}", limits)
        return {"flavorRef": "1", "imageRef": image, "networks": [{"uuid": network["id"]}]}

    async def populate(self, users: int, projects: int) -> None:
        """There are so many users and projects, whose ids are numbers."""
        db = self.cloud.frame.db
        async with db.transaction():
            for at in range(projects):
                project = Project(id=f"{at:032x}", name=f"bench {at}", domain_id="default", parent_id="default")
                await db.run(PROJECT_CREATE, **msgspec.structs.asdict(project))
            for at in range(users):
                user = User(id=f"{at:032x}", name=f"bench {at}", domain_id="default")
                await db.run(USER_CREATE, **msgspec.structs.asdict(user))

    async def volumes(self) -> list[Any]:
        """All volumes."""
        return list(json.loads((await self.ask("GET", "/volume/v3/volumes/detail"))[1])["volumes"])

    async def expect_active(self, count: int) -> None:
        """So many servers run, and no other is there; raises Refused."""
        states: Counter[str] = Counter()
        path = "/compute/v2.1/servers/detail?limit=1000"
        while path:
            page = json.loads((await self.ask("GET", path))[1])
            states.update(one["status"] for one in page["servers"])
            links = [link["href"] for link in page.get("servers_links", ())]
            path = links[0].partition("cloud:1")[2] if links else ""
        if states != {"ACTIVE": count}:
            raise Refused(f"servers are {dict(states)}")

    async def until_quiet(self) -> None:
        """No operation is under way."""
        end = time.monotonic() + PATIENCE_S
        engine = self.cloud.frame.engine
        while due := await engine.book.due():
            await engine.wait_ended(due[0], end - time.monotonic())

    async def until_hosted(self, hosts: int = 1) -> None:
        """Servers can be placed on so many hosts."""
        with self.cloud.frame.bus.subscribe(OPERATION) as woken:
            while hosts > len(json.loads((await self.ask("GET", PROVIDERS))[1])["resource_providers"]):
                await woken.next(0.05)

    async def join_hosts(self, count: int) -> None:
        """So many more hosts are known, and heard of now; they run nothing, but take servers."""
        hosts = self.cloud.frame.hosts
        (own,) = await hosts.list()
        for number in range(count):
            await hosts.register(f"far-{number}", {**own.facts, "hostname": f"far-{number}"})
        await self.until_hosted(count)

    async def scheduler(self, server_id: str) -> Op:
        """What gives a host to one more server that is like this one."""
        app = self.cloud.frame.kernel.mounts["compute"].app
        assert isinstance(app, Compute)
        like = await server_find(app, server_id)
        assert like is not None

        async def place(_at: int) -> None:
            claim = await choose_host(app, msgspec.structs.replace(like, id=str(uuid.uuid4())), {})
            if isinstance(claim, str):
                raise Refused(claim[:300])

        return place


async def measure(say: Callable[[Measured], None]) -> list[Measured]:
    """Every kind of operation has been measured, each told as soon as it is."""
    done: list[Measured] = []

    async def take(name: str, count: int, op: Op, *, at_once: int = 1, after: Op | None = None, **more: float) -> None:
        async def work() -> None:
            await many(count, op, at_once)
            if after is not None:
                await after(count)

        await op(-1) if after is None else None
        done.append(await timed(name, count, work, **more))
        say(done[-1])

    async with furnished() as (bench, server):
        ask = bench.ask
        await take("GET without database", READS, lambda _: ask("GET", "/network/v2.0/extensions/router"), target=8000)
        await take("the same, with a token and policy", READS,
                   lambda _: ask("GET", "/compute/v2.1/extensions/os-consoles"), target=8000)  # fmt: skip
        await _tokens_and_volumes(bench, take)
        port = {"port": {"network_id": server["networks"][0]["uuid"], "name": "bench"}}
        await take("port create", PORTS, lambda _: ask("POST", "/network/v2.0/ports", port), at_once=AT_ONCE,
                   target=400, upstream_ms=173)  # fmt: skip
        ids: list[str] = []

        async def boot(at: int) -> None:
            ids.append(
                (await bench.made("/compute/v2.1/servers", {"server": {**server, "name": f"b{at}"}}))["server"]["id"]
            )

        await take("boot a server until it runs", SERVERS, boot, at_once=AT_ONCE, after=lambda _: bench.until_quiet(),
                   target=100, upstream_ms=1888)  # fmt: skip
        await take("GET one server", READS // 2, lambda at: ask("GET", f"/compute/v2.1/servers/{ids[at % SERVERS]}"),
                   target=3000, upstream_ms=90.9)  # fmt: skip
        await take("list 200 servers in detail", LISTS, lambda _: ask("GET", "/compute/v2.1/servers/detail?limit=200"),
                   most_ms=15, upstream_ms=1660)  # fmt: skip
        place = await bench.scheduler(ids[0])
        await take("delete a server until it is gone", SERVERS,
                   lambda at: ask("DELETE", f"/compute/v2.1/servers/{ids[at]}"), at_once=AT_ONCE,
                   after=lambda _: bench.until_quiet(), upstream_ms=795)  # fmt: skip
        await bench.join_hosts(HOSTS)
        await take(f"choose one of {HOSTS:,} hosts", SERVERS, place, most_ms=5)
        await _lists_of_many(bench, take)
    return done


async def _tokens_and_volumes(bench: Bench, take: Callable[..., Awaitable[None]]) -> None:
    """Logging in has been measured, and telling what a token stands for; then volumes, which need nothing else."""
    await take("token by password", LOGINS, bench.log_in, at_once=AT_ONCE, target=300, upstream_ms=354)
    await take("token validate", READS // 2, lambda _: bench.ask("GET", "/identity/v3/auth/tokens"), target=5000,
               upstream_ms=9.26)  # fmt: skip
    await _volumes(bench, take)


async def _volumes(bench: Bench, take: Callable[..., Awaitable[None]]) -> None:
    """Blank volumes have been made until they were available, pretended ones and files."""
    await bench.made("/volume/v3/volumes", {"volume": {"size": 1, "name": "first"}})
    await bench.until_quiet()
    project = (await bench.volumes())[0]["os-vol-tenant-attr:tenant_id"]
    unlimited = {"quota_set": {"volumes": -1, "gigabytes": -1}}
    await bench.ask("PUT", f"/volume/v3/os-quota-sets/{project}", unlimited)
    for kind, target in (("fake", 100), ("file", 20)):
        type = {"volume_type": {"name": kind, "extra_specs": {"volume_backend_name": kind}}}
        await bench.made("/volume/v3/types", type)

        def create(at: int, kind: str = kind) -> Awaitable[object]:
            volume = {"volume": {"size": 1, "name": f"{kind} {at}", "volume_type": kind}}
            return bench.ask("POST", "/volume/v3/volumes", volume)

        await take(f"blank volume until it is available, {kind}", VOLUMES, create, at_once=AT_ONCE,
                   after=lambda _: bench.until_quiet(), target=target)  # fmt: skip
        states = {each["status"] for each in await bench.volumes()}
        if states != {"available"}:
            raise Refused(f"volumes are {', '.join(sorted(states))}")


async def _lists_of_many(bench: Bench, take: Callable[..., Awaitable[None]]) -> None:
    """Pages of long lists have been measured, wherever in the list they begin."""
    await bench.populate(PEOPLE, PROJECTS)
    for kind, there_are in (("users", PEOPLE), ("projects", PROJECTS)):

        def page(at: int, kind: str = kind, each: int = there_are // LISTS) -> Awaitable[object]:
            return bench.ask("GET", f"/identity/v3/{kind}?limit=100&marker={abs(at) * each:032x}")

        await take(f"list 100 of {there_are:,} {kind}", LISTS, page, most_ms=20)


async def timed(name: str, count: int, work: Callable[[], Awaitable[object]], **more: float) -> Measured:
    """What so many operations took; `more` are the targets."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return msgspec.convert({"name": name, "count": count, "wall_s": wall, "cpu_s": cpu, **more}, Measured)


async def many(count: int, op: Op, at_once: int) -> None:
    """The operation is done so often, so many at a time."""
    if at_once == 1:
        for at in range(count):
            await op(at)
        return
    left = iter(range(count))

    async def worker() -> None:
        for at in left:
            await op(at)

    await asyncio.gather(*(worker() for _ in range(at_once)))


@asynccontextmanager
async def furnished() -> AsyncIterator[tuple[Bench, dict[str, Any]]]:
    """A cloud with fakes in a directory of its own, gone afterwards, and what a server in it is made of."""
    path = Path(tempfile.mkdtemp(prefix="pileus-bench-"))
    settings = Settings(
        compute_driver="fake", network_driver="fake", host_name="bench", external=ExternalNetwork(cidr=BLOCKS[0]),
        volume_backends={name: VolumeBackend(driver=name) for name in ("fake", "file")},
    )  # fmt: skip
    try:
        state = State(path)
        state.create()
        ensure_credentials(state, settings)
        cloud = await assemble(state, settings)
        before = gc.get_threshold()
        settle_memory()
        await cloud.start()
        try:
            bench = Bench(cloud)
            await bench.log_in()
            await bench.until_hosted()
            yield bench, await bench.furnish()
        finally:
            await cloud.stop()
            gc.set_threshold(*before)
            gc.unfreeze()
    finally:
        shutil.rmtree(path)
