"""Disks that are asked for with a new server: values, and the rules they have to keep among themselves."""

from collections.abc import Mapping, Sequence

import msgspec

from pileus.compute.models.flavors import Size
from pileus.compute.models.own_disks import FORMATS, MIB_OF_GIB, SCRATCH, SWAP, USUAL, OwnDisk
from pileus.compute.models.volumes import ServerVolume

MOST_LOCAL = 3  # disks of a server's own that one request names
SEQUENCE = "Boot sequence for the instance and image/block device mapping combination is not valid."


class DeviceAsked(msgspec.Struct, frozen=True, kw_only=True):
    """A disk to have: what it is made of, whether it is a volume or the server's own, and whether it goes with the server.

    Its size is in GiB as all disks' is, but in MiB if the guest swaps to it, as flavors count swap.
    """

    source: str  # volume, image, snapshot, blank
    destination: str  # local, volume
    id: str | None = None
    size: int | None = None
    type: str | None = None
    boot_index: int | None = None
    goes: bool = False
    tag: str | None = None
    device: str | None = None
    guest_format: str | None = None

    @property
    def swap(self) -> bool:
        """Whether the guest swaps to it."""
        return self.guest_format == "swap"

    @property
    def mib(self) -> int | None:
        """Its size; None: what the flavor says."""
        return None if not self.size else self.size if self.swap else self.size * MIB_OF_GIB


class DiskOfImage(msgspec.Struct, frozen=True):
    """A disk as images say it that were made of servers with volumes."""

    source_type: str = "snapshot"
    destination_type: str = "volume"
    snapshot_id: str | None = None
    volume_id: str | None = None
    image_id: str | None = None
    volume_size: int | None = None
    volume_type: str | None = None
    boot_index: int | None = None
    device_name: str | None = None
    delete_on_termination: bool | None = None
    guest_format: str | None = None
    tag: str | None = None


def disk_of(volume: ServerVolume, snapshot_id: str, size_gib: int | None) -> dict[str, object]:
    """What an image says of a volume that became the snapshot."""
    said = DiskOfImage(
        snapshot_id=snapshot_id,
        volume_size=size_gib,
        boot_index=0 if volume.place == 0 else volume.boot_index,
        device_name=volume.device,
        delete_on_termination=volume.delete_on_termination,
        tag=volume.tag,
    )
    return msgspec.structs.asdict(said) | {"device_type": "disk", "disk_bus": "virtio", "no_device": None}


def devices_of(properties: Mapping[str, str]) -> list[DeviceAsked]:
    """The disks that an image says to boot with; none if it is like any other image."""
    text = properties.get("block_device_mapping")
    if not text or properties.get("bdm_v2", "").lower() not in {"true", "1"}:
        return []
    try:
        disks = msgspec.json.decode(text, type=list[DiskOfImage])
    except msgspec.DecodeError:
        return []
    return [
        DeviceAsked(
            source=disk.source_type,
            destination=disk.destination_type,
            id=disk.snapshot_id or disk.volume_id or disk.image_id,
            size=disk.volume_size,
            type=disk.volume_type,
            boot_index=disk.boot_index if disk.boot_index is not None and disk.boot_index >= 0 else None,
            goes=bool(disk.delete_on_termination),
            tag=disk.tag,
            device=disk.device_name,
            guest_format=disk.guest_format,
        )
        for disk in disks
    ]


def merged(of_image: Sequence[DeviceAsked], asked: Sequence[DeviceAsked]) -> list[DeviceAsked]:
    """The disks of both: who asks for one under a name that the image has used, or for what to boot from, has his way."""
    own = [device for device in asked if not (device.source == "image" and device.destination == "local")]
    names = {(device.device or "").removeprefix("/dev/") for device in own} - {""}
    boots = any(device.boot_index == 0 for device in own)
    kept = [
        device
        for device in of_image
        if (device.device or "").removeprefix("/dev/") not in names and not (boots and device.boot_index == 0)
    ]
    return [*kept, *own]


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
    if sum(1 for device in (*blank, *images)) > MOST_LOCAL:
        return "You specified more local devices than the limit allows"
    swaps = [device for device in blank if device.swap]
    ephemeral = sum(device.size or size.ephemeral for device in blank if not device.swap)
    if any(device.id != image_id or device.boot_index != 0 for device in images):
        return "Mapping image to local is not supported."
    if len(swaps) > 1:
        return "More than one swap drive requested."
    if any((device.mib or 0) > size.swap for device in swaps):
        return "Swap drive requested is larger than instance type allows."
    if ephemeral > size.ephemeral:
        return (
            "Ephemeral disks requested are larger than the instance type allows. If no size is given in one block "
            "device mapping, flavor ephemeral size will be used."
        )
    return None


def _why_volume_wrong(volume: DeviceAsked) -> str | None:
    if volume.source == "blank" and not volume.size:
        return "Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size"
    if volume.source == "image" and not volume.size:
        return "Images with destination_type 'volume' need to have a non-zero size specified"
    return None


def disks_asked(devices: Sequence[DeviceAsked]) -> tuple[OwnDisk, ...]:
    """What a request asks for; of a kind of which it says nothing there is what the flavor has."""
    blank = [device for device in devices if device.source == "blank" and device.destination == "local"]
    scratch = [_scratch(device) for device in blank if not device.swap]
    swap = [OwnDisk(format=SWAP, mib=device.mib, tag=device.tag) for device in blank if device.swap]
    return (*(scratch or USUAL[:1]), *(swap or USUAL[1:]))


def _scratch(device: DeviceAsked) -> OwnDisk:
    return OwnDisk(
        format=device.guest_format or SCRATCH,
        mib=device.mib,
        tag=device.tag,
    )


def why_no_such_format(devices: Sequence[DeviceAsked]) -> str | None:
    """What speaks against the formats that are asked for; None if nothing does."""
    wrong = next(
        (
            device.guest_format
            for device in devices
            if device.destination == "local" and device.guest_format and device.guest_format not in {*FORMATS, SWAP}
        ),
        None,
    )
    return None if wrong is None else f"Format {wrong} is not one of {', '.join(sorted({*FORMATS, SWAP}))}."
