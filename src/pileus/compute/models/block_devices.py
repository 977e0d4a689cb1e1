"""Disks that are asked for with a new server: values, and the rules they have to keep among themselves."""

from collections.abc import Sequence

import msgspec

from pileus.compute.models.flavors import Size

SEQUENCE = "Boot sequence for the instance and image/block device mapping combination is not valid."


class DeviceAsked(msgspec.Struct, frozen=True, kw_only=True):
    """A disk to have: what it is made of, whether it is a volume or the server's own, and whether it goes with the server."""

    source: str  # volume, image, snapshot, blank
    destination: str  # local, volume
    id: str | None = None
    size_gib: int | None = None
    type: str | None = None
    boot_index: int | None = None
    goes: bool = False
    tag: str | None = None
    device: str | None = None
    swap: bool = False


def why_wrong(devices: Sequence[DeviceAsked], size: Size, *, image_id: str | None) -> str | None:
    """What speaks against these disks together; None if nothing does."""
    volumes = [device for device in devices if device.destination == "volume"]
    blank = [device for device in devices if device.source == "blank" and device.destination == "local"]
    images = [device for device in devices if device.source == "image" and device.destination == "local"]
    order = sorted(device.boot_index for device in devices if device.boot_index is not None)
    if image_id and 0 not in order:
        order = [0, *order]  # An image that is named beside disks of which none is the first is that.
    return (
        _why_own_wrong(blank, images, size, image_id)
        or (SEQUENCE if order != list(range(max(1, len(order)))) else None)
        or next((why for volume in volumes if (why := _why_volume_wrong(volume)) is not None), None)
    )


def _why_own_wrong(
    blank: Sequence[DeviceAsked], images: Sequence[DeviceAsked], size: Size, image_id: str | None
) -> str | None:
    swaps = [device for device in blank if device.swap]
    ephemeral = sum(device.size_gib or size.ephemeral for device in blank if not device.swap)
    if any(device.id != image_id or device.boot_index != 0 for device in images):
        return "Mapping image to local is not supported."
    if len(swaps) > 1:
        return "More than one swap drive requested."
    if any((device.size_gib or 0) * 1024 > size.swap for device in swaps):
        return "Swap drive requested is larger than instance type allows."
    if ephemeral > size.ephemeral:
        return (
            "Ephemeral disks requested are larger than the instance type allows. If no size is given in one block "
            "device mapping, flavor ephemeral size will be used."
        )
    return None


def _why_volume_wrong(volume: DeviceAsked) -> str | None:
    if volume.source == "blank" and not volume.size_gib:
        return "Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size"
    if volume.source == "image" and not volume.size_gib:
        return "Images with destination_type 'volume' need to have a non-zero size specified"
    return None
