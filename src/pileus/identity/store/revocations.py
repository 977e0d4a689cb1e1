"""Single tokens that were revoked before they expired."""

import datetime as dt

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.identity.app import Identity
from pileus.identity.tables import revocations
from pileus.kit.db import command, query, scalar, upsert


class Revocation(msgspec.Struct, frozen=True):
    """A token that is void before its time."""

    audit_id: str
    expires_at: dt.datetime
    revoked_at: dt.datetime


REVOKE = command(upsert(revocations, key=["audit_id"]))
REVOKED = scalar(sa.select(revocations.c.audit_id).where(revocations.c.audit_id == bindparam("audit_id")), str)
SINCE = query(
    sa.select(revocations)
    .where(revocations.c.revoked_at >= bindparam("since"), revocations.c.expires_at > bindparam("now"))
    .order_by(revocations.c.revoked_at, revocations.c.audit_id),
    Revocation,
)
FORGET_EXPIRED = command(sa.delete(revocations).where(revocations.c.expires_at <= bindparam("now")))


async def revocation_add(app: Identity, audit_id: str, expires_at: dt.datetime) -> None:
    """The token is void for as long as it would have lived; what has expired anyway is forgotten."""
    now = app.clock.now()
    await app.db.run(FORGET_EXPIRED, now=now)
    await app.db.run(REVOKE, audit_id=audit_id, expires_at=expires_at, revoked_at=now)


async def revocation_is(app: Identity, audit_id: str) -> bool:
    """Whether the token was revoked."""
    return await app.db.one(REVOKED, audit_id=audit_id) is not None


async def revocations_since(app: Identity, since: dt.datetime) -> list[Revocation]:
    """What was revoked since and would not have expired yet, oldest first."""
    return await app.db.all(SINCE, since=since, now=app.clock.now())
