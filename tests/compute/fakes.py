"""What stands beside compute in its tests: placement, images, networks and people, in memory and believable."""

import asyncio
import base64
import contextlib
import datetime as dt
import os
import tempfile
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from pileus.compute.drivers.fake import Fake
from pileus.compute.drivers.interface import ConsoleKind, DriverError
from pileus.compute.errors import ConsoleUnavailable
from pileus.kit.auth import Caller
from pileus.kit.errors import Conflict, Denied, Invalid, NotFound, OverQuota
from pileus.ports.addresses import Addresses
from pileus.ports.identity import CatalogEntry, ProjectRef, UserRef
from pileus.ports.image import ImageFacts, ImageQuery, NewImage
from pileus.ports.network import Address, NicRequest, PortFacts, SubnetFacts
from pileus.ports.placement import Claim, Inventory, Refusal, Room
from pileus.ports.security_groups import SecurityGroups
from pileus.ports.server_streams import Opened

LONG_AGO = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
IMAGE = "11111111-1111-4111-8111-111111111111"
NETWORK = "22222222-2222-4222-8222-222222222222"


class NoSuchNetwork(Invalid):
    """Network {network} could not be found."""


class NoSuchGroup(NotFound):
    """Security group {group} does not exist"""


class OutOfAddresses(Conflict):
    """No more IP addresses available on network {network}."""


class StoreIsFull(OverQuota):
    """The store is full."""


class FakePlacement:
    """Keeps account of room, claiming where most is left."""

    def __init__(self) -> None:
        self.providers: dict[str, Mapping[str, Inventory]] = {}
        self.ids: dict[str, str] = {}
        self.held: dict[str, Claim] = {}

    async def claim(
        self,
        consumer: str,
        resources: Mapping[str, int],
        *,
        project_id: str,
        user_id: str,
        required: Collection[str] = (),
        forbidden: Collection[str] = (),
        avoid: Collection[str] = (),
        among: Collection[str] | None = None,
        force: str | None = None,
    ) -> Claim | Refusal:
        if consumer in self.held:
            return self.held[consumer]
        reasons, fitting = [], []
        for name in sorted(self.providers):
            if name in avoid or (among is not None and name not in among):
                continue
            lacking = [r for r, n in resources.items() if n and self.left(name, r) < n]
            if lacking:
                reasons.append((name, f"has not enough {', '.join(lacking)}"))
            else:
                fitting.append((-self.left(name, "MEMORY_MB"), name))
        if not fitting:
            return Refusal(tuple(reasons))
        name = min(fitting)[1]
        self.held[consumer] = Claim(consumer, self.ids[name], name, dict(resources))
        return self.held[consumer]

    def left(self, name: str, resource: str) -> int:
        used = sum(c.resources.get(resource, 0) for c in self.held.values() if c.host == name)
        inventory = self.providers[name].get(resource)
        return (inventory.capacity if inventory else 0) - used

    async def release(self, consumer: str) -> None:
        self.held.pop(consumer, None)

    async def hand_over(self, consumer: str, to: str) -> None:
        if consumer in self.held:
            self.held[to] = msgspec.structs.replace(self.held.pop(consumer), consumer=to)

    async def claims(self, consumer: str) -> list[Claim]:
        return [self.held[consumer]] if consumer in self.held else []

    async def claimed_on(self, provider: str) -> list[Claim]:
        return [claim for claim in self.held.values() if claim.host == provider]

    async def ensure_provider(
        self, name: str, uuid: str, inventories: Mapping[str, Inventory], traits: Collection[str] = ()
    ) -> None:
        self.providers[name], self.ids[name] = inventories, uuid

    async def forget_provider(self, uuid: str) -> None:
        for name in [name for name, id in self.ids.items() if id == uuid]:
            del self.providers[name], self.ids[name]

    async def usage(self, project_id: str, user_id: str | None = None) -> Mapping[str, int]:
        return {}

    async def rooms(self) -> list[Room]:
        rooms = []
        for name, inventories in sorted(self.providers.items()):
            used = {r: i.capacity - self.left(name, r) for r, i in inventories.items()}
            rooms.append(Room(self.ids[name], name, 1, inventories, used, frozenset()))
        return rooms


class FakeImages:
    """Holds one image everybody may boot, and whatever a test adds."""

    def __init__(self) -> None:
        self.images = {IMAGE: an_image()}
        self.full = False
        self.taken: list[str] = []

    async def get(self, image_id: str, caller: Caller) -> ImageFacts | None:
        return self.images.get(image_id)

    async def list(self, caller: Caller, wanted: ImageQuery, *, marker: str | None, limit: int) -> Sequence[ImageFacts]:
        found = [
            image
            for image in reversed(self.images.values())
            if image.status == (wanted.status or image.status)
            and image.name == (wanted.name or image.name)
            and wanted.properties.items() <= image.properties.items()
        ]
        ids = [image.id for image in found]
        start = ids.index(marker) + 1 if marker is not None else 0
        return found[start:][:limit]

    async def create(self, image_id: str, image: NewImage) -> ImageFacts:
        facts = an_image(
            id=image_id, name=image.name, status="queued", visibility=image.visibility, owner=image.owner, size=None,
            virtual_size=None, disk_format=image.disk_format, min_disk=image.min_disk, min_ram=image.min_ram,
            properties=image.properties,
        )  # fmt: skip
        return self.images.setdefault(image_id, facts)

    async def take(self, image_id: str, source: str) -> ImageFacts:
        if self.full:
            raise StoreIsFull
        self.taken.append(source)
        self.images[image_id] = msgspec.structs.replace(self.images[image_id], status="active", size=2**20)
        return self.images[image_id]

    async def check_trust(self, image_id: str, trusted: Sequence[str]) -> None:
        signed = self.images[image_id].properties.get("img_signature_certificate_uuid")
        if signed not in trusted:
            raise Denied(f"Image signature certificate validation failed for certificate: {signed}.")

    async def remove(self, image_id: str) -> None:
        self.images.pop(image_id, None)


def an_image(**changes: Any) -> ImageFacts:
    """An active image of 16 MiB."""
    facts: dict[str, Any] = {
        "id": IMAGE, "name": "guest", "status": "active", "visibility": "public", "owner": None, "size": 2**24,
        "virtual_size": 2**26, "disk_format": "qcow2", "container_format": "bare", "checksum": "abc",
        "created_at": LONG_AGO, "updated_at": LONG_AGO, "properties": {"os_distro": "pileus"},
    }  # fmt: skip
    return ImageFacts(**{**facts, **changes})


class FakeNetworks:
    """One network; ports are numbered, and addresses with them. What compute hands on is tested with the service itself."""

    groups: SecurityGroups
    addresses: Addresses

    def __init__(self) -> None:
        self.ports: dict[str, list[PortFacts]] = {}
        self.expected: dict[str, str] = {}  # where the ports of servers may come to
        self.full = False
        self.subnets: dict[str, SubnetFacts] = {}
        self.none = False  # there is no network, and nothing to make one of
        self.free: set[str] = set()
        self.asked: list[object] = []
        self.calls = 0
        self._next = 10

    async def make_ports(
        self,
        caller: Caller,
        server_id: str,
        server_name: str,
        nics: Sequence[NicRequest] | Literal["auto", "none"],
        security_groups: Sequence[str] = (),
    ) -> tuple[PortFacts, ...]:
        self.asked.append(nics)
        if self.full:
            raise OutOfAddresses(network=NETWORK)
        cards = (
            []
            if nics == "none" or (nics == "auto" and self.none)
            else [NicRequest(network_id=NETWORK)]
            if nics == "auto"
            else list(nics)
        )
        made = []
        for card in cards:
            if not isinstance(card, NicRequest):
                raise TypeError(card)
            if card.network_id not in {NETWORK, None}:
                raise NoSuchNetwork(network=card.network_id)
            made.append(self._port(server_id, card, tuple(security_groups) or ("default",)))
        self.ports[server_id] = [*self.ports.get(server_id, []), *made]
        return tuple(self.ports[server_id])

    def _port(self, server_id: str, card: NicRequest, groups: tuple[str, ...]) -> PortFacts:
        self._next += 1
        n = self._next
        return PortFacts(
            id=card.port_id or f"33333333-3333-4333-8333-{n:012d}",
            network_id=NETWORK,
            network_name="private",
            mac=f"fa:16:3e:00:{n // 256:02x}:{n % 256:02x}",
            mtu=1442,
            server_id=server_id,
            made=card.port_id is None,
            addresses=(Address(address=card.fixed_ip or f"10.0.{n // 256}.{n % 256}", version=4, subnet_id="s1"),),
            security_groups=groups,
        )

    async def subnets_of(self, ports: Sequence[PortFacts]) -> Mapping[str, SubnetFacts]:
        ids = {address.subnet_id for port in ports for address in port.addresses}
        return {id: subnet for id, subnet in self.subnets.items() if id in ids}

    async def bind_ports(self, server_id: str, host: str) -> tuple[PortFacts, ...]:
        self.expected.pop(server_id, None)
        bound = [msgspec.structs.replace(port, host=host, up=True) for port in self.ports.get(server_id, [])]
        self.ports[server_id] = bound
        return tuple(bound)

    async def expect_ports(self, server_id: str, host: str | None) -> None:
        self.expected.pop(server_id, None)
        if host is not None:
            self.expected[server_id] = host

    async def release_ports(self, server_id: str) -> None:
        self.ports.pop(server_id, None)

    async def release_port(self, server_id: str, port_id: str) -> None:
        kept = [port for port in self.ports.get(server_id, []) if port.id != port_id]
        self.free |= {port.id for port in self.ports.get(server_id, []) if port.id == port_id and not port.made}
        self.ports[server_id] = kept

    async def join_group(self, server_id: str, project_id: str, group: str) -> None:
        if group not in {"default", "web"}:
            raise NoSuchGroup(group=group)
        groups = [(*port.security_groups, group) for port in self.ports[server_id]]
        self._regroup(server_id, groups)

    async def leave_group(self, server_id: str, project_id: str, group: str) -> bool:
        had = any(group in port.security_groups for port in self.ports.get(server_id, []))
        groups = [tuple(n for n in port.security_groups if n != group) for port in self.ports.get(server_id, [])]
        self._regroup(server_id, groups)
        return had

    def _regroup(self, server_id: str, groups: Sequence[tuple[str, ...]]) -> None:
        pairs = zip(self.ports[server_id], groups, strict=True)
        self.ports[server_id] = [msgspec.structs.replace(port, security_groups=some) for port, some in pairs]

    async def ports_of(self, server_ids: Sequence[str]) -> Mapping[str, tuple[PortFacts, ...]]:
        self.calls += 1
        return {id: tuple(self.ports[id]) for id in server_ids if id in self.ports}

    async def server_at(self, network_id: str, address: str) -> str | None:
        for server_id, ports in self.ports.items():
            for port in ports:
                if port.network_id == network_id and address in {a.address for a in port.addresses}:
                    return server_id
        return None


class FakeDirectory:
    """Knows every project but `ghost`, and every user, by the name of their id."""

    async def project(self, project_id: str) -> ProjectRef | None:
        return None if project_id == "ghost" else ProjectRef(project_id, project_id, "default")

    async def project_name(self, project_id: str) -> str | None:
        return project_id

    async def user(self, user_id: str) -> UserRef | None:
        return UserRef(user_id, user_id, "default")

    async def catalog(self, project_id: str | None = None) -> Sequence[CatalogEntry]:
        return ()

    async def endpoint(self, service_type: str, interface: str = "public", region: str | None = None) -> str | None:
        return None


class FakeVault:
    """Seals so that whoever looks for the payload does not find it."""

    def seal(self, payload: bytes) -> str:
        return base64.b85encode(payload[::-1]).decode()

    def open(self, token: str) -> bytes | None:
        return base64.b85decode(token)[::-1]


VAULT = FakeVault()


class FakeConsoles:
    """The consoles of fake hypervisors."""

    def __init__(self, drivers: Mapping[str, Fake]) -> None:
        self.drivers = drivers

    async def log(self, host: str, server_id: str, lines: int | None) -> str:
        return await self.drivers[host].console_log(server_id, lines)

    async def open(
        self, host: str, server_id: str, kind: Literal["vnc", "serial"]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await self.drivers[host].open(server_id, ConsoleKind(kind))
        except DriverError as refused:
            raise ConsoleUnavailable(server=server_id, why=str(refused)) from refused


class FakeStreams:
    """Connections between fake hypervisors."""

    def __init__(self, drivers: Mapping[str, Fake]) -> None:
        self.drivers = drivers

    async def open(self, server_id: str, name: str) -> Opened:
        for driver in self.drivers.values():
            with contextlib.suppress(DriverError):
                return (*await driver.landing(server_id, name), b"")
        raise ConsoleUnavailable(server=server_id, why="nobody awaits it")


class FakeFiles:
    """Files of servers of fake hypervisors."""

    def __init__(self, drivers: Mapping[str, Fake]) -> None:
        self.drivers = drivers

    async def fetch(self, host: str, server_id: str, name: str, destination: Path) -> None:
        file = await self.drivers[host].give(server_id, name)
        with os.fdopen(file, "rb") as content:
            await asyncio.to_thread(destination.write_bytes, content.read())

    @contextlib.asynccontextmanager
    async def at_hand(self, host: str, server_id: str, file: str) -> AsyncIterator[Path]:
        with tempfile.TemporaryDirectory(prefix="pileus-fake-") as folder:
            copy = Path(folder) / "copy"
            try:
                await self.fetch(host, server_id, Path(file).name, copy)
            except DriverError as refused:
                raise ConsoleUnavailable(server=server_id, why=str(refused)) from refused
            yield copy
