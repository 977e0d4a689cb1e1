"""Snapshots: what can be asked of them."""

import uuid
from collections.abc import Mapping

import msgspec

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import quotas
from pileus.block_storage.commands.services import check_thawed
from pileus.block_storage.commands.volumes import Edit, held, mine
from pileus.block_storage.drivers.interface import Kind
from pileus.block_storage.flows import document
from pileus.block_storage.models.volumes import (
    AVAILABLE,
    BACKING_UP,
    CREATING,
    DELETING,
    ERROR,
    IDLE_MIGRATION,
    IN_USE,
    RESTORING_SNAPSHOT,
    Snapshot,
    Volume,
)
from pileus.block_storage.store.types import types
from pileus.block_storage.store.volumes import snapshots, volumes
from pileus.kit.auth import Caller

DELETABLE = frozenset({AVAILABLE, ERROR, "error_deleting"})
RESETTABLE = (
    AVAILABLE,
    CREATING,
    DELETING,
    ERROR,
    "error_deleting",
    BACKING_UP,
    RESTORING_SNAPSHOT,
    "unmanaging",
    "deleted",
)


async def snapshot_get(app: BlockStorage, caller: Caller, id: str) -> Snapshot:
    """The snapshot, if it is the caller's project's; raises SnapshotNotFound."""
    found = await snapshots.find(app, id)
    if found is None or not mine(found.project_id, caller):
        raise errors.SnapshotNotFound(snapshot=id)
    return found


async def create_snapshot(
    app: BlockStorage,
    caller: Caller,
    volume: Volume,
    request_id: str,
    *,
    name: str | None,
    description: str | None = None,
    metadata: Mapping[str, str] = {},
    force: bool = False,
    group_snapshot_id: str | None = None,
    id: str | None = None,
) -> Snapshot:
    """The snapshot exists and is made in the background; `force`: also of a volume that is in use."""
    async with app.db.transaction():
        if id is not None and (known := await snapshots.find(app, id)) is not None:
            return known
        allowed = {AVAILABLE, IN_USE} if force else {AVAILABLE}
        now = await held(app, volume, allowed)
        await check_thawed(app, now.host, now.backend)
        if now.migration_status not in IDLE_MIGRATION:
            raise errors.InvalidVolume(why="Snapshot cannot be created while volume is migrating.")
        type = await types.find(app, now.type_id)
        await quotas.check(app, now.project_id, {"snapshots": 1, "gigabytes": now.size}, type)
        made = msgspec.structs.replace(
            _of(app, now, caller),
            id=id or str(uuid.uuid4()),
            name=name,
            description=description,
            group_snapshot_id=group_snapshot_id,
            metadata=dict(metadata),
        )
        await snapshots.create(app, made)
        await app.engine.begin(
            "snapshot.create",
            made.subject,
            project_id=made.project_id,
            user_id=caller.user_id,
            request_id=request_id,
        )
    return made


def _of(app: BlockStorage, volume: Volume, caller: Caller) -> Snapshot:
    """A snapshot of the volume, without a name."""
    return Snapshot(
        id="",
        volume_id=volume.id,
        project_id=volume.project_id,
        user_id=caller.user_id,
        name=None,
        size=volume.size,
        type_id=volume.type_id,
        key_id=str(uuid.uuid4()) if volume.sealed_key is not None else None,
        sealed_key=volume.sealed_key,
        host=volume.host,
        backend=volume.backend,
        created_at=app.clock.now(),
    )


async def edit_metadata(app: BlockStorage, snapshot: Snapshot, edit: Edit) -> dict[str, str]:
    """The snapshot has the metadata that `edit` makes of what it has."""
    async with app.db.transaction():
        now = await snapshots.find(app, snapshot.id)
        if now is None:
            raise errors.SnapshotNotFound(snapshot=snapshot.id)
        metadata = edit(now.metadata)
        await snapshots.change(app, now, metadata=metadata)
    return metadata


async def update_snapshot(app: BlockStorage, snapshot: Snapshot, changes: Mapping[str, object]) -> Snapshot:
    """The snapshot has these values."""
    return await snapshots.change(app, snapshot, **changes) if changes else snapshot


async def delete_snapshot(
    app: BlockStorage, caller: Caller, snapshot: Snapshot, request_id: str, *, force: bool = False
) -> None:
    """The snapshot is being deleted; raises InvalidSnapshot if that does not fit what it is."""
    async with app.db.transaction():
        now = await snapshots.find(app, snapshot.id)
        if now is None or (now.status == DELETING and await app.engine.open(now.subject) is not None):
            return
        await check_thawed(app, now.host, now.backend)
        if now.group_snapshot_id is not None:
            raise errors.InvalidSnapshot(why=f"Snapshot {now.id} is part of group snapshot {now.group_snapshot_id}.")
        if not force:
            if now.status not in DELETABLE:
                raise errors.InvalidSnapshot(
                    why="Snapshot status must be available, error or error_deleting and the snapshot must not be part "
                    f"of a group, but it is {now.status}."
                )
            if await volumes.count(app, {"snapshot_id": now.id, "status": CREATING}):
                raise errors.InvalidSnapshot(why=f"A volume is being made of snapshot {now.id}.")
        await begin_delete(app, now, caller.user_id, request_id)


async def begin_delete(app: BlockStorage, snapshot: Snapshot, user_id: str | None, request_id: str | None) -> None:
    """The snapshot is being deleted, whatever it was busy with."""
    await snapshots.change(app, snapshot, status=DELETING)
    await app.engine.begin(
        "snapshot.delete",
        snapshot.subject,
        project_id=snapshot.project_id,
        user_id=user_id,
        request_id=request_id,
        overtake="The snapshot is being deleted.",
    )


async def unmanage_snapshot(app: BlockStorage, snapshot: Snapshot) -> None:
    """The snapshot is forgotten and its bytes stay; raises InvalidSnapshot."""
    async with app.db.transaction():
        if snapshot.sealed_key is not None:
            raise errors.InvalidSnapshot(why="Unmanaging encrypted snapshots is not supported.")
        if await volumes.count(app, {"snapshot_id": snapshot.id, "status": CREATING}):
            raise errors.InvalidSnapshot(why=f"A volume is being made of snapshot {snapshot.id}.")
        if await app.engine.open(snapshot.subject) is not None:
            raise errors.InvalidSnapshot(why=f"Snapshot {snapshot.id} is busy: its status is {snapshot.status}.")
        if snapshot.host is not None:
            left = document.left(document.snapshot_disk(snapshot))
            await document.want(app, Kind.SNAPSHOT, snapshot.host, left)
        await snapshots.delete(app, snapshot.id)


async def reset_snapshot(app: BlockStorage, snapshot: Snapshot, status: str, progress: str | None = None) -> None:
    """The snapshot is what is said of it."""
    changes = {"status": status} | ({"progress": progress} if progress is not None else {})
    await snapshots.change(app, snapshot, **changes)
