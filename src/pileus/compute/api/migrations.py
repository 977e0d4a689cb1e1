"""Migrations: how servers came from one host, or from one size, to another, and the live ones under way."""

from typing import Annotated, Any, ClassVar

from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.agent import KIND, seen_of
from pileus.compute.api.service import Link, admin, api, fine_moment, links, period_asked, server_find
from pileus.compute.app import Compute
from pileus.compute.commands import live
from pileus.compute.models.migrations import Migration, MigrationStatus, MigrationType
from pileus.compute.models.servers import Server
from pileus.compute.store.migrations import migration_find_by_number, migration_list
from pileus.kit.db import Ge, In, Le
from pileus.kit.http import Call, F, Page, Query, Version, Wire
from pileus.kit.policy import PROJECT_MANAGER, Rule

OF_SERVER = "/servers/{server_id}/migrations"
EVERYWHERE = "os_compute_api:os-migrations:index:all_projects"
HOSTS = "os_compute_api:os-migrations:index:host"
HOSTS_OF_ONE = "os_compute_api:servers:migrations:index:host"
MOST = 1000
LIVE_UNDER_WAY = In(
    [
        MigrationStatus.QUEUED,
        MigrationStatus.PREPARING,
        MigrationStatus.RUNNING,
        MigrationStatus.POST_MIGRATING,
    ]
)

api.declare(
    admin("os-migrations:index:all_projects"),
    admin("os-migrations:index:host"),
    admin("servers:migrations:index:host"),
)


class MigrationFields(Wire, kw_only=True):
    """What both kinds of lists tell of a migration."""

    number: Annotated[int, F("id")]
    id: Annotated[str, F("uuid", since="2.59")]
    status: str
    source_compute: str | None
    source_node: str | None
    dest_compute: str | None
    dest_host: str | None
    dest_node: str | None
    created_at: str
    updated_at: str | None
    user_id: Annotated[str, F(since="2.80")]
    project_id: Annotated[str, F(since="2.80")]


class MigrationView(MigrationFields, kw_only=True):
    """A migration."""

    instance_uuid: str
    old_instance_type_id: int | None
    new_instance_type_id: int | None
    type: Annotated[str, F("migration_type", since="2.23")]
    links: Annotated[list[Link] | UnsetType, F(since="2.23")]


class LiveMigrationView(MigrationFields, kw_only=True):
    """A live migration under way, and how much of it is done where that is known."""

    server_uuid: str
    memory_total_bytes: int | None = None
    memory_processed_bytes: int | None = None
    memory_remaining_bytes: int | None = None
    disk_total_bytes: int | None = None
    disk_processed_bytes: int | None = None
    disk_remaining_bytes: int | None = None


class MigrationQuery(Query):
    """Which migrations."""

    __exact_since__: ClassVar[Version] = Version(2, 59)
    hidden: str | None = None
    host: str | None = None
    instance_uuid: str | None = None
    source_compute: str | None = None
    status: str | None = None
    type: Annotated[str | None, F("migration_type")] = None
    changes_since: Annotated[str | None, F("changes-since", since="2.59")] = None
    changes_before: Annotated[str | None, F("changes-before", since="2.66")] = None
    user_id: Annotated[str | None, F(since="2.80")] = None
    project_id: Annotated[str | None, F(since="2.80")] = None


def _shared(migration: Migration, *, hosts: bool) -> dict[str, Any]:
    source, dest = (migration.source_host, migration.dest_host) if hosts else (None, None)
    return {
        "number": migration.number,
        "id": migration.id,
        "status": migration.status,
        "source_compute": source,
        "source_node": source,
        "dest_compute": dest,
        "dest_host": None,
        "dest_node": dest,
        "created_at": fine_moment(migration.created_at),
        "updated_at": fine_moment(migration.updated_at),
        "user_id": migration.user_id,
        "project_id": migration.project_id,
    }


def _flavor_number(flavor_id: str | None) -> int | None:
    # Upstream shows the key of a row no API tells of; an id that is a number is at least the flavor's own.
    return int(flavor_id) if flavor_id is not None and flavor_id.isdecimal() else None


def _live_under_way(migration: Migration) -> bool:
    return migration.type is MigrationType.LIVE and migration.status in LIVE_UNDER_WAY.values


def _view(call: Call[Compute], migration: Migration, *, hosts: bool) -> MigrationView:
    path = f"/servers/{migration.server_id}/migrations/{migration.number}"
    return MigrationView(
        **_shared(migration, hosts=hosts),
        instance_uuid=migration.server_id,
        old_instance_type_id=_flavor_number(migration.old_flavor),
        new_instance_type_id=_flavor_number(migration.new_flavor),
        type=migration.type,
        links=links(call, path) if _live_under_way(migration) else UNSET,
    )


async def _live_view(app: Compute, migration: Migration, *, hosts: bool) -> LiveMigrationView:
    view = LiveMigrationView(**_shared(migration, hosts=hosts), server_uuid=migration.server_id)
    report = await app.hosts.seen(migration.source_host or "", KIND, migration.server_id)
    move = seen_of(report.body).move if report is not None else None
    if move is None or move.id != migration.id:
        return view
    if move.memory_total:
        view.memory_total_bytes, view.memory_remaining_bytes = move.memory_total, move.memory_left
        view.memory_processed_bytes = move.memory_sent
    if move.disk_total:
        view.disk_total_bytes, view.disk_processed_bytes = move.disk_total, move.disk_sent
        view.disk_remaining_bytes = max(0, move.disk_total - move.disk_sent)
    return view


def _where(call: Call[Compute], query: MigrationQuery, *, hosts: bool) -> dict[str, object]:
    plain = {
        "server_id": query.instance_uuid,
        "status": query.status,
        "type": query.type,
        "user_id": query.user_id,
        "project_id": query.project_id if call.allows(EVERYWHERE) else call.caller.project_id or "",
        "host": query.host if hosts else None,
        "source_host": query.source_compute if hosts else None,
    }
    where: dict[str, object] = {name: value for name, value in plain.items() if value is not None}
    bounds: list[object] = []
    since, before = period_asked(query.changes_since, query.changes_before)
    if since is not None:
        bounds.append(Ge(since))
    if before is not None:
        bounds.append(Le(before))
    return where | ({"updated_at": tuple(bounds)} if bounds else {})


@api.get("/os-migrations", Rule("os_compute_api:os-migrations:index", PROJECT_MANAGER), key="migrations")
async def index(call: Call[Compute], query: MigrationQuery, page: Page) -> list[MigrationView]:
    """List migrations, newest first."""
    hosts = call.allows(HOSTS)
    paged = call.version >= (2, 59)
    page.limit = min(page.limit, MOST) if paged and page.limit is not None else MOST
    found = await migration_list(
        call.app, _where(call, query, hosts=hosts), marker=page.marker if paged else None, limit=page.limit
    )
    return [_view(call, migration, hosts=hosts) for migration in found]


@api.get(OF_SERVER, Rule("os_compute_api:servers:migrations:index", PROJECT_MANAGER), key="migrations",
         find=server_find, since="2.23")  # fmt: skip
async def live_index(call: Call[Compute], server: Server) -> list[LiveMigrationView]:
    """List a server's live migrations under way."""
    where = {"server_id": server.id, "type": MigrationType.LIVE, "status": LIVE_UNDER_WAY}
    hosts = call.allows(HOSTS_OF_ONE)
    found = await migration_list(call.app, where, limit=MOST)
    return [await _live_view(call.app, migration, hosts=hosts) for migration in found]


@api.get(OF_SERVER + "/{migration}", admin("servers:migrations:show"), key="migration", find=server_find, since="2.23")
async def live_show(call: Call[Compute], server: Server, migration: str) -> LiveMigrationView:
    """Show a live migration of a server under way."""
    found = None
    if migration.isdecimal():
        found = await migration_find_by_number(call.app, server.id, int(migration))
    if found is None or not _live_under_way(found):
        raise errors.NoSuchMigration(migration=migration, server=server.id)
    return await _live_view(call.app, found, hosts=True)


@api.delete(OF_SERVER + "/{migration}", Rule("os_compute_api:servers:migrations:delete", PROJECT_MANAGER),
            find=server_find, since="2.24", status=202)  # fmt: skip
async def live_abort(call: Call[Compute], server: Server, migration: str) -> None:
    """Give up a server's live migration under way: it runs on where it is."""
    await live.abort(call.app, server, migration, even_queued=call.version >= (2, 65))


@api.action(OF_SERVER + "/{migration}/action", "force_complete",
            Rule("os_compute_api:servers:migrations:force_complete", PROJECT_MANAGER),
            find=server_find, since="2.22")  # fmt: skip
async def live_force(call: Call[Compute], server: Server, migration: str) -> None:
    """Have a server's live migration end soon: the server stands still until it is there."""
    await live.force(call.app, call.caller, server, migration)
