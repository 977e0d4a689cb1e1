"""Identity and service providers, protocols, mappings, and the users who came by them, in the database."""

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.identity.app import Identity
from pileus.identity.models.federation import (
    ExpiringMember,
    FederatedUser,
    IdentityProvider,
    KeptMapping,
    Protocol,
    ServiceProvider,
)
from pileus.identity.store.kept import Kept
from pileus.identity.tables import (
    expiring_members,
    federated_users,
    identity_providers,
    mappings,
    protocols,
    remote_ids,
    service_providers,
)
from pileus.kit.db import Listing, command, query, scalar, upsert

PROVIDERS = Kept(identity_providers, IdentityProvider, "enabled", "domain_id")
MAPPINGS = Kept(mappings, KeptMapping)
SERVICES = Kept(service_providers, ServiceProvider, "enabled")

REMOTE_ADD = command(sa.insert(remote_ids))
REMOTE_DROP = command(sa.delete(remote_ids).where(remote_ids.c.idp_id == bindparam("idp_id")))
REMOTE_OWNER = scalar(sa.select(remote_ids.c.idp_id).where(remote_ids.c.remote_id == bindparam("remote_id")), str)

_PROTOCOL = sa.and_(protocols.c.idp_id == bindparam("idp_id"), protocols.c.id == bindparam("id"))
PROTOCOL_FETCH = query(sa.select(protocols).where(_PROTOCOL), Protocol)
PROTOCOL_CREATE = command(sa.insert(protocols))
PROTOCOL_CHANGE = command(sa.update(protocols).where(_PROTOCOL))
PROTOCOL_DELETE = command(sa.delete(protocols).where(_PROTOCOL))
PROTOCOLS_LIST = Listing(
    protocols,
    Protocol,
    key=protocols.c.id,
    filters={"idp_id": protocols.c.idp_id, "id": protocols.c.id, "mapping_id": protocols.c.mapping_id},
)

_FEDERATED = sa.and_(*(federated_users.c[name] == bindparam(name) for name in ("idp_id", "protocol_id", "unique_id")))
FEDERATED_FETCH = query(sa.select(federated_users).where(_FEDERATED), FederatedUser)
FEDERATED_CREATE = command(sa.insert(federated_users))
FEDERATED_OF = query(
    sa.select(federated_users)
    .where(federated_users.c.user_id == bindparam("user_id"))
    .order_by(federated_users.c.idp_id, federated_users.c.protocol_id),
    FederatedUser,
)
MEMBER_KEEP = command(upsert(expiring_members, key=["user_id", "group_id", "idp_id"], update=["expires_at"]))
MEMBERS_FORGET = command(sa.delete(expiring_members).where(expiring_members.c.expires_at <= bindparam("now")))
MEMBERS_OF = query(
    sa.select(expiring_members)
    .where(expiring_members.c.user_id == bindparam("user_id"), expiring_members.c.expires_at > bindparam("now"))
    .order_by(expiring_members.c.expires_at, expiring_members.c.group_id),
    ExpiringMember,
)


async def remotes_set(app: Identity, idp_id: str, names: tuple[str, ...]) -> None:
    """The identity provider is known by these names; raises UniqueViolation where another has one."""
    await app.db.run(REMOTE_DROP, idp_id=idp_id)
    for name in names:
        await app.db.run(REMOTE_ADD, remote_id=name, idp_id=idp_id)


async def idp_known_as(app: Identity, remote_id: str) -> str | None:
    """The id of the identity provider of this name."""
    return await app.db.one(REMOTE_OWNER, remote_id=remote_id)


async def protocol_find(app: Identity, idp_id: str, protocol_id: str) -> Protocol | None:
    """The protocol of an identity provider."""
    return await app.db.one(PROTOCOL_FETCH, idp_id=idp_id, id=protocol_id)


async def protocol_create(app: Identity, protocol: Protocol) -> None:
    """The protocol is stored."""
    await app.db.run(PROTOCOL_CREATE, **msgspec.structs.asdict(protocol))


async def protocol_change(app: Identity, protocol: Protocol, **columns: object) -> None:
    """The protocol has these values."""
    if columns:
        await app.db.run(PROTOCOL_CHANGE, idp_id=protocol.idp_id, id=protocol.id, **columns)


async def protocol_delete(app: Identity, protocol: Protocol) -> None:
    """The protocol is gone."""
    await app.db.run(PROTOCOL_DELETE, idp_id=protocol.idp_id, id=protocol.id)


async def federated_find(app: Identity, idp_id: str, protocol_id: str, unique_id: str) -> FederatedUser | None:
    """Who this is here."""
    return await app.db.one(FEDERATED_FETCH, idp_id=idp_id, protocol_id=protocol_id, unique_id=unique_id)


async def federated_create(app: Identity, made: FederatedUser) -> None:
    """It is known who this is."""
    await app.db.run(FEDERATED_CREATE, **msgspec.structs.asdict(made))


async def federated_of(app: Identity, user_id: str) -> list[FederatedUser]:
    """By whom a user is known elsewhere."""
    return await app.db.all(FEDERATED_OF, user_id=user_id)


async def member_keep(app: Identity, member: ExpiringMember) -> None:
    """The user is in the group until then."""
    await app.db.run(MEMBERS_FORGET, now=app.clock.now())
    await app.db.run(MEMBER_KEEP, **msgspec.structs.asdict(member))


async def expiring_groups(app: Identity, user_id: str) -> list[ExpiringMember]:
    """The groups a user is in for a while, those that end first before the others."""
    return await app.db.all(MEMBERS_OF, user_id=user_id, now=app.clock.now())
