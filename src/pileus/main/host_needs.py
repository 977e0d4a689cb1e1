"""What a host from afar needs besides documents, both ends of each: image bytes, answers for guests, consoles.

A host gets only what concerns the servers that shall be on it: images they boot from, and metadata of those servers. The
controller's ends are routes of its channel; the host's ends keep the same promises as what serves a host in process.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from io import BufferedReader
from pathlib import Path

import msgspec

from pileus.block_storage.drivers.interface import Disk as VolumeDisk
from pileus.block_storage.drivers.interface import Kind as VolumeKind
from pileus.compute.agent import KIND
from pileus.compute.agent.images import ERRAND, Errand
from pileus.compute.drivers.interface import Wanted
from pileus.kit.errors import NotFound, Problem
from pileus.kit.hosts.asks import Puts, Stream
from pileus.kit.hosts.channel import Asked, Route, Told
from pileus.kit.hosts.control import Hosts
from pileus.kit.hosts.dial import Dialler, Refused
from pileus.kit.hosts.exchange import Body
from pileus.kit.observe.log import log_of
from pileus.main.state import State
from pileus.ports.consoles import ConsoleName, Consoles
from pileus.ports.image_files import KnownImageFiles
from pileus.ports.metadata import Answer, MetadataAnswers

log = log_of(__name__)

IMAGES = "/v1/images"
METADATA = "/v1/metadata"
CHUNK = 1 << 20
FETCH_S = 1800.0
DIGEST = "x-sha512"
ServerAt = Callable[[str, str], Awaitable[str | None]]


class NotYours(NotFound):
    """No server that shall be on host {host} has to do with that."""


class Damaged(Problem):
    """Image {image} arrived damaged: its sha512 should be {wanted} and is {found}."""


# Images.


class ImageRoutes:
    """Serves the images that servers of the asking host boot from, from this machine's own cache of them."""

    def __init__(self, state: State, hosts: Hosts, images: KnownImageFiles) -> None:
        self._folder = state / "cache" / "images"
        self._hosts = hosts
        self._images = images
        self._locks: dict[str, asyncio.Lock] = {}
        self._digests: dict[str, str] = {}

    def routes(self) -> Mapping[tuple[str, str], Route]:
        """What the channel is to serve."""
        return {("GET", f"{IMAGES}/{{id}}"): Route(self.send)}

    async def send(self, asked: Asked) -> Told:
        """The image's bytes, from where the host has got to already."""
        id = asked.path["id"]
        if id not in await self._images_of(asked.host):
            raise NotYours(host=asked.host)
        file, digest = await self._opened(id)
        size = os.fstat(file.fileno()).st_size
        start = _range_start(asked.headers.get("range", ""), size)
        headers = {DIGEST: digest, "content-length": str(size - start)}
        return Told(status=206 if start else 200, headers=headers, parts=_read(file, start))

    async def _images_of(self, host: str) -> set[str]:
        found = set()
        for wish in await self._hosts.wanted_list(host, KIND):
            if not wish.gone:
                server = msgspec.convert({**wish.body, "id": wish.id}, Wanted)
                found |= {disk.image.id for disk in server.own_disks if disk.image is not None}
                found |= {server.rescue.id} if server.rescue is not None else set()
        for wish in await self._hosts.wanted_list(host, VolumeKind.VOLUME):
            origin = None if wish.gone else msgspec.convert({**wish.body, "id": wish.id}, VolumeDisk).origin
            if origin is not None and origin.kind == "image":
                found.add(origin.id)
        for errand in await self._hosts.wanted_list(host, ERRAND):
            if not errand.gone:
                found.add(msgspec.convert(errand.body, Errand).image)
        return found

    async def _opened(self, id: str) -> tuple[BufferedReader, str]:
        """The image, open, for this machine's own host takes away what it has made a raw disk of; and its digest."""
        file = self._folder / id
        async with self._locks.setdefault(id, asyncio.Lock()):
            # Files that lay here when this process began may have decayed since they were fetched.
            known = None if id in self._digests else await self._images.sha512(id)
            opened = await asyncio.to_thread(_open, file)
            if opened is not None and id not in self._digests:
                self._digests[id] = await asyncio.to_thread(_sha512_of, opened)
                if known not in {None, self._digests[id]}:
                    log.error("an image of the cache is damaged; it is fetched again", image=id, wanted=known)
                    opened.close()
                    opened = None
            if opened is None:
                opened = await self._brought(id, file)
                self._digests[id] = await asyncio.to_thread(_sha512_of, opened)
        return opened, self._digests[id]

    async def _brought(self, id: str, file: Path) -> BufferedReader:
        """The image, open, anew from the image service. Who reads the file that was here reads on."""
        self._digests.pop(id, None)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._folder / f".{id}.sent"
        await self._images.fetch(id, part)
        part.chmod(0o444)
        opened = await asyncio.to_thread(part.open, "rb")
        part.rename(file)
        return opened


class FarImages:
    """Images by the channel; keeps pileus.ports.image_files.ImageFiles. What broke off goes on where it was."""

    def __init__(self, state: State, dialler: Dialler) -> None:
        self._folder = state / "cache" / "arriving"
        self._dialler = dialler

    async def fetch(self, image_id: str, destination: Path) -> None:
        """The bytes of the image, verified, are in `destination`; else this raises."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._folder / image_id
        have = part.stat().st_size if part.exists() else 0
        headers = {"range": f"bytes={have}-"} if have else {}
        try:
            wanted = await self._arrived(image_id, headers, part)
        except Refused as refused:
            if refused.answered == NotFound.status:
                raise NotFound(refused.message) from refused
            raise
        found = await asyncio.to_thread(_sha512, part)
        if found != wanted:
            part.unlink()
            raise Damaged(image=image_id, wanted=wanted, found=found)
        part.replace(destination)

    async def _arrived(self, image_id: str, headers: Mapping[str, str], part: Path) -> str:
        """All of the image is there; what its digest should be."""
        async with self._dialler.stream(f"{IMAGES}/{image_id}", headers, deadline_s=FETCH_S) as (response, parts):
            with part.open("ab" if response.status == 206 else "wb") as file:
                async for piece in parts:
                    await asyncio.to_thread(file.write, piece)
            return response.headers.get(DIGEST, "")


def _range_start(asked: str, size: int) -> int:
    text = asked.removeprefix("bytes=").removesuffix("-")
    # What lies beyond the end is no beginning of this image: send it whole.
    return int(text) if text.isdigit() and int(text) <= size else 0


def _open(file: Path) -> BufferedReader | None:
    try:
        return file.open("rb")
    except FileNotFoundError:
        return None


async def _read(file: BufferedReader, start: int) -> AsyncIterator[bytes]:
    with file:
        while piece := await asyncio.to_thread(os.pread, file.fileno(), CHUNK, start):
            start += len(piece)
            yield piece


def _sha512(path: Path) -> str:
    with path.open("rb") as file:
        return _sha512_of(file)


def _sha512_of(file: BufferedReader) -> str:
    return hashlib.file_digest(file, "sha512").hexdigest()


# Metadata.


class GuestAsks(msgspec.Struct, frozen=True):
    """What a guest asked its host."""

    network_id: str
    source_ip: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


class MetadataRoutes:
    """Answers hosts' questions on behalf of servers that shall be on them."""

    def __init__(self, hosts: Hosts, answers: MetadataAnswers, server_at: ServerAt) -> None:
        self._hosts = hosts
        self._answers = answers
        self._server_at = server_at

    def routes(self) -> Mapping[tuple[str, str], Route]:
        """What the channel is to serve."""
        return {("POST", METADATA): Route(self.answer)}

    async def answer(self, asked: Asked) -> Told:
        """What the guest is told."""
        guest = asked.decoded(GuestAsks)
        server = await self._server_at(guest.network_id, guest.source_ip)
        if server is None or await self._hosts.wanted(asked.host, KIND, server) is None:
            return Told(Answer(404, body=b"404 Not Found\n"))
        return Told(
            await self._answers.answer(
                guest.network_id, guest.source_ip, guest.method, guest.path, guest.headers, guest.body
            )
        )


class FarMetadata:
    """Guests' questions by the channel; keeps pileus.ports.metadata.MetadataAnswers."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler

    async def answer(
        self, network_id: str, source_ip: str, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """The controller's answer; 503 while it cannot be reached, so that guests ask again."""
        asks = GuestAsks(network_id, source_ip, method, path, dict(headers), body)
        try:
            return msgspec.json.decode(await self._dialler.ask("POST", METADATA, asks, deadline_s=8.0), type=Answer)
        except Problem as failed:
            log.warning("a guest cannot be answered", network=network_id, guest=source_ip, why=failed.message)
            return Answer(503, body=b"503 Service Unavailable\n")


# Consoles.


class ConsoleAsk(msgspec.Struct, frozen=True):
    """What is asked about a server's console: the end of its text, or a connection of a kind."""

    server: str
    lines: int | None = None
    kind: ConsoleName = "serial"


class AllConsoles:
    """Consoles on this machine by `local`, on others by questions; keeps pileus.ports.consoles.Consoles."""

    def __init__(self, host: str, local: Consoles, asks: Puts) -> None:
        self._host = host
        self._local = local
        self._asks = asks

    async def log(self, host: str, server_id: str, lines: int | None) -> str:
        """The end of what the server printed."""
        if host == self._host:
            return await self._local.log(host, server_id, lines)
        answer = await self._asks.ask(host, msgspec.to_builtins(ConsoleAsk(server_id, lines)))
        return str(answer.get("text", ""))

    async def open(self, host: str, server_id: str, kind: ConsoleName) -> Stream:
        """A connection to the server's console."""
        if host == self._host:
            return await self._local.open(host, server_id, kind)
        return await self._asks.open(host, msgspec.to_builtins(ConsoleAsk(server_id, kind=kind)))


class ConsoleAnswers:
    """The host's end: what `local` says and opens."""

    def __init__(self, host: str, local: Consoles) -> None:
        self._host = host
        self._local = local

    async def tell(self, body: Body) -> Body:
        """The end of a server's console."""
        asked = msgspec.convert(body, ConsoleAsk)
        return {"text": await self._local.log(self._host, asked.server, asked.lines)}

    async def connect(self, body: Body) -> Stream:
        """A connection to a server's console."""
        asked = msgspec.convert(body, ConsoleAsk)
        return await self._local.open(self._host, asked.server, asked.kind)
