"""Fetching an address that a user named, without becoming his way into the operator's networks.

    check the address -> look the name up once -> check what it means -> connect to just that -> follow, checked again

The name is looked up once and the connection goes to what was checked, so a name that changes its meaning in between
changes nothing; a number in any spelling is what the resolver makes of it; every redirect begins anew.
"""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from urllib.parse import SplitResult, urljoin, urlsplit

import h11
import msgspec

from pileus.image.config import WebConfig
from pileus.kit.timely import timely

REDIRECTS = 5
CONNECT_S = 15.0
CHUNK = 1 << 18
LONGEST = 2048
PORTS = {"http": 80, "https": 443}
MOVED = frozenset({301, 302, 303, 307, 308})
PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")  # all that was ever given out: RFC 4291, 2.4
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[[str, int], Awaitable[Sequence[str]]]  # host and port to addresses


class NotAllowed(Exception):
    """The address is none this service may fetch."""


class FetchFailed(Exception):
    """The address did not give what was asked for."""


class Target(msgspec.Struct, frozen=True):
    """An address, taken apart; `path` is what is asked for."""

    scheme: str
    host: str
    port: int
    path: str


def target_of(url: str, rules: WebConfig) -> Target:
    """The address taken apart, if its words allow it to be fetched; raises NotAllowed."""
    parts = _split(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").rstrip(".").lower()
    if scheme not in rules.schemes or scheme not in PORTS:
        raise NotAllowed(f"the scheme must be one of {', '.join(rules.schemes)}")
    if not host or parts.username is not None or parts.password is not None:
        raise NotAllowed("it must name a host, and no user")
    port = parts.port or PORTS[scheme]
    if rules.ports and port not in rules.ports:
        raise NotAllowed(f"port {port} is not among those allowed: {', '.join(map(str, rules.ports))}")
    if host in rules.denied_hosts or (rules.hosts and host not in rules.hosts):
        raise NotAllowed(f"host {host} is not allowed")
    return Target(scheme, host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def _split(url: str) -> SplitResult:
    if len(url) > LONGEST or not url.isascii() or any(ord(letter) <= 32 or ord(letter) == 127 for letter in url):
        raise NotAllowed("it must have at most 2048 printable ASCII characters")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as bad:
        raise NotAllowed(str(bad)) from bad
    return parts


def reachable(address: Address, rules: WebConfig) -> bool:
    """Whether connections to the address are allowed: it is the public internet's, or of a network that was named.

    What is denied by name is denied however it is written.
    """
    inner = _inner(address)
    if any(inner in ipaddress.ip_network(network) for network in rules.denied_networks if _same_kind(inner, network)):
        return False
    if any(inner in ipaddress.ip_network(network) for network in rules.networks if _same_kind(inner, network)):
        return True
    if isinstance(inner, ipaddress.IPv6Address) and inner not in PUBLIC_IPV6:
        # Site-local addresses, and those that local translators make of IPv4 ones, count as global in some Pythons.
        return False
    return inner.is_global and not inner.is_multicast


def _same_kind(address: Address, network: str) -> bool:
    return ipaddress.ip_network(network).version == address.version


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it does: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in ipaddress.IPv6Network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


async def system_lookup(host: str, port: int) -> list[str]:
    """What the name means to this machine, now; raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]).partition("%")[0] for one in found]


async def resolve(target: Target, rules: WebConfig, lookup: Lookup = system_lookup) -> str:
    """The address to connect to; raises NotAllowed if the name means any that may not be, FetchFailed if none."""
    try:
        addresses = await lookup(target.host, target.port)
    except (OSError, UnicodeError) as failed:
        raise FetchFailed(f"host {target.host} is not known: {failed}") from failed
    for address in addresses:
        if not reachable(ipaddress.ip_address(address), rules):
            raise NotAllowed(f"host {target.host} is at {address}, which may not be reached from here")
    return addresses[0]


class Answer:
    """An answer whose head has come; its body is read once."""

    def __init__(self, wire: "_Wire", head: h11.Response) -> None:
        self._wire = wire
        self.status = head.status_code
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}

    async def body(self) -> AsyncIterator[bytes]:
        """The body, chunk by chunk; raises FetchFailed if it ends early."""
        while True:
            event = await self._wire.event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return


class _Wire:
    """One HTTP/1.1 connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stall_s: float) -> None:
        self._reader = reader
        self._writer = writer
        self._stall_s = stall_s
        self._http = h11.Connection(h11.CLIENT)

    async def ask(self, target: Target, extra: dict[str, str]) -> Answer:
        """The request is sent and its answer begins."""
        host = f"[{target.host}]" if ":" in target.host else target.host
        named = host if target.port == PORTS[target.scheme] else f"{host}:{target.port}"
        headers = {"host": named, "user-agent": "pileus", "accept": "*/*", "accept-encoding": "identity", **extra}
        request = h11.Request(method="GET", target=target.path, headers=[*headers.items(), ("connection", "close")])
        self._writer.write((self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b""))
        await self._writer.drain()
        while True:
            event = await self.event()
            if isinstance(event, h11.Response):
                return Answer(self, event)

    async def event(self) -> h11.Event | type[h11.PAUSED]:
        """What comes next; raises FetchFailed."""
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await timely(self._reader.read(CHUNK), self._stall_s))
        except h11.RemoteProtocolError as bad:
            raise FetchFailed(f"the answer is broken off, or no HTTP: {bad}") from bad
        except TimeoutError as late:
            raise FetchFailed(f"nothing came for {self._stall_s:g} s") from late
        except OSError as failed:
            raise FetchFailed(str(failed)) from failed
        return event  # type: ignore[return-value]  # h11 does not tell that NEED_DATA is left out here

    async def close(self) -> None:
        """The connection is gone."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await timely(self._writer.wait_closed(), 1)


@contextlib.asynccontextmanager
async def fetched(
    url: str,
    rules: WebConfig,
    headers: dict[str, str] | None = None,
    redirects: int = REDIRECTS,
    lookup: Lookup = system_lookup,
) -> AsyncIterator[Answer]:
    """The answer to GET, redirects followed; raises NotAllowed or FetchFailed (any status but 200 and 206 too)."""
    for _ in range(redirects + 1):
        target = target_of(url, rules)
        wire = await _connected(target, await resolve(target, rules, lookup), rules)
        try:
            answer = await wire.ask(target, headers or {})
            if answer.status in MOVED and "location" in answer.headers:
                url = urljoin(url, answer.headers["location"])
                continue
            if answer.status not in {200, 206}:
                raise FetchFailed(f"the answer is {answer.status}")
            yield answer
            return
        finally:
            await wire.close()
    raise FetchFailed(f"it was redirected more than {redirects} times")


async def _connected(target: Target, address: str, rules: WebConfig) -> _Wire:
    tls = ssl.create_default_context() if target.scheme == "https" else None
    if tls is not None and rules.ca_file:
        await asyncio.to_thread(tls.load_verify_locations, rules.ca_file)
    try:
        reader, writer = await timely(
            asyncio.open_connection(
                address, target.port, ssl=tls, server_hostname=target.host if tls else None, limit=CHUNK
            ),
            CONNECT_S,
        )
    except TimeoutError as late:
        raise FetchFailed(f"host {target.host} did not answer in {CONNECT_S:g} s") from late
    except OSError as failed:
        raise FetchFailed(f"host {target.host} cannot be reached: {failed}") from failed
    return _Wire(reader, writer, rules.stall_s)
