"""A client of directories (LDAP version 3, RFC 4511) that only reads: it binds, and it searches page by page.

Filters are values and never put together from text, so no name can change what is asked.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec

from pileus.identity.drivers.ber import (
    BOOLEAN,
    ENUMERATED,
    SEQUENCE,
    SET,
    BadBer,
    elements,
    header,
    number,
    packed,
    text,
    whole,
)
from pileus.identity.errors import DirectoryFailed
from pileus.identity.models.domain_settings import Ldap
from pileus.identity.models.ldap_filter import All, Any, Equal, Filter, Like, Not, Present

PAGED = "1.2.840.113556.1.4.319"
START_TLS = "1.3.6.1.4.1.1466.20037"
SUCCESS, NO_SUCH_OBJECT, WRONG_PASSWORD = 0, 32, 49
SCOPES = {"base": 0, "one": 1, "sub": 2}
Attributes = Mapping[str, Sequence[bytes]]


class Entry(msgspec.Struct, frozen=True):
    """What a directory holds by one name; attributes by their names in lower case."""

    dn: str
    attributes: Attributes


def encoded(asked: Filter) -> bytes:
    """A filter as it goes over the wire."""
    match asked:
        case All(of=many) | Any(of=many):
            return packed(0xA0 if isinstance(asked, All) else 0xA1, *(encoded(one) for one in many))
        case Not(of=one):
            return packed(0xA2, encoded(one))
        case Equal(attribute=attribute, value=value):
            return packed(0xA3, text(attribute), text(value))
        case Present(attribute=attribute):
            return text(attribute, 0x87)
        case Like(attribute=attribute, parts=parts):
            tags = [0x80, *[0x81] * (len(parts) - 2), 0x82]
            some = [text(part, tag) for tag, part in zip(tags, parts, strict=True) if part]
            return packed(0xA4, text(attribute), packed(SEQUENCE, *some))


class Connection:
    """One connection to a directory; made with `connected`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._number = 0

    async def bind(self, dn: str, password: str) -> bool:
        """Whether this is the password of the entry; nobody binds without a password."""
        if not password or not dn:
            return False  # a directory would take that for an anonymous bind, and let anybody in
        code, why = await self._asked(packed(0x60, number(3), text(dn), text(password, 0x80)), 0x61)
        if code not in {SUCCESS, WRONG_PASSWORD, NO_SUCH_OBJECT}:
            raise DirectoryFailed(why=f"it does not bind (result {code}) {why}")
        return code == SUCCESS

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """The connection is encrypted from now on."""
        code, why = await self._asked(packed(0x77, text(START_TLS, 0x80)), 0x78)
        if code != SUCCESS:
            raise DirectoryFailed(why=f"it does not start TLS (result {code}) {why}")
        await self._writer.start_tls(context, server_hostname=host)
        # What came before the encryption is from whoever sits between; a reader would take it for an answer after it.
        early = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                early = await self._reader.read(1)
        if early:
            raise DirectoryFailed(why="something came unencrypted where TLS was to begin")

    async def search(
        self, base: str, scope: str, asked: Filter, attributes: Sequence[str], page: int = 500
    ) -> AsyncIterator[Entry]:
        """The entries that are found, page by page; none when there is no such base."""
        cookie = b""
        while True:
            control = packed(SEQUENCE, number(page), text(cookie))
            wanted = packed(SEQUENCE, *(text(name) for name in attributes))
            operation = packed(
                0x63, text(base), number(SCOPES[scope], ENUMERATED), number(0, ENUMERATED), number(0), number(0),
                packed(BOOLEAN, b"\0"), encoded(asked), wanted,
            )  # fmt: skip
            await self._send(operation, packed(0xA0, packed(SEQUENCE, text(PAGED), text(control))))
            cookie = b""
            while True:
                tag, body, controls = await self._receive()
                if tag == 0x64:
                    yield _entry(body)
                elif tag == 0x65:
                    code, why = _result(body)
                    if code == NO_SUCH_OBJECT:
                        return
                    if code != SUCCESS:
                        raise DirectoryFailed(why=f"the search in {base} failed (result {code}) {why}")
                    cookie = _cookie(controls)
                    break
            if not cookie:
                return

    async def close(self) -> None:
        """The connection is closed."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self._writer.write(packed(SEQUENCE, number(self._number + 1), b"\x42\x00"))
            await self._writer.drain()
        self._writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self._writer.wait_closed()

    async def _send(self, operation: bytes, controls: bytes = b"") -> None:
        self._number += 1
        self._writer.write(packed(SEQUENCE, number(self._number), operation, controls))
        await self._writer.drain()

    async def _receive(self) -> tuple[int, bytes, bytes]:
        """The tag and content of the next answer, and the controls that came with it."""
        raw = await self._reader.readexactly(2)
        while (found := header(raw)) is None:
            raw += await self._reader.readexactly(1)
        parts = list(elements(await self._reader.readexactly(found[1])))
        if len(parts) < 2 or whole(parts[0][1]) != self._number:
            raise BadBer("an answer to another question")
        return parts[1][0], parts[1][1], parts[2][1] if len(parts) > 2 else b""

    async def _asked(self, operation: bytes, answer: int) -> tuple[int, str]:
        await self._send(operation)
        tag, body, _ = await self._receive()
        if tag != answer:
            raise BadBer("an answer of another kind")
        return _result(body)


def _result(body: bytes) -> tuple[int, str]:
    parts = [content for _, content in elements(body)]
    return whole(parts[0]), parts[2].decode("utf-8", "replace")[:200] if len(parts) > 2 else ""


def _entry(body: bytes) -> Entry:
    (_, dn), (_, attributes) = elements(body)
    found: dict[str, list[bytes]] = {}
    for _, one in elements(attributes):
        (_, name), (tag, values) = elements(one)
        if tag == SET:
            found[name.decode().lower()] = [value for _, value in elements(values)]
    return Entry(dn.decode("utf-8", "replace"), found)


def _cookie(controls: bytes) -> bytes:
    for _, control in elements(controls):
        parts = [content for _, content in elements(control)]
        if parts[0] == PAGED.encode():
            ((_, value),) = elements(parts[-1])
            return [content for _, content in elements(value)][1]
    return b""


@contextlib.asynccontextmanager
async def connected(settings: Ldap) -> AsyncIterator[Connection]:
    """A connection to the directory; whatever is wrong with it is DirectoryFailed."""
    parts = urlsplit(settings.url)
    if parts.scheme not in {"ldap", "ldaps"} or not parts.hostname:
        raise DirectoryFailed(why=f"{settings.url} is no address of a directory")
    encrypted = parts.scheme == "ldaps"
    context = _context(settings) if encrypted or settings.use_tls else None
    port = parts.port or (636 if encrypted else 389)
    try:
        async with asyncio.timeout(settings.connection_timeout):
            reader, writer = await asyncio.open_connection(
                parts.hostname, port, ssl=context if encrypted else None, limit=1 << 22
            )
    except (OSError, TimeoutError) as failed:
        raise DirectoryFailed(why=f"{parts.hostname}:{port} cannot be reached: {failed}") from failed
    connection = Connection(reader, writer)
    try:
        async with asyncio.timeout(6 * settings.connection_timeout):
            if context is not None and not encrypted:
                await connection.start_tls(context, parts.hostname)
            yield connection
    except (OSError, TimeoutError, asyncio.IncompleteReadError, BadBer) as failed:
        raise DirectoryFailed(why=f"{parts.hostname}:{port} went away, or does not speak LDAP: {failed}") from failed
    finally:
        await connection.close()


def _context(settings: Ldap) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.tls_cacertfile or None)
    if settings.tls_req_cert == "never":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
