"""Wiring: configuration to collaborators, collaborators to services, services to one another.

Nobody else knows every part. A service that is left out of the configuration is not even imported; what needs it is
then left out too, or says so.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs

import msgspec

from pileus import __version__
from pileus.block_storage.drivers.backup_objects import ObjectChunks
from pileus.block_storage.drivers.interface import Backend
from pileus.identity import manifest as identity
from pileus.identity.app import Identity
from pileus.kit.bus import Bus, open_bus
from pileus.kit.clock import SystemClock
from pileus.kit.db import Database
from pileus.kit.db.database import is_postgres
from pileus.kit.db.starting import one_at_a_time
from pileus.kit.errors import Problem
from pileus.kit.flow.engine import Engine
from pileus.kit.flow.leases import BEAT_S, Leases
from pileus.kit.flow.retention import Living, Retention
from pileus.kit.flow.standing import Reconcilers, Standing
from pileus.kit.hosts.agent import Agent
from pileus.kit.hosts.asks import Asks
from pileus.kit.hosts.control import Hosts
from pileus.kit.hosts.dial import Address, Dialler
from pileus.kit.hosts.gate import ExchangeRoutes
from pileus.kit.hosts.listeners import Listeners
from pileus.kit.hosts.local import LocalExchange
from pileus.kit.hosts.members import Members
from pileus.kit.hosts.relay import OwnAnswers, Relay
from pileus.kit.http import Kernel, Reply
from pileus.kit.http.openapi import document
from pileus.kit.http.server import Application
from pileus.kit.http.socket import Socket, SocketHandler
from pileus.kit.observe.events import Events, Lasting
from pileus.kit.observe.log import log_of
from pileus.main import machine, object_certificates
from pileus.main.backup_stores import BackupRoutes
from pileus.main.certificates import share_authority
from pileus.main.first_logins import FirstLogins
from pileus.main.gate import Gate
from pileus.main.host_certificates import controller_certificate, host_tls
from pileus.main.host_needs import AllConsoles, ConsoleAnswers, ImageRoutes, MetadataRoutes
from pileus.main.late import LateHolders, LateObjects
from pileus.main.object_hosts import ObjectHosts, seed_of
from pileus.main.object_rings import RingRoutes
from pileus.main.policies import policy_files
from pileus.main.roster import Roster
from pileus.main.schema import ensure_schema
from pileus.main.server_files import AllServerFiles, Connects, FileAnswers, FileRoutes, HostStreams
from pileus.main.server_passwords import PasswordRoutes
from pileus.main.server_streams import AllServerStreams, StreamAnswers, StreamRoutes
from pileus.main.settings import Settings
from pileus.main.state import State
from pileus.main.volume_backends import copy_attached, volume_backends, volume_ways
from pileus.main.volume_files import AllVolumeFiles, BytesAnswers, VolumeFileRoutes
from pileus.main.volume_needs import LinkKeyRoutes, VolumeKeyRoutes
from pileus.main.watching import Watching
from pileus.ports.metadata import Answer, MetadataAnswers

log = log_of(__name__)

FORGET_EVERY_S = 3600.0
LONGEST_PAUSE_S = 30.0
JSON = {"Content-Type": "application/json"}


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What every service stands on."""

    state: State
    settings: Settings
    db: Database
    clock: SystemClock
    bus: Bus
    leases: Leases | None  # None where no other controller can be
    engine: Engine
    hosts: Hosts
    events: Events
    kernel: Kernel


class Cloud:
    """All parts of one cloud, wired."""

    def __init__(
        self,
        frame: Frame,
        application: Application,
        reconcilers: Reconcilers,
        agent: Agent | None,
        wired: "_Wired",
        gate: Gate,
    ) -> None:
        self.frame = frame
        self._gate = gate
        self.application = application
        self._reconcilers = reconcilers
        self._agent = agent
        self._wired = wired
        self._parts = wired.parts

    @property
    def parts(self) -> machine.NetworkParts | None:
        """The network's drivers on this machine."""
        return self._parts

    async def start(self) -> None:
        """Everything that goes on by itself goes on."""
        pause_s = 1.0
        await self.frame.hosts.listen()
        try:
            await self._gate.start()
        except Exception as failed:  # noqa: BLE001  what runs here runs on; the log says why others are not answered
            log.broke("hosts from afar are not answered", failed)
        while self._parts is not None:
            try:
                await self._parts.start()
                break
            except Exception as failed:  # noqa: BLE001  the APIs answer meanwhile, and the log says what is wrong
                log.broke("the network does not start", failed, again_in_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        if self.frame.leases is not None:
            await self.frame.leases.start()
        await self._reconcilers.start()
        await self.frame.engine.start()
        if self._agent is not None:
            await self._only_agent()
            await self._agent.start()
            log.info("the host is at work")

    async def _only_agent(self) -> None:
        """No other controller acts for this host; two of them would undo each other's work."""
        leases, host = self.frame.leases, machine.host_name(self.frame.settings)
        warned = False
        while leases is not None:
            try:
                if await leases.has(f"agent of {host}"):
                    return
            except Exception as failed:  # noqa: BLE001  the database may be away; the log says so
                log.broke("whose this host is cannot be read", failed)
            if not warned:
                remedy = "agent = false, or another host_name"
                log.error("another controller acts for this host: this one waits", host=host, remedy=remedy)
                warned = True
            await asyncio.sleep(BEAT_S)

    async def stop(self) -> None:
        """Nothing goes on any more in this process; servers and networks are left as they are."""
        await self._gate.close()
        if self._agent is not None:
            await self._agent.stop()
        await self.frame.engine.stop()
        await self._reconcilers.stop()
        if self.frame.leases is not None:
            await self.frame.leases.stop()
        if self._parts is not None:
            await self._parts.close()
        await self._wired.close()
        await self.frame.bus.close()
        await self.frame.db.close()


class _Answers:
    """Metadata answers of compute, which is built after the network that asks for them."""

    def __init__(self) -> None:
        self.of: MetadataAnswers | None = None

    async def answer(
        self, network_id: str, source_ip: str, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        if self.of is None:
            return Answer(503)
        return await self.of.answer(network_id, source_ip, method, path, headers, body)


async def assemble(state: State, settings: Settings) -> Cloud:
    """The cloud in a state directory, ready to be started; its database is up to date."""
    address = settings.database or state.database
    # Others may start on the same database right now, and would make the same first users, keys and entries of the catalog.
    async with one_at_a_time(address):
        return await _assembled(state, settings, address)


async def _assembled(state: State, settings: Settings, address: str | Path) -> Cloud:
    manifests = _manifests(settings)
    if settings.identity.keys_dir and not share_authority(state, Path(settings.identity.keys_dir)):
        remedy = (
            "hosts that joined here cannot be reached by the others; move them: remove, then join another controller"
        )
        log.error("this controller has an authority of its own", authority=str(state / "ca.pem"), remedy=remedy)
    if address is state.database:
        # Hashes of passwords and what users gave their servers are in there; its journal takes the same mode.
        state.database.touch(mode=0o600)
    await ensure_schema(address, [name for name, manifest in manifests.items() if hasattr(manifest, "METADATA")])
    db = await Database.open(address)
    clock, bus = SystemClock(), await open_bus(address)
    audit = Lasting("identity.", settings.identity.audit_kept, timedelta(days=settings.identity.audit_kept_days))
    events = Events(db, bus, clock, lasting=audit)
    people = identity.build(db=db, clock=clock, state=state.path, config=settings.identity, events=events)
    directory = identity.IdentityPort(people)
    leases = Leases(db, bus, clock, f"{socket.gethostname()}:{state.path}") if is_postgres(address) else None
    frame = Frame(
        state=state,
        settings=settings,
        db=db,
        clock=clock,
        bus=bus,
        leases=leases,
        engine=Engine(db, bus, clock, leases=leases),
        hosts=Hosts(db, bus, clock),
        events=events,
        kernel=Kernel(directory, directory.certificate),
    )
    frame.hosts.on_seen(lambda kind, id: frame.engine.wake_subject(f"{kind}:{id}"))
    _mount(frame, identity, people)
    await _bootstrap(frame, people, manifests)
    cloud = await _services(frame, manifests, directory)
    _plain_pages(frame, manifests)
    return cloud


def _manifests(settings: Settings) -> dict[str, Any]:
    """The manifest of each service that is wanted."""
    from importlib import import_module

    return {name: import_module(f"pileus.{name}.manifest") for name in settings.services}


def _mount(frame: Frame, manifest: ModuleType, app: object) -> None:
    frame.kernel.mount(manifest.MOUNT, manifest.API, app)
    for flow in manifest.FLOWS:
        frame.engine.add(flow, app)


async def _bootstrap(frame: Frame, people: Identity, manifests: Mapping[str, Any]) -> None:
    """The first users can log in, and the catalog tells where the services are."""
    entries = []
    for manifest in manifests.values():
        kind, name, description, path = manifest.CATALOG
        for alias, called in ((kind, name), *getattr(manifest, "ALIASES", ())):
            entries.append(identity.ServiceEntry.at(alias, called, description, f"/{manifest.MOUNT}{path}"))
        entries += [identity.ServiceEntry.at(*further) for further in getattr(manifest, "ALSO", ())]
    passwords = frame.state.credentials().passwords
    settings = frame.settings
    await identity.bootstrap(
        people, admin_password=passwords["admin"], public_url=settings.url, region=settings.region, services=entries
    )
    await identity.make_demo(people, passwords["demo"])


async def _services(frame: Frame, manifests: Mapping[str, Any], directory: identity.IdentityPort) -> Cloud:
    """Every other service, mounted; and this machine as a host of theirs."""
    wired = _Wired(frame, manifests, directory)
    standing: list[Standing] = [Standing("forget what is old", FORGET_EVERY_S, wired.forget)]
    sockets: dict[str, SocketHandler] = {}
    if "placement" in manifests:
        wired.placement()
    if "image" in manifests:
        standing += wired.image()
    if "network" in manifests:
        standing += wired.network()
    if "block_storage" in manifests:
        standing += await wired.block_storage()
    if "compute" in manifests:
        standing += wired.compute()
        sockets["/console/websocket"] = wired.console
    if "object_store" in manifests:
        standing += wired.object_store()
    policies = policy_files(frame.state.path, frame.kernel, manifests, frame.clock)
    policies.take()
    standing.append(policies.standing())
    reconcilers = Reconcilers(standing, frame.bus, frame.clock, frame.leases)
    own = machine.host_name(frame.settings) if frame.settings.agent else None
    Watching(frame.db, frame.clock, frame.hosts, reconcilers, list(manifests), own).serve(frame.kernel)
    agent = await wired.agent()
    return Cloud(frame, Application(frame.kernel, sockets), reconcilers, agent, wired, wired.gate())


class _Wired:
    """Services on their way to being wired; each verb adds one, in the order in which they need one another."""

    def __init__(self, frame: Frame, manifests: Mapping[str, Any], directory: identity.IdentityPort) -> None:
        self._frame = frame
        self._manifests = manifests
        self._directory = directory
        self._answers = _Answers()
        self._late_objects = LateObjects()
        self._late_holders = LateHolders()
        self._ports: dict[str, Any] = {}
        self._compute: Any = None
        self._consoles: machine.LocalConsoles | None = None
        self._files: AllServerFiles | None = None
        self._streams: AllServerStreams | None = None
        listeners = Listeners(frame.db, frame.leases.name) if frame.leases is not None else None
        self._asks = Relay(Asks(), listeners, self._controller_at)
        self._living: dict[str, Living] = {}
        self.parts: machine.NetworkParts | None = None
        self.volumes: dict[str, Backend] = {}
        # A controller that is no host has nothing on its machine, whatever that is called.
        self._own = own = machine.host_name(frame.settings) if frame.settings.agent else ""
        self._volume_bytes = BytesAnswers(own, self.volumes, frame.state / "cache" / "leaving")
        self._volume_files = AllVolumeFiles(own, self._volume_bytes, self._asks, frame.state / "cache" / "arriving")

    def _controller_at(self, where: Address) -> Dialler:
        """A way to ask another controller, as this one."""
        own = controller_certificate(self._frame.state)
        return Dialler(where, host_tls(Path(own.authority).read_text(), own))

    async def forget(self) -> str | None:
        """Events and operations beyond what is kept are gone."""
        frame = self._frame
        await frame.events.forget_old()
        gone = await Retention(frame.db, frame.clock, self._living).forget_old()
        return f"{gone} old operations forgotten" if gone else None

    def placement(self) -> None:
        """Placement is mounted."""
        manifest = self._manifests["placement"]
        app = manifest.build(db=self._frame.db, clock=self._frame.clock)
        self._ports["placement"] = manifest.port(app)
        _mount(self._frame, manifest, app)

    def image(self) -> list[Standing]:
        """Images are mounted."""
        frame, manifest = self._frame, self._manifests["image"]
        app = manifest.build(
            db=frame.db,
            clock=frame.clock,
            operations=frame.engine,
            state=frame.state.path,
            config=frame.settings.image,
            limits=self._directory,
            directory=self._directory,
            objects=self._late_objects if "object_store" in self._manifests else None,
            region=frame.settings.region,
        )
        self._ports["image"] = manifest.port(app)
        _mount(frame, manifest, app)
        app.guard.enforcer = frame.kernel.mounts[manifest.MOUNT].enforcer
        return list(manifest.standing(app))

    def network(self) -> list[Standing]:
        """Networks are mounted, over the drivers of this machine."""
        frame, manifest = self._frame, self._manifests["network"]
        self.parts = machine.network_parts(frame.state, frame.settings, self._answers)
        app = manifest.build(
            db=frame.db,
            clock=frame.clock,
            bus=frame.bus,
            hosts=frame.hosts,
            events=frame.events,
            fabric=self.parts.fabric,
            config=frame.settings.network,
        )
        self._ports["network"] = manifest.port(app)
        _mount(frame, manifest, app)
        # Without an agent the fabric is another controller's, and so is keeping it.
        return list(manifest.standing(app)) if frame.settings.agent else []

    def compute(self) -> list[Standing]:
        """Servers are mounted; metadata is answered from them."""
        frame, manifest = self._frame, self._manifests["compute"]
        own = self._own
        self._consoles = machine.LocalConsoles(own)
        spool = frame.state / "cache" / "arriving"
        files, landings = FileAnswers(own, self._consoles), StreamAnswers(own, self._consoles)
        self._files = AllServerFiles(own, files, self._asks, spool)
        self._streams = AllServerStreams(own, frame.hosts, landings, self._asks)
        if own:
            consoles = ConsoleAnswers(own, self._consoles)
            named: dict[str, Connects] = {"file": files, "landing": landings, "disk": self._volume_bytes}
            self._asks.own = OwnAnswers(own, consoles.tell, HostStreams(named, consoles).connect)
        app = manifest.build(
            db=frame.db,
            clock=frame.clock,
            bus=frame.bus,
            engine=frame.engine,
            hosts=frame.hosts,
            events=frame.events,
            placement=self._ports["placement"],
            images=self._ports["image"],
            networks=self._ports["network"],
            identity=self._directory,
            consoles=AllConsoles(own, self._consoles, self._asks),
            files=self._files,
            vault=identity.vault(frame.state.path, frame.settings.identity),
            volumes=self._ports.get("block_storage"),
            config=frame.settings.compute,
        )
        self._compute = app
        self._late_holders.of = manifest.holders(app)
        self._living |= manifest.living(app)
        if hasattr(manifest, "metadata_answers"):
            self._answers.of = manifest.metadata_answers(app)
        _mount(frame, manifest, app)
        return list(manifest.standing(app))

    def object_store(self) -> list[Standing]:
        """Object storage is mounted: it answers HTTP by itself."""
        frame, manifest = self._frame, self._manifests["object_store"]
        app = self._objects(manifest)
        login = FirstLogins(frame.kernel, frame.clock)
        answers = manifest.api(app, login) if app is not None else manifest.elsewhere
        for name in (manifest.MOUNT, *manifest.ROOT_PAGES):
            frame.kernel.raw[name] = answers
        s3 = manifest.s3(app, self._directory) if app is not None else None
        frame.kernel.raw[manifest.S3_MOUNT] = s3 or manifest.elsewhere
        if s3 is not None:
            frame.kernel.others += [(s3.claims, s3), (answers.claims, answers)]
        if app is not None and frame.settings.object_store.cname_lookup:
            aliases = manifest.aliases(app, answers)
            frame.kernel.others.append((aliases.claims, aliases))
        return list(manifest.standing(app)) if app is not None else []

    def _objects(self, manifest: ModuleType) -> Any:
        """Object storage over this machine's disks, or those of others; None where nobody said who has some."""
        frame = self._frame
        state, options = frame.state / "objects", frame.settings.object_store
        shared = {"people": self._directory, "clock": frame.clock, "state": state, "config": options}
        tls = object_certificates.ClientTls(frame.state)
        if frame.settings.agent:
            app = manifest.build(**shared, tls=tls)
        elif options.seed:
            object_certificates.ensure_controller(frame.state)
            app = manifest.build_elsewhere(**shared, host=None, seed=seed_of(options.seed), tls=tls)
        else:
            return None
        self._ports["object_store"] = app
        self._late_objects.of = manifest.port(app)
        return app

    async def close(self) -> None:
        """What services hold open themselves is closed."""
        if "object_store" in self._ports:
            await self._ports["object_store"].close()
        await self._volume_bytes.close()
        for backend in self.volumes.values():
            await backend.close()

    async def block_storage(self) -> list[Standing]:
        """Volumes are mounted."""
        frame, manifest = self._frame, self._manifests["block_storage"]
        app = manifest.build(
            frame.db,
            frame.clock,
            frame.bus,
            frame.engine,
            frame.hosts,
            frame.events,
            images=self._ports.get("image"),
            identity=self._directory,
            vault=identity.vault(frame.state.path, frame.settings.identity),
            servers=self._late_holders,
            files=self._volume_files,
            config=frame.settings.block_storage,
        )
        await manifest.prepare(app)
        self._ports["block_storage"] = manifest.port(app)
        self._living |= manifest.living(app)
        _mount(frame, manifest, app)
        return list(manifest.standing(app))

    async def console(self, socket: Socket) -> None:
        """A browser talks to a server's console."""
        await self._manifests["compute"].console_socket(self._compute, socket)

    def gate(self) -> Gate:
        """Where hosts from afar come in."""
        frame, parts = self._frame, self.parts
        members = Members(frame.db, frame.clock)
        own = machine.host_name(frame.settings)
        roster = Roster(frame.db, frame.clock, frame.hosts, members, own, parts.forget if parts is not None else None)
        roster.compute = self._compute
        routes = {**ExchangeRoutes(LocalExchange(frame.hosts, frame.bus)).routes(), **self._asks.routes()}
        if "image" in self._ports:
            routes |= ImageRoutes(frame.state, frame.hosts, self._ports["image"]).routes()
        if self._files is not None:
            routes |= FileRoutes(frame.hosts, self._files).routes()
        if "block_storage" in self._ports:
            routes |= VolumeKeyRoutes(frame.hosts, self._ports["block_storage"].keys).routes()
            routes |= LinkKeyRoutes(frame.hosts, self._ports["block_storage"].ways).routes()
            routes |= VolumeFileRoutes(frame.hosts, self._volume_files).routes()
            routes |= BackupRoutes(frame.hosts, ObjectChunks(self._late_objects)).routes()
        if self._streams is not None:
            routes |= StreamRoutes(self._streams).routes()
        if self._compute is not None:
            given = self._manifests["compute"].given_passwords(self._compute)
            routes |= PasswordRoutes(frame.hosts, given).routes()
        objects = ObjectHosts(frame.state, self._ports.get("object_store"), frame.settings.object_store.listen)
        routes |= objects.routes()
        roster.objects = objects
        if "network" in self._ports:
            routes |= MetadataRoutes(frame.hosts, self._answers, self._ports["network"].server_at).routes()
        span = parts.span if parts is not None and frame.settings.agent else None
        rings = RingRoutes(self._ports.get("object_store")).routes()
        gate = Gate(frame.state, frame.settings, members, roster, routes, span, owner_routes=rings)
        gate.objects, gate.relay = objects, self._asks
        return gate

    async def agent(self) -> Agent | None:
        """The agent of this machine, if there is anything to do for it."""
        frame, files, streams = self._frame, self._files, self._streams
        if self.parts is None or self._consoles is None or files is None or streams is None or not frame.settings.agent:
            return None
        keys = self._ports["block_storage"].keys if "block_storage" in self._ports else None
        runs = machine.hypervisor(
            frame.state, frame.settings, self._ports["image"], self.parts.plug, frame.clock, files=files,
            streams=streams, keys=keys, passwords=self._manifests["compute"].given_passwords(self._compute),
        )  # fmt: skip
        self._consoles.of = runs
        exchange, name = LocalExchange(frame.hosts, frame.bus), machine.host_name(frame.settings)
        objects = ObjectChunks(self._late_objects)
        images, far = self._ports["image"], self._volume_files
        self.volumes |= volume_backends(frame.state, frame.settings, images, name, far=far, keys=keys, objects=objects)
        copy_attached(self.volumes, runs)
        self._volume_bytes.copy_attached(runs)
        own_ways = self._ports["block_storage"].ways if "block_storage" in self._ports else None
        ways = volume_ways(frame.state, frame.settings, name, self.volumes, own_ways)
        return await machine.agent(name, exchange, runs, self.parts, frame.clock, (self.volumes, ways))


def _plain_pages(frame: Frame, manifests: Mapping[str, Any]) -> None:
    """What is served outside the services: the list of them, OpenAPI documents, console pages."""
    plain = frame.kernel.plain
    encode = msgspec.json.encode

    def root(address: str) -> Reply:
        services = {
            manifest.CATALOG[0]: f"{address}/{manifest.MOUNT}{manifest.CATALOG[3]}" for manifest in manifests.values()
        }
        return Reply(200, encode({"pileus": __version__, "services": services}), dict(JSON))

    plain["/"] = root
    for name, manifest in manifests.items():
        frame.kernel.pages[f"/openapi/{name.replace('_', '-')}.json"] = (
            _openapi(manifest) if hasattr(manifest, "API") else _described(manifest)
        )
    if "compute" in manifests:
        from pileus.dashboard.consoles import pages

        plain.update(pages())


def _described(manifest: Any) -> Callable[[str], Awaitable[Reply]]:
    """The page with the document of a service that describes itself."""
    made = msgspec.json.encode(manifest.openapi(__version__))

    async def page(_query: str) -> Reply:
        return Reply(200, made, dict(JSON))

    return page


def _openapi(manifest: Any) -> Callable[[str], Awaitable[Reply]]:
    """The page with a service's document: at the newest microversion, or at `?microversion=2.25`."""

    async def page(query: str) -> Reply:
        given = parse_qs(query).get("microversion", [""])[-1]
        spoken = manifest.API.microversions
        try:
            at = spoken.chosen(f"{spoken.service_type} {given}", None) if given and spoken else None
        except Problem as unknown:
            why = {"error": {"code": 404, "title": "Not Found", "message": str(unknown)}}
            return Reply(404, msgspec.json.encode(why), dict(JSON))
        made = document(manifest.API, mount=manifest.MOUNT, release=__version__, at=at)
        return Reply(200, msgspec.json.encode(made), dict(JSON))

    return page
