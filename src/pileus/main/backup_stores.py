"""Where this machine keeps backups of volumes, as the options say; and both ends of the way to object storage from a host afar.

    host ── PUT, GET, DELETE /v1/backups/ID/NAME ──> controller ── object storage

A host changes only backups that its documents name, and reads only those and what they, or volumes that it restores, are made of.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pileus.block_storage.drivers.backup_chunks import Chunks
from pileus.block_storage.drivers.backup_objects import ObjectChunks
from pileus.block_storage.drivers.interface import DriverError, Kind
from pileus.kit.errors import Invalid, NotFound, Problem, Unavailable
from pileus.kit.hosts.channel import Asked, Route, Told
from pileus.kit.hosts.control import Hosts
from pileus.kit.hosts.dial import Dialler, Refused
from pileus.main.host_needs import NotYours
from pileus.main.settings import VolumeBackups

BACKUPS = "/v1/backups/{id}"
CHUNK = "/v1/backups/{id}/{name}"
CHUNK_S = 120.0
Result = TypeVar("Result")
NAMES = re.compile(r"[0-9]{8,12}\.(raw|z|bz2|zst)|index\.json\.z")


class NoName(Invalid):
    """No backup has anything called {name}."""


class NoChunk(NotFound):
    """Backup {id} has no {name}."""


def chunks_of(wanted: VolumeBackups, objects: Chunks | None) -> Chunks | None:
    """What keeps backups; None where that are the back ends' own folders. `objects` is this cloud's object storage."""
    match wanted.driver:
        case "files" if not wanted.path:
            return None
        case "files":
            from pileus.block_storage.drivers.backup_folder import FolderChunks

            return FolderChunks(Path(wanted.path), shared=True)
        case "objects":
            return objects
        case "swift":
            from pileus.block_storage.drivers.backup_swift import Account, SwiftChunks

            named = {name: getattr(wanted, name) for name in Account.__struct_fields__}
            return SwiftChunks(Account(**named))


class Named(msgspec.Struct, frozen=True):
    """What a backup has."""

    names: list[str]


class BackupRoutes:
    """Serves chunks of backups to the hosts that make and restore them."""

    def __init__(self, hosts: Hosts, chunks: ObjectChunks) -> None:
        self._hosts = hosts
        self._chunks = chunks

    def routes(self) -> Mapping[tuple[str, str], Route]:
        """What the channel is to serve."""
        return {
            ("GET", BACKUPS): Route(self.list),
            ("GET", CHUNK): Route(self.send),
            ("PUT", CHUNK): Route(self.take),
            ("DELETE", CHUNK): Route(self.drop),
        }

    async def list(self, asked: Asked) -> Told:
        """The names of what a backup has."""
        await self._check_readable(asked.host, asked.path["id"])
        return Told(Named(sorted(await _told(self._chunks.names(asked.path["id"])))))

    async def send(self, asked: Asked) -> Told:
        """A chunk's bytes."""
        id, name = asked.path["id"], _name(asked)
        await self._check_readable(asked.host, id)
        content = await _told(self._chunks.get(f"{id}/{name}"))
        if content is None:
            raise NoChunk(id=id, name=name)
        return Told(headers={"content-length": str(len(content))}, parts=_once(content))

    async def take(self, asked: Asked) -> Told:
        """A chunk is kept."""
        await self._check_own(asked.host, asked.path["id"])
        await _told(self._chunks.put(f"{asked.path['id']}/{_name(asked)}", asked.body))
        return Told({})

    async def drop(self, asked: Asked) -> Told:
        """A chunk is gone."""
        await self._check_own(asked.host, asked.path["id"])
        await _told(self._chunks.remove(asked.path["id"], [f"{asked.path['id']}/{_name(asked)}"]))
        return Told({})

    async def _check_own(self, host: str, id: str) -> None:
        if await self._hosts.wanted(host, Kind.BACKUP, id) is None:
            raise NotYours(host=host)

    async def _check_readable(self, host: str, id: str) -> None:
        if await self._hosts.wanted(host, Kind.BACKUP, id) is not None:
            return
        for kind in (Kind.BACKUP, Kind.VOLUME):
            for wish in await self._hosts.wanted_list(host, kind):
                if not wish.gone and id in _made_of(wish.body):
                    return
        raise NotYours(host=host)


def _made_of(body: Mapping[str, Any]) -> Collection[str]:
    """The backups whose chunks a thing may be made of."""
    origin = body.get("origin") or {}
    own = [origin.get("id")] if origin.get("kind") == Kind.BACKUP else []
    return [*own, *origin.get("chain", ()), *body.get("chain", ())]


def _name(asked: Asked) -> str:
    name = asked.path["name"]
    if NAMES.fullmatch(name) is None:
        raise NoName(name=name)
    return name


class FarChunks:
    """Chunks in object storage by the channel; keeps pileus.block_storage.drivers.backup_chunks.Chunks."""

    store = ObjectChunks.store

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler

    async def put(self, name: str, content: bytes) -> None:
        """The chunk is there."""
        await _asked(self._dialler.put(f"/v1/backups/{name}", content, deadline_s=CHUNK_S))

    async def get(self, name: str) -> bytes | None:
        """The chunk's bytes."""
        try:
            return await self._dialler.ask("GET", f"/v1/backups/{name}", deadline_s=CHUNK_S)
        except Refused as refused:
            if refused.answered == NoChunk.status:
                return None
            raise DriverError("The backup cannot be read", refused.message) from refused
        except Problem as failed:
            raise DriverError("The backup cannot be read", failed.message) from failed

    async def names(self, backup: str) -> Collection[str]:
        """What the backup has."""
        return (await _asked(self._dialler.get(Named, BACKUPS.format(id=backup), deadline_s=CHUNK_S))).names

    async def remove(self, backup: str, names: Collection[str]) -> None:
        """The chunks are gone."""
        for name in names:
            await _asked(self._dialler.ask("DELETE", f"/v1/backups/{name}", deadline_s=CHUNK_S))


async def _asked(work: Awaitable[Result]) -> Result:
    try:
        return await work
    except Problem as failed:
        raise DriverError("The controller does not keep backups now", failed.message) from failed


async def _told(work: Awaitable[Result]) -> Result:
    try:
        return await work
    except DriverError as failed:
        raise Unavailable(str(failed)) from failed


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
