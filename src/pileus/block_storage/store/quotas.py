"""Queries of quotas, and of what projects have."""

import sqlalchemy as sa

from pileus.block_storage.app import BlockStorage
from pileus.block_storage.models.quotas import Usage
from pileus.block_storage.tables import BACKUPS, GROUPS, QUOTAS, SNAPSHOTS, TYPES, VOLUMES
from pileus.kit.db import command, query, upsert

QUOTAS_OF = query(
    sa.select(QUOTAS.c.name, QUOTAS.c.most).where(QUOTAS.c.project_id == sa.bindparam("project_id")), tuple[str, int]
)
QUOTA_SET = command(upsert(QUOTAS, ["project_id", "name"], ["most"]))
QUOTAS_FORGET = command(sa.delete(QUOTAS).where(QUOTAS.c.project_id == sa.bindparam("of_project")))


def _sums(table: sa.Table, *, typed: bool) -> sa.Select[tuple[str | None, int, int, int]]:
    """How many of each type, of how many GiB, and how many more they are about to take."""
    name = TYPES.c.name if typed else sa.null()
    counted = table.c.consumes_quota if typed else sa.true()
    more = table.c.wanted_size - table.c.size if "wanted_size" in table.c else sa.null()
    gib, growth = (sa.func.coalesce(sa.func.sum(each), 0) for each in (table.c.size, sa.cast(more, sa.Integer)))
    select = sa.select(name, sa.func.count(), gib, growth).select_from(
        table.outerjoin(TYPES, TYPES.c.id == table.c.type_id) if typed else table
    )
    select = select.where(table.c.project_id == sa.bindparam("project_id"), counted)
    return select.group_by(TYPES.c.name) if typed else select


VOLUMES_USED = query(_sums(VOLUMES, typed=True), tuple[str | None, int, int, int])
SNAPSHOTS_USED = query(_sums(SNAPSHOTS, typed=True), tuple[str | None, int, int, int])
BACKUPS_USED = query(_sums(BACKUPS, typed=False), tuple[str | None, int, int, int])
GROUPS_USED = query(
    sa.select(sa.func.count()).select_from(GROUPS).where(GROUPS.c.project_id == sa.bindparam("project_id")), int
)


async def quotas_of(app: BlockStorage, project_id: str) -> dict[str, int]:
    """The project's own limits, by name."""
    return dict(await app.db.all(QUOTAS_OF, project_id=project_id))


async def quota_set(app: BlockStorage, project_id: str, name: str, most: int) -> None:
    """The project has this limit."""
    await app.db.run(QUOTA_SET, project_id=project_id, name=name, most=most)


async def quotas_forget(app: BlockStorage, project_id: str) -> None:
    """The project has the default limits."""
    await app.db.run(QUOTAS_FORGET, of_project=project_id)


async def used(app: BlockStorage, project_id: str) -> Usage:
    """What a project has."""
    volumes = await app.db.all(VOLUMES_USED, project_id=project_id)
    snapshots = await app.db.all(SNAPSHOTS_USED, project_id=project_id)
    backups = await app.db.all(BACKUPS_USED, project_id=project_id)
    by_type: dict[str, int] = {}
    reserved = {"gigabytes": sum(more for _, _, _, more in volumes)}
    for what, rows in (("volumes", volumes), ("snapshots", snapshots)):
        for name, count, gib, more in rows:
            if name is not None:
                by_type[f"{what}_{name}"] = count
                by_type[f"gigabytes_{name}"] = by_type.get(f"gigabytes_{name}", 0) + gib + more
                reserved[f"gigabytes_{name}"] = reserved.get(f"gigabytes_{name}", 0) + more
    return Usage(
        volumes=sum(count for _, count, _, _ in volumes),
        snapshots=sum(count for _, count, _, _ in snapshots),
        gigabytes=sum(gib + more for _, _, gib, more in (*volumes, *snapshots)),
        backups=sum(count for _, count, _, _ in backups),
        backup_gigabytes=sum(gib for _, _, gib, _ in backups),
        groups=await app.db.one(GROUPS_USED, project_id=project_id) or 0,
        by_type=by_type,
        reserved=reserved,
    )
