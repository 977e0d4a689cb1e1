"""kit/hosts' handler of the network's documents: `metadata`, a door in a network that has guests on this host.

Ports need none: a hypervisor plugs its servers' ports itself (ports/plug.py), when it starts them.
"""

from collections.abc import Mapping

import msgspec

from pileus.kit.hosts.exchange import Body
from pileus.network.drivers.interface import MetadataDoor, MetadataDoors

METADATA = "metadata"


class Opened(msgspec.Struct, frozen=True):
    """What a host says of a network it has a door in."""

    open: bool = True


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


def metadata_body(door: MetadataDoor) -> Body:
    """The document's body for a door."""
    body: Body = msgspec.to_builtins(door)
    return body
