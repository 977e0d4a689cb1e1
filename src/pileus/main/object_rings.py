"""What the owner asks about object storage's rings and workers: `pileus ring`, over the socket only the owner may open."""

from collections.abc import Mapping

import msgspec

from pileus.kit.errors import Conflict, Invalid, NotFound
from pileus.kit.hosts.channel import Asked, Route, Told
from pileus.object_store.app import ObjectStoreApp
from pileus.object_store.errors import Missing, StorageProblem
from pileus.object_store.models.paths import Path
from pileus.object_store.ring.builder import Builder
from pileus.object_store.storage.keeper import NoSuchDevice
from pileus.object_store.storage.published import FIRST
from pileus.object_store.workers.dispersion import Dispersion, report
from pileus.object_store.workers.lines import Line, Pause
from pileus.object_store.workers.sharder import ask_for, shape_of


class NoRings(Conflict):
    """This controller keeps no rings of object storage; ask the first one."""


class UnknownDevice(NotFound):
    """There is no device {name} in the rings; `pileus ring` lists them."""


class BadWeight(Invalid):
    """A weight is a number from 0 (the disk gives up what it has) to 1000000, not {weight}."""


class ShownDevice(msgspec.Struct, frozen=True):
    """A device in a ring, with what it should have and what it has."""

    name: str
    host: str
    region: int
    zone: int
    weight: float
    wanted: float
    assigned: int


class ShownRing(msgspec.Struct, frozen=True):
    """A ring as its owner sees it."""

    name: str
    part_power: int
    replicas: float
    version: int
    worst_percent: float  # how far the worst device is from its share
    close: int  # partitions with copies nearer to each other than they need be
    devices: tuple[ShownDevice, ...]
    next_part_power: int = 0
    removed: tuple[str, ...] = ()


class Change(msgspec.Struct, frozen=True):
    """What shall be so of a device; None: as it is."""

    name: str
    weight: float | None = None
    zone: int | None = None
    region: int | None = None


class Name(msgspec.Struct, frozen=True):
    """A device."""

    name: str


class UnknownContainer(NotFound):
    """There is no container {name}; say ACCOUNT/CONTAINER, as in AUTH_4f2e.../photos."""


class CannotDouble(Conflict):
    """{why}"""


class Doubled(msgspec.Struct, frozen=True):
    """A policy whose partitions shall be doubled."""

    policy: int


class Division(msgspec.Struct, frozen=True):
    """A container that shall be divided into shards of so many rows; None: only shown."""

    name: str
    rows: int | None = None


class HostLines(msgspec.Struct, frozen=True):
    """The workers of one machine; `failure` when it does not say."""

    host: str
    lines: tuple[Line, ...] = ()
    failure: str = ""


class HostPause(msgspec.Struct, frozen=True):
    """Workers shall rest or go on: of one machine, or of all."""

    name: str
    paused: bool = True
    host: str | None = None


def shown(name: str, builder: Builder) -> ShownRing:
    """The ring for people."""
    shares, loads, standing = builder.standing()
    devices = tuple(
        ShownDevice(one.name, one.host, one.region, one.zone, one.weight, round(shares[one.id], 1), loads[one.id])
        for one in sorted(builder.devices.values(), key=lambda one: (one.region, one.zone, one.host, one.name))
    )
    return ShownRing(
        name,
        builder.part_power,
        builder.replicas,
        builder.version,
        round(standing.worst_percent, 2),
        builder.dispersed(),
        devices,
        builder.next_part_power,
        tuple(builder.removed),
    )


class RingRoutes:
    """Answers the owner."""

    def __init__(self, app: ObjectStoreApp | None) -> None:
        self._app = app

    def routes(self) -> Mapping[tuple[str, str], Route]:
        """What the owner's socket serves."""
        return {
            ("GET", "/rings"): Route(self.rings),
            ("POST", "/rings/change"): Route(self.change),
            ("POST", "/rings/remove"): Route(self.remove),
            ("POST", "/rings/add"): Route(self.add),
            ("POST", "/rings/rebalance"): Route(self.rebalance),
            ("GET", "/rings/dispersion"): Route(self.dispersion),
            ("POST", "/rings/double"): Route(self.double),
            ("POST", "/shards"): Route(self.shards),
            ("GET", "/workers"): Route(self.workers),
            ("POST", "/workers"): Route(self.pause),
        }

    def _kept(self) -> ObjectStoreApp:
        if self._app is None or self._app.keeper is None:
            raise NoRings
        return self._app

    async def rings(self, asked: Asked) -> Told:
        """Every ring."""
        keeper = self._kept().keeper
        assert keeper is not None
        return Told([shown(name, builder) for name, builder in keeper.builders.items()])

    async def change(self, asked: Asked) -> Told:
        """A device's weight, zone or region is so."""
        wanted = asked.decoded(Change)
        if wanted.weight is not None and not 0 <= wanted.weight <= 1_000_000:
            raise BadWeight(weight=wanted.weight)
        values = {"weight": wanted.weight, "zone": wanted.zone, "region": wanted.region}
        keeper = self._kept().keeper
        assert keeper is not None
        try:
            keeper.change(wanted.name, **{key: value for key, value in values.items() if value is not None})
        except NoSuchDevice as unknown:
            raise UnknownDevice(name=wanted.name) from unknown
        return await self.rings(asked)

    async def remove(self, asked: Asked) -> Told:
        """A device is in no ring."""
        name = asked.decoded(Name).name
        keeper = self._kept().keeper
        assert keeper is not None
        try:
            keeper.remove(name)
        except NoSuchDevice as unknown:
            raise UnknownDevice(name=name) from unknown
        return await self.rings(asked)

    async def add(self, asked: Asked) -> Told:
        """A device that was removed may be in the rings again."""
        name = asked.decoded(Name).name
        keeper = self._kept().keeper
        assert keeper is not None
        if not keeper.allow(name):
            raise UnknownDevice(name=name)
        return await self.rings(asked)

    async def rebalance(self, asked: Asked) -> Told:
        """What may move now has moved in the rings."""
        keeper = self._kept().keeper
        assert keeper is not None
        return Told({name: balance.moved for name, balance in keeper.rebalance().items()})

    async def dispersion(self, asked: Asked) -> Told:
        """How many copies are where they belong."""
        found: list[Dispersion] = await report(self._kept().cluster)
        return Told([{**msgspec.structs.asdict(one), "percent": one.percent} for one in found])

    async def double(self, asked: Asked) -> Told:
        """A policy is on its way to twice as many partitions."""
        keeper = self._kept().keeper
        assert keeper is not None
        try:
            keeper.double(asked.decoded(Doubled).policy)
        except StorageProblem as refused:
            raise CannotDouble(why=refused.message) from refused
        return await self.rings(asked)

    async def shards(self, asked: Asked) -> Told:
        """A container's shards; the sharder divides it when it comes by next, if that is wanted."""
        app, wanted = self._kept(), asked.decoded(Division)
        account, _, name = wanted.name.partition("/")
        path = Path(account, name)
        try:
            if wanted.rows is not None:
                await ask_for(app.cluster, path, wanted.rows)
            return Told(await shape_of(app.cluster, path))
        except Missing as unknown:
            raise UnknownContainer(name=wanted.name) from unknown

    async def workers(self, asked: Asked) -> Told:
        """What workers do on every machine of the cluster."""
        app = self._kept()
        found = [HostLines(FIRST, tuple(app.workforce.lines()))]
        for host in sorted(app.atlas.cluster.hosts):
            if host != FIRST:
                found.append(await self._lines(app, host))
        return Told(found)

    async def _lines(self, app: ObjectStoreApp, host: str) -> HostLines:
        try:
            answer = await app.servers.far(host).lines.call("workers/lines", b"[]")
        except StorageProblem as failed:
            return HostLines(host, failure=failed.message)
        return HostLines(host, msgspec.json.decode(answer, type=tuple[Line, ...]))

    async def pause(self, asked: Asked) -> Told:
        """Workers rest, or go on."""
        app, wanted = self._kept(), asked.decoded(HostPause)
        hosts = [FIRST, *sorted(app.atlas.cluster.hosts.keys() - {FIRST})] if wanted.host is None else [wanted.host]
        for host in hosts:
            if host == FIRST:
                app.workforce.pause(wanted.name, paused=wanted.paused)
            else:
                said = msgspec.json.encode(Pause(wanted.name, wanted.paused))
                await app.servers.far(host).lines.call("workers/pause", said)
        return await self.workers(asked)
