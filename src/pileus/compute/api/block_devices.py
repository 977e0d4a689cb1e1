"""Disks a new server is to have, in the words clients have for them: the present ones, and those of before."""

from typing import Annotated

import msgspec

from pileus.compute import errors
from pileus.compute.api.service import Tag, Uuid
from pileus.compute.models.block_devices import DeviceAsked
from pileus.kit.http import F, Wire

Device = Annotated[str, msgspec.Meta(pattern=r"^(/dev/x?[a-z]?d?)?[a-z]+[0-9]*$(?!\n)", max_length=255)]
Source = Annotated[str, msgspec.Meta(pattern=r"^(volume|image|snapshot|blank)$(?!\n)")]
Destination = Annotated[str, msgspec.Meta(pattern=r"^(local|volume)$(?!\n)")]
Size = Annotated[int, msgspec.Meta(ge=0)] | Annotated[str, msgspec.Meta(pattern=r"^[0-9]*$(?!\n)")]
Index = int | Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]+$(?!\n)")]
Text = Annotated[str, msgspec.Meta(max_length=255)]
Flag = bool | str
Truth = bool | Annotated[str, msgspec.Meta(pattern=r"^(?i:1|0|true|false|on|off|yes|no|y|n|t|f)$(?!\n)")]
YES = frozenset({"1", "t", "true", "on", "y", "yes"})
ROOT = "vda"


class BlockDevice(Wire):
    """A disk to give the new server."""

    boot_index: Index | None = None
    uuid: Uuid | None = None
    source_type: Source = "volume"
    destination_type: Destination | None = None
    delete_on_termination: Truth | None = None
    device_name: Device | None = None
    device_type: Text | None = None
    disk_bus: Text | None = None
    guest_format: Text | None = None
    no_device: Flag | None = None
    volume_id: Uuid | None = None
    snapshot_id: Uuid | None = None
    volume_size: Size | None = None
    volume_type: Annotated[Text | None, F(since="2.67")] = None
    early_tag: Annotated[Tag | None, F("tag", since="2.32", until="2.32")] = None
    tag: Annotated[Tag | None, F(since="2.42")] = None


class OldBlockDevice(Wire):
    """A disk to give the new server, as it was said before images and blank disks could be."""

    device_name: Device | None = None
    virtual_name: Text | None = None
    volume_id: Uuid | None = None
    snapshot_id: Uuid | None = None
    volume_size: Size | None = None
    delete_on_termination: Flag | None = None
    no_device: Flag | str | None = None
    connection_info: str | None = None


def devices_asked(devices: list[BlockDevice]) -> list[DeviceAsked]:
    """The disks a request asks for; raises BadRequest for one that makes no sense by itself."""
    return [_asked(device) for device in devices if not _yes(device.no_device)]


def old_devices_asked(devices: list[OldBlockDevice], *, has_image: bool) -> list[DeviceAsked]:
    """The same of those of before: without an image, the server boots from the one called vda, or else from the first."""
    asked = [_old_asked(device) for device in devices if not _yes(device.no_device)]
    if has_image or not asked:
        return asked
    named = [at for at, device in enumerate(asked) if (device.device or "").removeprefix("/dev/") == ROOT]
    volumes = [at for at, device in enumerate(asked) if device.destination == "volume"]
    root = next(iter([*named, *volumes]), None)
    return [msgspec.structs.replace(device, boot_index=0) if at == root else device for at, device in enumerate(asked)]


def _asked(device: BlockDevice) -> DeviceAsked:
    id = device.uuid or device.volume_id or device.snapshot_id
    destination = device.destination_type or ("volume" if device.source_type in {"volume", "snapshot"} else "local")
    if device.source_type == "blank" and id:
        raise errors.BadMapping(why="Invalid device UUID.")
    if device.source_type != "blank" and not id:
        raise errors.BadMapping(why="Missing device UUID.")
    if device.source_type in {"volume", "snapshot"} and destination == "local":
        raise errors.BadMapping(why=f"Mapping {device.source_type} to local is not supported.")
    if destination == "local" and device.volume_type:
        raise errors.BadMapping(why="Specifying a volume_type with destination_type=local is not supported.")
    if device.source_type == "volume" and device.volume_type:
        raise errors.BadMapping(why="Specifying volume type to existing volume is not supported.")
    index = int(device.boot_index) if device.boot_index is not None else None
    return DeviceAsked(
        source=device.source_type,
        destination=destination,
        id=id,
        size=_size(device.volume_size),
        type=device.volume_type,
        boot_index=index if index is not None and index >= 0 else None,
        goes=_yes(device.delete_on_termination) if device.delete_on_termination is not None else destination == "local",
        tag=device.tag or device.early_tag or None,
        device=device.device_name,
        guest_format=device.guest_format or None,
    )


def _old_asked(device: OldBlockDevice) -> DeviceAsked:
    name = device.virtual_name or ""
    if device.volume_id or device.snapshot_id:
        return DeviceAsked(
            source="volume" if device.volume_id else "snapshot",
            destination="volume",
            id=device.volume_id or device.snapshot_id,
            size=_size(device.volume_size),
            goes=_yes(device.delete_on_termination),
            device=device.device_name,
        )
    if name == "swap" or name.startswith("ephemeral"):
        size = _size(device.volume_size)
        return DeviceAsked(
            source="blank",
            destination="local",
            size=size,
            goes=True,
            guest_format="swap" if name == "swap" else None,
        )
    raise errors.BadMapping(why="Missing device UUID.")


def _size(given: int | str | None) -> int | None:
    return int(given) if given not in (None, "") else None


def _yes(flag: bool | str | None) -> bool:  # noqa: FBT001 - as it stands in a request
    return str(flag).lower() in YES
