"""This machine as a host of the cloud: what runs servers here, what plugs them in, and the agent that does as wanted."""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping

import msgspec

from pileus.block_storage import agent as volume_agent
from pileus.block_storage.drivers.interface import Backend
from pileus.compute.agent import KIND, ServerHandler
from pileus.compute.agent.images import ERRAND, ErrandHandler
from pileus.compute.drivers.interface import (
    ConsoleKind,
    DriverError,
    Hypervisor,
    KeepsImages,
    OpensConsole,
    ShowsConsoleLog,
)
from pileus.kit.clock import Clock
from pileus.kit.errors import Unavailable
from pileus.kit.hosts.agent import Agent, Handler
from pileus.kit.hosts.exchange import Body, Exchange
from pileus.main.certificates import Certificate
from pileus.main.settings import Settings
from pileus.main.southbound import inner_address
from pileus.main.state import State, guest_cache
from pileus.main.volume_backends import VolumeWays
from pileus.network.agent.metadata import METADATA, MetadataHandler
from pileus.network.drivers.fake import FakeFabric, FakeMetadataDoors, FakePlug
from pileus.network.drivers.interface import Fabric, MetadataDoors
from pileus.network.drivers.ovn.daemons import Settings as OvnSettings
from pileus.network.drivers.ovn.daemons import Tls
from pileus.network.drivers.ovn.host import OvnHost
from pileus.ports.consoles import ConsoleName
from pileus.ports.given_passwords import GivenPasswords
from pileus.ports.image_files import ImageFiles
from pileus.ports.metadata import Answer, MetadataAnswers
from pileus.ports.plug import Plug
from pileus.ports.server_files import ServerFiles
from pileus.ports.server_streams import ServerStreams
from pileus.ports.volume_keys import VolumeKeys


class NoConsole(Unavailable):
    """Host {host} cannot show consoles now."""


def host_name(settings: Settings) -> str:
    """The name this machine has as a host."""
    return settings.host_name or socket.gethostname()


class FarNetwork(msgspec.Struct, frozen=True):
    """What connects a host's networks with others': its address, the southbound database, and who it is."""

    address: str
    southbound: str
    own: Certificate


class NetworkParts(msgspec.Struct, frozen=True):
    """The network's drivers on this machine."""

    fabric: Fabric
    plug: Plug
    doors: MetadataDoors
    physical_networks: tuple[str, ...]
    ovn: OvnHost | None = None

    async def start(self) -> None:
        """Daemons run and the fabric answers."""
        if self.ovn is not None:
            await self.ovn.start()
        await self.fabric.start()

    async def close(self) -> None:
        """This process has let go of the network; the network goes on."""
        await self.fabric.stop()
        if self.ovn is not None:
            await self.ovn.close()

    async def span(self, host: str, port: int, own: Certificate) -> None:
        """Networks reach hosts from afar, which reach us at that address; a relay of OVN's southbound database is behind it."""
        if self.ovn is not None:
            relay = f"{port}:{inner_address(host)}"
            await self.ovn.span(host, relay, Tls(own.certificate, own.key, own.authority))

    async def forget(self, host: str) -> None:
        """The network knows nothing of a host that was removed."""
        if self.ovn is not None:
            await self.ovn.forget(host)


class FarParts(msgspec.Struct, frozen=True):
    """The network's drivers on a host that joined: the fabric is the controller's."""

    plug: Plug
    doors: MetadataDoors
    ovn: OvnHost | None = None
    physical_networks: tuple[str, ...] = ()

    async def start(self) -> None:
        """Daemons run."""
        if self.ovn is not None:
            await self.ovn.start()

    async def close(self) -> None:
        """This process has let go of the network; the network goes on."""
        if self.ovn is not None:
            await self.ovn.close()


def far_parts(state: State, settings: Settings, far: FarNetwork, answers: MetadataAnswers) -> FarParts:
    """The network drivers of a host that joined."""
    if settings.network_driver == "fake":
        pretended = FakeFabric()
        return FarParts(FakePlug(pretended, host_name(settings)), FakeMetadataDoors())
    from pileus.network.drivers.ovn.underlay import Underlay

    tls = Tls(far.own.certificate, far.own.key, far.own.authority)
    about = OvnSettings(host=host_name(settings), tunnel_ip=far.address, southbound=far.southbound, tls=tls)
    host = OvnHost(state.path, about, answers, underlay=Underlay(far.address))
    return FarParts(host.plug, host.doors, host)


def network_parts(state: State, settings: Settings, answers: MetadataAnswers) -> NetworkParts:
    """The network drivers the configuration asks for."""
    physical = (settings.external.physical_network,)
    if settings.network_driver == "fake" or not settings.agent:
        pretended = FakeFabric()
        return NetworkParts(pretended, FakePlug(pretended, host_name(settings)), FakeMetadataDoors(), physical)
    from pileus.network.drivers.ovn.fabric import OvnFabric

    host = ovn_host(state, settings, answers)
    fabric = OvnFabric(host.socket, host.socket, (host_name(settings),))
    return NetworkParts(fabric, host.plug, host.doors, physical, host)


def ovn_host(state: State, settings: Settings, answers: MetadataAnswers | None) -> OvnHost:
    """OVN on this machine; without answers it can only be taken away."""
    from pileus.network.drivers.ovn.link import ExternalLink

    link = None
    if settings.external.cidr:  # a host that joined has none
        block = ipaddress.ip_network(settings.external.cidr)
        link = ExternalLink(address=f"{block[1]}/{block.prefixlen}", masquerade=settings.external.masquerade)
    about = OvnSettings(host=host_name(settings), physical_network=settings.external.physical_network)
    return OvnHost(state.path, about, answers or _Silent(), link)


class _Silent:
    """Answers nobody: for taking a network away."""

    async def answer(
        self, network_id: str, source_ip: str, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        raise RuntimeError("no guest is answered while the network is taken away")


def hypervisor(
    state: State, settings: Settings, images: ImageFiles, plug: Plug, clock: Clock, *, files: ServerFiles,
    streams: ServerStreams, keys: VolumeKeys | None, passwords: GivenPasswords | None = None,
) -> Hypervisor:  # fmt: skip
    """What runs servers on this machine."""
    if settings.compute_driver == "fake":
        from pileus.compute.drivers.fake import Fake

        return Fake(clock=clock, plug=plug, files=files, streams=streams, images=images)
    from pileus.compute.drivers.qemu import Qemu
    from pileus.compute.drivers.qemu.accel import ProbeGuest
    from pileus.guest import cached

    guest = cached(guest_cache())
    probe = ProbeGuest(guest.kernel, guest.initrd) if guest is not None else None
    verdict = guest_cache().parent / "accel.json"
    return Qemu(
        state.path, images, plug, files=files, streams=streams, keys=keys, passwords=passwords, probe=probe,
        verdict=verdict,
    )  # fmt: skip


class LocalConsoles:
    """Consoles of the servers on this machine; keeps pileus.ports.consoles.Consoles."""

    def __init__(self, host: str) -> None:
        self._host = host
        self.of: Hypervisor | None = None

    async def log(self, host: str, server_id: str, lines: int | None) -> str:
        """The end of what the server printed."""
        runs = self._at(host)
        if not isinstance(runs, ShowsConsoleLog):
            raise NoConsole(host=host)
        return await runs.console_log(server_id, lines)

    async def open(
        self, host: str, server_id: str, kind: ConsoleName
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the server's console."""
        runs = self._at(host)
        if not isinstance(runs, OpensConsole):
            raise NoConsole(host=host)
        try:
            return await runs.open(server_id, ConsoleKind(kind))
        except DriverError as failed:
            raise Unavailable(str(failed)) from failed

    def _at(self, host: str) -> Hypervisor:
        if host != self._host or self.of is None:
            raise NoConsole(host=host)
        return self.of


async def agent(
    name: str,
    exchange: Exchange,
    runs: Hypervisor,
    parts: NetworkParts | FarParts,
    clock: Clock,
    volumes: tuple[Mapping[str, Backend], VolumeWays],
) -> Agent:
    """The agent of this machine; it starts with `start`."""
    servers = ServerHandler(runs)
    backends, ways = volumes

    async def facts() -> Body:
        return {
            **await servers.facts(),
            **await volume_agent.facts(backends),
            **ways.facts,
            "physical_networks": list(parts.physical_networks),
        }

    handlers: dict[str, Handler] = {KIND: servers, METADATA: MetadataHandler(parts.doors)}
    errands = ErrandHandler(runs.images) if isinstance(runs, KeepsImages) else None
    if errands is not None:
        handlers[ERRAND] = errands
    handlers |= {**volume_agent.handlers(backends), **ways.handlers}
    made = Agent(exchange, name, handlers, clock, await facts(), look=facts)
    servers.wake(made.look_again)
    if errands is not None:
        errands.wake(made.look_again)
    volume_agent.wake(backends, made.look_again)
    return made
