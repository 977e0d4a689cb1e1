"""Changes of a volume that are more than a value: images of it, going back, other types, other places."""

import uuid

import msgspec

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import quotas
from pileus.block_storage.commands.create import TOOL_NAMES, remembered, usable_image
from pileus.block_storage.commands.types import type_chosen
from pileus.block_storage.commands.volumes import begin, busy, held
from pileus.block_storage.flows.pools import pool_list
from pileus.block_storage.models.types import unmet
from pileus.block_storage.models.volumes import (
    AVAILABLE,
    DELETING,
    DOWNLOADING,
    ERROR,
    IN_USE,
    RESERVED,
    REVERTING,
    UPLOADING,
    Origin,
    Volume,
)
from pileus.block_storage.store.volumes import attachments_of, snapshot_count, snapshots, volumes
from pileus.kit.auth import Caller
from pileus.ports import image as ports

# What the image service says of an image itself.
NOT_PASSED_ON = frozenset({"image_id", "image_name", "checksum", "container_format", "disk_format", "min_disk",
                           "min_ram", "size", "cinder_encryption_key_id", "img_signature"})  # fmt: skip


class NewImage(msgspec.Struct, kw_only=True):
    """What a caller says to get an image of a volume."""

    name: str
    disk_format: str
    container_format: str = "bare"
    visibility: str = "private"
    force: bool = False


async def upload_image(app: BlockStorage, caller: Caller, volume: Volume, asked: NewImage, request_id: str) -> str:
    """An image of the volume is being made; returns its id. Raises InvalidVolume."""
    if app.images is None:
        raise errors.BadRequest(why="There is no image service to make an image in.")
    async with app.db.transaction():
        now = await held(app, volume, {AVAILABLE, IN_USE} if asked.force else {AVAILABLE})
        image_id = str(uuid.uuid4())
        kept = {key: value for key, value in now.image_metadata.items() if key not in NOT_PASSED_ON}
        await app.images.create(
            image_id,
            ports.NewImage(
                name=asked.name,
                owner=caller.project_id,
                disk_format=asked.disk_format,
                container_format=asked.container_format,
                visibility=asked.visibility,
                min_disk=now.size,
                properties={**kept, "signature_verified": "False"} if "signature_verified" in kept else kept,
            ),
        )
        format = TOOL_NAMES.get(asked.disk_format, asked.disk_format)
        await begin(app, caller, "volume.upload", now, {"image_id": image_id, "format": format}, request_id)
        await busy(app, now, UPLOADING)
    return image_id


async def revert_volume(app: BlockStorage, caller: Caller, volume: Volume, snapshot_id: str, request_id: str) -> None:
    """The volume is becoming what it was at its newest snapshot; raises what speaks against that."""
    async with app.db.transaction():
        now = await held(app, volume, {AVAILABLE})
        snapshot = await snapshots.find(app, snapshot_id)
        if snapshot is None or snapshot.volume_id != now.id:
            raise errors.SnapshotNotFound(snapshot=snapshot_id)
        newest = await snapshots.list(app, {"volume_id": now.id}, limit=1)
        if newest[0].id != snapshot.id:
            raise errors.InvalidInput(why=f"Volume {now.id} can only go back to its newest snapshot, {newest[0].id}.")
        if snapshot.status != AVAILABLE:
            raise errors.InvalidSnapshot(why=f"Snapshot {snapshot.id} is {snapshot.status}, not available.")
        if snapshot.size != now.size:
            raise errors.InvalidInput(why=f"Volume {now.id} has grown since snapshot {snapshot.id}: it cannot go back.")
        origin = Origin(kind="snapshot", id=snapshot.id)
        await remade(app, caller, now, origin, "volume.reverted", status=REVERTING, request_id=request_id)


async def reimage_volume(
    app: BlockStorage, caller: Caller, volume: Volume, image_id: str, request_id: str, *, reserved: bool
) -> None:
    """The volume is being made anew of the image; raises what speaks against that."""
    async with app.db.transaction():
        now = await held(app, volume, {AVAILABLE, ERROR, *({RESERVED} if reserved else ())})
        image = await usable_image(app, caller, image_id)
        if max(image.min_disk, -(-(image.virtual_size or image.size or 0) // 2**30)) > now.size:
            raise errors.InvalidInput(why=f"Image {image_id} does not fit into the {now.size}GB of volume {now.id}.")
        format = image.disk_format or "raw"
        origin = Origin(kind="image", id=image.id, format=TOOL_NAMES.get(format, format))
        changes: dict[str, object] = {"image_metadata": remembered(image), "bootable": True}
        await remade(
            app, caller, now, origin, "volume.reimaged", status=DOWNLOADING, request_id=request_id, changes=changes
        )


async def remade(
    app: BlockStorage,
    caller: Caller,
    volume: Volume,
    origin: Origin,
    event: str,
    *,
    status: str,
    request_id: str,
    changes: dict[str, object] | None = None,
    restores: str | None = None,
) -> None:
    """The volume is being made anew of something."""
    # A try that failed has used up its number: hosts must not take what it left for the next one's.
    args: dict[str, object] = {"origin": origin, "content": await _next_content(app, volume), "event": event}
    args |= {"changes": changes or {}} | ({"restores": restores} if restores else {})
    await begin(app, caller, "volume.remake", volume, args, request_id)
    await busy(app, volume, status)


async def _next_content(app: BlockStorage, volume: Volume) -> int:
    tried = [past.operation.args.get("content", 0) for past in await app.engine.history(volume.subject)]
    return 1 + max([volume.content, *(int(each) for each in tried)])


async def retype_volume(app: BlockStorage, caller: Caller, volume: Volume, name: str, *, may_move: bool) -> None:
    """The volume has another type; raises what speaks against that, as where it is not offering what the type asks for."""
    async with app.db.transaction():
        now = await held(app, volume, {AVAILABLE, IN_USE})
        try:
            type = await type_chosen(app, caller, name)
        except errors.TypeNotFound:
            raise errors.InvalidInput(why=f"Invalid volume_type passed: {name}.") from None
        assert type is not None, "a name was given"
        if type.id == now.type_id:
            raise errors.InvalidInput(why=f"Retype needs volume to be of another type: it is {type.name} already.")
        if type.encryption != now.encryption:
            raise errors.InvalidInput(why="Retype cannot change encryption: the bytes would have to be written anew.")
        if now.status == IN_USE and type.multiattach != now.multiattach:
            raise errors.InvalidInput(why="Retyping an in-use volume must not change whether it is multi-attach.")
        pool = next((one for one in await pool_list(app) if one.name == now.place), None)
        specs = {key: value for key, value in type.extra_specs.items() if key != "multiattach"}
        why = unmet(specs, pool.full) if pool is not None else "its back end is not known"
        if why is not None:
            moved = " and volumes cannot be moved there yet" if may_move else ", and the migration policy is never"
            raise errors.InvalidInput(why=f"Volume {now.id} would have to be moved: {why}{moved}.")
        await quotas.check(app, now.project_id, {}, type)
        await volumes.change(app, now, type_id=type.id, multiattach=type.multiattach)
        await app.events.tell("volume.retyped", now.subject, now.project_id, payload={"type": type.id})


async def migrate_volume(app: BlockStorage, volume: Volume, place: str) -> None:
    """The volume is at that place; raises what speaks against that. Only where it is already is nothing to be moved."""
    async with app.db.transaction():
        now = await held(app, volume, {AVAILABLE, IN_USE})
        if await snapshot_count(app, now.id):
            raise errors.InvalidVolume(why=f"Volume {now.id} must not have snapshots to be migrated.")
        if now.group_id is not None:
            raise errors.InvalidVolume(why=f"Volume {now.id} must not be part of a group to be migrated.")
        pools = {pool.name: pool for pool in await pool_list(app)}
        full = place if "#" in place else next((n for n in pools if n.partition("#")[0] == place), place)
        if full not in pools:
            raise errors.InvalidInput(why=f"No available service named '{place}'.")
        if full == now.place:
            raise errors.InvalidInput(why="Destination host must be different from the current host.")
    raise errors.InvalidVolume(
        why=f"Volume {now.id} cannot be moved to {full}: volumes stay on the host that made them."
    )


async def unmanage_volume(app: BlockStorage, caller: Caller, volume: Volume, request_id: str) -> None:
    """The volume is forgotten and its bytes stay; raises InvalidVolume."""
    async with app.db.transaction():
        now = await held(app, volume, {AVAILABLE, ERROR})
        if await snapshot_count(app, now.id) or (await attachments_of(app, [now.id]))[now.id]:
            raise errors.InvalidVolume(why=f"Volume {now.id} still has snapshots or is attached.")
        await begin(app, caller, "volume.delete", now, {"keep": True}, request_id)
        await busy(app, now, DELETING)
