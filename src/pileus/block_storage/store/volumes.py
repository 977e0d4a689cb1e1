"""Queries of volumes, snapshots, attachments and transfers."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from pileus.block_storage.app import BlockStorage
from pileus.block_storage.models.volumes import Attachment, Snapshot, Transfer, Volume
from pileus.block_storage.store.rows import Rows
from pileus.block_storage.tables import ATTACHMENTS, SNAPSHOTS, TRANSFERS, VOLUMES
from pileus.kit.db import command, query, scalar

volumes = Rows(
    VOLUMES,
    Volume,
    sorts=("updated_at", "name", "status", "size", "bootable", "zone", "host", "user_id", "project_id", "type_id"),
    renamed={
        "display_name": "name",
        "availability_zone": "zone",
        "launched_at": "launched_at",
        "volume_type_id": "type_id",
    },
)
snapshots = Rows(
    SNAPSHOTS,
    Snapshot,
    sorts=("updated_at", "name", "status", "volume_id", "size"),
    renamed={"display_name": "name", "volume_size": "size"},
)
attachments = Rows(
    ATTACHMENTS,
    Attachment,
    sorts=("volume_id", "status", "attached_at"),
    renamed={"instance_uuid": "server_id", "attach_status": "status"},
)
transfers = Rows(TRANSFERS, Transfer, sorts=("name",), renamed={"display_name": "name"})

# Locks the row: whoever decides by what it reads after this decides alone.
VOLUME_HOLD = command(sa.update(VOLUMES).where(VOLUMES.c.id == sa.bindparam("of_id")).values(size=VOLUMES.c.size))
_age = (ATTACHMENTS.c.created_at, ATTACHMENTS.c.id)
ATTACHMENTS_OF = query(
    sa.select(*ATTACHMENTS.c).where(ATTACHMENTS.c.volume_id.in_(sa.bindparam("ids", expanding=True))).order_by(*_age),
    Attachment,
)
ATTACHMENTS_OF_SERVERS = query(
    sa.select(*ATTACHMENTS.c).where(ATTACHMENTS.c.server_id.in_(sa.bindparam("ids", expanding=True))).order_by(*_age),
    Attachment,
)
SNAPSHOT_COUNT = scalar(
    sa.select(sa.func.count()).select_from(SNAPSHOTS).where(SNAPSHOTS.c.volume_id == sa.bindparam("volume_id")), int
)
ALLOCATED = query(
    sa.select(VOLUMES.c.host, VOLUMES.c.backend, sa.func.sum(sa.func.coalesce(VOLUMES.c.wanted_size, VOLUMES.c.size)))
    .where(VOLUMES.c.host.is_not(None))
    .group_by(VOLUMES.c.host, VOLUMES.c.backend),
    tuple[str, str, int],
)
SUMMARY = query(
    sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(VOLUMES.c.size), 0)).where(
        sa.or_(
            sa.bindparam("project_id", type_=sa.String) == sa.literal_column("''"),
            VOLUMES.c.project_id == sa.bindparam("project_id", type_=sa.String),
        )
    ),
    tuple[int, int],
)


async def volume_hold(app: BlockStorage, id: str) -> Volume | None:
    """The volume, which nobody else changes until this transaction ends."""
    await app.db.run(VOLUME_HOLD, of_id=id)
    return await volumes.find(app, id)


async def attachments_of(app: BlockStorage, volume_ids: Sequence[str]) -> Mapping[str, list[Attachment]]:
    """The attachments of each volume, oldest first."""
    found: dict[str, list[Attachment]] = {id: [] for id in volume_ids}
    for each in await app.db.all(ATTACHMENTS_OF, ids=list(volume_ids)) if volume_ids else []:
        found[each.volume_id].append(each)
    return found


async def attachments_of_servers(app: BlockStorage, server_ids: Sequence[str]) -> list[Attachment]:
    """The attachments of servers, oldest first."""
    return await app.db.all(ATTACHMENTS_OF_SERVERS, ids=list(server_ids)) if server_ids else []


async def snapshot_count(app: BlockStorage, volume_id: str) -> int:
    """How many snapshots of the volume there are."""
    return await app.db.one(SNAPSHOT_COUNT, volume_id=volume_id) or 0


async def allocated(app: BlockStorage) -> dict[tuple[str, str], int]:
    """How many GiB were promised of each back end."""
    return {(host, backend): size for host, backend, size in await app.db.all(ALLOCATED)}


async def summary(app: BlockStorage, project_id: str | None) -> tuple[int, int]:
    """How many volumes a project, or everybody, has, and of how many GiB."""
    return await app.db.one(SUMMARY, project_id=project_id or "") or (0, 0)
