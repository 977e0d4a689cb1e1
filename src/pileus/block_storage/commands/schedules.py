"""Backups that are made of themselves: volumes of types that say so have one every so many hours, and the newest of them stay.

A backup holds what changed since the one before; after as many as are kept one holds everything again, so that the older ones
can go, the newest first. Who made backups by hand keeps them: only those that were made here go from here.
"""

from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands.backups import NewBackup, create_backup, delete_backup
from pileus.block_storage.models import schedules
from pileus.block_storage.models.backups import Backup
from pileus.block_storage.models.schedules import MARK, Schedule, schedule_of
from pileus.block_storage.models.types import VolumeType
from pileus.block_storage.models.volumes import AVAILABLE, IN_USE, Volume
from pileus.block_storage.store.backups import backups, has_children
from pileus.block_storage.store.types import types
from pileus.block_storage.store.volumes import volumes
from pileus.kit.auth import Caller
from pileus.kit.errors import Problem
from pileus.kit.observe.log import log_of

log = log_of(__name__)

EVERY_S = 300.0
PAGE = 200


async def keep_schedules(app: BlockStorage) -> str | None:
    """Backups that are due are being made, and surplus ones deleted; tells how many."""
    made = gone = 0
    for type in await types.list(app, {}):
        schedule = schedule_of(type.extra_specs)
        marker: str | None = None
        while schedule is not None:
            page = await volumes.list(app, {"type_id": type.id}, marker=marker, limit=PAGE)
            for volume in page:
                own = [each for each in await backups.list(app, {"volume_id": volume.id}) if MARK in each.metadata]
                gone += await _thin_out(app, own, schedule)
                made += await _make_due(app, volume, own, type, schedule)
            if len(page) < PAGE:
                break
            marker = page[-1].id
    return f"{made} backups begun, {gone} deleted" if made or gone else None


async def _make_due(app: BlockStorage, volume: Volume, own: list[Backup], type: VolumeType, schedule: Schedule) -> int:
    if volume.status not in {AVAILABLE, IN_USE} or not schedules.is_due(own, schedule, app.clock.now()):
        return 0
    here = [each for each in own if (each.host, each.backend) == (volume.host, volume.backend)]
    new = NewBackup(
        name=f"{volume.name or volume.id} {app.clock.now():%Y-%m-%d %H:%M}",
        incremental=not schedules.is_next_full(here, schedule),
        force=True,
        metadata={MARK: type.name},
    )
    owner = Caller(user_id=volume.user_id, project_id=volume.project_id)
    try:
        await create_backup(app, owner, volume, new, "")
    except Problem as refused:  # a quota that is used up, a volume that became busy: tried again with the next sweep
        log.warning("a backup that is due is not made", volume=volume.id, type=type.name, why=refused.message)
        return 0
    return 1


async def _thin_out(app: BlockStorage, own: list[Backup], schedule: Schedule) -> int:
    parents = await has_children(app, [each.id for each in own])
    doomed = schedules.surplus(own, schedule, parents)
    for backup in doomed:
        owner = Caller(user_id=backup.user_id, project_id=backup.project_id)
        try:
            await delete_backup(app, owner, backup, "")
        except Problem as refused:  # somebody has begun something with it just now: it goes another time
            log.warning("a surplus backup stays", backup=backup.id, why=refused.message)
    return len(doomed)
