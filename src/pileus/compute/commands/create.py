"""Create servers: rows, ports and operations are written together, and nothing of it if anything is refused."""

import base64
import binascii
import secrets
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands import quotas
from pileus.compute.commands.aggregates import zone_by_host
from pileus.compute.commands.block_devices import boots_from_volume, check_devices, give_devices
from pileus.compute.commands.groups import joined_group
from pileus.compute.commands.passwords import give_password
from pileus.compute.models.block_devices import DeviceAsked, devices_of, disks_asked, merged
from pileus.compute.models.flavors import GIB, Flavor, Size, size_of
from pileus.compute.models.quotas import Usage
from pileus.compute.models.servers import (
    BOOTABLE,
    DISC,
    DRIVES,
    USUAL_DRIVE,
    BootImage,
    GivenFile,
    Server,
    ServerKey,
    hostname_of,
    name_of_many,
)
from pileus.compute.store.flavors import flavor_find
from pileus.compute.store.keypairs import keypair_find
from pileus.compute.store.servers import server_change, server_create
from pileus.kit.auth import Caller
from pileus.kit.errors import NotFound
from pileus.ports.image import ImageFacts
from pileus.ports.network import NicRequest

MOST_USER_DATA = 65535


class NewServer(msgspec.Struct, kw_only=True):
    """What a caller says to get servers."""

    name: str
    flavor_id: str
    image_id: str | None = None
    devices: Sequence[DeviceAsked] = ()
    may_share_volumes: bool = True
    nics: Sequence[NicRequest] | Literal["auto", "none"] = "auto"
    card_tags: Sequence[str | None] = ()  # of the nics, in their order
    on_a_network: bool = False  # "auto" is to find or to make one; of old it did without
    security_groups: Sequence[str] = ()
    key_name: str | None = None
    user_data: str | None = None
    metadata: Mapping[str, str] = {}
    description: str | None = None
    hostname: str | None = None
    tags: Sequence[str] = ()
    hints: Mapping[str, Any] = {}
    zone: str | None = None
    host: str | None = None
    host_must_exist: bool = False
    access_ipv4: str | None = None
    access_ipv6: str | None = None
    disk_config: str = "MANUAL"
    config_drive: bool = False
    files: Sequence[GivenFile] = ()
    certificates: Sequence[str] | None = None
    min_count: int = 1
    max_count: int = 1
    admin_password: str | None = None
    may_have_no_disk: bool = False  # a flavor with no disk of its own takes whatever the image takes


async def create_servers(app: Compute, caller: Caller, new: NewServer, request_id: str) -> list[Server]:
    """The servers exist and boot in the background; at least `min_count` of them, or none and this raises."""
    project_id, now = _project(caller), app.clock.now()
    size = size_of(await _flavor(app, caller, new))
    new, image = await _disks(app, caller, new, size)
    await _check_given(app, project_id, new)
    first = Server(
        id="",
        name=new.name,
        description=new.description,
        hostname="",
        project_id=project_id,
        user_id=caller.user_id,
        reservation_id=f"r-{secrets.token_hex(4)}",
        flavor=size,
        own_disks=disks_asked(new.devices),
        image=image,
        key=await key_named(app, caller.user_id, new.key_name),
        user_data=new.user_data,
        metadata=dict(new.metadata),
        tags=tuple(new.tags),
        hints=dict(new.hints),
        security_groups=tuple(new.security_groups),
        zone_wanted=new.zone,
        host_wanted=new.host,
        access_ipv4=new.access_ipv4,
        access_ipv6=new.access_ipv6,
        disk_config=new.disk_config,
        config_drive=new.config_drive,
        files=tuple(new.files),
        certificates=trusted(app, new.certificates, volume_backed=image is None),
        created_at=now,
        updated_at=now,
    )
    async with app.db.transaction():
        asked = (Usage(1, size.vcpus, size.ram), new.min_count, new.max_count)
        count = await quotas.fitting_count(app, project_id, *asked, user_id=caller.user_id)
        first = msgspec.structs.replace(first, group_id=await joined_group(app, caller, new.hints, count))
        return [
            await _create(app, caller, new, _one_of(first, new, index, count), request_id) for index in range(count)
        ]


async def _disks(app: Compute, caller: Caller, new: NewServer, size: Size) -> tuple[NewServer, BootImage | None]:
    """What is wanted with its disks checked, and the image that a disk of the server's own is made from."""
    asked, image_id = list(new.devices), new.image_id
    facts = await app.images.get(image_id, caller) if image_id is not None else None
    if facts is None and image_id is not None:  # also where a volume is what it boots from
        raise errors.BadRequest(why="Can not find requested image")
    if facts is not None and facts.usable and (said := devices_of(facts.properties)):
        # The image has no bytes: it says which volumes there were, and which snapshots they became.
        asked, image_id = merged(said, asked), None
    devices = await check_devices(app, caller, asked, size, image_id=image_id, may_share=new.may_share_volumes)
    if new.max_count > 1 and any(device.source == "volume" for device in devices):
        raise errors.BadRequest(why="Cannot attach one or more volumes to multiple instances")
    new = msgspec.structs.replace(new, devices=devices)
    if boots_from_volume(devices) or image_id is None:
        return new, None
    return new, await boot_image(app, caller, image_id, size, may_have_no_disk=new.may_have_no_disk)


async def _check_given(app: Compute, project_id: str, new: NewServer) -> None:
    """Raise BadRequest or an OverQuota unless the guests may be there, and be given all that."""
    await _check_place(app, new)
    check_user_data(new.user_data)
    await quotas.check_metadata(app, project_id, new.metadata)
    await quotas.check_files(app, project_id, new.files)


def trusted(app: Compute, asked: Sequence[str] | None, *, volume_backed: bool) -> tuple[str, ...] | None:
    """The certificates that a server's image has to be signed with, or by whose owners'; raises BadRequest."""
    if volume_backed and asked:
        raise errors.BadRequest(why="Image certificate validation is not supported when booting from volume")
    return None if volume_backed else tuple(asked or app.config.trusted_image_certificates) or None


def _one_of(first: Server, new: NewServer, index: int, count: int) -> Server:
    id, name = str(uuid.uuid4()), name_of_many(new.name, index, count)
    hostname = name_of_many(new.hostname, index, count) if new.hostname else hostname_of(name, id)
    return msgspec.structs.replace(first, id=id, name=name, hostname=hostname, launch_index=index)


async def _create(app: Compute, caller: Caller, new: NewServer, server: Server, request_id: str) -> Server:
    await server_create(app, server)
    await give_password(app, server, server.image, new.admin_password)
    try:
        ports = await app.networks.make_ports(caller, server.id, server.name, new.nics, new.security_groups)
    except NotFound as missing:  # a network, a port or a group that the request names, so the request is wrong
        raise errors.BadRequest(why=str(missing)) from missing
    tags = {port.id: tag for port, tag in zip(ports, new.card_tags, strict=False) if tag is not None}
    if tags:
        server = await server_change(app, server, card_tags=tags)
    await give_devices(app, caller, server, new.devices)
    if new.on_a_network and not ports:
        raise errors.BadRequest(why=f"Unable to automatically allocate a network for project {server.project_id}")
    await app.engine.begin(
        "server.boot",
        server.subject,
        project_id=server.project_id,
        user_id=server.user_id,
        request_id=request_id,
    )
    return server


def _project(caller: Caller) -> str:
    if caller.project_id is None:
        raise errors.BadRequest(why="A server belongs to a project: use a token that is scoped to one.")
    return caller.project_id


async def _flavor(app: Compute, caller: Caller, new: NewServer) -> Flavor:
    flavor = await flavor_find(app, new.flavor_id, None if caller.admin else caller.project_id)
    if flavor is None or flavor.disabled:
        raise errors.BadRequest(why="Invalid flavorRef provided.")
    return flavor


async def boot_image(
    app: Compute, caller: Caller, image_id: str, size: Size, *, may_have_no_disk: bool = True
) -> BootImage:
    """The image, to boot a server of that size from; raises BadRequest if it does not fit."""
    facts = await app.images.get(image_id, caller)
    if facts is None:
        raise errors.BadRequest(why="Can not find requested image")
    if not facts.usable:
        raise errors.BadRequest(why=f"Image {facts.id} is not active.")
    _check_room(facts, size, may_have_no_disk=may_have_no_disk)
    return BootImage(
        id=facts.id,
        name=facts.name,
        disk_format=facts.disk_format or "raw",
        size=facts.size or 0,
        checksum=facts.checksum,
        min_disk=facts.min_disk,
        min_ram=facts.min_ram,
        properties=dict(facts.properties),
    )


def _check_room(image: ImageFacts, flavor: Size, *, may_have_no_disk: bool) -> None:
    if image.disk_format not in BOOTABLE:
        raise errors.BadRequest(
            why=f"Image {image.id} has disk format {image.disk_format}; servers boot from {', '.join(sorted(BOOTABLE))}."
        )
    if image.disk_format == DISC and image.properties.get("hw_cdrom_bus", USUAL_DRIVE) not in DRIVES:
        raise errors.BadRequest(
            why=f"Invalid image metadata. Field hw_cdrom_bus of image {image.id} must be one of {', '.join(DRIVES)}."
        )
    if flavor.ram < image.min_ram:
        raise errors.BadRequest(why="Flavor's memory is too small for requested image.")
    if flavor.disk == 0:
        if not may_have_no_disk:
            raise errors.NotForTheCaller(why="Only volume-backed servers are allowed for flavors with zero disk.")
        return
    if flavor.disk < image.min_disk:
        raise errors.BadRequest(
            why="The size of the disk of the flavor is smaller than the minimum size specified in image metadata. "
            f"Disk size is {flavor.disk * GIB} bytes, minimum size is {image.min_disk * GIB} bytes."
        )
    size = max(image.size or 0, image.virtual_size or 0)
    if size > flavor.disk * GIB:
        raise errors.BadRequest(
            why="Flavor's disk is too small for requested image. "
            f"Flavor disk is {flavor.disk * GIB} bytes, image is {size} bytes."
        )


async def key_named(app: Compute, user_id: str, name: str | None) -> ServerKey | None:
    """The user's key of that name, as a server keeps it; raises BadRequest if there is none."""
    if name is None:
        return None
    keypair = await keypair_find(app, user_id, name)
    if keypair is None:
        raise errors.BadRequest(why="Invalid key_name provided.")
    return ServerKey(keypair.name, keypair.type, keypair.public_key)


def check_user_data(text: str | None) -> None:
    """Raise BadRequest unless the text is base64, and not too long."""
    if text is None:
        return
    if len(text) > MOST_USER_DATA:
        raise errors.BadRequest(why=f"User data too large. User data must be no larger than {MOST_USER_DATA} bytes "
                                f"once base64 encoded. Your data is {len(text)} bytes.")  # fmt: skip
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise errors.BadRequest(why="Userdata content cannot be decoded: user_data must be base64.") from None


async def _check_place(app: Compute, new: NewServer) -> None:
    """Raise BadRequest if there is no such zone, no such host, or the host is not in the zone."""
    if new.zone is None and not new.host_must_exist:
        return
    zones = await zone_by_host(app)
    hosts = {host.name for host in await app.hosts.list()}
    if new.host_must_exist and new.host not in hosts:
        raise errors.BadRequest(why=f"Compute host {new.host} could not be found.")
    if new.zone is None:
        return
    if new.zone not in {app.config.zone, *zones.values()}:
        raise errors.BadRequest(why="The requested availability zone is not available")
    if new.host in hosts and zones.get(new.host or "", app.config.zone) != new.zone:
        raise errors.BadRequest(why=f"Host {new.host} is not in availability zone {new.zone}.")
