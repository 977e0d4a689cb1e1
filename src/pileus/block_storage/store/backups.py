"""Queries of backups."""

import sqlalchemy as sa

from pileus.block_storage.app import BlockStorage
from pileus.block_storage.models.backups import AVAILABLE, Backup
from pileus.block_storage.models.volumes import Volume
from pileus.block_storage.store.rows import Rows
from pileus.block_storage.tables import BACKUPS
from pileus.kit.db import query, scalar

backups = Rows(
    BACKUPS, Backup, sorts=("updated_at", "name", "status", "size", "volume_id"), renamed={"display_name": "name"}
)

PARENTS = query(
    sa.select(BACKUPS.c.parent_id)
    .where(BACKUPS.c.parent_id.in_(sa.bindparam("ids", expanding=True)))
    .group_by(BACKUPS.c.parent_id),
    str,
)


async def has_children(app: BlockStorage, ids: list[str]) -> frozenset[str]:
    """Those of the backups that later ones are built on."""
    return frozenset(await app.db.all(PARENTS, ids=ids)) if ids else frozenset()


HOLDERS = scalar(
    sa.select(sa.func.count())
    .select_from(BACKUPS)
    .where(sa.or_(BACKUPS.c.id == sa.bindparam("disk_id"), BACKUPS.c.stored_as == sa.bindparam("disk_id"))),
    int,
)


async def holder_count(app: BlockStorage, disk_id: str) -> int:
    """How many backups are those bytes."""
    return await app.db.one(HOLDERS, disk_id=disk_id) or 0


async def newest_of(app: BlockStorage, volume: Volume, store: str | None) -> Backup | None:
    """The volume's newest whole backup that the next one can be built on: in the store, or else where the volume is."""
    where = {"volume_id": volume.id, "project_id": volume.project_id, "status": AVAILABLE}
    where |= {"store": store} if store is not None else {"host": volume.host or "", "backend": volume.backend or ""}
    return next((each for each in await backups.list(app, where) if each.store == store), None)


async def chain_of(app: BlockStorage, backup: Backup) -> tuple[str, ...]:
    """Under which names the backups are kept that this one is built on, the newest first."""
    found: list[str] = []
    older = await backups.find(app, backup.parent_id)
    while older is not None and older.disk_id not in found:
        found.append(older.disk_id)
        older = await backups.find(app, older.parent_id)
    return tuple(found)
