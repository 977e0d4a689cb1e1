"""Disks of a new server: which volumes it is to have, which of them are made for it, and what it boots from."""

import uuid
from collections.abc import Sequence

import msgspec

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.volumes import own_disks, volume_facts
from pileus.compute.flows.disks import storage
from pileus.compute.models.block_devices import DeviceAsked, why_no_such_format, why_wrong
from pileus.compute.models.flavors import GIB, Size
from pileus.compute.models.servers import Server
from pileus.compute.models.volumes import ServerVolume, Source, free_place
from pileus.compute.store.volumes import volume_create
from pileus.kit.auth import Caller
from pileus.kit.errors import NotFound, Problem


def boots_from_volume(devices: Sequence[DeviceAsked]) -> bool:
    """Whether what the server boots from is a volume."""
    return any(device.boot_index == 0 and device.destination == "volume" for device in devices)


async def check_devices(
    app: Compute, caller: Caller, devices: Sequence[DeviceAsked], size: Size, *, image_id: str | None, may_share: bool
) -> list[DeviceAsked]:
    """The disks, each volume with its size; raises BadMapping or BadRequest if the server cannot have them."""
    why = why_wrong(devices, size, image_id=image_id) or why_no_such_format(devices)
    if why is not None:
        raise errors.BadMapping(why=why)
    return [await _checked(app, caller, device, size, may_share=may_share) for device in devices]


async def _checked(app: Compute, caller: Caller, device: DeviceAsked, size: Size, *, may_share: bool) -> DeviceAsked:
    if device.destination != "volume":
        return device
    await _check_type(app, caller, device)
    if app.volumes is None:
        raise errors.BadMapping(why="This cloud has no block storage, so servers have no volumes.")
    if device.source == "volume":
        return await _existing(app, caller, device, may_share=may_share)
    if device.source == "snapshot":
        try:
            snapshot = await app.volumes.lists.snapshot(caller, device.id or "")
        except NotFound:
            raise errors.BadMapping(why=f"failed to get snapshot {device.id}.") from None
        return msgspec.structs.replace(device, size=device.size or snapshot.size_gib)
    if device.source == "image":
        await _check_image(app, caller, device, size)
    return device


async def _check_type(app: Compute, caller: Caller, device: DeviceAsked) -> None:
    if app.volumes is not None and device.type and not await app.volumes.lists.has_type(caller, device.type):
        raise errors.BadRequest(why=f"Volume type {device.type} could not be found.")


async def _existing(app: Compute, caller: Caller, device: DeviceAsked, *, may_share: bool) -> DeviceAsked:
    try:
        facts = await volume_facts(app, caller, device.id or "")
    except errors.VolumeNotFound:
        raise errors.BadMapping(why=f"failed to get volume {device.id}.") from None
    if facts.multiattach and not may_share:
        raise errors.BadRequest(why="Multiattach volumes are only supported starting with compute API version 2.60.")
    if device.boot_index == 0 and not facts.bootable:
        raise errors.BadRequest(why=f"Block Device {device.id} is not bootable.")
    return msgspec.structs.replace(device, size=facts.size_gib)


async def _check_image(app: Compute, caller: Caller, device: DeviceAsked, size: Size) -> None:
    image = await app.images.get(device.id or "", caller)
    if image is None:
        raise errors.BadMapping(why=f"failed to get image {device.id}.")
    if not image.usable:
        raise errors.BadRequest(why=f"Image {image.id} is not active.")
    if size.ram < image.min_ram:
        raise errors.BadRequest(why="Flavor's memory is too small for requested image.")
    needs = max(image.min_disk * GIB, image.virtual_size or image.size or 0)
    if (device.size or 0) * GIB < needs:
        raise errors.BadRequest(
            why="Volume is smaller than the minimum size specified in image metadata. "
            f"Volume size is {(device.size or 0) * GIB} bytes, minimum size is {needs} bytes."
        )


async def give_devices(app: Compute, caller: Caller, server: Server, devices: Sequence[DeviceAsked]) -> None:
    """The server is to have these volumes, and those that exist are kept for it; raises BadRequest for one that is taken."""
    rows: list[ServerVolume] = []
    volumes = [device for device in devices if device.destination == "volume"]
    for device in sorted(volumes, key=lambda each: each.boot_index if each.boot_index is not None else len(volumes)):
        place = 0 if device.boot_index == 0 else free_place(own_disks(server), rows, device.device)
        if place is None:
            raise errors.TooManyDisks(server=server.name)
        row = _row(app, server, device, place)
        if row.source is None:
            await _reserve(app, caller, row)
        await volume_create(app, row)
        rows.append(row)


def _row(app: Compute, server: Server, device: DeviceAsked, place: int) -> ServerVolume:
    exists = device.source == "volume"
    made = Source(kind=device.source, id=device.id, size_gib=device.size or 0, type=device.type)
    return ServerVolume(
        id=str(uuid.uuid4()),
        server_id=server.id,
        volume_id=device.id if exists and device.id else str(uuid.uuid4()),
        attachment_id=str(uuid.uuid4()),
        place=place,
        boot_index=device.boot_index,
        delete_on_termination=device.goes,
        tag=device.tag,
        source=None if exists else made,
        created_at=app.clock.now(),
    )


async def _reserve(app: Compute, caller: Caller, row: ServerVolume) -> None:
    try:
        await storage(app).reserve(row.attachment_id, row.volume_id, row.server_id, caller)
    except Problem as refused:
        raise errors.BadRequest(why=refused.message) from refused
