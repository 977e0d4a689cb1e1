"""A fabric and a host's plugs that exist in memory only: `pileus up --network fake`, and tests.

It keeps the promises of interface.py: syncing twice changes nothing, ports come up when they are plugged and exist. It
can be told to fail next time, and to be slow.
"""

import asyncio
import os
from collections.abc import Iterator, Mapping

import msgspec

from pileus.network.drivers.interface import (
    ROUTER_GATEWAY,
    ROUTER_INTERFACE,
    Changes,
    DriverError,
    MetadataDoor,
    Port,
    PortListener,
    PortPlug,
    PortState,
    Topology,
)

_ROUTERS = frozenset((ROUTER_GATEWAY, ROUTER_INTERFACE))
_PARTS = (
    "networks",
    "subnets",
    "ports",
    "routers",
    "floating_ips",
    "port_forwardings",
    "security_groups",
    "address_groups",
    "qos_policies",
)


class FakeFabric:
    """A `Fabric` in memory. Plugs of hosts are given to `FakePlug` with it, as the real ones share a switch."""

    def __init__(self) -> None:
        self.topology = Topology()
        self.syncs = 0
        self.delay_s = 0.0
        self._plugged: dict[str, str] = {}
        self._ports: dict[str, Port] = {}  # of the topology, by id
        self._through: dict[str, list[str]] = {}  # ports by the one they are reached through
        self._here: set[str] = set()  # hosts whose plugs are given to this fabric
        self._told: dict[str, PortState] = {}
        self._listeners: list[PortListener] = []
        self._failures: list[str] = []

    async def start(self) -> None:
        """It always answers."""

    async def stop(self) -> None:
        """There is nothing to let go of."""

    def fail_next(self, why: str) -> None:
        """The next sync fails with these words."""
        self._failures.append(why)

    async def sync(self, wanted: Topology) -> Changes:
        """The topology is `wanted`."""
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self._failures:
            raise DriverError("sync networks", self._failures.pop(0))
        changes = await self.diff(wanted)
        self.topology = wanted
        before, self._ports = self._ports, {port.id: port for port in wanted.ports}
        self._through = {}
        for port in wanted.ports:
            if port.parent is not None:
                self._through.setdefault(port.parent, []).append(port.id)
        self.syncs += 1
        for port_id in self._told.keys() - self._ports.keys():
            del self._told[port_id]
        for port_id, port in self._ports.items():
            if port_id in before and before[port_id].host != port.host:
                # Whoever moved it thinks that it is down, although the plug there may have been ready before.
                self._told.pop(port_id, None)
            self._tell(port_id)
        return changes

    async def diff(self, wanted: Topology) -> Changes:
        """What `sync` would change."""
        before, after = dict(_things(self.topology)), dict(_things(wanted))
        new = sorted(after.keys() - before.keys())
        gone = sorted(before.keys() - after.keys())
        changed = sorted(key for key in after.keys() & before.keys() if after[key] != before[key])
        lines = [
            f"{verb} {part} {id}"
            for verb, keys in (("add", new), ("change", changed), ("remove", gone))
            for part, id in keys
        ]
        return Changes(len(new), len(changed), len(gone), tuple(lines))

    async def port_states(self) -> Mapping[str, PortState]:
        """The state of every port of the topology."""
        return {port_id: self._state(port_id) for port_id in self._ports}

    def on_port_change(self, listener: PortListener) -> None:
        """`listener` is called with each change from now on."""
        self._listeners.append(listener)

    def meet(self, host: str) -> None:
        """The host's plugs tell this fabric. Other hosts are pretended elsewhere: what is bound there is held there."""
        self._here.add(host)

    def plug(self, port_id: str, host: str | None) -> None:
        """A host holds the port, or with None, nobody does."""
        if host is None:
            self._plugged.pop(port_id, None)
        else:
            self._plugged[port_id] = host
        for each in (port_id, *self._through.get(port_id, ())):
            if each in self._ports:
                self._tell(each)

    def _state(self, port_id: str) -> PortState:
        port = self._ports[port_id]
        holder = self._plugged.get(port.parent or port_id)
        if holder is None and self._here and port.host is not None and port.host not in self._here:
            holder = port.host
        return PortState(holder is not None or port.device_owner in _ROUTERS, holder)

    def _tell(self, port_id: str) -> None:
        """The listeners hear of the port if it fares differently than they know; costs the same however many there are."""
        state = self._state(port_id)
        if self._told.get(port_id, PortState(False)) == state:
            return
        self._told[port_id] = state
        for listener in self._listeners:
            asyncio.get_running_loop().call_soon(listener, port_id, state)


class FakePlug:
    """A `Plug` in memory: the TAP of a port is one end of /dev/null."""

    def __init__(self, fabric: FakeFabric, host: str) -> None:
        self._fabric = fabric
        self._host = host
        fabric.meet(host)
        self._ports: dict[str, PortPlug] = {}

    async def ensure_plugged(self, port: PortPlug) -> str:
        """The port is plugged."""
        self._ports[port.id] = port
        self._fabric.plug(port.id, self._host)
        return f"tap{port.id[:11]}"

    async def ensure_unplugged(self, port_id: str) -> None:
        """The port is not plugged."""
        if self._ports.pop(port_id, None) is not None:
            self._fabric.plug(port_id, None)

    async def plugged(self) -> set[str]:
        """Ids of plugged ports."""
        return set(self._ports)

    async def open_tap(self, port_id: str) -> int:
        """An open descriptor; the caller closes it."""
        if port_id not in self._ports:
            raise DriverError(f"open the TAP of {port_id}", "the port is not plugged")
        return os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)


class FakeMetadataDoors:
    """`MetadataDoors` that remember which they are."""

    def __init__(self) -> None:
        self.doors: dict[str, MetadataDoor] = {}

    async def ensure(self, door: MetadataDoor) -> None:
        """The door is there."""
        self.doors[door.network] = door

    async def ensure_gone(self, network_id: str) -> None:
        """The door is not there."""
        self.doors.pop(network_id, None)

    async def there(self) -> set[str]:
        """Ids of the networks that have a door."""
        return set(self.doors)

    async def close(self) -> None:
        """Nothing listens anyway."""


def _things(topology: Topology) -> Iterator[tuple[tuple[str, str], msgspec.Struct]]:
    for part in _PARTS:
        for thing in getattr(topology, part):
            yield (_one(part), thing.id), thing


def _one(part: str) -> str:
    return f"{part.removesuffix('ies')}y" if part.endswith("ies") else part.removesuffix("s")
