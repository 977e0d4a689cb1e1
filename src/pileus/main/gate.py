"""The gate: where hosts from afar reach this controller, and where the owner of the state directory says who may.

    run/hosts.sock      the owner's commands (`pileus host ...`), always
    hosts_listen        hosts, over mutual TLS; opened with the first token, or by the configuration

A machine that joins is nobody yet: it may read the authority's certificate and post its token, nothing else.
"""

import asyncio
import datetime as dt
import ipaddress
import os
import socket
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from pileus.kit.errors import Conflict, Invalid
from pileus.kit.hosts.channel import Asked, Channel, Route, Told, admit_owner
from pileus.kit.hosts.members import Members
from pileus.kit.hosts.relay import Relay
from pileus.kit.observe.log import log_of
from pileus.main.certificates import Certificate, ensure_authority, ensure_leaf
from pileus.main.host_certificates import channel_tls, fingerprint, key_of, sign
from pileus.main.object_hosts import ObjectHosts
from pileus.main.roster import Drain, Roster
from pileus.main.settings import Settings, own_address, remember_only
from pileus.main.southbound import SouthboundDoor, inner_address
from pileus.main.state import State

log = log_of(__name__)

SOCKET = "hosts.sock"
AUTHORITY = "/v1/authority"
JOIN = "/v1/join"
CERTIFICATE = "/v1/certificate"
CLOUD = "/v1/cloud"
RENEW_EVERY_S = 43_200.0
SOUTHBOUND = "southbound"  # what the cloud has once, where the network is


class CannotListen(Conflict):
    """Cannot listen for hosts at {address}: {why}. Choose another address with --listen HOST:PORT."""


class BadAddress(Invalid):
    """'{given}' is no address that hosts could reach: it must be HOST:PORT, with an address of this machine."""


class NewToken(msgspec.Struct, frozen=True):
    """The owner wants a token; `listen` says where hosts are to reach this controller, if that is not yet known."""

    ttl_s: float = 3600.0
    listen: str = ""


class TokenMade(msgspec.Struct, frozen=True):
    """What a machine needs to join: the address, and the token with the authority's fingerprint."""

    url: str
    token: str
    expires: dt.datetime


class Joins(msgspec.Struct, frozen=True):
    """A machine wants to be a host: its request for a certificate is PEM."""

    token: str
    host: str
    request: str


class Renews(msgspec.Struct, frozen=True):
    """A host's request for a fresh certificate."""

    request: str


class Joined(msgspec.Struct, frozen=True):
    """A host's certificate, PEM."""

    certificate: str


class CloudFacts(msgspec.Struct, frozen=True):
    """What a host has to know of its cloud: which drivers it uses, and where OVN's southbound database is."""

    compute: str = "qemu"
    network: str = "ovn"
    southbound: str = ""


# Called with where hosts reach us, once it is known: networks then span hosts.
OnOpen = Callable[[str, int, Certificate], Awaitable[None]] | None


class Gate:
    """Lets hosts in."""

    def __init__(
        self,
        state: State,
        settings: Settings,
        members: Members,
        roster: Roster,
        routes: Mapping[tuple[str, str], Route],
        on_open: OnOpen,
        *,
        owner_routes: Mapping[tuple[str, str], Route] | None = None,
    ) -> None:
        self._state = state
        self._settings = settings
        self._members = members
        self._on_open = on_open
        self._signing = asyncio.Lock()
        self._renewal: asyncio.Task[None] | None = None
        self._at: tuple[str, int] | None = None
        self.objects: ObjectHosts | None = None
        self.relay: Relay | None = None
        self._southbound = SouthboundDoor(state, members.admits)
        self._hosts = Channel({**routes, **self._routes()}, members.admits)
        own = {("POST", "/tokens"): Route(self.new_token), **roster_routes(roster), **(owner_routes or {})}
        self._owner = Channel(own, admit_owner)

    async def start(self) -> None:
        """The owner is answered, and hosts are where the configuration says so."""
        await self._owner.listen_unix(_bound(self._state))
        if self._settings.hosts_listen:
            await self.open(self._settings.hosts_listen)

    async def open(self, address: str) -> None:
        """Hosts are answered at the address; raises CannotListen."""
        host, port = split_address(address)
        own = ensure_leaf(self._state, "hosts", [host])
        tls = channel_tls(own)
        try:
            await self._hosts.listen(host, port, tls)
        except OSError as failed:
            raise CannotListen(address=address, why=failed.strerror or failed) from failed
        self._at = host, port
        self._renewal = asyncio.create_task(self._keep_fresh(host, tls), name="certificate for hosts")
        log.info("hosts are answered", address=address)
        if self.relay is not None:
            await self.relay.opened(host, port)
        if self._on_open is not None:
            await self._on_open(host, southbound_port(port), own)
            if self._settings.network_driver == "ovn":
                await self._southbound.open(host, southbound_port(port), own, inner_address(host))
                if self.relay is not None:
                    await self.relay.say(SOUTHBOUND, f"ssl:{host}:{southbound_port(port)}")
        if self.objects is not None:
            await self.objects.gate_opened(host, port)

    async def close(self) -> None:
        """Nobody is answered any more."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
        await self._owner.close()
        await self._southbound.close()
        await self._hosts.close()
        (self._state / "run" / SOCKET).unlink(missing_ok=True)

    async def new_token(self, asked: Asked) -> Told:
        """A token, and the address to join at, which is opened if it was not."""
        wanted = asked.decoded(NewToken)
        if self._at is None or (wanted.listen and split_address(wanted.listen) != self._at):
            if self._at is not None:
                raise CannotListen(address=wanted.listen, why="hosts are answered at {}:{} already".format(*self._at))
            address = wanted.listen or default_address(self._settings)
            await self.open(address)
            remember_only(self._state, {"hosts_listen": address})
        ensure_authority(self._state)
        ttl = dt.timedelta(seconds=wanted.ttl_s)
        secret = await self._members.new_token(ttl)
        assert self._at is not None
        mark = fingerprint((self._state / "ca.pem").read_bytes())
        expires = dt.datetime.now(dt.UTC) + ttl
        return Told(TokenMade("https://{}:{}".format(*self._at), f"{secret}.{mark}", expires))

    def _routes(self) -> dict[tuple[str, str], Route]:
        return {
            ("GET", AUTHORITY): Route(self._authority, open=True),
            ("POST", JOIN): Route(self._join, open=True),
            ("POST", CERTIFICATE): Route(self._renew),
            ("GET", CLOUD): Route(self._cloud),
        }

    async def _authority(self, asked: Asked) -> Told:
        """The authority's certificate: public, and believed only by whoever knows its fingerprint."""
        return Told({"certificate": (self._state / "ca.pem").read_text()})

    async def _join(self, asked: Asked) -> Told:
        wants = asked.decoded(Joins)
        key = key_of(wants.request)
        signed = await self._members.admit(
            wants.token, wants.host, key, lambda: sign(self._state, wants.request, wants.host)
        )
        log.info("a host joined", host=wants.host, expires=str(signed.expires))
        return Told(Joined(signed.certificate))

    async def _renew(self, asked: Asked) -> Told:
        request = asked.decoded(Renews).request
        key_of(request)
        signed = await self._members.renew(asked.peer, lambda: sign(self._state, request, asked.host))
        log.info("a host's certificate is renewed", host=asked.host, expires=str(signed.expires))
        return Told(Joined(signed.certificate))

    async def _cloud(self, asked: Asked) -> Told:
        assert self._at is not None
        host, port = self._at
        southbound = f"ssl:{host}:{southbound_port(port)}" if self._settings.network_driver == "ovn" else ""
        if southbound and self._on_open is None and self.relay is not None:
            southbound = await self.relay.said(SOUTHBOUND)  # Another controller has the network.
        return Told(CloudFacts(self._settings.compute_driver, self._settings.network_driver, southbound))

    async def _keep_fresh(self, host: str, tls: object) -> None:
        """Never returns; connections from now on see a certificate that is renewed in time."""
        import ssl

        assert isinstance(tls, ssl.SSLContext)
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            own = ensure_leaf(self._state, "hosts", [host])
            tls.load_cert_chain(own.certificate, own.key)


def roster_routes(roster: Roster) -> dict[tuple[str, str], Route]:
    """The owner's commands on hosts."""

    async def listed(asked: Asked) -> Told:
        return Told(await roster.list())

    async def drained(asked: Asked) -> Told:
        return Told(await roster.drain(asked.path["name"], asked.decoded(Drain)))

    async def emptied(asked: Asked) -> Told:
        return Told(await roster.emptied(asked.path["name"]))

    async def removed(asked: Asked) -> Told:
        await roster.remove(asked.path["name"])
        return Told({})

    return {
        ("GET", "/hosts"): Route(listed),
        ("POST", "/hosts/{name}/drain"): Route(drained),
        ("GET", "/hosts/{name}/drain"): Route(emptied),
        ("DELETE", "/hosts/{name}"): Route(removed),
    }


def southbound_port(port: int) -> int:
    """Where OVN's southbound database answers hosts: next to where the controller does."""
    return port + 1


def split_address(address: str) -> tuple[str, int]:
    """Host and port; raises BadAddress where that is not one address that others can reach."""
    host, _, port = address.rpartition(":")
    try:
        found = ipaddress.ip_address(host.strip("[]"))
    except ValueError as bad:
        raise BadAddress(given=address) from bad
    if not port.isdigit() or not 0 < int(port) < 65535 or found.is_unspecified or found.version != 4:
        raise BadAddress(given=address)
    return str(found), int(port)


def default_address(settings: Settings) -> str:
    """The port after the APIs', at their address or, if only this machine reaches that, at its address to the world."""
    host, port = settings.address
    try:
        found = ipaddress.ip_address(host)
        own = "" if found.is_unspecified or found.is_loopback else host
    except ValueError:
        own = ""
    return f"{own or own_address()}:{port + 1}"


def _bound(state: State) -> socket.socket:
    """The owner's socket. Unix addresses hold 107 bytes, so a long path is shortened by going through its folder."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    (state / "run" / SOCKET).unlink(missing_ok=True)
    folder = os.open(state / "run", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    before = os.umask(0o177)
    try:
        made.bind(f"/proc/self/fd/{folder}/{SOCKET}")
    finally:
        os.umask(before)
        os.close(folder)
    made.setblocking(False)
    return made
