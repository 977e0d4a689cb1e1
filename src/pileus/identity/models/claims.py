"""What a signed token says, in the claims of a JSON web token: those Keystone's tokens hold, and a few of our own."""

import datetime as dt
from typing import Any

import msgspec

from pileus.identity.models.tokens import Federated, Method, Payload, Scope, ScopeKind

_SCOPES = {
    ScopeKind.PROJECT: "openstack_project_id",
    ScopeKind.DOMAIN: "openstack_domain_id",
    ScopeKind.SYSTEM: "openstack_system",
    ScopeKind.TRUST: "openstack_trust_id",
    ScopeKind.APPLICATION: "openstack_app_cred_id",
    ScopeKind.KEYS: "openstack_keys_id",
    ScopeKind.OAUTH1: "openstack_access_token_id",
}
_MICROSECOND = dt.timedelta(microseconds=1)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class _Claims(msgspec.Struct, frozen=True):
    sub: str
    iat: int
    exp: int
    openstack_methods: list[str]
    openstack_audit_ids: list[str]
    openstack_issued_us: int  # `iat` has no microseconds, and tokens are voided by them
    openstack_idp_id: str | None = None
    openstack_protocol_id: str | None = None
    openstack_group_ids: tuple[str, ...] = ()
    openstack_thumbprint: str = ""


_decoder = msgspec.json.Decoder(_Claims)
_scopes = msgspec.json.Decoder(dict[str, Any])


def claims_of(payload: Payload) -> dict[str, Any]:
    """The claims of a payload."""
    claims: dict[str, Any] = {
        "sub": payload.user_id,
        "iat": int(payload.issued_at.timestamp()),
        "exp": int(payload.expires_at.timestamp()),
        "openstack_methods": payload.methods.names(),
        "openstack_audit_ids": list(payload.audit_ids),
        "openstack_issued_us": (payload.issued_at - _EPOCH) // _MICROSECOND,
    }
    if payload.scope.kind is not ScopeKind.NONE:
        claims[_SCOPES[payload.scope.kind]] = payload.scope.id
    if payload.federated is not None:
        claims["openstack_idp_id"] = payload.federated.idp_id
        claims["openstack_protocol_id"] = payload.federated.protocol_id
        claims["openstack_group_ids"] = list(payload.federated.group_ids)
    if payload.thumbprint:
        claims["openstack_thumbprint"] = payload.thumbprint
    return claims


def read_claims(raw: bytes) -> Payload | None:
    """The payload of claims whose signature is right; None when they make no sense."""
    try:
        found = _decoder.decode(raw)
        every = _scopes.decode(raw)
        methods = Method(0)
        for name in found.openstack_methods:
            methods |= Method[name.upper()]
    except (msgspec.DecodeError, KeyError):
        return None
    scopes = [Scope(kind, str(every[name])) for kind, name in _SCOPES.items() if name in every]
    came = None
    if found.openstack_idp_id is not None and found.openstack_protocol_id is not None:
        came = Federated(found.openstack_idp_id, found.openstack_protocol_id, found.openstack_group_ids)
    return Payload(
        user_id=found.sub,
        methods=methods,
        scope=scopes[0] if scopes else Scope(),
        issued_at=_EPOCH + dt.timedelta(microseconds=found.openstack_issued_us),
        expires_at=_EPOCH + dt.timedelta(seconds=found.exp),
        audit_ids=tuple(found.openstack_audit_ids),
        federated=came,
        thumbprint=found.openstack_thumbprint,
    )
