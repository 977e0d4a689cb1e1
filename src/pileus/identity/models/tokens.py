"""Tokens: what one says, how it lies in its few bytes, and what is known once it was found valid."""

import base64
import datetime as dt
import enum
import secrets

import msgspec

from pileus.identity.models.applications import ApplicationCredential
from pileus.identity.models.delegation import Trust
from pileus.identity.models.entities import Project, Role, User
from pileus.kit.auth import Caller

VERSION = 1
_HEX = frozenset("0123456789abcdef")


class Method(enum.IntFlag):
    """How somebody proved who they are; a rescoped token carries all that came together."""

    PASSWORD = 1
    TOKEN = 2
    APPLICATION_CREDENTIAL = 4
    EC2CREDENTIAL = 8

    def names(self) -> list[str]:
        """The methods' names on the wire."""
        return [str(method.name).lower() for method in Method if method in self]


class ScopeKind(enum.IntEnum):
    """Where a token is good for something."""

    NONE = 0
    PROJECT = 1
    DOMAIN = 2
    SYSTEM = 3
    TRUST = 4  # the project of a trust, with the roles it gives
    APPLICATION = 5  # the project of an application credential, with the roles it has


class Scope(msgspec.Struct, frozen=True):
    """A place to act in."""

    kind: ScopeKind = ScopeKind.NONE
    id: str = ""


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says by itself. `audit_ids` begins with its own and ends with that of the login it came from."""

    user_id: str
    methods: Method
    scope: Scope
    issued_at: dt.datetime
    expires_at: dt.datetime
    audit_ids: tuple[str, ...]

    def packed(self) -> bytes:
        """The payload in few bytes."""
        return _encoder.encode(
            (
                VERSION,
                _packed_id(self.user_id),
                int(self.methods),
                int(self.scope.kind),
                _packed_id(self.scope.id),
                _micros(self.issued_at),
                _micros(self.expires_at),
                [_packed_audit(audit) for audit in self.audit_ids],
            )
        )


class _Packed(msgspec.Struct, array_like=True, frozen=True):
    version: int
    user: bytes
    methods: int
    kind: int
    scope: bytes
    issued: int
    expires: int
    audits: list[bytes]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Packed)


def read_payload(packed: bytes) -> Payload | None:
    """What the bytes say; None when they are of another version or make no sense."""
    try:
        found = _decoder.decode(packed)
        if found.version != VERSION:
            return None
        return Payload(
            user_id=_read_id(found.user),
            methods=Method(found.methods),
            scope=Scope(ScopeKind(found.kind), _read_id(found.scope)),
            issued_at=_moment(found.issued),
            expires_at=_moment(found.expires),
            audit_ids=tuple(base64.urlsafe_b64encode(audit).rstrip(b"=").decode() for audit in found.audits),
        )
    except (msgspec.DecodeError, ValueError):
        return None


class ValidToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that was found valid, with all it stands for."""

    payload: Payload
    caller: Caller
    user: User
    user_domain: Project
    project: Project | None = None  # the scope, when it is a project
    domain: Project | None = None  # the scope, when it is a domain; of a project, the domain it belongs to
    roles: tuple[Role, ...] = ()
    trust: Trust | None = None  # what the token came from; `user` is then the trustor if it impersonates
    application: ApplicationCredential | None = None  # what the token came from

    @property
    def is_delegated(self) -> bool:
        """Whether it stands for less than its user, and so must not be turned into anything that lasts."""
        return self.trust is not None or (self.application is not None and not self.application.unrestricted)


def new_audit_id() -> str:
    """A new audit id: 16 random bytes as text."""
    return base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()


def _packed_audit(audit: str) -> bytes:
    return base64.urlsafe_b64decode(audit + "=" * (-len(audit) % 4))


def _packed_id(text: str) -> bytes:
    # The usual ids halve as bytes; a few ("default") are words.
    if len(text) == 32 and _HEX.issuperset(text):
        return b"h" + bytes.fromhex(text)
    return b"s" + text.encode()


def _read_id(packed: bytes) -> str:
    return packed[1:].hex() if packed[:1] == b"h" else packed[1:].decode()


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def _micros(moment: dt.datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(micros: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=micros)
