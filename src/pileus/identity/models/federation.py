"""Who comes from elsewhere, and where our own people may go: identity providers and protocols, service providers."""

import datetime as dt
from typing import Any

import msgspec


class IdentityProvider(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who knows people we do not; its users are in its domain. Groups it names hold for `authorization_ttl` minutes."""

    id: str
    domain_id: str
    description: str | None = None
    enabled: bool = True
    authorization_ttl: int | None = None
    remote_ids: tuple[str, ...] = ()


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """How an identity provider tells whom it knows, and the mapping that makes users of them."""

    idp_id: str
    id: str
    mapping_id: str
    remote_id_attribute: str | None = None


class KeptMapping(msgspec.Struct, frozen=True, kw_only=True):
    """Rules with a name."""

    id: str
    rules: list[Any]
    schema_version: str = "1.0"


class ServiceProvider(msgspec.Struct, frozen=True, kw_only=True):
    """A cloud that takes our word for who somebody is."""

    id: str
    auth_url: str
    sp_url: str
    description: str | None = None
    enabled: bool = True
    relay_state_prefix: str = "ss:mem:"


class FederatedUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user of ours who is somebody at an identity provider."""

    user_id: str
    idp_id: str
    protocol_id: str
    unique_id: str


class ExpiringMember(msgspec.Struct, frozen=True, kw_only=True):
    """That a user is in a group because an identity provider says so, until they must come from there again."""

    user_id: str
    group_id: str
    idp_id: str
    expires_at: dt.datetime
