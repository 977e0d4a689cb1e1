"""Images made of servers: what is said of one, and the operation that fills it."""

import json
import uuid
from collections.abc import Mapping

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.power import held
from pileus.compute.flows.disks import storage
from pileus.compute.flows.document import system_of
from pileus.compute.models.block_devices import disk_of
from pileus.compute.models.servers import Server, ServerState
from pileus.compute.store.volumes import volume_list
from pileus.kit.auth import Caller
from pileus.ports.image import NewImage

ALLOWED = frozenset({ServerState.ACTIVE, ServerState.STOPPED, ServerState.PAUSED, ServerState.SUSPENDED})
# What the image service sets itself, or what is true of the image a server was made from and not of a copy of the server.
NOT_INHERITED = frozenset({"cache_in_nova", "bittorrent", "img_signature", "img_signature_hash_method",
                           "img_signature_key_type", "img_signature_certificate_uuid"})  # fmt: skip


async def create_image(
    app: Compute, caller: Caller, server: Server, name: str, metadata: Mapping[str, str], request_id: str
) -> str:
    """An image of the server is being made; returns its id. Raises WrongState or CannotBeStill."""
    async with app.db.transaction():
        now = await held(app, caller, server, "createImage", ALLOWED, though_locked=True)
        await check_stillness(app, now)
        if now.volume_backed:
            return await image_of_volumes(app, caller, now, name, metadata, request_id)
        image_id = await image_row(app, caller, now, name, metadata)
        await app.engine.begin(
            "server.create_image",
            now.subject,
            {"image_id": image_id},
            project_id=now.project_id,
            user_id=caller.user_id,
            request_id=request_id,
        )
    return image_id


async def create_backup(
    app: Compute,
    caller: Caller,
    server: Server,
    name: str,
    metadata: Mapping[str, str],
    request_id: str,
    *,
    backup_type: str,
    rotation: int,
) -> str:
    """A backup of the server is being made, after which the newest `rotation` of that type stay; returns its image's id.

    Raises WrongState or CannotBeStill: a lock keeps a server from changes, and this is none.
    """
    async with app.db.transaction():
        now = await held(app, caller, server, "createBackup", ALLOWED, though_locked=True)
        if now.volume_backed:
            raise errors.BadRequest(why=f"Backup is not supported for volume-backed instances: {now.id}.")
        await check_stillness(app, now)
        kind = {"image_type": "backup", "backup_type": backup_type}
        image_id = await image_row(app, caller, now, name, {**metadata, **kind})
        await app.engine.begin(
            "server.create_backup",
            now.subject,
            {
                "image_id": image_id,
                "backup_type": backup_type,
                "rotation": rotation,
                "owner": caller.project_id or now.project_id,
            },
            project_id=now.project_id,
            user_id=caller.user_id,
            request_id=request_id,
        )
    return image_id


async def check_stillness(app: Compute, server: Server) -> None:
    """Raise CannotBeStill if the server's image asks for what nobody in the guest can do."""
    image = await system_of(app, server, await volume_list(app, server.id))
    if server.state is ServerState.ACTIVE and image is not None and image.must_be_still and not image.has_agent:
        raise errors.CannotBeStill(server=server.id, image=image.id)


async def image_of_volumes(
    app: Compute, caller: Caller, server: Server, name: str, metadata: Mapping[str, str], request_id: str
) -> str:
    """An image is being made that says which snapshots of the server's volumes to boot of; returns its id."""
    volumes = await volume_list(app, server.id)
    snapshots = {volume.volume_id: str(uuid.uuid4()) for volume in volumes}
    sizes = {id: facts.size_gib for id in snapshots if (facts := await storage(app).look(id)) is not None}
    disks = [disk_of(volume, snapshots[volume.volume_id], sizes.get(volume.volume_id)) for volume in volumes]
    says = {"block_device_mapping": json.dumps(disks), "bdm_v2": "True", "root_device_name": "/dev/vda"}
    image_id = await image_row(app, caller, server, name, {**says, **metadata}, disk_format="raw")
    await app.engine.begin(
        "server.snapshot_volumes",
        server.subject,
        {"image_id": image_id, "snapshots": snapshots, "name": f"snapshot for {name}"},
        project_id=server.project_id,
        user_id=caller.user_id,
        request_id=request_id,
    )
    return image_id


async def image_row(
    app: Compute,
    caller: Caller,
    server: Server,
    name: str,
    metadata: Mapping[str, str],
    *,
    disk_format: str = "qcow2",
) -> str:
    """There is an image that waits for the server's disk; returns its id."""
    image_id, image = str(uuid.uuid4()), server.image
    inherited = {key: value for key, value in (image.properties if image else {}).items() if key not in NOT_INHERITED}
    properties = {
        **inherited,
        "image_type": "snapshot",
        "instance_uuid": server.id,
        "user_id": caller.user_id,
        "base_image_ref": image.id if image else "",
        "image_location": "snapshot",
        "image_state": "available",
        "owner_id": server.project_id,
        **metadata,
    }
    new = NewImage(
        name=name,
        owner=caller.project_id or server.project_id,
        disk_format=disk_format,
        min_disk=max(server.flavor.disk, image.min_disk if image else 0),
        min_ram=image.min_ram if image else 0,
        properties=properties,
    )
    await app.images.create(image_id, new)
    return image_id
