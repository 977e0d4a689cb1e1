"""Queries of keypairs."""

import sqlalchemy as sa

from pileus.compute.app import Compute
from pileus.compute.models.keypairs import Keypair
from pileus.compute.tables import KEYPAIRS
from pileus.kit.db import Listing, command, query, scalar

_this = sa.and_(KEYPAIRS.c.user_id == sa.bindparam("user_id"), KEYPAIRS.c.name == sa.bindparam("name"))

KEYPAIR_FIND = query(sa.select(*KEYPAIRS.c).where(_this), Keypair)
KEYPAIR_CREATE = command(sa.insert(KEYPAIRS))
KEYPAIR_DELETE = command(sa.delete(KEYPAIRS).where(_this))
KEYPAIR_COUNT = scalar(sa.select(sa.func.count()).where(KEYPAIRS.c.user_id == sa.bindparam("user_id")), int)
LISTING: Listing[Keypair] = Listing(
    KEYPAIRS,
    Keypair,
    key=KEYPAIRS.c.name,
    filters={"user_id": KEYPAIRS.c.user_id},
    sorts={"name": KEYPAIRS.c.name},
)


async def keypair_find(app: Compute, user_id: str, name: str) -> Keypair | None:
    """The user's keypair of that name."""
    return await app.db.one(KEYPAIR_FIND, user_id=user_id, name=name)


async def keypair_list(app: Compute, user_id: str, *, marker: str | None, limit: int | None) -> list[Keypair]:
    """A page of a user's keypairs, by name; raises UnknownMarker."""
    return await app.db.page(LISTING, where={"user_id": user_id}, sort=(("name", "asc"),), marker=marker, limit=limit)


async def keypair_create(app: Compute, keypair: Keypair) -> None:
    """The keypair has a row; raises UniqueViolation."""
    values = {name: getattr(keypair, name) for name in keypair.__struct_fields__ if name != "number"}
    await app.db.run(KEYPAIR_CREATE, **values)


async def keypair_delete(app: Compute, user_id: str, name: str) -> None:
    """The keypair has no row."""
    await app.db.run(KEYPAIR_DELETE, user_id=user_id, name=name)


async def keypair_count(app: Compute, user_id: str) -> int:
    """How many keypairs a user has."""
    return await app.db.one(KEYPAIR_COUNT, user_id=user_id) or 0
