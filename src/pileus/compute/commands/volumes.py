"""Volumes of a server that exists: whether one may come or go, who else wants it, and the operation that does it."""

import uuid
from collections.abc import Collection, Mapping

import msgspec

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.power import held
from pileus.compute.drivers import interface
from pileus.compute.flows.disks import forget, storage
from pileus.compute.flows.hosts import why_unable
from pileus.compute.models.servers import Server, ServerState
from pileus.compute.models.volumes import ATTACHABLE, ServerVolume, free_place
from pileus.compute.store.volumes import volume_change, volume_create, volume_find, volume_list
from pileus.kit.auth import Caller
from pileus.ports.block_storage import VolumeFacts


class AskedVolume(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller says to give a server a volume."""

    volume_id: str
    device: str | None = None
    tag: str | None = None
    delete_on_termination: bool = False


async def attach_volume(
    app: Compute,
    caller: Caller,
    server: Server,
    asked: AskedVolume,
    request_id: str,
    *,
    allowed: Collection[ServerState] = ATTACHABLE,
    may_share: bool = True,
) -> ServerVolume:
    """The volume is the server's and is being attached; raises WrongState, ServerLocked, VolumeNotFound, or what block
    storage has against it. Of any number who ask for one volume at once, one gets it.

    `may_share`: the caller knows of volumes that several servers have.
    """
    async with app.db.transaction():
        now = await held(app, caller, server, "attach_volume", allowed, placed=False)
        facts = await volume_facts(app, caller, asked.volume_id)
        await check_usable(app, now, facts, may_share=may_share)
        volume = await _row(app, now, asked)
        # It is the server's project's, whoever asks.
        owner = msgspec.structs.replace(caller, project_id=now.project_id)
        await storage(app).reserve(volume.attachment_id, facts.id, now.id, owner)
        await volume_create(app, volume)
        if now.host is None:
            # It comes with the server when that is unshelved; until then it is nobody else's.
            await storage(app).complete(volume.attachment_id)
        else:
            await _begin(app, caller, now, "server.attach_volume", volume, request_id)
    return volume


async def detach_volume(app: Compute, caller: Caller, server: Server, volume_id: str, request_id: str) -> None:
    """The server is losing the volume; raises NotAttached, NotForTheCaller, WrongState or ServerLocked."""
    async with app.db.transaction():
        now = await held(app, caller, server, "detach_volume", ATTACHABLE, placed=False)
        volume = await attached_get(app, now, volume_id)
        if volume.place == 0:
            raise errors.NotForTheCaller(why="Cannot detach a root device volume")
        if now.host is None:
            await forget(app, volume)
            return
        await storage(app).begin_detaching(volume.attachment_id)
        await _begin(app, caller, now, "server.detach_volume", volume, request_id)


async def change_volume(app: Compute, server: Server, volume_id: str, wanted: Mapping[str, object]) -> None:
    """The volume goes with the server, or outlives it; raises NotAttached, or BadRequest for what cannot change."""
    async with app.db.transaction():
        volume = await attached_get(app, server, volume_id)
        fixed = {"id": volume.volume_id, "serverId": server.id, "device": volume.device, "tag": volume.tag}
        for name, value in wanted.items():
            if name in fixed and value != fixed[name]:
                raise errors.BadRequest(why=f"The {name} property is not mutable")
        goes = wanted.get("delete_on_termination")
        if goes is not None:
            await volume_change(app, volume, delete_on_termination=goes)


async def swap_volume(
    app: Compute, caller: Caller, server: Server, volume_id: str, other_id: str, request_id: str
) -> None:
    """Raises NotAttached, VolumeNotFound or NotOffered."""
    await attached_get(app, server, volume_id)
    await volume_facts(app, caller, other_id)
    raise errors.NotOffered(what="swapping volumes")


async def attached_get(app: Compute, server: Server, volume_id: str) -> ServerVolume:
    """The volume as the server has it; raises NotAttached."""
    found = await volume_find(app, server.id, volume_id)
    if found is None:
        raise errors.NotAttached(volume=volume_id)
    return found


async def volume_facts(app: Compute, caller: Caller, volume_id: str) -> VolumeFacts:
    """The volume, if it is the caller's project's; raises VolumeNotFound, or NotOffered where there is no block storage."""
    if app.volumes is None:
        raise errors.NotOffered(what="volumes")
    facts = await app.volumes.get(volume_id, caller)
    if facts is None:
        raise errors.VolumeNotFound(volume=volume_id)
    return facts


async def check_usable(app: Compute, server: Server, facts: VolumeFacts, *, may_share: bool) -> None:
    """Raise BadRequest or VolumeElsewhere if the server can never have the volume."""
    if facts.encrypted:
        raise errors.BadRequest(why=f"Volume {facts.id} is encrypted; hosts do not open encrypted volumes here.")
    if facts.multiattach and not may_share:
        raise errors.BadRequest(why="Multiattach volumes are only supported starting with compute API version 2.60.")
    if facts.multiattach and server.phase is ServerState.SHELVED_OFFLOADED:
        raise errors.NotReady(server=server.id, why="a shelved server cannot be given a volume that others may have.")
    if server.host is None:
        return
    if facts.host is not None and facts.host != server.host:
        raise errors.VolumeElsewhere(volume=facts.id, host=facts.host, server=server.id, other=server.host)
    why = why_unable(await app.hosts.get(server.host), interface.VOLUMES)
    if why is not None:
        raise errors.NotReady(server=server.id, why=f"host {server.host} {why}.")


async def _row(app: Compute, server: Server, asked: AskedVolume) -> ServerVolume:
    have = await volume_list(app, server.id)
    place = free_place(own_disks(server), have, asked.device)
    if place is None:
        raise errors.TooManyDisks(server=server.id)
    return ServerVolume(
        id=str(uuid.uuid4()),
        server_id=server.id,
        volume_id=asked.volume_id,
        attachment_id=str(uuid.uuid4()),
        place=place,
        delete_on_termination=asked.delete_on_termination,
        tag=asked.tag,
        created_at=app.clock.now(),
    )


def own_disks(server: Server) -> int:
    """How many disks a server has before its volumes, the one it boots from included."""
    return 1 + (1 if server.flavor.ephemeral else 0)


async def _begin(
    app: Compute, caller: Caller, server: Server, flow: str, volume: ServerVolume, request_id: str
) -> None:
    await app.engine.begin(
        flow,
        server.subject,
        {"volume_id": volume.volume_id},
        project_id=server.project_id,
        user_id=caller.user_id,
        request_id=request_id,
    )
