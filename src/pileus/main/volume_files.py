"""Bytes of volumes on their way between hosts, and to the image service: every end of that way.

    target host ── GET /v1/volumes/KIND/ID/bytes?host&backend ──> controller ── question, answered by a stream ──> origin
    controller, for an image ────────────────────────────────────── question, answered by a stream ──> host

A host gets only what its own documents say that a volume of it is made of; of one that it keeps and a server of another host has, that
host's QEMU makes a copy for it. Holes and zeros are not sent: what is comes in pieces,
each with its place and length; then the size of the whole, and the digest of all that came before, so that what was cut off
or changed on the way is not taken for whole.
"""

import asyncio
import contextlib
import hashlib
import os
import secrets
import socket
import struct
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from pileus.block_storage.drivers.holes import filled
from pileus.block_storage.drivers.interface import HELD, Backend, DriverError, Kind, Origin
from pileus.block_storage.drivers.thread import in_thread
from pileus.compute.drivers.interface import CopiesVolumes, Hypervisor
from pileus.compute.drivers.interface import DriverError as RunsError
from pileus.kit.errors import Problem, Unavailable
from pileus.kit.hosts.asks import Puts, Stream
from pileus.kit.hosts.channel import Asked, Route, Told
from pileus.kit.hosts.control import Hosts
from pileus.kit.hosts.dial import Dialler
from pileus.kit.hosts.exchange import Body
from pileus.kit.hosts.wire import shut
from pileus.kit.observe.log import log_of
from pileus.main.host_needs import NotYours
from pileus.ports.attached_disks import AttachedDisks

log = log_of(__name__)

BYTES = "/v1/volumes/{kind}/{id}/bytes"
PIECE = 1 << 20
HEAD = struct.Struct(
    ">QI"
)  # where a piece belongs and how long it is; none: the size of the whole, and the digest follows
WAITING, REFUSED = 2**32 - 1, 2**32 - 2  # in place of a length: it takes a while yet; the words why not, of that length
WAITING_S = 5.0
MOST_WORDS = 4096
HEAD_S = 60.0
DIGEST = hashlib.sha512().digest_size


class Broken(Problem):
    """The bytes of {kind} {id} of host {host} did not arrive: {why}."""

    status = 503


class Keeps(Unavailable):
    """Host {host} does not give the bytes of {kind} {id}: {why}."""


class BytesAsk(msgspec.Struct, frozen=True):
    """What is asked for: a disk, or what was copied of one for an image under that name."""

    disk: str
    kind: str
    backend: str
    export: str | None = None


class BytesAnswers:
    """The origin's end: what this machine's back ends give, and what its servers have open."""

    def __init__(self, host: str, backends: Mapping[str, Backend], spool: Path) -> None:
        self._host = host
        self._backends = backends
        self._spool = spool
        self._attached: AttachedDisks | None = None
        self._sending: set[asyncio.Task[None]] = set()

    def copy_attached(self, runs: Hypervisor) -> None:
        """From now on what servers of this machine have is given by who runs them."""
        if isinstance(runs, CopiesVolumes):
            self._attached = runs.attached

    async def connect(self, body: Body) -> Stream:
        """A stream of the bytes that are asked for; raises Keeps."""
        asked = msgspec.convert(body, BytesAsk)
        reading = self._held(asked.disk) if asked.kind == HELD else self._reading(self._backend(asked), asked)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        task = asyncio.create_task(_give(reading, ours), name=f"give {asked.kind} {asked.disk}")
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return await asyncio.open_unix_connection(sock=theirs)

    def _backend(self, asked: BytesAsk) -> Backend:
        backend = self._backends.get(asked.backend)
        if backend is None:
            raise Keeps(host=self._host, kind=asked.kind, id=asked.disk, why=f"it has no back end {asked.backend}")
        return backend

    @contextlib.asynccontextmanager
    async def _held(self, volume_id: str) -> AsyncIterator[Path]:
        """A copy of a volume that a server of this machine has."""
        if self._attached is None:
            raise DriverError("The volume cannot be copied", "this host runs no servers that have volumes")
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._spool, prefix="give-") as spool:
            copy = Path(spool) / "copy"
            await self._attached.give(volume_id, copy)
            yield copy

    @contextlib.asynccontextmanager
    async def _reading(self, backend: Backend, asked: BytesAsk) -> AsyncIterator[Path]:
        if asked.export is not None:
            yield backend.exported(asked.disk, asked.export)
            return
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A folder of its own: two hosts may ask for the same disk.
        with tempfile.TemporaryDirectory(dir=self._spool, prefix="give-") as spool:
            async with backend.reading(Origin(kind=asked.kind, id=asked.disk), Path(spool), live=False) as file:
                yield file

    async def close(self) -> None:
        """Nothing is given any more."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)


async def _give(reading: AbstractAsyncContextManager[Path], to: socket.socket) -> None:
    """The bytes with their digest have been written; whoever does not want them any more has closed the other end."""
    _, writer = await asyncio.open_unix_connection(sock=to)
    try:
        async with contextlib.AsyncExitStack() as block:
            await _give_all(await _opened(block.enter_async_context(reading), writer), writer)
    except (DriverError, RunsError) as refused:
        why = str(refused).encode()
        writer.write(HEAD.pack(len(why), REFUSED) + why)
    except OSError as failed:
        log.warning("the bytes of a disk were not given to their end", why=str(failed))
    finally:
        await shut(writer)


async def _opened(reading: Awaitable[Path], writer: asyncio.StreamWriter) -> Path:
    """The file, which may have to be made first: whoever waits for it hears meanwhile that it is worth waiting."""
    opening = asyncio.ensure_future(reading)
    try:
        while not (await asyncio.wait({opening}, timeout=WAITING_S))[0]:
            writer.write(HEAD.pack(0, WAITING))
            await writer.drain()
        return opening.result()
    finally:
        opening.cancel()
        await asyncio.wait({opening})


async def _give_all(file: Path, writer: asyncio.StreamWriter) -> None:
    digest = hashlib.sha512()
    size, places = await in_thread(filled, file, PIECE)
    for at in places:
        piece = await in_thread(_piece, file, at * PIECE)
        if piece:
            part = HEAD.pack(at * PIECE, len(piece)) + piece
            await in_thread(digest.update, part)
            writer.write(part)
            await writer.drain()
    end = HEAD.pack(size, 0)
    digest.update(end)
    writer.write(end + digest.digest())
    await writer.drain()


def _piece(file: Path, at: int) -> bytes:
    """The bytes there; none for zeros."""
    with file.open("rb") as source:
        piece = os.pread(source.fileno(), PIECE, at)
    return b"" if piece == bytes(len(piece)) else piece


class _Arriving:
    """The other end: pieces into a file that is as long as it should be when all came."""

    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        self._parts = parts
        self._kept = b""

    async def read(self, length: int) -> bytes:
        """Exactly so many bytes; raises EOFError."""
        while len(self._kept) < length:
            try:
                self._kept += await anext(self._parts)
            except StopAsyncIteration:
                raise EOFError from None
        found, self._kept = self._kept[:length], self._kept[length:]
        return found

    async def into(self, destination: Path) -> str | None:
        """The file is whole; or why it is not."""
        digest = hashlib.sha512()
        destination.unlink(missing_ok=True)
        handle = os.open(destination, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            while True:
                head = await self.read(HEAD.size)
                at, length = HEAD.unpack(head)
                if length == WAITING:
                    continue
                if length == REFUSED:
                    return (await self.read(min(at, MOST_WORDS))).decode(errors="replace")
                digest.update(head)
                if length == 0:
                    os.ftruncate(handle, at)
                    same = await self.read(DIGEST) == digest.digest()
                    return None if same else "its digest is another, so it was changed"
                if length > PIECE:
                    return "a piece of it is too long"
                piece = await self.read(length)
                await in_thread(digest.update, piece)
                await in_thread(os.pwrite, handle, piece, at)
        except EOFError:
            return "it was cut off"
        finally:
            os.close(handle)


async def _receive(parts: AsyncIterator[bytes], destination: Path, host: str, kind: str, id: str) -> None:
    """The bytes are whole in `destination`; raises Broken."""
    why = await _Arriving(parts).into(destination)
    if why is not None:
        destination.unlink(missing_ok=True)
        raise Broken(host=host, kind=kind, id=id, why=why)


async def _parts(stream: Stream) -> AsyncGenerator[bytes, None]:
    reader, writer = stream
    try:
        while part := await reader.read(PIECE):
            yield part
    finally:
        await shut(writer)


class AllVolumeFiles:
    """The controller's end; keeps VolumeFiles for its own machine, and VolumesAtHand."""

    def __init__(self, own: str, local: BytesAnswers, asks: Puts, spool: Path) -> None:
        self._own = own
        self._local = local
        self._asks = asks
        self._spool = spool

    async def fetch(self, host: str, backend: str, kind: str, id: str, destination: Path) -> None:
        """The raw bytes of what the host keeps there are in `destination`."""
        stream = await self.stream(host, BytesAsk(id, kind, backend))
        async with contextlib.aclosing(_parts(stream)) as parts:
            await _receive(parts, destination, host, kind, id)

    async def stream(self, host: str, asked: BytesAsk) -> Stream:
        """The bytes as they are sent; whoever gets the stream closes it."""
        body: Body = msgspec.to_builtins(asked)
        return await self._local.connect(body) if host == self._own else await self._asks.open(host, body)

    @contextlib.asynccontextmanager
    async def at_hand(self, host: str, backend: str, volume_id: str, file: str) -> AsyncIterator[Path]:
        """A path where the copy can be read: its own on this machine, else that of one which goes afterwards."""
        if host == self._own:
            yield Path(file)
            return
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy = self._spool / f"{volume_id}-{secrets.token_hex(4)}"
        try:
            stream = await self.stream(host, BytesAsk(volume_id, Kind.VOLUME, backend, Path(file).name))
            async with contextlib.aclosing(_parts(stream)) as parts:
                await _receive(parts, copy, host, Kind.VOLUME, volume_id)
            yield copy
        finally:
            copy.unlink(missing_ok=True)


class VolumeFileRoutes:
    """What the controller serves of it to hosts that volumes come to."""

    def __init__(self, hosts: Hosts, files: AllVolumeFiles) -> None:
        self._hosts = hosts
        self._files = files

    def routes(self) -> Mapping[tuple[str, str], Route]:
        """What the channel is to serve."""
        return {("GET", BYTES): Route(self.send)}

    async def send(self, asked: Asked) -> Told:
        """The bytes of what a volume of the asking host is made of, by its document."""
        kind, id = asked.path["kind"], asked.path["id"]
        host, backend = asked.query.get("host", ""), asked.query.get("backend", "")
        if kind == HELD and await self._keeps(asked.host, host, id):
            return Told(parts=_parts(await self._files.stream(host, BytesAsk(id, kind, backend))))
        named = {"kind": kind, "id": id, "host": host, "backend": backend}
        for wish in await self._hosts.wanted_list(asked.host, Kind.VOLUME):
            origin = {} if wish.gone else wish.body.get("origin") or {}
            if host and {name: origin.get(name) or "" for name in named} == named:
                return Told(parts=_parts(await self._files.stream(host, BytesAsk(id, kind, backend))))
        raise NotYours(host=asked.host)

    async def _keeps(self, keeper: str, holder: str, volume_id: str) -> bool:
        """Whether a document of that host is about such a volume of its own which a server on the other host has."""
        for kind, origin in ((Kind.VOLUME, "origin"), (Kind.SNAPSHOT, "origin"), (Kind.BACKUP, "of")):
            for wish in await self._hosts.wanted_list(keeper, kind):
                told = {} if wish.gone else wish.body
                of = told.get(origin) or {}
                own = kind is Kind.VOLUME and (wish.id, told.get("holder")) == (volume_id, holder)
                if own or (of.get("kind"), of.get("id"), of.get("holder")) == (Kind.VOLUME, volume_id, holder):
                    return bool(holder)
        return False


class FarVolumeFiles:
    """The target host's end; keeps pileus.ports.volume_files.VolumeFiles."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler

    async def fetch(self, host: str, backend: str, kind: str, id: str, destination: Path) -> None:
        """The raw bytes of what `host` keeps there, verified, are in `destination`; else this raises."""
        path = f"{BYTES.format(kind=kind, id=id)}?{urlencode({'host': host, 'backend': backend})}"
        async with self._dialler.stream(path, {}, deadline_s=HEAD_S) as (_, parts):
            await _receive(parts, destination, host, kind, id)
