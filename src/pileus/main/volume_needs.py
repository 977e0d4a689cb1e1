"""What a host from afar needs for volumes: keys of encrypted ones, by its channel to the controller.

A host gets the key of a volume only while its documents say that it shall have that volume, or a server with it.
"""

from collections.abc import Mapping

import msgspec

from pileus.block_storage.agent.links import DOOR, LINK
from pileus.block_storage.drivers.interface import Kind as VolumeKind
from pileus.compute.agent import KIND
from pileus.kit.hosts.channel import Asked, Route, Told
from pileus.kit.hosts.control import Hosts
from pileus.kit.hosts.dial import Dialler
from pileus.main.host_needs import NotYours
from pileus.ports.volume_keys import LinkKeys, VolumeKeys

KEYS = "/v1/volumes/{id}/key"
KEY_S = 30.0


WAYS = "/v1/volumes/ways/{id}/keys"


class KeyTold(msgspec.Struct, frozen=True):
    """What opens a volume."""

    key: str


class VolumeKeyRoutes:
    """Serves keys to the hosts that have to open what they are for."""

    def __init__(self, hosts: Hosts, keys: VolumeKeys) -> None:
        self._hosts = hosts
        self._keys = keys

    def routes(self) -> Mapping[tuple[str, str], Route]:
        """What the channel is to serve."""
        return {("GET", KEYS): Route(self.tell)}

    async def tell(self, asked: Asked) -> Told:
        """The key of a volume that the asking host shall have, or give to a server."""
        volume_id = asked.path["id"]
        if not await self._is_theirs(asked.host, volume_id):
            raise NotYours(host=asked.host)
        return Told(KeyTold((await self._keys.fetch(volume_id)).decode()))

    async def _is_theirs(self, host: str, volume_id: str) -> bool:
        own = await self._hosts.wanted(host, VolumeKind.VOLUME, volume_id)
        if own is not None and not own.gone:
            return True
        servers = await self._hosts.wanted_list(host, KIND)
        return any(
            volume.get("id") == volume_id
            for server in servers
            if not server.gone
            for volume in server.body.get("volumes", ())
        )


class FarVolumeKeys:
    """Keys by the channel; keeps pileus.ports.volume_keys.VolumeKeys."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler

    async def fetch(self, volume_id: str) -> bytes:
        """What opens the volume."""
        return (await self._dialler.get(KeyTold, KEYS.format(id=volume_id), deadline_s=KEY_S)).key.encode()


class KeysTold(msgspec.Struct, frozen=True):
    """What hosts prove by that they may reach a volume that another host serves."""

    keys: dict[str, str]


class LinkKeyRoutes:
    """Serves keys of ways to volumes: to the host that serves the volume, and to those that shall reach it, each its own."""

    def __init__(self, hosts: Hosts, ways: LinkKeys) -> None:
        self._hosts = hosts
        self._ways = ways

    def routes(self) -> Mapping[tuple[str, str], Route]:
        """What the channel is to serve."""
        return {("GET", WAYS): Route(self.tell)}

    async def tell(self, asked: Asked) -> Told:
        """The keys that concern the asking host."""
        id = asked.path["id"]
        door, link = [await self._hosts.wanted(asked.host, kind, id) for kind in (DOOR, LINK)]
        if not any(wish is not None and not wish.gone for wish in (door, link)):
            raise NotYours(host=asked.host)
        keys = await self._ways.fetch(id)
        serves = door is not None and not door.gone
        return Told(KeysTold({peer: key for peer, key in keys.items() if serves or peer == asked.host}))


class FarLinkKeys:
    """Keys of ways by the channel; keeps pileus.ports.volume_keys.LinkKeys."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler

    async def fetch(self, attachment_id: str) -> Mapping[str, str]:
        """The keys that concern this host."""
        return (await self._dialler.get(KeysTold, WAYS.format(id=attachment_id), deadline_s=KEY_S)).keys
