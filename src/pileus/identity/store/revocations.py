"""Single tokens that were revoked before they expired."""

import datetime as dt

import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.identity.app import Identity
from pileus.identity.tables import revocations
from pileus.kit.db import command, scalar, upsert

REVOKE = command(upsert(revocations, key=["audit_id"]))
REVOKED = scalar(sa.select(revocations.c.audit_id).where(revocations.c.audit_id == bindparam("audit_id")), str)
FORGET_EXPIRED = command(sa.delete(revocations).where(revocations.c.expires_at <= bindparam("now")))


async def revocation_add(app: Identity, audit_id: str, expires_at: dt.datetime) -> None:
    """The token is void for as long as it would have lived; what has expired anyway is forgotten."""
    now = app.clock.now()
    await app.db.run(FORGET_EXPIRED, now=now)
    await app.db.run(REVOKE, audit_id=audit_id, expires_at=expires_at, revoked_at=now)


async def revocation_is(app: Identity, audit_id: str) -> bool:
    """Whether the token was revoked."""
    return await app.db.one(REVOKED, audit_id=audit_id) is not None
