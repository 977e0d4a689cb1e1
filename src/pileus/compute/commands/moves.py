"""Servers that move to another host: whether one may, and the operation that does it."""

from typing import Any

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.passwords import give_password
from pileus.compute.commands.power import held
from pileus.compute.flows.disks import places
from pileus.compute.flows.hosts import facts_of
from pileus.compute.models.migrations import Migration, MigrationStatus, MigrationType
from pileus.compute.models.servers import Server, ServerState
from pileus.compute.store.hosts import setting_list
from pileus.compute.store.migrations import migration_create
from pileus.kit.auth import Caller
from pileus.kit.flow.operation import Operation

MAY_MIGRATE = frozenset({ServerState.ACTIVE, ServerState.STOPPED})
MAY_BE_EVACUATED = frozenset({ServerState.ACTIVE, ServerState.STOPPED, ServerState.ERROR})


async def migrate_server(app: Compute, caller: Caller, server: Server, host: str | None, request_id: str) -> None:
    """The server is moving to the host, or to the best other one, where it waits for that to be confirmed.

    Raises WrongState, ServerLocked, NotReady or BadRequest.
    """
    async with app.db.transaction():
        now = await held(app, caller, server, "migrate", MAY_MIGRATE)
        if host is not None and host not in await _hosts(app):
            raise errors.BadRequest(why=f"Compute host {host} could not be found.")
        if host is not None and host == now.host:
            raise errors.BadRequest(why=f"Unable to migrate instance ({now.id}) to current host ({host}).")
        await check_volumes_follow(app, now)
        args = {"moves": True, "host": host}
        op = await app.engine.begin(
            "server.migrate",
            now.subject,
            args,
            project_id=now.project_id,
            user_id=caller.user_id,
            request_id=request_id,
        )
        await note_migration(app, caller, now, op, MigrationType.COLD)


async def evacuate_server(
    app: Compute,
    caller: Caller,
    server: Server,
    request_id: str,
    *,
    host: str | None,
    stop: bool,
    force: bool = False,
    password: str | None = None,
) -> None:
    """The server is being made anew on the host, or on the best other one, since its own is down.

    Raises WrongState, ServerLocked, NotReady, HostNotFound or BadRequest.
    """
    async with app.db.transaction():
        if host is not None and host not in await _hosts(app):
            raise errors.NoSuchThing(what="Compute host", id=host)
        now = await held(app, caller, server, "evacuate", MAY_BE_EVACUATED)
        if host is not None and host == now.host:
            raise errors.BadRequest(why="The target host can't be the same one.")
        if await _is_up(app, now.host or ""):
            raise errors.BadRequest(why=f"Compute service of {now.host} is still in use.")
        if password is not None:
            await give_password(app, now, now.image, password)
        await check_volumes_follow(app, now)
        args: dict[str, Any] = {"host": host, "from": now.host, "stop": stop, "force": force}
        op = await app.engine.begin(
            "server.evacuate",
            now.subject,
            args,
            project_id=now.project_id,
            user_id=caller.user_id,
            request_id=request_id,
        )
        await note_migration(app, caller, now, op, MigrationType.EVACUATION)


async def check_volumes_follow(app: Compute, server: Server) -> None:
    """Raise VolumesStay if no host but the server's own gets at a volume of its."""
    for what, host in (await places(app, server)).items():
        raise errors.VolumesStay(server=server.id, what=what, host=host)


async def note_migration(
    app: Compute, caller: Caller, server: Server, op: Operation, kind: MigrationType, new_flavor: str | None = None
) -> None:
    """The operation's migration is known to those who look at migrations."""
    migration = Migration(
        id=op.id,
        type=kind,
        status=MigrationStatus.PRE_MIGRATING,
        server_id=server.id,
        project_id=server.project_id,
        user_id=caller.user_id,
        source_host=server.host,
        old_flavor=server.flavor.id,
        new_flavor=new_flavor or server.flavor.id,
        created_at=op.created,
        updated_at=op.created,
    )
    await migration_create(app, migration)


async def _hosts(app: Compute) -> set[str]:
    return {host.name for host in await app.hosts.list() if facts_of(host) is not None}


async def _is_up(app: Compute, host: str) -> bool:
    said = (await setting_list(app)).get(host)
    return await app.hosts.is_up(host) and not (said is not None and said.forced_down)
