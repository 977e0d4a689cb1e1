"""What can be asked of a volume that exists, besides attaching it: change, delete, extend, and an admin's word."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import quotas
from pileus.block_storage.commands.holders import check_given_back
from pileus.block_storage.commands.services import check_thawed
from pileus.block_storage.flows.choice import free_virtually
from pileus.block_storage.flows.pools import pool_list
from pileus.block_storage.models.types import VolumeType
from pileus.block_storage.models.volumes import (
    ATTACHED,
    AVAILABLE,
    AWAITING_TRANSFER,
    BUSY,
    CREATING,
    DELETABLE,
    DELETING,
    DETACHING,
    ERROR,
    ERROR_MANAGING,
    EXTENDING,
    IDLE_MIGRATION,
    IN_USE,
    MAINTENANCE,
    RESERVED,
    UPLOADING,
    Volume,
)
from pileus.block_storage.store.types import types
from pileus.block_storage.store.volumes import attachments, attachments_of, snapshots, volume_hold, volumes
from pileus.kit.auth import Caller

Edit = Callable[[dict[str, str]], dict[str, str]]


async def volume_get(app: BlockStorage, caller: Caller, id: str) -> Volume:
    """The volume, if it is the caller's project's; raises VolumeNotFound."""
    volume = await volumes.find(app, id)
    if volume is None or not mine(volume.project_id, caller):
        raise errors.VolumeNotFound(volume=id)
    return volume


def mine(project_id: str, caller: Caller) -> bool:
    """Whether the caller may know of what a project has."""
    return project_id == caller.project_id or caller.admin or caller.system


async def held(app: BlockStorage, volume: Volume, allowed: Collection[str], why: str | None = None) -> Volume:
    """The volume as it is in this transaction, fit for what shall be done; raises InvalidVolume."""
    now = await _now(app, volume)
    if now.status not in allowed:
        wanted = " or ".join(sorted(allowed))
        raise errors.InvalidVolume(
            why=why or f"Volume {now.id} status must be {wanted}, but current status is: {now.status}."
        )
    return now


async def _now(app: BlockStorage, volume: Volume) -> Volume:
    """The volume as it is in this transaction."""
    now = await volume_hold(app, volume.id)
    if now is None:
        raise errors.VolumeNotFound(volume=volume.id)
    return now


async def begin(
    app: BlockStorage, caller: Caller, flow: str, volume: Volume, args: Mapping[str, object], request_id: str
) -> None:
    """The operation on the volume begins."""
    await app.engine.begin(
        flow, volume.subject, args, project_id=volume.project_id, user_id=caller.user_id, request_id=request_id
    )


async def busy(app: BlockStorage, volume: Volume, status: str, **changes: object) -> Volume:
    """The volume is busy with that, and remembers what it was."""
    return await volumes.change(app, volume, status=status, previous_status=volume.status, **changes)


async def update_volume(app: BlockStorage, volume: Volume, changes: Mapping[str, object]) -> Volume:
    """The volume has these values; raises InvalidVolume while it is on its way elsewhere."""
    if volume.status == MAINTENANCE:
        raise errors.InvalidVolume(why="The volume cannot be updated during maintenance.")
    return await volumes.change(app, volume, **changes) if changes else volume


async def delete_volume(
    app: BlockStorage, caller: Caller, volume: Volume, request_id: str, *, cascade: bool = False, force: bool = False
) -> None:
    """The volume is being deleted; raises InvalidVolume if that does not fit what it is.

    `force` asks for no status of its own; what somebody has, or what others are made of, is not deleted by it either.
    """
    async with app.db.transaction():
        now = await volume_hold(app, volume.id)
        if now is None or (force and now.status == DELETING and await app.engine.open(now.subject) is not None):
            return
        await _check_deletable(app, caller, now, cascade=cascade, force=force)
        await volumes.change(app, now, status=DELETING, previous_status=now.status)
        await app.engine.begin(
            "volume.delete",
            now.subject,
            {"cascade": cascade, "keep": now.status == ERROR_MANAGING},
            project_id=now.project_id,
            user_id=caller.user_id,
            request_id=request_id,
            overtake="The volume is being deleted.",
        )


async def _check_deletable(app: BlockStorage, caller: Caller, volume: Volume, *, cascade: bool, force: bool) -> None:
    await check_thawed(app, volume.host, volume.backend)
    # Whoever forces it overtakes a move; a server that goes on with the volume meanwhile has it, which is asked below.
    if not force and (volume.status not in DELETABLE or volume.migration_status not in IDLE_MIGRATION):
        raise errors.InvalidVolume(
            why="Volume status must be available or error or error_restoring or error_extending or error_managing and "
            "must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, "
            "or be disassociated from snapshots after volume transfer."
        )
    held = (await attachments_of(app, [volume.id]))[volume.id]
    if any(each.status in {ATTACHED, DETACHING} for each in held) or (held and not force):
        raise errors.InvalidVolume(
            why=f"Volume {volume.id} is still attached: it must not be migrating, attached or belong to a group."
        )
    await check_given_back(app, held)
    if volume.group_id is not None:
        raise errors.InvalidVolume(why=f"Volume {volume.id} belongs to group {volume.group_id}.")
    await _check_snapshots(app, caller, volume, cascade=cascade, force=force)
    if not force and await volumes.count(app, {"source_volid": volume.id, "status": CREATING}):
        raise errors.InvalidVolume(why=f"Volume {volume.id} is being copied to another volume.")


async def _check_snapshots(app: BlockStorage, caller: Caller, volume: Volume, *, cascade: bool, force: bool) -> None:
    """Raise InvalidVolume for a snapshot that would have to go with the volume and may not."""
    found = await snapshots.list(app, {"volume_id": volume.id})
    if found and not cascade:
        raise errors.InvalidVolume(why=f"Volume {volume.id} still has snapshots; delete them first, or with cascade.")
    for each in found:
        if each.group_snapshot_id is not None:
            why = f"is part of group snapshot {each.group_snapshot_id}"
        elif not force and each.status not in {AVAILABLE, ERROR, DELETING}:
            why = f"is {each.status}"
        elif not caller.admin and not caller.system and each.project_id != volume.project_id:
            why = "is another project's since the volume was transferred"
        else:
            continue
        raise errors.InvalidVolume(why=f"Volume {volume.id} is not deleted: its snapshot {each.id} {why}.")


async def extend_volume(
    app: BlockStorage, caller: Caller, volume: Volume, size: int, request_id: str, *, attached: bool
) -> None:
    """The volume is growing; `attached`: that may be while it is in use."""
    allowed = {AVAILABLE, IN_USE} if attached else {AVAILABLE}
    async with app.db.transaction():
        now = await held(app, volume, allowed)
        if size <= now.size:
            raise errors.InvalidInput(
                why=f"New size for extend must be greater than current size. (current: {now.size}, extended: {size})."
            )
        if any(each.sealed_key is not None for each in (await attachments_of(app, [now.id]))[now.id]):
            # NBD says how long a disk is when it begins, and not again.
            raise errors.InvalidVolume(
                why=f"Volume {now.id} is attached on another host than its own: it can grow when it is not."
            )
        type = await types.find(app, now.type_id)
        await quotas.check_size(app, now.project_id, size)
        await quotas.check(app, now.project_id, {"gigabytes": size - now.size}, type)
        await _check_room(app, now, type, size - now.size)
        await begin(app, caller, "volume.extend", now, {"size": size}, request_id)
        # Kept for it from now on: of the quota, and of the back end.
        await busy(app, now, EXTENDING, wanted_size=size)


async def _check_room(app: BlockStorage, volume: Volume, type: VolumeType | None, more: int) -> None:
    """Raise InvalidInput if the volume's back end may not promise that much more."""
    pool = next((each for each in await pool_list(app) if each.name == volume.place), None)
    if pool is not None and (left := free_virtually(app, pool, type)) < more:
        raise errors.InvalidInput(
            why=f"Volume {volume.id} cannot grow: {pool.name} has {left:.0f} GiB left of the {more} it takes."
        )


async def reset_status(app: BlockStorage, volume: Volume, changes: Mapping[str, str | None]) -> None:
    """The volume is what an admin says it is."""
    async with app.db.transaction():
        await volumes.change(app, volume, **changes)
        if changes.get("attach_status") == "detached" or changes.get("status") in {AVAILABLE, "error"}:
            for each in (await attachments_of(app, [volume.id]))[volume.id]:
                if changes.get("attach_status") == "detached":
                    await attachments.delete(app, each.id)
        await app.events.tell("volume.status_reset", volume.subject, volume.project_id, payload=dict(changes))


async def edit_metadata(app: BlockStorage, volume: Volume, edit: Edit) -> dict[str, str]:
    """The volume has the metadata that `edit` makes of what it has; raises InvalidVolume while something else reads that."""
    async with app.db.transaction():
        now = await _now(app, volume)
        if now.status in {MAINTENANCE, UPLOADING}:
            raise errors.InvalidVolume(why=f"Volume {now.id} cannot be changed while its status is {now.status}.")
        metadata = edit(now.metadata)
        await volumes.change(app, now, metadata=metadata)
    return metadata


async def edit_image_metadata(app: BlockStorage, volume: Volume, edit: Edit) -> dict[str, str]:
    """The volume has the properties of an image that `edit` makes of those it has."""
    async with app.db.transaction():
        now = await _now(app, volume)
        properties = edit(now.image_metadata)
        await volumes.change(app, now, image_metadata=properties)
    return properties


async def set_readonly(app: BlockStorage, volume: Volume, *, readonly: bool) -> None:
    """The volume can, or cannot, be written to from its next attachment on."""
    async with app.db.transaction():
        await volumes.change(app, await held(app, volume, {AVAILABLE}), readonly=readonly)


async def set_bootable(app: BlockStorage, volume: Volume, *, bootable: bool) -> None:
    """Servers may, or may not, boot from the volume."""
    await volumes.change(app, volume, bootable=bootable)


def check_idle(volume: Volume) -> None:
    """Raise InvalidVolume while something is done with the volume."""
    if volume.status in BUSY | {RESERVED, AWAITING_TRANSFER}:
        raise errors.InvalidVolume(why=f"Volume {volume.id} is busy: its status is {volume.status}.")


def changes_of(given: Mapping[str, Any]) -> dict[str, object]:
    """What a request changes: names and descriptions by either of their names, and metadata."""
    changes = {name: value for name, value in given.items() if name in {"name", "description", "metadata"}}
    for old, name in (("display_name", "name"), ("display_description", "description")):
        if old in given:
            changes.setdefault(name, given[old])
    return {name: value.strip() if isinstance(value, str) else value for name, value in changes.items()}
