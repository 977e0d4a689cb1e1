"""Changes of a volume that are more than a value: images of it, going back, being made anew, being forgotten."""

import uuid

import msgspec

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands.create import origin_of, remembered, usable_image
from pileus.block_storage.commands.volumes import begin, busy, held
from pileus.block_storage.models.volumes import (
    AVAILABLE,
    DELETING,
    DOWNLOADING,
    ERROR,
    IDLE_MIGRATION,
    IN_USE,
    RESERVED,
    RESTORING_SNAPSHOT,
    REVERTING,
    UPLOADING,
    Origin,
    Volume,
)
from pileus.block_storage.store.volumes import attachments_of, snapshot_count, snapshots
from pileus.kit.auth import Caller
from pileus.kit.disk_images import TOOL_NAMES
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
        if now.sealed_key is not None:
            raise errors.InvalidVolume(why=f"Volume {now.id} is encrypted: nobody could open an image of it.")
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
        # Nobody deletes what the volume is made of just now.
        await snapshots.change(app, snapshot, status=RESTORING_SNAPSHOT)
        await remade(app, caller, now, origin, "volume.reverted", status=REVERTING, request_id=request_id)


async def reimage_volume(
    app: BlockStorage,
    caller: Caller,
    volume: Volume,
    image_id: str,
    request_id: str,
    *,
    reserved: bool,
    in_use: bool = False,
) -> None:
    """The volume is being made anew of the image, with `in_use` also one that a server has, which must not run; raises what
    speaks against that.
    """
    async with app.db.transaction():
        now = await held(
            app, volume, {AVAILABLE, ERROR, *({RESERVED} if reserved else ()), *({IN_USE} if in_use else ())}
        )
        image = await usable_image(app, caller, image_id)
        if max(image.min_disk, -(-(image.virtual_size or image.size or 0) // 2**30)) > now.size:
            raise errors.InvalidInput(why=f"Image {image_id} does not fit into the {now.size}GB of volume {now.id}.")
        origin = msgspec.structs.replace(origin_of(image), shared=None)
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
    args: dict[str, object] = {"origin": origin, "content": await next_content(app, volume), "event": event}
    args |= {"changes": changes or {}} | ({"restores": restores} if restores else {})
    await begin(app, caller, "volume.remake", volume, args, request_id)
    await busy(app, volume, status)


async def next_content(app: BlockStorage, volume: Volume) -> int:
    """A number that no content of the volume has had, whole or not."""
    tried = [past.operation.args.get("content", 0) for past in await app.engine.history(volume.subject)]
    return 1 + max([volume.content, *(int(each) for each in tried)])


async def unmanage_volume(app: BlockStorage, caller: Caller, volume: Volume, request_id: str) -> None:
    """The volume is forgotten and its bytes stay; raises InvalidVolume."""
    async with app.db.transaction():
        now = await held(app, volume, {AVAILABLE, ERROR})
        if now.group_id is not None or now.migration_status not in IDLE_MIGRATION:
            raise errors.InvalidVolume(why=f"Volume {now.id} must not be migrating or belong to a group.")
        if now.sealed_key is not None:
            raise errors.InvalidVolume(why="Unmanaging encrypted volumes is not supported.")
        if await snapshot_count(app, now.id) or (await attachments_of(app, [now.id]))[now.id]:
            raise errors.InvalidVolume(why=f"Volume {now.id} still has snapshots or is attached.")
        await begin(app, caller, "volume.delete", now, {"keep": True}, request_id)
        await busy(app, now, DELETING)
