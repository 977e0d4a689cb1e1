"""Queries of servers.

A server is read together with its host's last report, with when that host was last heard, and with the operations on it:
one statement, however many servers.
"""

import datetime as dt
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from pileus.compute.app import Compute
from pileus.compute.models.flavors import Size
from pileus.compute.models.quotas import Usage
from pileus.compute.models.servers import STATUSES, TASK_STATUSES, Server
from pileus.compute.tables import AGGREGATE_HOSTS, AGGREGATES, SERVERS
from pileus.kit.db import Listing, command, query, scalar
from pileus.kit.tables import hosts, operations, seen

KIND = "server"  # the kind of documents on hosts

_running = operations.alias("running")
_queued = operations.alias("queued")
COPIED_FROM = {"flavor_id": "flavor", "vcpus": "flavor", "ram": "flavor", "image_id": "image", "key_name": "key"}
_columns = [column for column in SERVERS.c if column.name not in COPIED_FROM]
_subject: sa.ColumnElement[str] = sa.literal_column("'server:'") + SERVERS.c.id
_host_zone = (
    sa.select(AGGREGATES.c.zone)
    .join(AGGREGATE_HOSTS, AGGREGATE_HOSTS.c.aggregate == AGGREGATES.c.number)
    .where(AGGREGATE_HOSTS.c.host == SERVERS.c.host, AGGREGATES.c.zone.is_not(None))
    .limit(sa.literal_column("1"))
    .scalar_subquery()
)
_no_text: sa.ColumnElement[str] = sa.literal_column("''")
_known = sa.select(
    *_columns,
    _host_zone.label("host_zone"),
    seen.c.body.label("seen"),
    hosts.c.last_heard.label("heard"),
    _running.c.flow.label("flow"),
    _running.c.shows.label("shows"),
    _queued.c.flow.label("follows"),
).select_from(
    SERVERS.outerjoin(
        seen,
        sa.and_(seen.c.host == SERVERS.c.host, seen.c.kind == sa.literal_column("'server'"), seen.c.id == SERVERS.c.id),
    )
    .outerjoin(hosts, hosts.c.name == SERVERS.c.host)
    .outerjoin(_running, sa.and_(_running.c.subject == _subject, _running.c.state == sa.literal_column("'running'")))
    .outerjoin(_queued, sa.and_(_queued.c.subject == _subject, _queued.c.state == sa.literal_column("'queued'")))
)
_live = SERVERS.c.deleted_at.is_(None)

_state = sa.case(
    (SERVERS.c.deleted_at.is_not(None), "deleted"),
    (SERVERS.c.broken, "error"),
    (SERVERS.c.launched_at.is_(None), "building"),
    (SERVERS.c.phase.is_not(None), SERVERS.c.phase),
    (SERVERS.c.power_wanted == sa.literal_column("'on'"), "active"),
    else_="stopped",
)
_task = sa.case((_queued.c.flow.is_not(None), "deleting"), else_=_running.c.shows)
_status = sa.case(
    *(
        (sa.and_(_state == str(state), _task == task), status)
        for state, tasks in TASK_STATUSES.items()
        for task, status in tasks.items()
    ),
    *((_state == str(state), status) for state, status in STATUSES.items()),
    else_="DELETED",
)

SERVER_FIND = query(_known.where(SERVERS.c.id == sa.bindparam("id"), _live), Server)
SERVER_FIND_EVEN_DELETED = query(_known.where(SERVERS.c.id == sa.bindparam("id")), Server)
LIVING = scalar(
    sa.select(SERVERS.c.id).where(
        SERVERS.c.id.in_(sa.bindparam("ids", expanding=True)),
        sa.or_(SERVERS.c.deleted_at.is_(None), SERVERS.c.deleted_at >= sa.bindparam("at")),
    ),
    str,
)
SERVER_GET_MANY = query(_known.where(SERVERS.c.id.in_(sa.bindparam("ids", expanding=True)), _live), Server)
SERVERS_LEFT_ON = query(
    _known.where(_live, SERVERS.c.host.is_not(None), SERVERS.c.power_wanted == sa.literal_column("'on'")), Server
)
SERVER_CREATE = command(sa.insert(SERVERS))
SERVER_CHANGE = command(sa.update(SERVERS).where(SERVERS.c.id == sa.bindparam("of_id")))
SERVER_TAKE_PASSWORD = command(
    sa.update(SERVERS)
    .where(SERVERS.c.id == sa.bindparam("of_id"), SERVERS.c.password.is_(None))
    .values(password=sa.bindparam("password"))
)
SERVER_FORGET_PASSWORD = command(sa.update(SERVERS).where(SERVERS.c.id == sa.bindparam("of_id")).values(password=None))
_used = sa.select(
    sa.func.count().label("instances"),
    sa.func.coalesce(sa.func.sum(SERVERS.c.vcpus), 0).label("cores"),
    sa.func.coalesce(sa.func.sum(SERVERS.c.ram), 0).label("ram"),
).where(SERVERS.c.project_id == sa.bindparam("project_id"), _live)
USED = query(_used, Usage)
USED_BY = query(_used.where(SERVERS.c.user_id == sa.bindparam("user_id")), Usage)
COUNT_BY_HOST = query(
    sa.select(SERVERS.c.host, sa.func.count()).where(_live, SERVERS.c.host.is_not(None)).group_by(SERVERS.c.host),
    tuple[str, int],
)
ON_HOST = query(
    sa.select(SERVERS.c.id, SERVERS.c.name).where(SERVERS.c.host == sa.bindparam("host"), _live).order_by(SERVERS.c.id),
    tuple[str, str],
)
USE_ON_HOST = query(
    sa.select(SERVERS.c.project_id, SERVERS.c.vcpus, SERVERS.c.ram, SERVERS.c.flavor)
    .where(SERVERS.c.host == sa.bindparam("host"), _live)
    .order_by(SERVERS.c.project_id),
    tuple[str, int, int, Size],
)
IN_GROUPS = query(
    sa.select(SERVERS.c.group_id, SERVERS.c.id, SERVERS.c.host)
    .where(SERVERS.c.group_id.in_(sa.bindparam("groups", expanding=True)), _live)
    .order_by(SERVERS.c.created_at, SERVERS.c.id),
    tuple[str, str, str | None],
)

LISTING: Listing[Server] = Listing(
    _known,
    Server,
    key=SERVERS.c.id,
    filters={
        "id": SERVERS.c.id,
        "project_id": SERVERS.c.project_id,
        "user_id": SERVERS.c.user_id,
        "name": SERVERS.c.name,
        "hostname": SERVERS.c.hostname,
        "description": SERVERS.c.description,
        "host": SERVERS.c.host,
        "flavor": SERVERS.c.flavor_id,
        "image": SERVERS.c.image_id,
        "key_name": SERVERS.c.key_name,
        "reservation_id": SERVERS.c.reservation_id,
        "launch_index": SERVERS.c.launch_index,
        "zone": sa.case(
            (SERVERS.c.host.is_(None), SERVERS.c.zone_wanted), else_=sa.func.coalesce(_host_zone, _no_text)
        ),
        "config_drive": SERVERS.c.config_drive,
        "status": _status,
        "vm_state": _state,
        "task_state": _task,
        "tags": SERVERS.c.tags,
        "locked_by": SERVERS.c.locked_by,
        "access_ipv4": SERVERS.c.access_ipv4,
        "access_ipv6": SERVERS.c.access_ipv6,
        "created_at": SERVERS.c.created_at,
        "updated_at": SERVERS.c.updated_at,
        "launched_at": SERVERS.c.launched_at,
        "deleted_at": SERVERS.c.deleted_at,
    },
    sorts={
        "id": SERVERS.c.id,
        "uuid": SERVERS.c.id,
        "created_at": SERVERS.c.created_at,
        "updated_at": SERVERS.c.updated_at,
        "launched_at": SERVERS.c.launched_at,
        "display_name": SERVERS.c.name,
        "display_description": SERVERS.c.description,
        "name": SERVERS.c.name,
        "hostname": SERVERS.c.hostname,
        "host": SERVERS.c.host,
        "node": SERVERS.c.host,
        "project_id": SERVERS.c.project_id,
        "user_id": SERVERS.c.user_id,
        "key_name": SERVERS.c.key_name,
        "image_ref": SERVERS.c.image_id,
        "instance_type_id": SERVERS.c.flavor_id,
        "availability_zone": SERVERS.c.zone_wanted,
        "launch_index": SERVERS.c.launch_index,
        "access_ip_v4": SERVERS.c.access_ipv4,
        "access_ip_v6": SERVERS.c.access_ipv6,
        "config_drive": SERVERS.c.id,
        "root_device_name": SERVERS.c.id,
        "progress": SERVERS.c.id,
        "task_state": _task,
        "vm_state": _state,
        "power_state": SERVERS.c.power_wanted,
        "locked": SERVERS.c.locked_by,
        "locked_reason": SERVERS.c.locked_reason,
    },
)
NEWEST_FIRST = (("created_at", "desc"), ("id", "desc"))
LIVE = {"deleted_at": None}
_ROW = tuple(column.name for column in _columns)


async def server_find(app: Compute, id: str) -> Server | None:
    """The server, unless it is deleted or never was."""
    return await app.db.one(SERVER_FIND, id=id)


async def server_find_even_deleted(app: Compute, id: str) -> Server | None:
    """The server, deleted or not."""
    return await app.db.one(SERVER_FIND_EVEN_DELETED, id=id)


async def server_get_many(app: Compute, ids: Sequence[str]) -> list[Server]:
    """Those of the servers that are not deleted."""
    return await app.db.all(SERVER_GET_MANY, ids=list(ids)) if ids else []


async def servers_living(app: Compute, ids: Sequence[str], at: dt.datetime) -> list[str]:
    """Of these servers, those that are there, or were at that moment."""
    return await app.db.all(LIVING, ids=list(ids), at=at)


async def server_list(
    app: Compute,
    where: dict[str, object],
    sort: Sequence[tuple[str, str]] = (),
    *,
    marker: str | None = None,
    limit: int | None = None,
) -> list[Server]:
    """A page of servers, newest first unless sorted otherwise."""
    return await app.db.page(LISTING, where=where, sort=sort or NEWEST_FIRST, marker=marker, limit=limit)


async def server_list_supposed_to_run(app: Compute) -> list[Server]:
    """All servers that are on a host and whose power should be on."""
    return await app.db.all(SERVERS_LEFT_ON)


async def server_create(app: Compute, server: Server) -> None:
    """The server has a row."""
    row = {name: getattr(server, name) for name in _ROW}
    await app.db.run(SERVER_CREATE, **row, **_copies(server))


async def server_change(app: Compute, server: Server, **changes: object) -> Server:
    """The row has these values now, and says when it was changed."""
    changes.setdefault("updated_at", app.clock.now())
    changed = msgspec.structs.replace(server, **changes)
    copies = {name: value for name, value in _copies(changed).items() if COPIED_FROM[name] in changes}
    await app.db.run(SERVER_CHANGE, of_id=server.id, **changes, **copies)
    return changed


async def server_take_password(app: Compute, id: str, password: str) -> bool:
    """The server's guest has posted this; False if it had posted one before."""
    return await app.db.run(SERVER_TAKE_PASSWORD, of_id=id, password=password) == 1


async def server_forget_password(app: Compute, id: str) -> None:
    """The server's guest may post a password."""
    await app.db.run(SERVER_FORGET_PASSWORD, of_id=id)


def _copies(server: Server) -> dict[str, object]:
    return {
        "flavor_id": server.flavor.id,
        "vcpus": server.flavor.vcpus,
        "ram": server.flavor.ram,
        "image_id": server.image.id if server.image else None,
        "key_name": server.key.name if server.key else None,
    }


async def used(app: Compute, project_id: str) -> Usage:
    """What a project has."""
    return await app.db.one(USED, project_id=project_id) or Usage()


async def used_by(app: Compute, project_id: str, user_id: str) -> Usage:
    """What a user made of what a project has."""
    return await app.db.one(USED_BY, project_id=project_id, user_id=user_id) or Usage()


async def server_count_by_host(app: Compute) -> dict[str, int]:
    """How many servers are on each host that has any."""
    return dict(await app.db.all(COUNT_BY_HOST))


async def server_list_on_host(app: Compute, host: str) -> list[tuple[str, str]]:
    """Id and name of each server on a host."""
    return await app.db.all(ON_HOST, host=host)


async def server_list_in_groups(app: Compute, groups: Sequence[str]) -> dict[str, list[tuple[str, str | None]]]:
    """Id and host of each server in the groups, oldest first."""
    found: dict[str, list[tuple[str, str | None]]] = {group: [] for group in groups}
    for group, id, host in await app.db.all(IN_GROUPS, groups=list(groups)) if groups else []:
        found[group].append((id, host))
    return found


async def server_use_on_host(app: Compute, host: str) -> list[tuple[str, int, int, int]]:
    """How much each project has of a host: its id, processors, MiB of RAM and GiB of disk."""
    found: dict[str, tuple[int, int, int]] = {}
    for project, vcpus, ram, size in await app.db.all(USE_ON_HOST, host=host):
        had = found.get(project, (0, 0, 0))
        found[project] = (had[0] + vcpus, had[1] + ram, had[2] + size.disk + size.ephemeral)
    return [(project, *use) for project, use in found.items()]
