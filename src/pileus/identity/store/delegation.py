"""Credentials, policies and trusts in the database."""

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.identity.app import Identity
from pileus.identity.models import Credential, Policy, Trust
from pileus.identity.tables import credentials, policies, trusts
from pileus.kit.db import Listing, command, query, scalar

_CREDENTIAL = credentials.c.id == bindparam("id")
_POLICY = policies.c.id == bindparam("id")
_TRUST = trusts.c.id == bindparam("id")

CREDENTIAL_FETCH = query(sa.select(credentials).where(_CREDENTIAL), Credential)
CREDENTIAL_CREATE = command(sa.insert(credentials))
CREDENTIAL_CHANGE = command(sa.update(credentials).where(_CREDENTIAL))
CREDENTIAL_DELETE = command(sa.delete(credentials).where(_CREDENTIAL))
CREDENTIALS_LIST = Listing(
    credentials,
    Credential,
    key=credentials.c.id,
    filters={name: credentials.c[name] for name in ("id", "user_id", "type", "project_id")},
    sorts={"id": credentials.c.id},
)

POLICY_FETCH = query(sa.select(policies).where(_POLICY), Policy)
POLICY_CREATE = command(sa.insert(policies))
POLICY_CHANGE = command(sa.update(policies).where(_POLICY))
POLICY_DELETE = command(sa.delete(policies).where(_POLICY))
POLICIES_LIST = Listing(
    policies,
    Policy,
    key=policies.c.id,
    filters={name: policies.c[name] for name in ("id", "type")},
    sorts={"id": policies.c.id},
)

TRUST_FETCH = query(sa.select(trusts).where(_TRUST), Trust)
TRUST_CREATE = command(sa.insert(trusts))
TRUST_DELETE = command(sa.delete(trusts).where(_TRUST))
TRUST_USE = command(
    sa.update(trusts).where(_TRUST, trusts.c.remaining_uses > 0).values(remaining_uses=trusts.c.remaining_uses - 1)
)
TRUSTS_GIVEN_ON = scalar(sa.select(trusts.c.id).where(trusts.c.redelegated_trust_id == bindparam("id")), str)
TRUSTS_LIST = Listing(
    trusts,
    Trust,
    key=trusts.c.id,
    filters={name: trusts.c[name] for name in ("id", "trustor_user_id", "trustee_user_id", "project_id")},
    sorts={"id": trusts.c.id},
)


async def credential_find(app: Identity, credential_id: str) -> Credential | None:
    """The credential with this id."""
    return await app.db.one(CREDENTIAL_FETCH, id=credential_id)


async def credential_create(app: Identity, credential: Credential) -> None:
    """The credential is stored."""
    await app.db.run(CREDENTIAL_CREATE, **msgspec.structs.asdict(credential))


async def credential_change(app: Identity, credential_id: str, **columns: object) -> None:
    """The credential has these values."""
    if columns:
        await app.db.run(CREDENTIAL_CHANGE, id=credential_id, **columns)


async def credential_delete(app: Identity, credential_id: str) -> None:
    """The credential is gone."""
    await app.db.run(CREDENTIAL_DELETE, id=credential_id)


async def policy_find(app: Identity, policy_id: str) -> Policy | None:
    """The policy with this id."""
    return await app.db.one(POLICY_FETCH, id=policy_id)


async def policy_create(app: Identity, policy: Policy) -> None:
    """The policy is stored."""
    await app.db.run(POLICY_CREATE, **msgspec.structs.asdict(policy))


async def policy_change(app: Identity, policy_id: str, **columns: object) -> None:
    """The policy has these values."""
    if columns:
        await app.db.run(POLICY_CHANGE, id=policy_id, **columns)


async def policy_delete(app: Identity, policy_id: str) -> None:
    """The policy is gone."""
    await app.db.run(POLICY_DELETE, id=policy_id)


async def trust_find(app: Identity, trust_id: str) -> Trust | None:
    """The trust with this id."""
    return await app.db.one(TRUST_FETCH, id=trust_id)


async def trust_create(app: Identity, trust: Trust) -> None:
    """The trust is stored."""
    await app.db.run(TRUST_CREATE, **msgspec.structs.asdict(trust))


async def trusts_given_on(app: Identity, trust_id: str) -> list[str]:
    """The ids of the trusts that give this one on."""
    return await app.db.all(TRUSTS_GIVEN_ON, id=trust_id)


async def trust_use(app: Identity, trust_id: str) -> bool:
    """One use fewer remains of a trust with limited uses; False when none was left."""
    return bool(await app.db.run(TRUST_USE, id=trust_id))


async def trust_delete(app: Identity, trust_id: str) -> None:
    """The trust is gone."""
    await app.db.run(TRUST_DELETE, id=trust_id)
