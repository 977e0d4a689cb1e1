"""Other types and other places: where a volume has to go for that, its bytes are copied, and the old ones removed."""

import msgspec

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import quotas
from pileus.block_storage.commands.changes import next_content
from pileus.block_storage.commands.connections import room_at
from pileus.block_storage.commands.types import type_chosen
from pileus.block_storage.commands.volumes import begin, busy, held
from pileus.block_storage.flows.choice import choose_pool, why_unfit
from pileus.block_storage.flows.pools import pool_list
from pileus.block_storage.models.services import Pool
from pileus.block_storage.models.types import VolumeType
from pileus.block_storage.models.volumes import (
    AVAILABLE,
    IDLE_MIGRATION,
    IN_USE,
    MAINTENANCE,
    RETYPING,
    Attachment,
    Volume,
)
from pileus.block_storage.store.types import types
from pileus.block_storage.store.volumes import attachments_of, snapshot_count, volumes
from pileus.kit.auth import Caller


async def retype_volume(
    app: BlockStorage, caller: Caller, volume: Volume, name: str, request_id: str, *, may_move: bool
) -> None:
    """The volume has another type, or is on its way to a back end that offers it; raises what speaks against that."""
    async with app.db.transaction():
        now = await held(app, volume, {AVAILABLE, IN_USE})
        if now.group_id is not None or now.migration_status not in IDLE_MIGRATION:
            raise errors.InvalidVolume(why="Retype needs a volume that is not migrating, and in no group.")
        type = await _other_type(app, caller, now, name)
        # What the project has in all stays as it is; of the new type it has one more.
        await quotas.check_type(app, now.project_id, {"volumes": 1, "gigabytes": now.size}, type)
        wanted = msgspec.structs.replace(now, type_id=type.id, multiattach=type.multiattach)
        pool = next((one for one in await pool_list(app) if one.name == now.place), None)
        why = why_unfit(app, pool, wanted, type, own=True) if pool is not None else "its back end is not known"
        if why is None:
            await volumes.change(app, now, type_id=type.id, multiattach=type.multiattach)
            await app.events.tell("volume.retyped", now.subject, now.project_id, payload={"type": type.id})
            return
        if not may_move:
            raise errors.InvalidInput(
                why=f"Volume {now.id} would have to be moved: {why}, and the migration policy is never."
            )
        server = await _check_movable(app, now)
        found = await choose_pool(app, wanted, type, among=[now.host or ""])
        found = await choose_pool(app, wanted, type) if isinstance(found, str) else found
        if isinstance(found, str):
            raise errors.InvalidInput(why=f"Volume {now.id} would have to be moved: {why}. {found}.")
        way = await _way(app, now, found, server, "volume.retyped", type_id=type.id, multiattach=type.multiattach)
        await begin(app, caller, "volume.move", now, way, request_id)
        await busy(app, now, RETYPING)


async def _other_type(app: BlockStorage, caller: Caller, volume: Volume, name: str) -> VolumeType:
    try:
        type = await type_chosen(app, caller, name)
    except errors.TypeNotFound:
        raise errors.InvalidInput(why=f"Invalid volume_type passed: {name}.") from None
    assert type is not None, "a name was given"
    if type.id == volume.type_id:
        raise errors.InvalidInput(why=f"Retype needs volume to be of another type: it is {type.name} already.")
    if type.encryption != volume.encryption:
        raise errors.InvalidInput(why="Retype cannot change encryption: the bytes would have to be written anew.")
    if volume.status == IN_USE and type.multiattach != volume.multiattach:
        raise errors.InvalidInput(why="Retyping an in-use volume must not change whether it is multi-attach.")
    return type


async def migrate_volume(app: BlockStorage, caller: Caller, volume: Volume, place: str, request_id: str) -> None:
    """The volume is on its way to that place; raises what speaks against that."""
    async with app.db.transaction():
        now = await held(app, volume, {AVAILABLE, IN_USE})
        pools = {pool.name: pool for pool in await pool_list(app)}
        full = place if "#" in place else next((n for n in pools if n.partition("#")[0] == place), place)
        if full not in pools:
            raise errors.InvalidInput(why=f"No available service named '{place}'.")
        if full == now.place:
            raise errors.InvalidInput(why="Destination host must be different from the current host.")
        server = await _check_movable(app, now)
        why = why_unfit(app, pools[full], now, await types.find(app, now.type_id))
        if why is not None:
            raise errors.InvalidInput(why=f"Volume {now.id} cannot be moved to {full}: it {why}.")
        way = await _way(app, now, pools[full], server, "volume.migrated")
        await begin(app, caller, "volume.move", now, way, request_id)
        # Nothing else may be done with it meanwhile, whether that was asked for (`lock_volume`) or not.
        await busy(app, now, MAINTENANCE, migration_status="migrating")


async def _check_movable(app: BlockStorage, volume: Volume) -> Attachment | None:
    """The server that goes on with the volume while it moves, if one has it; raises what speaks against moving it."""
    held = (await attachments_of(app, [volume.id]))[volume.id] if volume.status == IN_USE else []
    if len(held) > 1 or any(each.server_id is None for each in held):
        why = f"Volume {volume.id} is attached to more than one server: it can be moved when it is not."
        raise errors.InvalidVolume(why=why)
    if volume.readonly and held:
        raise errors.InvalidVolume(why=f"Volume {volume.id} is attached and read-only: it can be moved when it is not.")
    if await snapshot_count(app, volume.id):
        raise errors.InvalidVolume(why=f"Volume {volume.id} must not have snapshots to be migrated.")
    if volume.group_id is not None:
        raise errors.InvalidVolume(why=f"Volume {volume.id} must not be part of a group to be migrated.")
    return held[0] if held else None


async def _way(
    app: BlockStorage, volume: Volume, to: Pool, server: Attachment | None, event: str, **changes: object
) -> dict[str, object]:
    """What the flow has to know; raises AttachmentConflict if the server that has the volume could not get at it there."""
    if server is not None:
        await room_at(app, msgspec.structs.replace(volume, host=to.host, backend=to.backend), server.host or "")
    content = await next_content(app, volume)
    way = {"host": to.host, "backend": to.backend, "content": content, "event": event, "changes": changes}
    return way | ({"server": server.server_id} if server is not None else {})
