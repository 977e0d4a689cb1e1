"""The storage server's end of calls from other machines: over mutual TLS, one request after the other on each connection.

What a connection has open (an upload, a copy that is read) ends with it, or with its next request that is about something else.
"""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import h11
import msgspec

from pileus.kit.hosts.wire import BadMessage, Peer, Wire, peer_of
from pileus.kit.observe.log import log_of
from pileus.object_store.errors import StorageProblem
from pileus.object_store.storage.far.calls import (
    BYTES,
    FRAME,
    HEAD,
    INLINE,
    KEEP,
    READ,
    TAKE,
    VERBS,
    WHAT,
    Head,
    Trouble,
    shrunk,
    told,
)
from pileus.object_store.storage.interface import Found, FoundFile, StorageServer, Upload
from pileus.object_store.storage.published import Atlas

log = log_of(__name__)
IDLE_S = 75.0
BODY_S = 60.0  # a body of which nothing comes for so long has ended
HANDSHAKE_S = 10.0
MOST_CONNECTIONS = 10_000
LONGEST_FRAME = 64 << 20
Call = Callable[[bytes], Awaitable[bytes]]  # JSON in, JSON out


class StorageChannel:
    """Serves the devices of this process to the other machines of the cluster."""

    def __init__(self, server: StorageServer, atlas: Atlas, calls: Mapping[str, Call] | None = None) -> None:
        self._server = server
        self._atlas = atlas
        self._calls = calls or {}
        self._listening: list[asyncio.Server] = []
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def listen(self, address: str, port: int, tls: ssl.SSLContext) -> int:
        """Other machines are answered at the address; return the port. Raises OSError."""
        made = await asyncio.start_server(
            self._connected, address, port, ssl=tls, ssl_handshake_timeout=HANDSHAKE_S, backlog=1024, limit=1 << 18
        )
        self._listening.append(made)
        return int(made.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Nobody is answered any more, and nothing of theirs is open."""
        for listening in self._listening:
            listening.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._listening = []

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        peer, key = peer_of(writer), _key_of(writer)
        if len(self._connections) >= MOST_CONNECTIONS:
            log.warning("a machine of the cluster is turned away: there are too many connections", peer=peer.name)
            writer.close()
            return
        self._connections[task] = writer
        wire = Wire(h11.SERVER, reader, writer)
        session = _Session(wire, self._server, self._calls, lambda: self._atlas.admits(peer.name, key), peer)
        try:
            while await session.one():
                wire.state.start_next_cycle()
        except (BadMessage, TimeoutError, ConnectionError) as ended:
            log.debug("a connection ended", why=str(ended), peer=peer.name)
        except asyncio.CancelledError:  # asyncio would log a cancelled connection as an error
            log.debug("a connection was closed by us")
        except Exception as failed:  # noqa: BLE001 - one connection's failure is not the others'
            log.broke("a connection of the cluster broke", failed, peer=peer.name)
        finally:
            await session.end()
            writer.transport.abort()
            del self._connections[task]


def _key_of(writer: asyncio.StreamWriter) -> str:
    tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True) if tls is not None else None
    return key_digest(certificate) if certificate else ""


def key_digest(certificate: bytes) -> str:
    """The digest of the public key in a certificate (DER)."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_der_x509_certificate(certificate).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


class _Session:
    """One connection: its requests, and what it has open."""

    def __init__(
        self, wire: Wire, server: StorageServer, calls: Mapping[str, Call], admitted: Callable[[], bool], peer: Peer
    ) -> None:
        self._wire = wire
        self._server = server
        self._calls = calls
        self._admitted = admitted
        self._peer = peer
        self._upload: Upload | None = None
        self._found: Found | FoundFile | None = None

    async def one(self) -> bool:
        """One request is answered; False when the connection is to be closed."""
        async with asyncio.timeout(IDLE_S):
            event = await self._wire.event()
        if not isinstance(event, h11.Request):
            return False
        target = event.target.decode("latin-1").removeprefix("/v1/")
        if not self._admitted():
            await self._answer(403, msgspec.json.encode(Trouble("Unreachable", f"{self._peer.name} is not admitted")))
            return False
        try:
            await self._served(target)
        except StorageProblem as problem:
            await self._drain()
            await self._answer(*told(problem))
        except (BadMessage, TimeoutError, ConnectionError):
            raise
        except Exception as failed:  # noqa: BLE001 - whoever asked is told, the log says what
            log.broke("a call of another machine failed", failed, call=target, peer=self._peer.name)
            await self._drain()
            trouble = Trouble("StorageProblem", f"{type(failed).__name__}: {failed}")
            await self._answer(500, msgspec.json.encode(trouble))
        return self._wire.state.our_state is h11.DONE and self._wire.state.their_state is h11.DONE

    async def end(self) -> None:
        """Nothing is open; an upload that was not kept is dropped."""
        upload, self._upload = self._upload, None
        found, self._found = self._found, None
        try:
            if upload is not None:
                await upload.drop()
        finally:
            if found is not None:
                await found.close()

    async def _served(self, target: str) -> None:
        match target:
            case "session/write":
                await self._write()
            case "session/read":
                await self._read()
            case "replicas/take":
                await self.end()
                await self._take()
            case "session/close":
                await self._body()
                await self.end()
                await self._answer(200, b"")
            case _ if target.startswith("/recon/"):  # as Swift's storage servers are asked, by GET
                check, _, of = target.removeprefix("/recon/").partition("/")
                await self._body()
                await self._answer(200, await self._calls["workers/recon"](msgspec.json.encode((check, of))))
            case _ if target in self._calls:
                await self._answer(200, await self._calls[target](await self._body()))
            case _:
                await self.end()
                await self._call(target)

    async def _call(self, target: str) -> None:
        verb = VERBS.get(target)
        if verb is None:
            raise StorageProblem(f"There is no call {target}.")
        arguments = verb.arguments.decode(await self._body())
        split = len(arguments) - len(verb.keywords)
        named = dict(zip(verb.keywords, arguments[split:], strict=True))
        result = await getattr(getattr(self._server, verb.room), verb.name)(*arguments[:split], **named)
        match target:
            case "objects/upload":
                self._upload = result
                await self._answer(200, b"")
            case "objects/open":
                await self._opened(result, whole=bool(named["whole"]))
            case "replicas/read" | "objects/fragment":
                await self._opened(result, whole=True)
            case _:
                await self._answer(200, msgspec.json.encode(shrunk(verb, result)))

    async def _opened(self, found: Found | FoundFile, *, whole: bool) -> None:
        """What is known of it is told, with all bytes of a small one; a large one stays open."""
        self._found = found
        more = whole and found.size > INLINE
        about = Head(found.metadata, found.size, getattr(found, "stamp", ""), getattr(found, "changed", ""), more)
        said = msgspec.json.encode(about)
        inline = []
        if whole and not more:
            inline = [part async for part in found.read(0, found.size)]
        if not more:
            await self.end()
        await self._answer(200, b"".join((HEAD.pack(len(said)), said, *inline)))

    async def _read(self) -> None:
        start, length = READ.decode(await self._body())
        found = self._found
        if found is None:
            raise StorageProblem("Nothing is open on this connection.")
        parts = found.read(start, length)
        first = await anext(parts, b"")  # what cannot be read at all is an answer, not a body that breaks off
        headers = [("content-length", str(min(length, found.size - start)))]
        await self._send(h11.Response(status_code=200, headers=headers), h11.Data(data=first))
        try:
            async for part in parts:
                await self._send(h11.Data(data=part))
            await self._send(h11.EndOfMessage())
        except StorageProblem as problem:  # the length does not fit any more, so the reader knows; it has other copies
            raise BadMessage(problem.message) from problem

    async def _write(self) -> None:
        upload, self._upload = self._upload, None
        if upload is None:
            raise StorageProblem("Nothing is open on this connection.")
        try:
            frames = Frames(self._wire.parts())
            async for part in frames.content():
                await upload.write(part)
            stamp, metadata, about, only_new, fragment = KEEP.decode(frames.what)
            await self._drain()
            await upload.keep(stamp, metadata, about, only_new=only_new, fragment=fragment)
        finally:
            await upload.drop()
        await self._answer(200, b"")

    async def _take(self) -> None:
        frames = Frames(self._wire.parts())
        await frames.first()
        place, policy, name, metadata, size = TAKE.decode(frames.what)
        await self._server.replicas.take(place, policy, name, _Coming(metadata, size, frames))
        await self._drain()
        await self._answer(200, b"")

    async def _body(self) -> bytes:
        async with asyncio.timeout(BODY_S):
            return await self._wire.body()

    async def _drain(self) -> None:
        """The rest of the request's body is read and forgotten, so that the answer is heard."""
        while self._wire.state.their_state is h11.SEND_BODY:
            async with asyncio.timeout(BODY_S):
                await self._wire.event()

    async def _answer(self, status: int, body: bytes) -> None:
        headers = [("content-length", str(len(body)))]
        await self._send(h11.Response(status_code=status, headers=headers), h11.Data(data=body), h11.EndOfMessage())

    async def _send(self, *events: h11.Event) -> None:
        async with asyncio.timeout(2 * BODY_S):  # slow clients of proxies make slow readers
            await self._wire.send(*events)


class _Coming:
    """A file that another machine hands over, as its bytes come."""

    def __init__(self, metadata: dict[str, str], size: int, frames: "Frames") -> None:
        self.metadata = metadata
        self.size = size
        self._frames = frames

    def read(self, start: int, length: int) -> AsyncIterator[bytes]:
        """All bytes, once."""
        return self._frames.content()

    async def close(self) -> None:
        """Nothing is open here."""


class Frames:
    """The frames of a body as they come: bytes are passed on at once, what they are about is kept in `what`."""

    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        self._parts = parts
        self._held = b""
        self.what = b""

    async def first(self) -> None:
        """The frame that says what follows has been read."""
        kind, length = await self._head()
        if kind != WHAT:
            raise BadMessage("the body does not begin with what it is about")
        self.what = await self._exactly(length)

    async def content(self) -> AsyncIterator[bytes]:
        """The bytes, up to the frame that says what is to become of them, or to the end."""
        while True:
            if not self._held and not await self._more():
                return
            kind, length = await self._head()
            if kind == WHAT:
                self.what = await self._exactly(length)
                return
            if kind != BYTES:
                raise BadMessage("the body is not made of frames")
            while length:
                if not self._held and not await self._more():
                    raise BadMessage("the body breaks off")
                part, self._held = self._held[:length], self._held[length:]
                length -= len(part)
                yield part

    async def _head(self) -> tuple[bytes, int]:
        kind, length = FRAME.unpack(await self._exactly(FRAME.size))
        if length > LONGEST_FRAME:
            raise BadMessage("a frame is too long")
        return kind, length

    async def _exactly(self, size: int) -> bytes:
        while len(self._held) < size:
            if not await self._more():
                raise BadMessage("the body breaks off")
        found, self._held = self._held[:size], self._held[size:]
        return found

    async def _more(self) -> bool:
        async with asyncio.timeout(BODY_S):
            part = await anext(self._parts, None)
        if part is None:
            return False
        self._held += part
        return True
