"""Volumes of a server that exists: whether one may come or go, who else wants it, and the operation that does it."""

import uuid
from collections.abc import Collection, Mapping

import msgspec

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.power import held
from pileus.compute.drivers import interface
from pileus.compute.flows import document
from pileus.compute.flows.disks import connect_at, forget, storage
from pileus.compute.flows.hosts import why_unable
from pileus.compute.models.servers import Server, ServerState
from pileus.compute.models.volumes import ATTACHABLE, SWAPPABLE, ServerVolume, Successor, free_place
from pileus.compute.store.volumes import volume_change, volume_create, volume_find, volume_list
from pileus.kit.auth import Caller
from pileus.ports.block_storage import VolumeFacts
from pileus.ports.servers import Taken

LEAVING = "Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach."


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
    """The server is losing the volume; raises NotAttached, BadRequest, WrongState or ServerLocked."""
    async with app.db.transaction():
        now = await held(app, caller, server, "detach_volume", ATTACHABLE, placed=False)
        volume = await attached_get(app, now, volume_id)
        if volume.place == 0:
            raise errors.BadRequest(why="Cannot detach a root device volume")
        if now.host is None:
            await forget(app, volume)
            return
        running = await app.engine.open(now.subject)
        if running is not None and running.flow == "server.detach_volume" and running.args["volume_id"] == volume_id:
            raise errors.BadRequest(why=LEAVING)
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


async def volume_extended(app: Compute, server: Server, volume_id: str) -> None:
    """The server's host is told how large the volume is now, and the guest learns it, whatever else is done with the server."""
    async with app.db.transaction():
        volume = await volume_find(app, server.id, volume_id)
        if volume is None or volume.connected is None or server.host is None:
            return
        if await app.engine.open(server.subject) is None:
            # Nobody asked for it by a request of his own: it is done for whom the server is, under a name of its own.
            await app.engine.begin(
                "server.extend_volume",
                server.subject,
                {"volume_id": volume_id},
                project_id=server.project_id,
                user_id=server.user_id,
                request_id=f"req-{uuid.uuid4()}",
            )
            return
        await connect_at(app, volume, server.host)
        await document.want_volume_sizes(app, server)


async def swap_volume(
    app: Compute, caller: Caller, server: Server, volume_id: str, other_id: str, request_id: str
) -> None:
    """The other volume is taking the volume's place, with all that is on it; raises NotAttached, VolumeNotFound, WrongState,
    BadRequest, or what block storage has against it.
    """
    async with app.db.transaction():
        now = await held(app, caller, server, "swap_volume", SWAPPABLE)
        volume = await attached_get(app, now, volume_id)
        old = await storage(app).look(volume_id)
        new = await volume_facts(app, caller, other_id)
        await _check_swap(app, volume, old, new)
        await check_usable(app, now, new, may_share=True)
        why = why_unable(await app.hosts.get(now.host or ""), interface.SWAP)
        if why is not None:
            raise errors.NotReady(server=now.id, why=f"host {now.host} {why}.")
        after = Successor(volume_id=new.id, attachment_id=str(uuid.uuid4()))
        owner = msgspec.structs.replace(caller, project_id=now.project_id)
        await storage(app).begin_detaching(volume.attachment_id)
        await storage(app).reserve(after.attachment_id, new.id, now.id, owner)
        await volume_change(app, volume, successor=after)
        await _begin(app, caller, now, "server.swap_volume", volume, request_id)


async def _check_swap(app: Compute, volume: ServerVolume, old: VolumeFacts | None, new: VolumeFacts) -> None:
    if old is None:
        raise errors.VolumeNotFound(volume=volume.volume_id)
    if new.status != "available":
        raise errors.BadRequest(why="Invalid volume: New volume must be detached in order to swap.")
    if new.size_gib < old.size_gib:
        raise errors.BadRequest(why="Invalid volume: New volume must be the same size or larger.")
    if old.multiattach and await storage(app).lists.users(old.id) > 1:
        raise errors.BadRequest(
            why="Swapping multi-attach volumes with more than one read/write attachment is not supported."
        )
    if old.encrypted != new.encrypted or (old.encrypted and old.size_gib != new.size_gib):
        raise errors.BadRequest(
            why=f"Invalid volume: New volume must be encrypted and as large as volume {old.id}, or neither be encrypted."
        )
    if old.readonly or new.readonly:
        raise errors.BadRequest(why="Invalid volume: Volumes that are read-only cannot be swapped.")


async def take_volume_along(app: Compute, server: Server, volume_id: str, edition: int) -> Taken:
    """The server has, or is getting, the volume where it is on its way to."""
    async with app.db.transaction():
        volume = await volume_find(app, server.id, volume_id)
        if volume is None:
            return Taken(failed="the server does not have it")
        if volume.edition == edition:
            return Taken(done=True)
        if volume.successor is not None or server.task is not None or await app.engine.open(server.subject) is not None:
            return Taken()
        past = [each.operation for each in await app.engine.history(server.subject)]
        tried = next((op for op in past if op.args.get("edition") == edition), None)
        if tried is not None:
            return Taken(failed=tried.failure or "it was given up")
        if server.state not in SWAPPABLE:
            return Taken(failed=f"only a server that runs can, and it is {server.state}")
        why = why_unable(await app.hosts.get(server.host or ""), interface.SWAP)
        if why is not None:
            return Taken(failed=f"its host {server.host} {why}")
        after = Successor(volume_id=volume.volume_id, attachment_id=volume.attachment_id, edition=edition)
        await volume_change(app, volume, successor=after)
        args = {"volume_id": volume_id, "edition": edition}
        await app.engine.begin("server.swap_volume", server.subject, args, project_id=server.project_id)
        return Taken()


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
    if facts.multiattach and not may_share:
        raise errors.BadRequest(why="Multiattach volumes are only supported starting with compute API version 2.60.")
    if facts.multiattach and server.phase is ServerState.SHELVED_OFFLOADED:
        raise errors.NotReady(server=server.id, why="a shelved server cannot be given a volume that others may have.")
    if server.host is None:
        return
    if facts.host is not None and facts.host != server.host:
        raise errors.VolumeElsewhere(volume=facts.id, host=facts.host, server=server.id, other=server.host)
    for ability in (interface.VOLUMES, *((interface.ENCRYPTED,) if facts.encrypted else ())):
        why = why_unable(await app.hosts.get(server.host), ability)
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
    return 1 + len(server.further_disks)


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
