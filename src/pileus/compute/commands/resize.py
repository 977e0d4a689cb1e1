"""Resize: whether the new size fits the server and the project, and the operation that does it."""

import msgspec

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.moves import note_migration
from pileus.compute.commands.power import held
from pileus.compute.commands.quotas import fitting_count
from pileus.compute.models.flavors import Size, size_of
from pileus.compute.models.migrations import MigrationType
from pileus.compute.models.own_disks import disks_of
from pileus.compute.models.quotas import Usage
from pileus.compute.models.servers import Server, ServerState
from pileus.compute.store.flavors import flavor_find
from pileus.compute.store.servers import server_change
from pileus.compute.store.volumes import volume_list
from pileus.kit.auth import Caller

MAY_BE_RESIZED = frozenset({ServerState.ACTIVE, ServerState.STOPPED})


async def resize_server(
    app: Compute, caller: Caller, server: Server, flavor_id: str, request_id: str, *, disk_config: str | None = None
) -> None:
    """The server is getting another size; raises WrongState, ServerLocked, BadRequest or NotEnough."""
    async with app.db.transaction():
        now = await held(app, caller, server, "resize", MAY_BE_RESIZED)
        size = await _new_size(app, caller, now, flavor_id)
        await _check_places(app, now, size)
        more = Usage(0, max(0, size.vcpus - now.flavor.vcpus), max(0, size.ram - now.flavor.ram))
        await fitting_count(app, now.project_id, more, 1, 1, user_id=now.user_id)
        if disk_config is not None:
            await server_change(app, now, disk_config=disk_config)
        op = await app.engine.begin(
            "server.resize",
            now.subject,
            {"flavor": msgspec.to_builtins(size)},
            project_id=now.project_id,
            user_id=caller.user_id,
            request_id=request_id,
        )
        await note_migration(app, caller, now, op, MigrationType.RESIZE, size.id)


async def _check_places(app: Compute, server: Server, size: Size) -> None:
    """Raise BadRequest if a disk that comes with the size has the place of a volume, or of another disk of the server's own."""
    have, after = server.further_disks, disks_of(server.own_disks, size)
    if [disk.format for disk in have] != [disk.format for disk in after][: len(have)] and len(after) >= len(have):
        raise errors.BadRequest(
            why=f"Flavor {size.name} has an ephemeral disk, which would come before the server's swap disk: make a new server."
        )
    for volume in await volume_list(app, server.id):
        if len(have) < volume.place <= len(after):
            what = "a swap" if after[volume.place - 1].is_swap else "an ephemeral"
            why = f"Flavor {size.name} has {what} disk, which would be {volume.device}: detach volume {volume.volume_id} first."
            raise errors.BadRequest(why=why)


async def _new_size(app: Compute, caller: Caller, server: Server, flavor_id: str) -> Size:
    flavor = await flavor_find(app, flavor_id, None if caller.admin else caller.project_id)
    if flavor is None:
        raise errors.BadRequest(why=f"Flavor {flavor_id} could not be found.")
    if flavor.id == server.flavor.id:
        raise errors.BadRequest(why="When resizing, instances must change flavor!")
    if flavor.disabled:
        raise errors.BadRequest(why=f"Flavor {flavor_id} is disabled.")
    size, image = size_of(flavor), server.image
    if image is not None and size.ram < image.min_ram:
        raise errors.BadRequest(why="Flavor's memory is too small for requested image.")
    smaller = size.disk < server.flavor.disk and not server.volume_backed
    if smaller or size.ephemeral < server.flavor.ephemeral:
        have = f"{server.flavor.disk} GB and {server.flavor.ephemeral} GB of ephemeral disk"
        raise errors.BadRequest(why=f"Unable to resize disk down: the server has {have}, flavor {flavor.name} less.")
    return size
