"""Create volumes: the row, what it takes of the quota and the operation are written together, or nothing of it."""

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import quotas
from pileus.block_storage.commands.keys import Key, new_key
from pileus.block_storage.commands.types import default_type, type_chosen
from pileus.block_storage.commands.volumes import mine
from pileus.block_storage.drivers.interface import GIB
from pileus.block_storage.flows.hints import Hints, hints_of
from pileus.block_storage.models import backups as backup_states
from pileus.block_storage.models.backups import Backup, Kept
from pileus.block_storage.models.types import VolumeType
from pileus.block_storage.models.volumes import AVAILABLE, CREATING, IN_USE, Origin, Volume
from pileus.block_storage.store.backups import backups, chain_of
from pileus.block_storage.store.groups import groups
from pileus.block_storage.store.types import types
from pileus.block_storage.store.volumes import snapshots, volumes
from pileus.kit.auth import Caller
from pileus.kit.disk_images import TOOL_NAMES
from pileus.ports.image import ImageFacts, ImageQuery

# What a volume remembers of the image it was made of, besides the image's own properties.
REMEMBERED = ("checksum", "container_format", "disk_format", "min_disk", "min_ram", "size")
FORMATS = ("raw", "qcow2", "vmdk", "vdi", "vhdx", "vhd", "ploop", "iso", "gpt", "ami")


class NewVolume(msgspec.Struct, kw_only=True):
    """What a caller says to get a volume."""

    id: str = ""
    name: str | None = None
    description: str | None = None
    size: int | None = None
    type: str | None = None
    zone: str | None = None
    metadata: Mapping[str, str] = {}
    multiattach: bool = False
    image_id: str | None = None
    follows_images: bool = False  # one that only says which snapshot to boot from stands for that
    snapshot_id: str | None = None
    source_volid: str | None = None
    backup_id: str | None = None
    group_id: str | None = None
    host: str | None = None
    hints: Mapping[str, Any] | None = None
    status: str | None = None  # otherwise than creating, for backups that are restored


class DiskOfImage(msgspec.Struct, frozen=True):
    """A disk that an image says to boot with, as compute writes them down; of no interest here are its other words."""

    source_type: str | None = None
    boot_index: int | None = None
    snapshot_id: str | None = None


class Source(msgspec.Struct, kw_only=True):
    """What a volume is made of, looked up: how large it has to be at least, and what it takes over."""

    origin: Origin | None = None
    size: int = 0  # GiB
    type_id: str | None = None
    bootable: bool = False
    image_metadata: dict[str, str] = {}
    zone: str | None = None
    metadata: dict[str, str] = {}
    key: Key = Key()


async def create_volume(app: BlockStorage, caller: Caller, new: NewVolume, request_id: str) -> Volume:
    """The volume exists and is made in the background; raises what speaks against it."""
    project_id = caller.project_id or ""
    async with app.db.transaction():
        if new.image_id and new.follows_images and (snapshot_id := await _boots_from(app, caller, new.image_id)):
            new = msgspec.structs.replace(new, image_id=None, snapshot_id=snapshot_id)
        source = await _source(app, caller, new)
        # Of an image nobody knows yet how large it is when it is unpacked, so whoever asks says how large the volume is.
        size = new.size or (0 if new.image_id else source.size)
        if not size:
            raise errors.InvalidInput(why=f"Volume size '{new.size}' must be an integer and greater than 0.")
        if size < source.size:
            raise errors.InvalidInput(
                why=f"Volume size '{size}'GB cannot be smaller than the original volume size or the image's minDisk, "
                f"{source.size}GB. They must be >= it."
            )
        type = await _type(app, caller, new, source)
        _check_zone(app, new, type)
        await quotas.check_size(app, project_id, size)
        await quotas.check(app, project_id, {"volumes": 1, "gigabytes": size}, type)
        await _check_group(app, caller, new, type)
        encryption = type.encryption if type is not None else None
        key = source.key.again() if source.key.sealed or encryption is None else new_key(app, encryption)
        volume = _row(app, caller, new, source, type, size)
        volume = msgspec.structs.replace(volume, key_id=key.id, sealed_key=key.sealed)
        await volumes.create(app, volume)
        args: dict[str, object] = {"host": new.host} if new.host else {}
        if (hints := hints_of(new.hints)) != Hints():
            args["hints"] = hints
        if new.backup_id is not None and new.status is not None:
            args["restores"] = new.backup_id
        await app.engine.begin(
            "volume.create", volume.subject, args, project_id=project_id, user_id=caller.user_id, request_id=request_id
        )
    return volume


def _row(
    app: BlockStorage, caller: Caller, new: NewVolume, source: Source, type: VolumeType | None, size: int
) -> Volume:
    return Volume(
        id=new.id or str(uuid.uuid4()),
        project_id=caller.project_id or "",
        user_id=caller.user_id,
        name=new.name,
        description=new.description,
        size=size,
        status=new.status or CREATING,
        type_id=type.id if type else None,
        zone=new.zone or source.zone or app.config.zone,
        origin=source.origin,
        bootable=source.bootable,
        multiattach=new.multiattach or (type is not None and type.multiattach),
        snapshot_id=new.snapshot_id,
        source_volid=new.source_volid,
        backup_id=new.backup_id,
        group_id=new.group_id,
        metadata={**source.metadata, **new.metadata},
        image_metadata=source.image_metadata,
        encryption=type.encryption if type else None,
        created_at=app.clock.now(),
    )


async def _source(app: BlockStorage, caller: Caller, new: NewVolume) -> Source:
    given = [name for name in ("image_id", "snapshot_id", "source_volid", "backup_id") if getattr(new, name)]
    if len(given) > 1:
        raise errors.BadRequest(why=f"Only one of {', '.join(given)} may say what the volume is made of.")
    if new.image_id:
        return await _of_image(app, caller, new.image_id)
    if new.snapshot_id:
        return await _of_snapshot(app, caller, new.snapshot_id)
    if new.source_volid:
        return await _of_volume(app, caller, new.source_volid)
    return await _of_backup(app, caller, new.backup_id, restoring=new.status is not None) if new.backup_id else Source()


async def _of_image(app: BlockStorage, caller: Caller, image_id: str) -> Source:
    image = _usable(await _image_meant(app, caller, image_id), image_id)
    needs = max(image.min_disk, -(-(image.virtual_size or image.size or 0) // GIB))
    return Source(
        origin=origin_of(image),
        size=needs,
        bootable=True,
        image_metadata=remembered(image),
    )


async def _boots_from(app: BlockStorage, caller: Caller, image_id: str) -> str | None:
    """The snapshot that the image of a server on a volume says to boot from; raises NoSnapshotOfImage if the caller has it not."""
    image = _usable(await _image_meant(app, caller, image_id), image_id)
    try:
        disks = msgspec.json.decode(image.properties.get("block_device_mapping", "[]"), type=list[DiskOfImage])
    except msgspec.DecodeError:
        return None
    said = next((disk for disk in disks if disk.source_type == "snapshot" and disk.boot_index == 0), None)
    if said is None or said.snapshot_id is None:
        return None
    snapshot = await snapshots.find(app, said.snapshot_id)
    if snapshot is None or not mine(snapshot.project_id, caller):
        raise errors.NoSnapshotOfImage(snapshot=said.snapshot_id)
    return said.snapshot_id


async def _image_meant(app: BlockStorage, caller: Caller, said: str) -> ImageFacts | None:
    """The image of that id, with an address before it or without, else the only one of that name; raises ImageAmbiguous."""
    if app.images is None:
        return None
    found = await app.images.get(said.rpartition("/")[2], caller)
    if found is not None:
        return found
    named = await app.images.list(caller, ImageQuery(name=said), marker=None, limit=2)
    if len(named) > 1:
        raise errors.ImageAmbiguous(image=said)
    return named[0] if named else None


def origin_of(image: ImageFacts) -> Origin:
    """Where the bytes of a volume come from that is made of the image."""
    claim = image.disk_format or "raw"
    format, size = TOOL_NAMES.get(claim, claim), image.size or 0
    return Origin(kind="image", id=image.id, format=format, size=size, shared=image.shared, claim=claim)


async def usable_image(app: BlockStorage, caller: Caller, image_id: str) -> ImageFacts:
    """The image, if it can be made a volume; raises ImageNotFound or BadRequest."""
    return _usable(await app.images.get(image_id, caller) if app.images is not None else None, image_id)


def _usable(image: ImageFacts | None, image_id: str) -> ImageFacts:
    if image is None:
        raise errors.ImageNotFound(image=image_id)
    if not image.usable:
        raise errors.BadRequest(why=f"Invalid image identifier: image {image_id} is {image.status}, not active.")
    if image.disk_format not in FORMATS:
        raise errors.BadRequest(why=f"Image {image_id} is {image.disk_format}, which no volume can be made of.")
    return image


def remembered(image: ImageFacts) -> dict[str, str]:
    """What a volume keeps of an image."""
    plain = {name: str(value) for name in REMEMBERED if (value := getattr(image, name)) is not None}
    named = {"image_id": image.id, "image_name": image.name or ""}
    return {**dict(image.properties), **plain, **named}


async def _of_snapshot(app: BlockStorage, caller: Caller, id: str) -> Source:
    snapshot = await snapshots.find(app, id)
    if snapshot is None or not mine(snapshot.project_id, caller):
        raise errors.SnapshotNotFound(snapshot=id)
    if snapshot.status != AVAILABLE:
        raise errors.InvalidSnapshot(
            why=f"Originating snapshot status must be one of 'available' values, not {snapshot.status}"
        )
    volume = await volumes.find(app, snapshot.volume_id)
    return Source(
        origin=Origin(kind="snapshot", id=id, host=snapshot.host, backend=snapshot.backend),
        size=snapshot.size,
        key=Key(snapshot.key_id, snapshot.sealed_key),
        type_id=snapshot.type_id,
        bootable=volume is not None and volume.bootable,
        image_metadata=volume.image_metadata if volume is not None else {},
    )


async def _of_volume(app: BlockStorage, caller: Caller, id: str) -> Source:
    volume = await volumes.find(app, id)
    if volume is None or not mine(volume.project_id, caller):
        raise errors.VolumeNotFound(volume=id)
    if volume.status not in {AVAILABLE, IN_USE}:
        raise errors.InvalidVolume(why=f"Originating volume status must be available or in-use, not {volume.status}")
    return Source(
        origin=Origin(kind="volume", id=id, host=volume.host, backend=volume.backend),
        size=volume.size,
        key=Key(volume.key_id, volume.sealed_key),
        type_id=volume.type_id,
        bootable=volume.bootable,
        image_metadata=volume.image_metadata,
    )


async def _of_backup(app: BlockStorage, caller: Caller, id: str, *, restoring: bool) -> Source:
    backup = await backups.find(app, id)
    if backup is None or not mine(backup.project_id, caller):
        raise errors.BackupNotFound(backup=id)
    allowed = {backup_states.AVAILABLE, *({backup_states.RESTORING} if restoring else ())}
    if backup.status not in allowed:
        raise errors.InvalidBackup(why=f"Backup status must be available, not {backup.status}")
    kept = backup.kept or Kept()
    return Source(
        origin=await origin_of_backup(app, backup),
        size=backup.size,
        type_id=kept.type_id if backup.sealed_key is not None else None,
        key=Key(backup.key_id, backup.sealed_key),
        bootable=kept.bootable,
        image_metadata=kept.image_metadata,
        metadata=kept.metadata,
    )


async def origin_of_backup(app: BlockStorage, backup: Backup) -> Origin:
    """Where the bytes of a volume come from that is made of the backup."""
    chain = await chain_of(app, backup)
    if backup.store is not None:  # in a store; whoever has that needs nobody else
        return Origin(kind="backup", id=backup.disk_id, chain=chain)
    return Origin(kind="backup", id=backup.disk_id, host=backup.host, backend=backup.backend, chain=chain)


async def _type(app: BlockStorage, caller: Caller, new: NewVolume, source: Source) -> VolumeType | None:
    """The type that is named, else that of what the volume is made of, else what an image asks for, else the default."""
    named = new.type or source.image_metadata.get("cinder_img_volume_type")
    if named is None and source.type_id is not None:
        return await types.find(app, source.type_id)
    type = await type_chosen(app, caller, named) if named else await default_type(app, caller.project_id)
    copied = source.origin is not None and source.origin.kind != "image"
    if copied and (type is not None and type.encryption is not None) != (source.key.sealed is not None):
        raise errors.InvalidInput(why="Invalid volume_type passed: what is encrypted stays so, what is not does too.")
    if type is not None and type.multiattach and type.encryption is not None:
        raise errors.InvalidVolume(why="Multiattach cannot be used with encrypted volumes.")
    if new.multiattach and type is not None and not type.multiattach:
        raise errors.InvalidInput(why="multiattach is a property of volume types: name a type that has it.")
    return type


def _check_zone(app: BlockStorage, new: NewVolume, type: VolumeType | None) -> None:
    if new.zone is not None and new.zone != app.config.zone and app.config.zone_fallback:
        new.zone = app.config.zone
    if new.zone is not None and new.zone != app.config.zone:
        raise errors.InvalidInput(why=f"Availability zone '{new.zone}' is invalid.")
    zones = type.zones if type is not None else []
    if zones and (new.zone or app.config.zone) not in zones:
        raise errors.InvalidType(why=f"Volume type is only supported in these availability zones: {', '.join(zones)}.")


async def _check_group(app: BlockStorage, caller: Caller, new: NewVolume, type: VolumeType | None) -> None:
    if new.group_id is None:
        return
    group = await groups.find(app, new.group_id)
    if group is None or not mine(group.project_id, caller):
        raise errors.GroupNotFound(group=new.group_id)
    if group.status not in {AVAILABLE, "creating"}:
        raise errors.InvalidGroup(why=f"Group {group.id} is {group.status}; volumes are made only in available ones.")
    # A group that is copied says by its volumes which types they have.
    if new.type is None and new.source_volid is None and new.snapshot_id is None:
        raise errors.InvalidInput(why="volume_type must be provided when creating a volume in a group.")
    if type is None or type.id not in group.volume_types:
        raise errors.InvalidInput(why=f"volume_type must be one that group {group.id} supports.")


def size_given(text: Any) -> int | None:
    """A size in GiB as requests write it; raises InvalidInput."""
    if text is None:
        return None
    try:
        size = int(text)
    except (TypeError, ValueError):
        size = 0
    if size <= 0 or isinstance(text, bool):
        raise errors.InvalidInput(why=f"Volume size '{text}' must be an integer and greater than 0")
    return size
