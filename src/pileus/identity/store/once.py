"""Failures by what they are counted by, and what was used that is good once, in the database that all controllers share."""

import datetime as dt
import hashlib
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.identity.app import Identity
from pileus.identity.models.rates import MOST_DEBT, WINDOW_S, Bucket, Filled
from pileus.identity.tables import failure_rates, nonces
from pileus.kit.db import command, query, upsert

MOST_BUCKETS = 3  # of one login: two users it names, and its address
_NAMES = [f"key{at}" for at in range(MOST_BUCKETS)]

RATES_FETCH = query(
    sa.select(failure_rates)
    .where(sa.or_(*(failure_rates.c.key == bindparam(name) for name in _NAMES)))
    .order_by(failure_rates.c.key),
    Filled,
)
RATE_KEEP = command(upsert(failure_rates, key=["key"], update=["level", "at"]))
RATES_FORGET = command(sa.delete(failure_rates).where(failure_rates.c.at <= bindparam("before")))
RATE_FORGET = command(sa.delete(failure_rates).where(failure_rates.c.key == bindparam("key")))
NONCE_KEEP = command(upsert(nonces, key=["id"]))
NONCES_FORGET = command(sa.delete(nonces).where(nonces.c.expires_at <= bindparam("now")))


async def levels_of(app: Identity, buckets: Sequence[Bucket]) -> list[float]:
    """How full each of the buckets is now."""
    keys = [bucket.key for bucket in buckets]
    given = {name: keys[at] if at < len(keys) else "" for at, name in enumerate(_NAMES)}
    now = app.clock.now()
    known = {one.key: one for one in await app.db.all(RATES_FETCH, **given)}
    return [known[one.key].now(one, now) if one.key in known else 0.0 for one in buckets]


async def failure_add(app: Identity, buckets: Sequence[Bucket]) -> None:
    """One more failure is in each of the buckets; those that have leaked out are forgotten."""
    now = app.clock.now()
    await app.db.run(RATES_FORGET, before=now - dt.timedelta(seconds=MOST_DEBT * WINDOW_S))
    for bucket, level in zip(buckets, await levels_of(app, buckets), strict=True):
        await app.db.run(RATE_KEEP, key=bucket.key, level=min(level + 1.0, MOST_DEBT * bucket.most), at=now)


async def failures_empty(app: Identity, buckets: Sequence[Bucket]) -> None:
    """Nothing is in the buckets."""
    for bucket in buckets:
        await app.db.run(RATE_FORGET, key=bucket.key)


async def nonce_use(app: Identity, nonce: str, expires_at: dt.datetime) -> bool:
    """It is used, and known to be until then; False where any controller has seen it before."""
    async with app.db.transaction():
        await app.db.run(NONCES_FORGET, now=app.clock.now())
        id = hashlib.sha256(nonce.encode()).hexdigest()
        return await app.db.run(NONCE_KEEP, id=id, expires_at=expires_at) > 0
