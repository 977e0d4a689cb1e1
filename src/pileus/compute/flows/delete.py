"""Delete: nothing of a server is left but its story.

    remove from host -> release volumes -> release ports -> release room -> close the row

There is no way back: every step is final and repeated until it is done. What the server was busy with has been turned back
before this begins.
"""

from collections.abc import Sequence

from pileus.compute.app import Compute
from pileus.compute.flows import document
from pileus.compute.flows.boot import server_id
from pileus.compute.flows.disks import discard, forget
from pileus.compute.models.migrations import MigrationStatus
from pileus.compute.models.servers import ServerState
from pileus.compute.models.volumes import ServerVolume
from pileus.compute.store.consoles import tokens_forget
from pileus.compute.store.migrations import migration_change
from pileus.compute.store.passwords import passwords_forget
from pileus.compute.store.servers import server_change, server_find
from pileus.compute.store.volumes import volume_list
from pileus.kit.flow.operation import Operation
from pileus.kit.flow.step import Done, Flow, Outcome, Step

SHOWS = "deleting"


async def remove_from_host(app: Compute, op: Operation) -> Outcome:
    """The server's host has nothing of it, and neither has the one it moved from."""
    server = await server_find(app, server_id(op))
    if server is not None and server.resized is not None and server.resized.host is not None:
        if (waits := await document.gone(app, server.id, server.resized.host)) is not None:
            return waits
    if server is None or server.host is None:
        return Done()
    return await document.gone(app, server.id, server.host) or Done({"host": server.host})


async def release_volumes(app: Compute, op: Operation) -> Outcome:
    """The server has no volumes, and those that were to go with it are being deleted."""
    found = await volume_list(app, server_id(op))
    return Done(also=lambda: _release(app, op, found)) if found else Done()


async def _release(app: Compute, op: Operation, found: Sequence[ServerVolume]) -> None:
    for volume in found:
        await forget(app, volume)
        if volume.delete_on_termination and (why := await discard(app, volume.volume_id)) is not None:
            payload: dict[str, object] = {"volume": volume.volume_id, "why": why}
            await app.events.tell("server.volume_kept", op.subject, op.project_id, op.request_id, payload)


async def release_ports(app: Compute, op: Operation) -> Outcome:
    """The server has no ports."""
    await app.networks.release_ports(server_id(op))
    return Done()


async def release_room(app: Compute, op: Operation) -> Outcome:
    """The server takes no room, and neither does what it was before it was resized."""
    server = await server_find(app, server_id(op))
    if server is not None and server.resized is not None:
        await app.placement.release(server.resized.operation)
    await app.placement.release(server_id(op))
    return Done()


async def close_row(app: Compute, op: Operation) -> Outcome:
    """The server is deleted."""
    server = await server_find(app, server_id(op))
    if server is None:
        return Done()
    if server.phase is ServerState.SHELVED_OFFLOADED and server.shelf is not None:
        await app.images.remove(server.shelf)
    now = app.clock.now()

    async def close() -> None:
        await server_change(app, server, deleted_at=now, updated_at=now, user_data=None)
        if server.resized is not None:
            await migration_change(app, server.resized.operation, status=MigrationStatus.CONFIRMED)
        await tokens_forget(app, server.id)
        await passwords_forget(app, server.id)
        await app.events.tell("server.deleted", server.subject, server.project_id, op.request_id, user_id=op.user_id)

    return Done(also=close)


DELETE = Flow(
    "server.delete",
    (
        Step("remove from host", remove_from_host, shows=SHOWS, final=True),
        Step("release volumes", release_volumes, shows=SHOWS, final=True),
        Step("release ports", release_ports, shows=SHOWS, final=True),
        Step("release room", release_room, shows=SHOWS, final=True),
        Step("close the row", close_row, shows=SHOWS, final=True),
    ),
)
