"""Files of servers on their way between hosts, and to the image service: every end of that way.

    target host ── GET /v1/servers/ID/files/NAME ──> controller ── question, answered by a stream ──> origin
    controller, for an image ──────────────────────────────────── question, answered by a stream ──> host

A host gets only what its document for the server names: the files of that one server, from the origin the document says. The
bytes are followed by their digest, so that what was cut off or changed on the way is not taken for whole.
"""

import asyncio
import contextlib
import hashlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from pileus.compute.agent import KIND
from pileus.compute.drivers.interface import DriverError, GivesFiles, Wanted
from pileus.kit.errors import Problem, Unavailable
from pileus.kit.hosts.asks import Puts, Stream
from pileus.kit.hosts.channel import Asked, Route, Told
from pileus.kit.hosts.control import Hosts
from pileus.kit.hosts.dial import Dialler
from pileus.kit.hosts.exchange import Body
from pileus.kit.hosts.wire import shut
from pileus.main.host_needs import NotYours
from pileus.main.machine import LocalConsoles

FILES = "/v1/servers/{id}/files/{name}"
CHUNK = 1 << 20
HEAD_S = 60.0
DIGEST = 64


class Broken(Problem):
    """{name} of server {server} arrived damaged: {why}."""

    status = 503


class Keeps(Unavailable):
    """Host {host} does not give {name} of server {server}: {why}."""


class FileAsk(msgspec.Struct, frozen=True):
    """What is asked for: a file of a server."""

    server: str
    file: str


class FileAnswers:
    """The origin's end: what this machine's hypervisor gives."""

    def __init__(self, host: str, local: LocalConsoles) -> None:
        self._host = host
        self._local = local
        self._sending: set[asyncio.Task[None]] = set()

    async def open(self, server: str, name: str) -> int:
        """An open descriptor of the file; raises Keeps."""
        runs: object = self._local.of
        if not isinstance(runs, GivesFiles):
            raise Keeps(host=self._host, name=name, server=server, why="its servers have no files")
        try:
            return await runs.give(server, name)
        except DriverError as refused:
            raise Keeps(host=self._host, name=name, server=server, why=refused) from refused

    async def connect(self, body: Body) -> Stream:
        """A stream of the file that is asked for, with its digest at the end."""
        asked = msgspec.convert(body, FileAsk)
        file = await self.open(asked.server, asked.file)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        task = asyncio.create_task(_send(file, ours), name=f"give {asked.file}")
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return await asyncio.open_unix_connection(sock=theirs)


async def _send(file: int, to: socket.socket) -> None:
    """The file with its digest has been written; whoever does not want it any more has closed the other end."""
    _, writer = await asyncio.open_unix_connection(sock=to)
    digest = hashlib.sha512()
    try:
        with contextlib.suppress(OSError):
            while piece := await asyncio.to_thread(os.read, file, CHUNK):
                await asyncio.to_thread(digest.update, piece)
                writer.write(piece)
                await writer.drain()
            writer.write(digest.digest())
            await writer.drain()
    finally:
        os.close(file)
        await shut(writer)


async def _receive(parts: AsyncIterator[bytes], destination: Path, server: str, name: str) -> None:
    """The file is whole in `destination`; raises Broken."""
    digest, kept = hashlib.sha512(), b""
    with destination.open("wb") as file:
        async for part in parts:
            piece, kept = (kept + part)[:-DIGEST], (kept + part)[-DIGEST:]
            await asyncio.to_thread(digest.update, piece)
            await asyncio.to_thread(file.write, piece)
    if kept != digest.digest():
        raise Broken(name=name, server=server, why="its digest is another, so it was cut off or changed")


async def _parts(stream: Stream) -> AsyncIterator[bytes]:
    reader, writer = stream
    try:
        while part := await reader.read(CHUNK):
            yield part
    finally:
        await shut(writer)


class AllServerFiles:
    """The controller's end; keeps ServerFiles for its own machine, and FilesAtHand."""

    def __init__(self, own: str, local: FileAnswers, asks: Puts, spool: Path) -> None:
        self._own = own
        self._local = local
        self._asks = asks
        self._spool = spool

    async def fetch(self, host: str, server_id: str, name: str, destination: Path) -> None:
        """What the host has under that name is in `destination`."""
        await _receive(_parts(await self.stream(host, server_id, name)), destination, server_id, name)

    async def stream(self, host: str, server_id: str, name: str) -> Stream:
        """The file of the host with its digest; whoever gets it closes it."""
        body: Body = msgspec.to_builtins(FileAsk(server_id, name))
        return await self._local.connect(body) if host == self._own else await self._asks.open(host, body)

    @contextlib.asynccontextmanager
    async def at_hand(self, host: str, server_id: str, file: str) -> AsyncIterator[Path]:
        """A path where the file can be read: its own on this machine, else that of a copy which goes afterwards."""
        if host == self._own:
            yield Path(file)
            return
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy = self._spool / f"{server_id}-{secrets.token_hex(4)}"
        try:
            await self.fetch(host, server_id, Path(file).name, copy)
            yield copy
        finally:
            copy.unlink(missing_ok=True)


class FileRoutes:
    """What the controller serves of it to hosts that servers come to."""

    def __init__(self, hosts: Hosts, files: AllServerFiles) -> None:
        self._hosts = hosts
        self._files = files

    def routes(self) -> Mapping[tuple[str, str], Route]:
        """What the channel is to serve."""
        return {("GET", FILES): Route(self.send)}

    async def send(self, asked: Asked) -> Told:
        """A file of a server that comes to the asking host, from the origin that its document names."""
        wish = await self._hosts.wanted(asked.host, KIND, asked.path["id"])
        if wish is None or wish.gone:
            raise NotYours(host=asked.host)
        origin = msgspec.convert({**wish.body, "id": wish.id}, Wanted).origin
        if origin is None:
            raise NotYours(host=asked.host)
        return Told(parts=_parts(await self._files.stream(origin, wish.id, asked.path["name"])))


class FarServerFiles:
    """The target host's end; keeps pileus.ports.server_files.ServerFiles. The controller knows which host is the origin."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler

    async def fetch(self, host: str, server_id: str, name: str, destination: Path) -> None:
        """What the origin has of the server under that name, verified, is in `destination`; else this raises."""
        path = FILES.format(id=server_id, name=name)
        async with self._dialler.stream(path, {}, deadline_s=HEAD_S) as (_, parts):
            await _receive(parts, destination, server_id, name)


class Connects(Protocol):
    """Opens connections."""

    async def connect(self, body: Body) -> Stream:
        """A connection to what is asked for."""
        ...


class HostStreams:
    """Connections a host opens when asked: each of `named` those questions that have its name, `otherwise` the rest."""

    def __init__(self, named: Mapping[str, Connects], otherwise: Connects) -> None:
        self._named = named
        self._otherwise = otherwise

    async def connect(self, body: Body) -> Stream:
        """A connection to what is asked for."""
        found = next((each for name, each in self._named.items() if name in body), self._otherwise)
        return await found.connect(body)
