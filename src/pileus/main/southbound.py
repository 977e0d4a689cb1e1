"""The door to OVN's southbound database for hosts that joined: who is no host any more is out, at once.

    host's ovn-controller ── mutual TLS ── this door ── mutual TLS, as that host ── relay ── database

The relay keeps OVN's roles: a host may write the rows of its own chassis and no others. It reads no list of members, so it is
reached from this machine only, and this door asks for every connection, when it comes and as long as it stands, whether the
host is still one.
"""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import Awaitable, Callable

from pileus.kit.hosts.channel import HANDSHAKE_S
from pileus.kit.hosts.wire import Peer, join, peer_of, shut
from pileus.kit.observe.log import log_of
from pileus.main.certificates import Certificate
from pileus.main.host_certificates import ensure_key, request_for, sign
from pileus.main.state import State, write_whole

log = log_of(__name__)

LOOK_EVERY_S = 2.0
CONNECT_S = 10.0
Admits = Callable[[Peer], Awaitable[bool]]


def inner_address(host: str) -> str:
    """Where the relay is reached, on this machine alone: an address of its own for every address hosts reach us at."""
    return str(ipaddress.IPv4Address(127 << 24 | (int(ipaddress.IPv4Address(host)) & 0xFFFFFF) ^ 1 << 23))


class SouthboundDoor:
    """Passes hosts on to the relay of the southbound database."""

    def __init__(self, state: State, admits: Admits, *, look_every_s: float = LOOK_EVERY_S) -> None:
        self._state = state
        self._admits = admits
        self._look_every_s = look_every_s
        self._relay = ("", 0)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def open(self, host: str, port: int, own: Certificate, relay: str) -> None:
        """Hosts are let in at the address, and get to the same port of the relay's; raises OSError."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_verify_locations(own.authority)
        tls.load_cert_chain(own.certificate, own.key)
        self._relay = relay, port
        self._server = await asyncio.start_server(
            self._came, host, port, ssl=tls, ssl_handshake_timeout=HANDSHAKE_S, backlog=1024
        )

    async def close(self) -> None:
        """Nobody is let in any more, and nobody is left."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        peer = peer_of(writer)
        try:
            if await self._admits(peer):
                await self._passed_on(peer, reader, writer)
            else:
                log.warning("a stranger is not let to the southbound database", name=peer.name)
        except (OSError, TimeoutError) as failed:
            log.warning("a host does not get to the southbound database", host=peer.name, why=str(failed))
        except asyncio.CancelledError:  # asyncio would log a cancelled connection as an error
            log.debug("a connection was closed by us")
        finally:
            self._open.discard(task)
            await shut(writer)

    async def _passed_on(self, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The host speaks with the relay until one of them ends it, or the host is none any more."""
        async with asyncio.timeout(CONNECT_S):
            inner = await asyncio.open_connection(*self._relay, ssl=self._as_host(peer.name))
        speaks = asyncio.create_task(join((reader, writer), inner))
        stays = asyncio.create_task(self._while_admitted(peer))
        try:
            await asyncio.wait({speaks, stays}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (speaks, stays):
                task.cancel()
            await asyncio.gather(speaks, stays, return_exceptions=True)

    async def _while_admitted(self, peer: Peer) -> None:
        while True:
            await asyncio.sleep(self._look_every_s)
            try:
                if not await self._admits(peer):
                    log.info("a host that was removed is cut off from the southbound database", host=peer.name)
                    return
            except Exception as failed:  # noqa: BLE001  a database that is away says nothing about the host
                log.broke("whether a host is still one cannot be read", failed, host=peer.name)

    def _as_host(self, name: str) -> ssl.SSLContext:
        """For the relay we are the host whose certificate we have seen: by that name it keeps its roles.

        The certificate is our own, made for this connection: it is on no record, so it opens no other door.
        """
        folder = self._state / "keys" / "tls"
        key = folder / "southbound.key"
        ensure_key(key)
        certificate = folder / f"southbound-{name}.pem"
        write_whole(certificate, sign(self._state, request_for(name, key), name).certificate)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname = False  # the relay's certificate is this controller's, which names another address
        tls.load_verify_locations(self._state / "ca.pem")
        tls.load_cert_chain(certificate, key)
        with contextlib.suppress(FileNotFoundError):
            certificate.unlink()
        return tls
