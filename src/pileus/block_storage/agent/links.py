"""What runs on hosts for volumes that servers on other hosts have: doors where a volume is, links where it is used.

door (the volume's host): serves it to the hosts the document names      link (the server's host): a file of it
"""

import socket
from collections.abc import Mapping
from pathlib import Path

import msgspec

from pileus.block_storage.drivers import nbd
from pileus.block_storage.drivers.interface import Backend, DriverError
from pileus.block_storage.drivers.nbd import Daemons, Linked, Served
from pileus.kit.hosts.exchange import Body
from pileus.ports.volume_keys import LinkKeys

DOOR, LINK = "volume_door", "volume_link"
FACT = "volume_links"


class Listening(msgspec.Struct, frozen=True):
    """Where this host may be asked for its volumes: an address, none if it is empty, and the first and last port."""

    address: str = ""
    first: int = 49500
    last: int = 49999


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """All the volume's host is told: who may have which volume."""

    id: str
    volume_id: str
    backend: str
    peers: tuple[str, ...]
    readonly: bool = False


class DoorSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Where the volume is served, and to whom."""

    address: str = ""
    port: int = 0
    peers: tuple[str, ...] = ()


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """All the server's host is told: where a volume is served."""

    id: str
    address: str
    port: int
    readonly: bool = False


class LinkSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The file by which the volume is reached; none while there is none."""

    address: str = ""
    port: int = 0
    path: str | None = None


class Doors:
    """kit/hosts' Handler of doors."""

    def __init__(
        self, root: Path, listening: Listening, backends: Mapping[str, Backend], keys: LinkKeys | None
    ) -> None:
        self._daemons = Daemons(root, jailed=True)
        self._listening = listening
        self._backends = backends
        self._keys = keys

    async def observe(self) -> Mapping[str, Body]:
        """Every door there is."""
        return {id: {} for id in self._daemons.known()}

    async def ensure(self, id: str, body: Body, generation: int) -> DoorSeen:
        """The volume is served to those hosts, and to nobody else."""
        door = msgspec.convert({**body, "id": id}, Door)
        backend = self._backends.get(door.backend)
        if backend is None or self._keys is None or not self._listening.address:
            raise DriverError("The volume cannot be served", f"this host does not serve volumes of {door.backend}")
        place = await backend.located(door.volume_id)
        was = self._was(id)
        port = was.port if was is not None else self._free_port()
        wanted = Served(
            id=id,
            path=place.path,
            format=place.format,
            address=self._listening.address,
            port=port,
            peers=door.peers,
            readonly=door.readonly,
            user=self._daemons.user(id),
        )
        if was != wanted:
            keys = await self._keys.fetch(id)
            mine = {peer: keys[peer] for peer in door.peers}
            said = msgspec.json.encode(wanted)
            pidfile = self._daemons.pidfile(id) if wanted.user is None else None
            await self._daemons.start(id, lambda handed: nbd.serve(wanted, handed, pidfile), mine, said, wanted.path)
        return DoorSeen(address=wanted.address, port=wanted.port, peers=wanted.peers)

    def _was(self, id: str) -> Served | None:
        said = self._daemons.said(id)
        return msgspec.json.decode(said, type=Served) if said else None

    def _free_port(self) -> int:
        taken = {was.port for id in self._daemons.known() if (was := self._was(id)) is not None}
        for port in range(self._listening.first, self._listening.last + 1):
            if port not in taken and _is_free(self._listening.address, port):
                return port
        why = f"all ports from {self._listening.first} to {self._listening.last} are taken"
        raise DriverError("The volume cannot be served", why)

    async def ensure_gone(self, id: str) -> None:
        """Nobody is served by that door."""
        await self._daemons.remove(id)


class Links:
    """kit/hosts' Handler of links."""

    def __init__(self, host: str, root: Path, keys: LinkKeys | None) -> None:
        self._host = host
        self._daemons = Daemons(root)
        self._keys = keys

    async def observe(self) -> Mapping[str, Body]:
        """Every link there is."""
        return {id: {} for id in self._daemons.known()}

    async def ensure(self, id: str, body: Body, generation: int) -> LinkSeen:
        """There is a file that is the volume."""
        link = msgspec.convert({**body, "id": id}, Link)
        if self._keys is None:
            raise DriverError("The volume cannot be reached", "nothing gives keys to this host")
        wanted = Linked(id=id, host=self._host, address=link.address, port=link.port, readonly=link.readonly)
        said = msgspec.json.encode(wanted)
        folder = self._daemons.folder(id)
        if self._daemons.said(id) != said:
            keys = await self._keys.fetch(id)
            mine = {self._host: keys[self._host]}
            await self._daemons.start(id, lambda handed: nbd.link(wanted, folder), mine, said)
            (folder / nbd.KEYS).unlink()  # the daemon has it
        return LinkSeen(address=link.address, port=link.port, path=str(folder / "disk"))

    async def ensure_gone(self, id: str) -> None:
        """The volume is not reached that way any more."""
        await self._daemons.remove(id)


def _is_free(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True


def able(listening: Listening) -> Body:
    """What this host can do of it, for its registration."""
    links = os_has_fuse()
    return {FACT: {"serves": bool(listening.address) and links, "links": links}}


def os_has_fuse() -> bool:
    """Whether the storage daemon is there and can make files of disks."""
    import shutil

    return shutil.which(nbd.PROGRAM) is not None and Path("/dev/fuse").exists()
