"""Tokens: what one says, how it lies in its few bytes, and what is known once it was found valid."""

import base64
import datetime as dt
import enum
import secrets

import msgspec

from pileus.identity.models.applications import ApplicationCredential
from pileus.identity.models.delegation import Credential, Trust
from pileus.identity.models.entities import Project, Role, User
from pileus.identity.models.oauth1 import AccessToken
from pileus.kit.auth import Caller

VERSION = 1
_HEX = frozenset("0123456789abcdef")


class Method(enum.IntFlag):
    """How somebody proved who they are; a rescoped token carries all that came together."""

    PASSWORD = 1
    TOKEN = 2
    APPLICATION_CREDENTIAL = 4
    EC2CREDENTIAL = 8
    TOTP = 16
    OAUTH1 = 32
    OAUTH2_CREDENTIAL = 64
    MAPPED = 128
    SAML2 = 256
    OPENID = 512
    EXTERNAL = 1024

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
    KEYS = 6  # the project of a pair of keys
    OAUTH1 = 7  # the project of an access token, with the roles it has


class Scope(msgspec.Struct, frozen=True):
    """A place to act in."""

    kind: ScopeKind = ScopeKind.NONE
    id: str = ""


class Federated(msgspec.Struct, frozen=True):
    """Where somebody was known who came from elsewhere, and the groups they were in there by the mapping."""

    idp_id: str
    protocol_id: str
    group_ids: tuple[str, ...] = ()


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says by itself. `audit_ids` begins with its own and ends with that of the login it came from."""

    user_id: str
    methods: Method
    scope: Scope
    issued_at: dt.datetime
    expires_at: dt.datetime
    audit_ids: tuple[str, ...]
    federated: Federated | None = None
    thumbprint: str = ""  # of the certificate that whoever uses it must show, SHA-256 in URL-safe base64

    def packed(self) -> bytes:
        """The payload in few bytes."""
        always = (
            VERSION,
            _packed_id(self.user_id),
            int(self.methods),
            int(self.scope.kind),
            _packed_id(self.scope.id),
            _micros(self.issued_at),
            _micros(self.expires_at),
            [_packed_audit(audit) for audit in self.audit_ids],
        )
        if self.federated is None and not self.thumbprint:
            return _encoder.encode(always)
        came = self.federated
        groups = [] if came is None else [_packed_id(id) for id in (came.idp_id, came.protocol_id, *came.group_ids)]
        return _encoder.encode((*always, groups, _packed_audit(self.thumbprint)))


class _Packed(msgspec.Struct, array_like=True, frozen=True):
    version: int
    user: bytes
    methods: int
    kind: int
    scope: bytes
    issued: int
    expires: int
    audits: list[bytes]
    came: list[bytes] = []
    thumbprint: bytes = b""


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
            audit_ids=tuple(_read_audit(audit) for audit in found.audits),
            federated=_read_federated(found.came),
            thumbprint=_read_audit(found.thumbprint),
        )
    except (msgspec.DecodeError, ValueError):
        return None


def _read_federated(came: list[bytes]) -> Federated | None:
    if not came:
        return None
    idp_id, protocol_id, *groups = (_read_id(id) for id in came)
    return Federated(idp_id, protocol_id, tuple(groups))


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
    keys: Credential | None = None  # the pair of keys that signed
    access: AccessToken | None = None  # what the token came from
    until: dt.datetime | None = None  # when to look again, where something it stands on ends before it does

    @property
    def certificate(self) -> str | None:
        """The thumbprint of the client certificate it is bound to; None for a token that whoever has it can use."""
        return self.payload.thumbprint or None

    @property
    def is_derived(self) -> bool:
        """Whether it stands for less than its user."""
        return any(source is not None for source in (self.trust, self.application, self.keys, self.access))

    def is_over(self, now: dt.datetime) -> bool:
        """Whether it has expired, or must be looked at again."""
        return self.payload.expires_at <= now or (self.until is not None and self.until <= now)


def new_audit_id() -> str:
    """A new audit id: 16 random bytes as text."""
    return base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()


def _read_audit(audit: bytes) -> str:
    return base64.urlsafe_b64encode(audit).rstrip(b"=").decode()


def _packed_audit(audit: str) -> bytes:
    return base64.urlsafe_b64decode(audit + "=" * (-len(audit) % 4))


def _packed_id(text: str) -> bytes:
    # The usual ids halve as bytes; a few ("default") are words.
    if len(text) in {32, 64} and _HEX.issuperset(text):
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
