"""Which machines may be hosts: one-time tokens to join with, and the certificate each host proves itself by.

    new_token -> (carried to the machine) -> admit: token used up, certificate signed -> renew, in time -> expel

A token is known here by its digest only. It names the cloud's authority too, so that a machine that joins knows whom it talks to
before it says anything secret.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Callable

import msgspec
import sqlalchemy as sa

from pileus.kit.clock import Clock
from pileus.kit.db import Database, command, query, scalar, upsert
from pileus.kit.errors import Conflict, Denied, Invalid
from pileus.kit.hosts.wire import Peer
from pileus.kit.secret import new_secret
from pileus.kit.tables import host_certificates, hosts, join_tokens

HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")
KEEP = dt.timedelta(days=1)  # how long a token that is of no use any more is kept


class BadToken(Denied):
    """The token is not good: it was used, has expired, or never was one. `pileus host token` makes a new one."""


class BadHostName(Invalid):
    """'{name}' is no name for a host: letters, digits, dots and hyphens, 63 at most. Choose one with --name."""


class NameTaken(Conflict):
    """There is a host named {name} already; choose another with --name, or remove it: `pileus host remove {name}`."""


class Signed(msgspec.Struct, frozen=True):
    """A certificate for a host, PEM, with its serial number in hexadecimal."""

    certificate: str
    serial: str
    expires: dt.datetime


class Token(msgspec.Struct, frozen=True):
    """A token to join with."""

    digest: str
    expires: dt.datetime
    used: dt.datetime | None
    host: str | None
    key: str | None


class Member(msgspec.Struct, frozen=True):
    """A host that joined. Its former certificate is good until the new one was seen, should that get lost."""

    host: str
    serial: str
    former_serial: str | None
    joined: dt.datetime
    expires: dt.datetime


TOKEN_PUT = command(upsert(join_tokens, ["digest"], ["expires", "used", "host", "key"]))
TOKEN_GET = query(sa.select(*join_tokens.c).where(join_tokens.c.digest == sa.bindparam("of_digest")), Token)
TOKENS_FORGET = command(sa.delete(join_tokens).where(join_tokens.c.expires < sa.bindparam("before")))
MEMBER_PUT = command(upsert(host_certificates, ["host"], ["serial", "former_serial", "expires"]))
MEMBER_GET = query(sa.select(*host_certificates.c).where(host_certificates.c.host == sa.bindparam("of_host")), Member)
MEMBER_LIST = query(sa.select(*host_certificates.c).order_by(host_certificates.c.host), Member)
MEMBER_FORGET = command(sa.delete(host_certificates).where(host_certificates.c.host == sa.bindparam("of_host")))
HOST_NAMED = scalar(sa.select(hosts.c.name).where(hosts.c.name == sa.bindparam("of_name")), str)


class Members:
    """The hosts that joined, and the tokens for those to come."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def new_token(self, ttl: dt.timedelta) -> str:
        """A secret with which one machine may join, once, before it expires."""
        secret = new_secret(32)
        now = self._clock.now()
        async with self._db.transaction():
            await self._db.run(TOKENS_FORGET, before=now - KEEP)
            await self._db.run(TOKEN_PUT, digest=_digest(secret), expires=now + ttl, used=None, host=None, key=None)
        return secret

    async def admit(self, secret: str, host: str, key: bytes, sign: Callable[[], Signed]) -> Signed:
        """The machine is the host of that name and the token is used up; raises BadToken, BadHostName, NameTaken.

        The same machine (by its public key) may ask again, should the answer not have reached it.
        """
        now, of_key = self._clock.now(), hashlib.sha256(key).hexdigest()
        async with self._db.transaction():
            token = await self._db.one(TOKEN_GET, of_digest=_digest(secret))
            if token is None or token.expires < now:
                raise BadToken
            again = token.used is not None
            if again and (token.host, token.key) != (host, of_key):
                raise BadToken
            if not HOST_NAME.fullmatch(host):
                raise BadHostName(name=host)
            if not again and await self._is_known(host):
                raise NameTaken(name=host)
            signed = sign()
            await self._db.run(TOKEN_PUT, digest=token.digest, expires=token.expires, used=now, host=host, key=of_key)
            await self._put(host, signed, None)
        return signed

    async def renew(self, peer: Peer, sign: Callable[[], Signed]) -> Signed:
        """The host has a new certificate; the one it asked with is good until the new one is seen."""
        signed = sign()
        await self._put(peer.name, signed, peer.serial)
        return signed

    async def admits(self, peer: Peer) -> bool:
        """Whether the certificate is that of a host of this cloud."""
        member = await self._db.one(MEMBER_GET, of_host=peer.name)
        if member is None or peer.serial not in {member.serial, member.former_serial}:
            return False
        if member.former_serial is not None and peer.serial == member.serial:
            await self._db.run(
                MEMBER_PUT, host=member.host, serial=member.serial, former_serial=None, joined=member.joined,
                expires=member.expires,
            )  # fmt: skip
        return True

    async def list(self) -> "list[Member]":
        """All hosts that joined, by name."""
        return await self._db.all(MEMBER_LIST)

    async def expel(self, host: str) -> None:
        """The host's certificate is good for nothing; it need not have had one."""
        await self._db.run(MEMBER_FORGET, of_host=host)

    async def _is_known(self, host: str) -> bool:
        if await self._db.one(MEMBER_GET, of_host=host) is not None:
            return True
        return await self._db.one(HOST_NAMED, of_name=host) is not None

    async def _put(self, host: str, signed: Signed, former: str | None) -> None:
        await self._db.run(
            MEMBER_PUT, host=host, serial=signed.serial, former_serial=former, joined=self._clock.now(),
            expires=signed.expires,
        )  # fmt: skip


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
