"""The bytes of a request: taken out of chunks where they come in such, and held against every sum that was promised.

An object is kept only once its body has ended, so a body that raises at its end leaves nothing behind. Sums are computed off the
event loop, behind the bytes that are already on their way to the devices.
"""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import msgspec

from pileus.kit.http.call import Disconnected
from pileus.kit.http.pace import TooSlow
from pileus.object_store.s3.checksums import HEADER, SIZES, Sum, encoded, sum_of
from pileus.object_store.s3.errors import S3Error

EMPTY = hashlib.sha256(b"").hexdigest()
BATCH = 1 << 18  # bytes summed at once, in a thread
INLINE = 1 << 15  # so few are summed on the spot
MOST_LINE = 8192
MOST_TRAILERS = 16

CHUNKS = {  # how a body may come in chunks: whether they are signed, and whether trailers follow
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": (True, False),
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": (True, True),
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": (False, True),
}


class Chain(msgspec.Struct):
    """What signs chunks: each signature is part of the text of the next."""

    key: bytes
    stamp: str
    scope: str
    last: str

    def takes(self, digest: str, signature: str) -> bool:
        """Whether the next chunk, of this digest, is signed so."""
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{self.stamp}\n{self.scope}\n{self.last}\n{EMPTY}\n{digest}"
        return self._same(text, signature)

    def takes_trailers(self, lines: bytes, signature: str) -> bool:
        """Whether the trailers are signed so."""
        digest = hashlib.sha256(lines).hexdigest()
        text = f"AWS4-HMAC-SHA256-TRAILER\n{self.stamp}\n{self.scope}\n{self.last}\n{digest}"
        return self._same(text, signature)

    def _same(self, text: str, signature: str) -> bool:
        ours = hmac.digest(self.key, text.encode(), "sha256").hex()
        self.last = ours
        return hmac.compare_digest(ours.encode(), signature.encode("latin-1", "replace"))


class Chunked:
    """A body that comes in chunks of its own (aws-chunked); yields what is in them, and keeps the trailers."""

    def __init__(self, source: AsyncIterator[bytes], chain: Chain | None, *, trailing: bool) -> None:
        self._source = source
        self._chain = chain
        self._trailing = trailing
        self._held = b""
        self.trailers: dict[str, str] = {}

    async def read(self) -> AsyncIterator[bytes]:
        """What is in the chunks; raises S3Error when one is not as it is signed."""
        while True:
            size, signature = self._head(await self._line())
            if size == 0:
                break
            sum = hashlib.sha256()
            async for piece in self._take(size):
                if self._chain is not None:
                    await _update(sum.update, piece)
                yield piece
            if await self._line():
                raise S3Error("IncompleteBody", "A chunk of the body is not as long as it says.")
            self._require(sum.hexdigest(), signature)
        self._require(EMPTY, signature)
        await self._end()

    def _head(self, line: bytes) -> tuple[int, str]:
        text, _, rest = line.decode("latin-1").partition(";")
        name, _, signature = rest.strip().partition("=")
        text = text.strip()
        if not text or len(text) > 15 or any(digit not in "0123456789abcdefABCDEF" for digit in text):
            raise S3Error("IncompleteBody", "The body does not come in chunks as its headers say.")
        if self._chain is not None and name.strip() != "chunk-signature":
            raise S3Error("SignatureDoesNotMatch", "A chunk of the body is not signed.")
        return int(text, 16), signature.strip()

    def _require(self, digest: str, signature: str) -> None:
        if self._chain is not None and not self._chain.takes(digest, signature):
            raise S3Error("SignatureDoesNotMatch", "The signature of a chunk of the body does not match it.")

    async def _end(self) -> None:
        """The trailers are known, and as they were signed."""
        signed, signature = b"", ""
        for _ in range(MOST_TRAILERS):
            line = await self._line(at_end=True)
            if not line:
                break
            name, _, value = line.decode("latin-1").partition(":")
            name, value = name.strip().lower(), value.strip()
            if name == "x-amz-trailer-signature":
                signature = value
            else:
                self.trailers[name] = value
                signed += f"{name}:{value}\n".encode("latin-1")
        async for _ in self._rest():
            raise S3Error("IncompleteBody", "Something follows the last chunk of the body.")
        if self._chain is not None and self._trailing and not self._chain.takes_trailers(signed, signature):
            raise S3Error("SignatureDoesNotMatch", "The signature of the trailers does not match them.")

    async def _rest(self) -> AsyncIterator[bytes]:
        while self._held.strip(b"\r\n") or await self._more():
            if self._held.strip(b"\r\n"):
                yield self._held
                return
            self._held = b""

    async def _more(self) -> bool:
        chunk = await anext(self._source, b"")
        self._held += chunk
        return bool(chunk)

    async def _line(self, *, at_end: bool = False) -> bytes:
        while b"\n" not in self._held:
            if len(self._held) > MOST_LINE or not await self._more():
                if at_end and len(self._held) <= MOST_LINE:
                    break
                raise S3Error("IncompleteBody")
        line, _, self._held = self._held.partition(b"\n")
        return line.removesuffix(b"\r")

    async def _take(self, size: int) -> AsyncIterator[bytes]:
        while size:
            if not self._held and not await self._more():
                raise S3Error("IncompleteBody")
            piece, self._held = self._held[:size], self._held[size:]
            size -= len(piece)
            yield piece


async def _update(update: Callable[[bytes], object], piece: bytes) -> None:
    if len(piece) > BATCH:
        await asyncio.to_thread(update, piece)
    else:
        update(piece)


class Sums:
    """Several sums of the same bytes, computed behind their back."""

    def __init__(self, sums: Mapping[str, Sum]) -> None:
        self._sums = sums
        self._held: list[bytes] = []
        self._size = 0
        self._task: asyncio.Task[None] | None = None

    async def add(self, chunk: bytes) -> None:
        """The bytes count too."""
        if not self._sums:
            return
        self._held.append(chunk)
        self._size += len(chunk)
        if self._size >= BATCH:
            await self._settle()
            whole, self._held, self._size = b"".join(self._held), [], 0
            self._task = asyncio.create_task(asyncio.to_thread(self._update, whole))

    async def end(self) -> None:
        """All bytes have counted."""
        await self._settle()
        whole, self._held = b"".join(self._held), []
        if len(whole) > INLINE:
            await asyncio.to_thread(self._update, whole)
        else:
            self._update(whole)

    async def drop(self) -> None:
        """Nothing is under way."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _settle(self) -> None:
        if self._task is not None:
            task, self._task = self._task, None
            await task

    def _update(self, whole: bytes) -> None:
        for sum in self._sums.values():
            sum.update(whole)

    def digest(self, name: str) -> bytes:
        """One of the sums."""
        return self._sums[name].digest()


class Promised(msgspec.Struct, kw_only=True):
    """What a request says of its body: its length, and sums by name (as digests)."""

    length: int | None = None
    payload: str = ""  # SHA-256, as the signature has it
    md5: bytes | None = None
    sums: dict[str, bytes] = {}
    trailer: str = ""  # the sum that follows the body
    computed: tuple[str, ...] = ()  # sums that are wanted besides


class Verified:
    """A body whose end is reached only if it is what was promised. `checksums` are known then, in Base64."""

    def __init__(
        self,
        source: AsyncIterator[bytes],
        promised: Promised,
        chunked: Chunked | None = None,
        last: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._source = source
        self._promised = promised
        self._chunked = chunked
        self.length: int | None = promised.length
        self.last = last  # what must hold once all bytes are there
        self.checksums: dict[str, str] = {}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        promised = self._promised
        names = {*promised.sums, *promised.computed} | ({promised.trailer} if promised.trailer else set())
        if promised.md5 is not None:
            names.add("md5")
        if promised.payload:
            names.add("sha256")
        sums = Sums({name: sum_of(name) for name in sorted(names)})
        size = 0
        try:
            async for chunk in self._chunked.read() if self._chunked is not None else self._source:
                size += len(chunk)
                await sums.add(chunk)
                yield chunk
            await sums.end()
        except TooSlow:
            raise S3Error("RequestTimeout", headers={"connection": "close"}) from None
        except Disconnected:
            raise S3Error("IncompleteBody") from None
        finally:
            await sums.drop()
        if promised.length is not None and size != promised.length:
            raise S3Error("IncompleteBody")
        self._check(sums)
        self.checksums = {name: encoded(sums.digest(name)) for name in names if name in SIZES}
        if self.last is not None:
            await self.last()

    def _check(self, sums: Sums) -> None:
        promised = self._promised
        if promised.payload and not hmac.compare_digest(sums.digest("sha256").hex(), promised.payload):
            raise S3Error("XAmzContentSHA256Mismatch")
        if promised.md5 is not None and sums.digest("md5") != promised.md5:
            raise S3Error("BadDigest")
        for name, digest in promised.sums.items():
            if sums.digest(name) != digest:
                raise _bad(name)
        if promised.trailer and self._chunked is not None:
            given = self._chunked.trailers.get(f"{HEADER}{promised.trailer}", "")
            if not given:
                raise S3Error("InvalidRequest", "The trailer that was announced is missing.")
            if encoded(sums.digest(promised.trailer)) != given:
                raise _bad(promised.trailer)


def _bad(name: str) -> S3Error:
    return S3Error("BadDigest", f"The {name.upper()} you specified did not match the calculated checksum.")
