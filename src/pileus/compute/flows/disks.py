"""What flows of several kinds do with the volumes of a server: make, connect, complete and release them."""

from collections.abc import Sequence

from pileus.compute.app import Compute
from pileus.compute.models.servers import Server
from pileus.compute.models.volumes import Connected, ServerVolume, Source
from pileus.compute.store.volumes import volume_change, volume_delete, volume_list
from pileus.kit.auth import Caller
from pileus.kit.errors import Problem
from pileus.kit.flow.step import Done, Fail, Wait
from pileus.ports.block_storage import Connection, NewVolume, VolumeFacts, Volumes

LOOK_AGAIN_S = 1.0  # nobody wakes us when a volume is there
AT_REST = frozenset({"available", "in-use", "reserved", "attaching", "error"})


def storage(app: Compute) -> Volumes:
    """Who has the volumes; only servers of a cloud with block storage get any."""
    assert app.volumes is not None, "no server has volumes where there is no block storage"
    return app.volumes


async def connect_at(app: Compute, volume: ServerVolume, host: str) -> Connection:
    """The volume's row says how the host gets at it, and so is told; raises what block storage has against it."""
    how = await storage(app).connect(volume.attachment_id, host, device=volume.device)
    await volume_change(app, volume, connected=Connected(host=host, how=how))
    return how


async def prepared(app: Compute, volume: ServerVolume, host: str) -> Wait | None:
    """The host gets at the volume as soon as it is connected; or that has to be waited for."""
    why = await storage(app).ways.prepare(volume.attachment_id, host)
    return Wait(LOOK_AGAIN_S, why) if why is not None else None


async def make_ready(app: Compute, server: Server, host: str) -> Done | Wait | Fail:
    """The server's volumes are there, those that are made for it too, and the host gets at them."""
    found = await volume_list(app, server.id)
    waits: Wait | None = None
    for volume in found:
        made = await _made(app, server, volume, volume.source, host) if volume.source is not None else None
        if isinstance(made, Fail):
            return made
        waits = waits or made
    if waits is not None:
        return waits
    owner = owner_of(server)
    for volume in found:
        await storage(app).reserve(volume.attachment_id, volume.volume_id, server.id, owner)
        waits = waits or await prepared(app, volume, host)
    if waits is not None:
        return waits
    for volume in found:
        async with app.db.transaction():
            await connect_at(app, volume, host)
    return Done()


async def _made(app: Compute, server: Server, volume: ServerVolume, source: Source, host: str) -> Wait | Fail | None:
    facts = await storage(app).look(volume.volume_id)
    if facts is None:
        facts = await storage(app).create(volume.volume_id, owner_of(server), _new(volume, source, host))
    if facts.status == "error":
        return Fail(f"Volume {volume.volume_id} could not be made: {facts.failure or 'block storage does not say why'}")
    if facts.status not in AT_REST:
        return Wait(LOOK_AGAIN_S, f"volume {volume.volume_id} is {facts.status}")
    return None


def _new(volume: ServerVolume, source: Source, host: str) -> NewVolume:
    return NewVolume(
        name="",
        size_gib=source.size_gib,
        image_id=source.id if source.kind == "image" else None,
        snapshot_id=source.id if source.kind == "snapshot" else None,
        type=source.type,
        host=host,
    )


def owner_of(server: Server) -> Caller:
    """Whoever the server belongs to, as block storage is asked on its behalf."""
    return Caller(user_id=server.user_id, project_id=server.project_id, roles=frozenset({"member", "reader"}))


async def take_back(app: Compute, server_id: str) -> Wait | None:
    """No host gets at the server's volumes, and those that were made for it are gone, or have to be waited for."""
    waits: Wait | None = None
    for volume in await volume_list(app, server_id):
        facts = await storage(app).look(volume.volume_id) if volume.source is not None else None
        if facts is not None:
            waits = await _unmade(app, volume, facts)
        elif volume.connected is not None:
            await volume_change(app, volume, connected=None)
    return waits


async def _unmade(app: Compute, volume: ServerVolume, facts: VolumeFacts) -> Wait:
    if facts.status in AT_REST:
        async with app.db.transaction():
            await storage(app).release(volume.attachment_id)
            await storage(app).remove(volume.volume_id)
            await volume_change(app, volume, connected=None)
    return Wait(LOOK_AGAIN_S, f"volume {volume.volume_id} is {facts.status}")


async def complete_all(app: Compute, server_id: str) -> None:
    """The server has its volumes, and those that were made for it are like any other."""
    for volume in await volume_list(app, server_id):
        await storage(app).complete(volume.attachment_id)
        if volume.source is not None:
            await volume_change(app, volume, source=None)


async def disconnect_all(app: Compute, server_id: str) -> None:
    """No host gets at the server's volumes; they stay its own."""
    for volume in await volume_list(app, server_id):
        await volume_change(app, volume, connected=None)


async def forget(app: Compute, volume: ServerVolume) -> None:
    """The server has no such disk, and its volume is released; so is what was to take its place."""
    await storage(app).release(volume.attachment_id)
    if volume.successor is not None and volume.successor.attachment_id != volume.attachment_id:
        await storage(app).release(volume.successor.attachment_id)
    await volume_delete(app, volume.id)


async def forget_all(app: Compute, volumes: Sequence[ServerVolume]) -> None:
    """The server has none of these disks, and their volumes are released."""
    for volume in volumes:
        await forget(app, volume)


async def discard(app: Compute, volume_id: str) -> str | None:
    """The volume is being deleted, and None; or it stays, and why: it has snapshots, or somebody else has it as well."""
    try:
        await storage(app).remove(volume_id)
    except Problem as refused:
        return refused.message
    return None


async def places(app: Compute, server: Server) -> dict[str, str]:
    """The hosts that keep what the server's volumes are, or are to be made of, where only that host gets at it."""
    found: dict[str, str] = {}
    for volume in await volume_list(app, server.id):
        source = volume.source
        if source is None:
            facts = await storage(app).look(volume.volume_id)
            if facts is not None and facts.host is not None:
                found[f"volume {volume.volume_id}"] = facts.host
        elif source.kind == "snapshot" and source.id is not None:
            snapshot = await storage(app).lists.snapshot(owner_of(server), source.id)
            if snapshot.host is not None:
                found[f"snapshot {source.id}"] = snapshot.host
    return found


async def reach(app: Compute, server: Server, *, by_themselves: bool = False) -> dict[str, frozenset[str]]:
    """For each of the server's volumes that is there and not within every host's reach, the hosts that get at it now."""
    found: dict[str, frozenset[str]] = {}
    for volume in await volume_list(app, server.id):
        facts = await storage(app).look(volume.volume_id) if volume.source is None else None
        hosts = (facts.store_at if by_themselves else facts.reached_by) if facts is not None else None
        if hosts is not None:
            found[volume.volume_id] = hosts
    return found
