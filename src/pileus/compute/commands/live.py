"""Servers that move to another host while they run: whether one may, the operation that does it, and its end before its time."""

import msgspec

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.moves import note_migration
from pileus.compute.commands.power import held
from pileus.compute.commands.servers import check_state, check_unlocked
from pileus.compute.flows.disks import reach
from pileus.compute.flows.hosts import facts_of
from pileus.compute.flows.live import ABORTED, NAME, SHOWS, take_room
from pileus.compute.models.migrations import Migration, MigrationStatus, MigrationType
from pileus.compute.models.servers import Server, ServerState
from pileus.compute.store.migrations import migration_change, migration_find_by_number
from pileus.compute.store.servers import server_find
from pileus.kit.auth import Caller

ACTION = "os-migrateLive"
MAY_MIGRATE_LIVE = frozenset({ServerState.ACTIVE, ServerState.PAUSED})
RUNNING = frozenset({MigrationStatus.RUNNING})
QUEUED = frozenset({MigrationStatus.QUEUED, MigrationStatus.PREPARING})


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Where to, whether its own disks go along, and how much is looked at before the answer."""

    host: str | None
    takes_disks: bool
    force: bool = False
    checks_first: bool = False


async def migrate_live(app: Compute, caller: Caller, server: Server, asked: Asked, request_id: str) -> None:
    """The server is on its way to the host, or to the best other one, and runs meanwhile.

    Raises WrongState, ServerLocked, NotReady or BadRequest.
    """
    async with app.db.transaction():
        now = await held(app, caller, server, ACTION, MAY_MIGRATE_LIVE)
        known = {host.name for host in await app.hosts.list() if facts_of(host) is not None}
        if asked.host is not None and asked.host not in known:
            raise errors.BadRequest(why=f"Compute host {asked.host} could not be found.")
        await _check(app, now, asked)
        op = await app.engine.begin(
            NAME,
            now.subject,
            {"host": asked.host, "force": asked.force},
            project_id=now.project_id,
            user_id=caller.user_id,
            request_id=request_id,
        )
        await note_migration(app, caller, now, op, MigrationType.LIVE)
        await migration_change(app, op.id, status=MigrationStatus.QUEUED, dest_host=asked.host)
        if asked.checks_first:
            found = await take_room(app, op, now)
            if isinstance(found, str):
                raise errors.BadRequest(why=f"No valid host was found. {found}")


async def _check(app: Compute, server: Server, asked: Asked) -> None:
    if asked.host is not None and asked.host == server.host:
        raise errors.BadRequest(why=f"Unable to migrate instance ({server.id}) to current host ({asked.host}).")
    for volume, hosts in (await reach(app, server, by_themselves=True)).items():
        alone = server.host not in hosts or not hosts - {server.host}
        if alone or (asked.host is not None and asked.host not in hosts):
            who = f"only host {', '.join(sorted(hosts))} gets" if alone else f"host {asked.host} does not get"
            raise errors.BadRequest(
                why=f"Migration pre-check error: volume {volume} is not on shared storage that both hosts reach: {who} at it."
            )
    if not asked.takes_disks and (not server.volume_backed or server.flavor.ephemeral):
        raise errors.BadRequest(
            why=f"{server.host} is not on shared storage: the disks of server {server.id} are on its host, so they have to"
            " go along. Ask with block_migration true, or since 2.25 'auto'."
        )


async def abort(app: Compute, server: Server, number: str, *, even_queued: bool) -> None:
    """The migration is given up; raises WrongState, NoSuchMigration or WrongMigrationState."""
    async with app.db.transaction():
        now = await _migrating(app, server, "abort live migration")
        found = await _migration(app, now, number)
        if found is None:
            raise errors.NoSuchMigration(migration=number, server=server.id)
        allowed = RUNNING | QUEUED if even_queued else RUNNING
        _check_status(found, allowed, "abort live migration")
        await app.engine.turn_back(found.id, ABORTED)


async def force(app: Compute, caller: Caller, server: Server, number: str) -> None:
    """The server stands still until it is there; raises WrongState, ServerLocked or an error of the migration."""
    async with app.db.transaction():
        now = await server_find(app, server.id)
        if now is None:
            raise errors.ServerNotFound(server=server.id)
        check_unlocked(now, caller)
        if now.state is not ServerState.ACTIVE:
            check_state(now, "force_complete", frozenset({ServerState.ACTIVE}))
        found = await _migration(app, now, number)
        if found is None:
            raise errors.NoSuchMigrationToEnd(migration=number, server=server.id)
        _check_status(found, RUNNING, "force complete")
        await migration_change(app, found.id, hurry=True)
        app.db.on_commit(lambda: app.engine.wake(found.id))


async def _migrating(app: Compute, server: Server, action: str) -> Server:
    """The server as it is in this transaction, if it migrates; raises WrongState."""
    now = await server_find(app, server.id)
    if now is None:
        raise errors.ServerNotFound(server=server.id)
    if now.task != SHOWS:
        raise errors.WrongState(action=action, server=now.id, what="task_state", state=now.task)
    return now


async def _migration(app: Compute, server: Server, number: str) -> Migration | None:
    if not number.isdecimal():
        return None
    found = await migration_find_by_number(app, server.id, int(number))
    return found if found is not None and found.type is MigrationType.LIVE else None


def _check_status(migration: Migration, allowed: frozenset[MigrationStatus], method: str) -> None:
    if migration.status not in allowed:
        raise errors.WrongMigrationState(
            migration=migration.id, server=migration.server_id, status=migration.status, method=method
        )
