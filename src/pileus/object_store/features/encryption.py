"""Encryption at rest: disks hold what is of no use without a root secret, and clients notice nothing.

    PUT -> key for these bytes -> bytes, tag, metadata sealed on their way down -> devices
    GET <- bytes, tag, metadata opened on their way up <- devices

It is the innermost feature: copies, large objects, links and versions all pass it, as their parts do. What engine and disks need
stays as it is: names, sizes, times, content types, and the sum of the bytes as they lie on the disk, which auditors compare.
Conditions are held against opened tags, by proxies, so that no digest of what is in an object has to be kept in the clear.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from hashlib import md5
from typing import Protocol

import msgspec

from pileus.kit.observe.log import log_of
from pileus.object_store.models.ciphers import MARK, BytesKey, NotOpened, Seals, Secret
from pileus.object_store.models.listings import Entry, ObjectRow
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Answer, Ask, Body, Content, Handler, Landed, Refused
from pileus.object_store.proxy.kept import LISTED, SYSMETA, TRANSIENT

log = log_of(__name__)

BYTES = f"{SYSMETA}crypto-bytes"  # the key of the bytes, and their tag
OTHERWISE = f"{SYSMETA}crypto-listed"  # that a feature has the object listed under another tag than its own
SHOWN = "x-backend-encrypted"  # of an answer: the bytes are encrypted where they lie
LISTED_TAG = f"{LISTED}etag"
# Under which names sealed headers lie on the disk: a client's own value can never be taken for a sealed one.
SEALED = {
    "x-object-meta-": f"{TRANSIENT}crypto-meta-",
    TRANSIENT: f"{TRANSIENT}crypto-sys-",
    SYSMETA: f"{SYSMETA}crypto-sys-",
}
INLINE = 1 << 15  # so many bytes are turned on the spot: a thread would take longer
ROWS = 100  # likewise entries of a listing
UNKNOWN = "<unknown>"
TEXT = ("utf-8", "surrogateescape")


class Secrets(Protocol):
    """Root secrets."""

    @property
    def active(self) -> Secret | None: ...
    def get(self, id: str) -> Secret | None: ...


class Encryption:
    """Seals what is written while a root secret is active, and opens what was sealed with any."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """What is asked, of opened objects and listings."""
        if ask.path.depth == 2 and ask.method == "GET":
            return await rest(msgspec.structs.replace(ask, shown=partial(self._rows, self._seals(ask.path))))
        if ask.path.depth != 3:
            return await rest(ask)
        if ask.method in {"GET", "HEAD"}:
            return await self._opened(ask, await rest(ask))
        secret = self._secrets.active
        if secret is None or ask.method not in {"PUT", "POST"}:
            return await rest(ask)
        return await _Sealing(ask, self._seals(ask.path), self._seals(ask.path.above), secret).done(rest)

    def _seals(self, path: Path) -> Seals:
        return Seals(path, self._secrets.get)

    async def _opened(self, ask: Ask, answer: Answer) -> Answer:
        if not answer.ok:
            return answer
        try:
            headers, key = self._headers(ask.path, answer.headers)
        except NotOpened as wrong:
            await answer.close()
            log.warning("an object cannot be decrypted", why=str(wrong), path=str(ask.path))
            raise Refused(500, "The object is encrypted, and cannot be opened here.") from wrong
        body = answer.body
        if key is not None and not isinstance(body, bytes):
            body = Opened(body, key)
        return msgspec.structs.replace(answer, headers=headers, body=body)

    def _headers(self, path: Path, kept: Mapping[str, str]) -> tuple[dict[str, str], BytesKey | None]:
        seals = self._seals(path)
        headers: dict[str, str] = {}
        for name, value in kept.items():
            plain = _plain(name)
            if plain:
                headers[plain] = seals.open(value, plain).decode(*TEXT)
            elif name not in {BYTES, OTHERWISE}:
                headers[name] = value
        if BYTES not in kept:
            return headers, None
        if OTHERWISE in kept:
            about = str(path.object)
            headers[LISTED_TAG] = self._seals(path.above).open(kept[LISTED_TAG], about).decode(*TEXT)
        else:
            headers.pop(LISTED_TAG, None)
        key, tag = BytesKey.of(opened := seals.open(kept[BYTES], BYTES)), opened[BytesKey.SIZE :]
        return headers | {SHOWN: "true", "etag": tag.decode()}, key

    async def _rows(self, seals: Seals, entries: Sequence[Entry]) -> Sequence[Entry]:
        """The entries of a listing with their tags opened; those that cannot be are unknown."""
        sealed = sum(isinstance(one, ObjectRow) and one.etag.startswith(MARK) for one in entries)
        if not sealed:
            return entries
        work = partial(_shown, seals, entries)
        return work() if sealed < ROWS else await asyncio.to_thread(work)


class _Sealing:
    """One PUT or POST, sealed on its way down."""

    def __init__(self, ask: Ask, seals: Seals, listed: Seals, secret: Secret) -> None:
        self._ask = ask
        self._seals = seals
        self._listed = listed
        self._secret = secret
        self._key = BytesKey.fresh()
        self._body = Sealed(ask.body, self._key)

    async def done(self, rest: Handler) -> Answer:
        ask = self._ask
        if ask.method == "POST":
            return await rest(msgspec.structs.replace(ask, kept=self._kept))
        headers = {name: value for name, value in ask.headers.items() if name != "etag"}
        answer = await rest(
            msgspec.structs.replace(ask, headers=headers, body=self._body, late=self._late, kept=self._kept_whole)
        )
        if answer.ok:
            answer.headers |= {"etag": self._body.etag, SHOWN: "true"}
        return answer

    def _late(self, _landed: Landed) -> Mapping[str, str]:
        """What is known once the bytes are; refuses bytes that are not what the client said."""
        given = self._ask.headers.get("etag", "").strip().strip('"').lower()
        if given and given != self._body.etag:
            raise Refused(422)
        return self._ask.late(Landed(self._body.etag, self._body.size)) if self._ask.late is not None else {}

    def _kept_whole(self, metadata: Mapping[str, str]) -> dict[str, str]:
        kept = self._kept(metadata)
        etag = self._body.etag
        listed = metadata.get(LISTED_TAG, etag).encode(*TEXT)
        kept[LISTED_TAG] = self._listed.seal(self._secret, listed, str(self._ask.path.object))
        if LISTED_TAG in metadata:
            kept[OTHERWISE] = "true"
        kept[BYTES] = self._seals.seal(self._secret, self._key.raw + etag.encode(), BYTES)
        return kept

    def _kept(self, metadata: Mapping[str, str]) -> dict[str, str]:
        """The metadata as it lies on the disk."""
        kept = {}
        for name, value in metadata.items():
            hidden = _hidden(name)
            kept[hidden or name] = self._seals.seal(self._secret, value.encode(*TEXT), name) if hidden else value
        return kept


def _hidden(name: str) -> str:
    """Under which name a header is kept sealed; empty for those that are not."""
    if name.startswith(LISTED):
        return ""  # the engine reads them
    for prefix, sealed in SEALED.items():
        if name.startswith(prefix):
            return sealed + name.removeprefix(prefix)
    return ""


def _plain(name: str) -> str:
    """What a header is called that is kept sealed under this name; empty when it is not one."""
    for prefix, sealed in SEALED.items():
        if name.startswith(sealed):
            return prefix + name.removeprefix(sealed)
    return ""


def _shown(seals: Seals, entries: Sequence[Entry]) -> list[Entry]:
    return [_row(seals, one) if isinstance(one, ObjectRow) and one.etag.startswith(MARK) else one for one in entries]


def _row(seals: Seals, row: ObjectRow) -> ObjectRow:
    try:
        etag = seals.open(row.etag, row.name).decode(*TEXT)
    except NotOpened:
        etag = UNKNOWN
    return msgspec.structs.replace(row, etag=etag)


class Sealed:
    """A body, encrypted as it comes. `etag` and `size` are those of the client's bytes so far."""

    def __init__(self, body: Body, key: BytesKey) -> None:
        self.length = body.length
        self.size = 0
        self._body = body
        self._turn = key.at(0)
        self._sum = md5(usedforsecurity=False)

    @property
    def etag(self) -> str:
        """The tag of what came so far."""
        return self._sum.hexdigest()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            self.size += len(chunk)
            yield await _off(self._one, chunk)

    def _one(self, chunk: bytes) -> bytes:
        self._sum.update(chunk)
        return self._turn(chunk)


class Opened:
    """The bytes of an object, decrypted as they are read."""

    def __init__(self, content: Content, key: BytesKey) -> None:
        self.size = content.size
        self._content = content
        self._key = key

    async def read(self, start: int, length: int) -> AsyncIterator[bytes]:
        """The bytes from there."""
        turn = self._key.at(start)
        async for chunk in self._content.read(start, length):
            yield await _off(turn, chunk)

    async def close(self) -> None:
        """It is not read any more."""
        await self._content.close()


async def _off(turn: Callable[[bytes], bytes], chunk: bytes) -> bytes:
    """Many bytes are turned in a thread, so that nobody waits for them."""
    return turn(chunk) if len(chunk) <= INLINE else await asyncio.to_thread(turn, chunk)
