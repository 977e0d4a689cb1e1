"""Queries of migrations."""

from collections.abc import Mapping

import sqlalchemy as sa

from pileus.compute.app import Compute
from pileus.compute.models.migrations import Migration
from pileus.compute.tables import MIGRATIONS
from pileus.kit.db import Listing, command, query

MIGRATION_FIND = query(sa.select(*MIGRATIONS.c).where(MIGRATIONS.c.id == sa.bindparam("id")), Migration)
MIGRATION_BY_NUMBER = query(
    sa.select(*MIGRATIONS.c).where(
        MIGRATIONS.c.server_id == sa.bindparam("server_id"), MIGRATIONS.c.number == sa.bindparam("number")
    ),
    Migration,
)
MIGRATION_CREATE = command(sa.insert(MIGRATIONS))
MIGRATION_CHANGE = command(sa.update(MIGRATIONS).where(MIGRATIONS.c.id == sa.bindparam("of_id")))
LISTING: Listing[Migration] = Listing(
    MIGRATIONS,
    Migration,
    key=MIGRATIONS.c.id,
    filters={
        "server_id": MIGRATIONS.c.server_id,
        "status": MIGRATIONS.c.status,
        "type": MIGRATIONS.c.type,
        "source_host": MIGRATIONS.c.source_host,
        "host": lambda test: sa.or_(test(MIGRATIONS.c.source_host), test(MIGRATIONS.c.dest_host)),
        "project_id": MIGRATIONS.c.project_id,
        "user_id": MIGRATIONS.c.user_id,
        "updated_at": MIGRATIONS.c.updated_at,
    },
    sorts={"number": MIGRATIONS.c.number, "created_at": MIGRATIONS.c.created_at},
)


async def migration_find(app: Compute, id: str) -> Migration | None:
    """The migration that the operation with this id makes."""
    return await app.db.one(MIGRATION_FIND, id=id)


async def migration_find_by_number(app: Compute, server_id: str, number: int) -> Migration | None:
    """A server's migration, by the number that clients know."""
    return await app.db.one(MIGRATION_BY_NUMBER, server_id=server_id, number=number)


async def migration_list(
    app: Compute, where: Mapping[str, object], *, marker: str | None = None, limit: int | None = None
) -> list[Migration]:
    """A page of migrations, newest first; raises UnknownMarker."""
    return await app.db.page(LISTING, where=where, sort=(("number", "desc"),), marker=marker, limit=limit)


async def migration_create(app: Compute, migration: Migration) -> None:
    """The migration has a row."""
    values = {name: getattr(migration, name) for name in migration.__struct_fields__ if name != "number"}
    await app.db.run(MIGRATION_CREATE, **values)


async def migration_change(app: Compute, id: str, **changes: object) -> None:
    """The migration that the operation makes, if it makes one, has these values now."""
    await app.db.run(MIGRATION_CHANGE, of_id=id, updated_at=app.clock.now(), **changes)
