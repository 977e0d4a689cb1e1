"""kit/hosts' handlers for the network's documents: `port` (a TAP on this host) and `metadata` (a door in a network).

They stand between the agent, which brings documents, and a fabric's host side, which knows nothing of them.
"""

from collections.abc import Mapping

import msgspec

from pileus.kit.hosts.exchange import Body
from pileus.network.drivers.interface import MetadataDoor, MetadataDoors, Plug, PortPlug

PORT = "port"
METADATA = "metadata"


class Plugged(msgspec.Struct, frozen=True):
    """What a host says of a port: the TAP's name."""

    device: str = ""


class Opened(msgspec.Struct, frozen=True):
    """What a host says of a network it has a door in."""

    open: bool = True


class PortHandler:
    """Plugs the ports that are wanted on this host."""

    def __init__(self, plug: Plug) -> None:
        self._plug = plug

    async def observe(self) -> Mapping[str, Body]:
        """Every port with a TAP on this host, wanted or not."""
        return {port_id: {} for port_id in await self._plug.plugged()}

    async def ensure(self, id: str, body: Body, generation: int) -> Plugged:
        """The port is plugged."""
        return Plugged(await self._plug.ensure_plugged(msgspec.convert({**body, "id": id}, PortPlug)))

    async def ensure_gone(self, id: str) -> None:
        """The port is not plugged."""
        await self._plug.ensure_unplugged(id)


class MetadataHandler:
    """Opens doors for metadata in the networks that have guests on this host."""

    def __init__(self, doors: MetadataDoors) -> None:
        self._doors = doors

    async def observe(self) -> Mapping[str, Body]:
        """Every network that has a door on this host, wanted or not."""
        return {network_id: {} for network_id in await self._doors.there()}

    async def ensure(self, id: str, body: Body, generation: int) -> Opened:
        """Guests of the network are answered."""
        await self._doors.ensure(msgspec.convert({**body, "network": id}, MetadataDoor))
        return Opened()

    async def ensure_gone(self, id: str) -> None:
        """Nobody answers in the network."""
        await self._doors.ensure_gone(id)


def port_body(port: PortPlug) -> Body:
    """The document's body for a port."""
    body: Body = msgspec.to_builtins(port)
    return body


def metadata_body(door: MetadataDoor) -> Body:
    """The document's body for a door."""
    body: Body = msgspec.to_builtins(door)
    return body
