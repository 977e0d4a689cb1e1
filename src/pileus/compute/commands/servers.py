"""What can be asked of a server that exists, besides turning it on and off."""

from collections.abc import Collection, Mapping, Sequence

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.quotas import check_metadata
from pileus.compute.flows import document
from pileus.compute.models.servers import DELETING, Fault, LockedBy, Server, ServerState
from pileus.compute.store.servers import server_change, server_find, server_find_even_deleted
from pileus.kit.auth import Caller


async def server_get(app: Compute, caller: Caller, id: str) -> Server:
    """The server, if it is the caller's project's; raises ServerNotFound."""
    server = await server_find(app, id)
    if server is None or not _visible(server, caller):
        raise errors.ServerNotFound(server=id)
    return server


async def server_get_even_deleted(app: Compute, caller: Caller, id: str) -> Server:
    """The same, and deleted ones too."""
    server = await server_find_even_deleted(app, id)
    if server is None or not _visible(server, caller):
        raise errors.ServerNotFound(server=id)
    return server


def _visible(server: Server, caller: Caller) -> bool:
    return server.project_id == caller.project_id or caller.admin or caller.system


def check_unlocked(server: Server, caller: Caller) -> None:
    """Raise ServerLocked if the server is locked for the caller."""
    if server.locked and not caller.admin:
        raise errors.ServerLocked(server=server.id)


async def delete_server(app: Compute, caller: Caller, server: Server, request_id: str) -> None:
    """The server is being deleted; what it was busy with is turned back. Repeatable."""
    async with app.db.transaction():
        now = await server_find(app, server.id)
        if now is None or now.task == DELETING:
            return
        check_unlocked(now, caller)
        await app.engine.begin(
            "server.delete",
            server.subject,
            project_id=server.project_id,
            user_id=caller.user_id,
            request_id=request_id,
            overtake="The server is being deleted.",
        )


async def tell_host_again(app: Compute, caller: Caller, server: Server) -> None:
    """The server's host has read anew what the server is, cards included; whatever is at work on it tells it anyway."""
    check_unlocked(server, caller)
    async with app.db.transaction():
        now = await server_find(app, server.id)
        if now is not None and now.task is None:
            await document.want_as_settled(app, now)


async def update_server(app: Compute, server: Server, changes: Mapping[str, object]) -> Server:
    """The server has these values: name, description, hostname, access addresses, disk configuration."""
    return await server_change(app, server, **changes) if changes else server


# Where what users say of their servers may be changed.
MAY_BE_LABELLED = frozenset({ServerState.ACTIVE, ServerState.PAUSED, ServerState.SUSPENDED, ServerState.STOPPED})


def check_state(server: Server, action: str, allowed: Collection[ServerState]) -> None:
    """Raise WrongState if the action does not fit what the server is or is busy with."""
    if server.state not in allowed:
        raise errors.WrongState(action=action, server=server.id, what="vm_state", state=server.state)
    if server.task is not None:
        raise errors.WrongState(action=action, server=server.id, what="task_state", state=server.task)


async def set_metadata(
    app: Compute, caller: Caller, server: Server, metadata: Mapping[str, str], action: str = "update metadata"
) -> dict[str, str]:
    """The server has exactly this metadata; raises ServerLocked, WrongState or TooManyMetadataItems."""
    check_unlocked(server, caller)
    check_state(server, action, MAY_BE_LABELLED)
    await check_metadata(app, server.project_id, metadata)
    await server_change(app, server, metadata=dict(metadata))
    return dict(metadata)


async def set_tags(app: Compute, server: Server, tags: Sequence[str], action: str = "update tag") -> tuple[str, ...]:
    """The server has exactly these tags, locked or not; raises WrongState or BadRequest."""
    if server.state not in MAY_BE_LABELLED:
        raise errors.WrongState(action=action, server=server.id, what="vm_state", state=server.state)
    if len(tags) > 50:
        raise errors.BadRequest(why="The number of tags exceeded the per-server limit 50")
    kept = tuple(dict.fromkeys(tags))
    await server_change(app, server, tags=kept)
    return kept


async def join_security_group(app: Compute, caller: Caller, server: Server, group: str) -> None:
    """All the server's ports have the security group; raises BadRequest if it has no ports, or the network's NotFound."""
    check_unlocked(server, caller)
    if not (await app.networks.ports_of([server.id])).get(server.id):
        raise errors.BadRequest(why=f"Network requires a port: instance {server.id} has none to put into '{group}'.")
    await app.networks.join_group(server.id, server.project_id, group)


async def leave_security_group(app: Compute, caller: Caller, server: Server, group: str) -> None:
    """None of the server's ports has the security group; raises BadRequest if none had, or the network's NotFound."""
    check_unlocked(server, caller)
    if not await app.networks.leave_group(server.id, server.project_id, group):
        raise errors.NotInGroup(group=group, server=server.id)


async def lock_server(app: Compute, caller: Caller, server: Server, reason: str | None) -> None:
    """Only those who may unlock the server may change it."""
    by = LockedBy.OWNER if caller.project_id == server.project_id and not caller.admin else LockedBy.ADMIN
    await server_change(app, server, locked_by=by, locked_reason=reason)


async def unlock_server(app: Compute, server: Server) -> None:
    """Whoever may change the server may do so."""
    await server_change(app, server, locked_by=None, locked_reason=None)


async def reset_state(app: Compute, server: Server, *, broken: bool) -> None:
    """The server is in error, or is not; what it is otherwise is seen, not said."""
    now = app.clock.now()
    fault = Fault(500, "An admin has put the server in error.", now) if broken else None
    launched = server.launched_at if broken else server.launched_at or now
    async with app.db.transaction():
        await server_change(app, server, broken=broken, fault=fault, launched_at=launched)
        await app.events.tell("server.state_reset", server.subject, server.project_id)
