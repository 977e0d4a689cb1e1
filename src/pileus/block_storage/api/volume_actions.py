"""What can be done with a volume besides attaching it."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from pileus.block_storage import errors
from pileus.block_storage.api.service import (
    Flag,
    Name,
    RealName,
    Uuid,
    admin,
    api,
    flag,
    member,
    reader,
    volume_find,
)
from pileus.block_storage.api.types import type_told
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import changes, moves, volumes
from pileus.block_storage.models.volumes import IN_USE, RESETTABLE, Volume
from pileus.block_storage.store.types import types
from pileus.kit.http import Call, F, Wire

ACTION = "/volumes/{volume_id}/action"

api.declare(
    member("volume:extend_attached_volume"),
    member("volume:reimage_reserved"),
    admin("volume:update_volume_admin_metadata"),
)


class Extend(Wire):
    """How large to be."""

    new_size: (
        Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
        | Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,8}$(?!\n)")]
    )


@api.action(ACTION, "os-extend", member("volume:extend"), find=volume_find)
async def extend(call: Call[BlockStorage], volume: Volume, body: Extend) -> None:
    """Let a volume grow."""
    attached = call.version >= (3, 42)
    if attached and volume.status == IN_USE:
        call.require("volume:extend_attached_volume", {"project_id": volume.project_id})
    await volumes.extend_volume(call.app, call.caller, volume, int(body.new_size), call.request_id, attached=attached)


class Completion(Wire):
    """Whether it went wrong."""

    error: Flag = False


@api.action(
    ACTION,
    "os-extend_volume_completion",
    admin("volume_extension:volume_admin_actions:extend_volume_completion"),
    find=volume_find,
    since="3.71",
)
async def extend_completion(call: Call[BlockStorage], volume: Volume, body: Completion) -> None:
    """Say how the growing of an attached volume ended; volumes here grow without being told."""
    raise errors.InvalidVolume(why=f"Volume {volume.id} does not wait for anybody to complete its growing.")


class Status(Wire, kw_only=True):
    """What a volume is to be shown as."""

    status: str | UnsetType | None = UNSET
    attach_status: Annotated[str, msgspec.Meta(pattern=r"^(?i:attached|detached)$(?!\n)")] | UnsetType | None = UNSET
    migration_status: (
        Annotated[str, msgspec.Meta(pattern=r"^(?i:migrating|error|success|completing|none|starting)$(?!\n)")]
        | UnsetType
        | None
    ) = UNSET


@api.action(ACTION, "os-reset_status", admin("volume_extension:volume_admin_actions:reset_status"), find=volume_find)
async def reset_status(call: Call[BlockStorage], volume: Volume, body: Status) -> None:
    """Say what a volume is, against all evidence."""
    given: dict[str, Any] = {name: value.lower() for name, value in body.given().items() if value is not None}
    if not given:
        raise errors.BadRequest(why="Must specify 'status', 'attach_status' or 'migration_status' for update.")
    if given.get("status", RESETTABLE[0]) not in RESETTABLE:
        raise errors.BadRequest(why=f"Invalid input for field/attribute status: '{body.status}' is no status.")
    if given.get("migration_status") == "none":
        given["migration_status"] = None
    await volumes.reset_status(call.app, volume, given)


@api.action(ACTION, "os-force_delete", admin("volume_extension:volume_admin_actions:force_delete"), find=volume_find)
async def force_delete(call: Call[BlockStorage], volume: Volume, body: dict[str, Any] | None) -> None:
    """Delete a volume whatever it is."""
    await volumes.delete_volume(call.app, call.caller, volume, call.request_id, force=True)


class Readonly(Wire):
    """Whether it may be written to."""

    readonly: Flag


@api.action(ACTION, "os-update_readonly_flag", member("volume:update_readonly_flag"), find=volume_find)
async def update_readonly(call: Call[BlockStorage], volume: Volume, body: Readonly) -> None:
    """Let a volume be written to, or not."""
    await volumes.set_readonly(call.app, volume, readonly=flag(body.readonly, "readonly"))


class Bootable(Wire):
    """Whether servers may boot from it."""

    bootable: Flag


@api.action(ACTION, "os-set_bootable", member("volume:update"), find=volume_find, status=200)
async def set_bootable(call: Call[BlockStorage], volume: Volume, body: Bootable) -> None:
    """Let servers boot from a volume, or not."""
    await volumes.set_bootable(call.app, volume, bootable=flag(body.bootable, "bootable"))


# Image metadata.


ImageKeyName = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9\-_:. /]{1,255}$(?!\n)")]


class ImageMetadata(Wire):
    """Properties to set."""

    metadata: dict[ImageKeyName, Annotated[str, msgspec.Meta(max_length=65535)]]


class ImageKey(Wire):
    """A property to drop."""

    key: RealName


@api.action(
    ACTION,
    "os-set_image_metadata",
    member("volume_extension:volume_image_metadata:set"),
    find=volume_find,
    status=200,
)
async def image_metadata_set(call: Call[BlockStorage], volume: Volume, body: ImageMetadata) -> dict[str, Any]:
    """Set properties a volume has of its image."""
    merged = await volumes.edit_image_metadata(call.app, volume, lambda properties: {**properties, **body.metadata})
    return {"metadata": merged}


@api.action(ACTION, "os-show_image_metadata", reader("volume:get_volume_metadata"), find=volume_find, status=200)
async def image_metadata_show(call: Call[BlockStorage], volume: Volume, body: dict[str, Any] | None) -> dict[str, Any]:
    """Show the properties a volume has of its image."""
    return {"metadata": volume.image_metadata}


@api.action(
    ACTION,
    "os-unset_image_metadata",
    member("volume_extension:volume_image_metadata:remove"),
    find=volume_find,
    status=200,
)
async def image_metadata_unset(call: Call[BlockStorage], volume: Volume, body: ImageKey) -> None:
    """Drop a property a volume has of its image."""

    def dropped(properties: dict[str, str]) -> dict[str, str]:
        if body.key not in properties:
            raise errors.MetadataNotFound(what="Volume", id=volume.id, key=body.key)
        return {key: value for key, value in properties.items() if key != body.key}

    await volumes.edit_image_metadata(call.app, volume, dropped)


# What takes its time.


class UploadImage(Wire, kw_only=True):
    """An image to make of a volume."""

    __loose__ = True

    image_name: RealName
    disk_format: Annotated[str, msgspec.Meta(pattern=r"^(raw|vmdk|vdi|qcow2|vhd|vhdx|ploop)$(?!\n)")] = "raw"
    container_format: Name = "bare"
    force: Flag = False
    visibility: Annotated[
        Annotated[str, msgspec.Meta(pattern=r"^(community|public|private|shared)$(?!\n)")], F(since="3.1")
    ] = "private"
    protected: Annotated[Flag, F(since="3.1")] = False


api.declare(
    member("volume_extension:volume_actions:upload_image"), admin("volume_extension:volume_actions:upload_public")
)


@api.action(
    ACTION,
    "os-volume_upload_image",
    member("volume_extension:volume_actions:upload_image"),
    find=volume_find,
    reply_key="os-volume_upload_image",
)
async def upload_image(call: Call[BlockStorage], volume: Volume, body: UploadImage) -> dict[str, Any]:
    """Make an image of a volume."""
    if body.visibility == "public":
        call.require("volume_extension:volume_actions:upload_public", {"project_id": volume.project_id})
    asked = changes.NewImage(
        name=body.image_name,
        disk_format=body.disk_format,
        container_format=body.container_format,
        visibility=body.visibility,
        force=flag(body.force, "force"),
    )
    image_id = await changes.upload_image(call.app, call.caller, volume, asked, call.request_id)
    type = await types.find(call.app, volume.type_id)
    shown: dict[str, Any] = {
        "id": volume.id,
        "updated_at": None,
        "status": "uploading",
        "display_description": volume.description,
        "size": volume.size,
        "volume_type": type_told(call, type) if type is not None else None,
        "image_id": image_id,
        "container_format": body.container_format,
        "disk_format": body.disk_format,
        "image_name": body.image_name,
    }
    if call.version >= (3, 1):
        shown |= {"visibility": body.visibility, "protected": flag(body.protected, "protected")}
    return shown


class Revert(Wire):
    """The snapshot to go back to."""

    snapshot_id: Uuid


@api.action(ACTION, "revert", member("volume:revert_to_snapshot"), find=volume_find, since="3.40")
async def revert(call: Call[BlockStorage], volume: Volume, body: Revert) -> None:
    """Let a volume be what it was at its newest snapshot."""
    await changes.revert_volume(call.app, call.caller, volume, body.snapshot_id, call.request_id)


class Reimage(Wire):
    """The image to be made anew of."""

    image_id: Uuid
    reimage_reserved: Flag = False


@api.action(ACTION, "os-reimage", member("volume:reimage"), find=volume_find, since="3.68")
async def reimage(call: Call[BlockStorage], volume: Volume, body: Reimage) -> None:
    """Make a volume anew of an image."""
    reserved = flag(body.reimage_reserved, "reimage_reserved")
    if reserved:
        call.require("volume:reimage_reserved", {"project_id": volume.project_id})
    await changes.reimage_volume(call.app, call.caller, volume, body.image_id, call.request_id, reserved=reserved)


class Retype(Wire):
    """The type to have."""

    new_type: RealName
    migration_policy: Annotated[str, msgspec.Meta(pattern=r"^(on-demand|never)$(?!\n)")] = "never"


@api.action(ACTION, "os-retype", member("volume:retype"), find=volume_find)
async def retype(call: Call[BlockStorage], volume: Volume, body: Retype) -> None:
    """Give a volume another type."""
    may_move = body.migration_policy == "on-demand"
    await moves.retype_volume(call.app, call.caller, volume, body.new_type, call.request_id, may_move=may_move)


class Migrate(Wire, kw_only=True):
    """Where to go."""

    host: str | None = None
    cluster: Annotated[str | None, F(since="3.16")] = None
    force_host_copy: Flag = False
    lock_volume: Flag = False


@api.action(
    ACTION, "os-migrate_volume", admin("volume_extension:volume_admin_actions:migrate_volume"), find=volume_find
)
async def migrate(call: Call[BlockStorage], volume: Volume, body: Migrate) -> None:
    """Move a volume to another back end."""
    flag(body.force_host_copy, "force_host_copy")  # bytes are copied by hosts whatever was asked for
    flag(body.lock_volume, "lock_volume")
    if body.cluster is not None:
        raise errors.BadRequest(why=f"Cluster {body.cluster} could not be found.")
    if body.host is None:
        raise errors.BadRequest(why="Missing required element 'host' in request body.")
    await moves.migrate_volume(call.app, call.caller, volume, body.host, call.request_id)


class MigrationEnd(Wire):
    """The volume that takes the place of this one."""

    new_volume: Uuid
    error: Flag = False


@api.action(
    ACTION,
    "os-migrate_volume_completion",
    admin("volume_extension:volume_admin_actions:migrate_volume_completion"),
    find=volume_find,
)
async def migrate_completion(call: Call[BlockStorage], volume: Volume, body: MigrationEnd) -> None:
    """Say how a move ended; volumes here move without being told."""
    await volumes.volume_get(call.app, call.caller, body.new_volume)
    raise errors.InvalidVolume(why=f"Volume {volume.id} is not migrating to {body.new_volume}.")


@api.action(ACTION, "os-unmanage", admin("volume_extension:volume_unmanage"), find=volume_find)
async def unmanage(call: Call[BlockStorage], volume: Volume, body: dict[str, Any] | None) -> None:
    """Forget a volume, and leave its bytes where they are."""
    await changes.unmanage_volume(call.app, call.caller, volume, call.request_id)
