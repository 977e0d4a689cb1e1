"""Queries of server groups."""

from collections.abc import Sequence

import sqlalchemy as sa

from pileus.compute.app import Compute
from pileus.compute.models.groups import ServerGroup
from pileus.compute.tables import SERVER_GROUPS
from pileus.kit.db import command, query, scalar

_ordered = sa.select(*SERVER_GROUPS.c).order_by(SERVER_GROUPS.c.created_at, SERVER_GROUPS.c.id)
_this = SERVER_GROUPS.c.id == sa.bindparam("id")

GROUP_FIND = query(sa.select(*SERVER_GROUPS.c).where(_this), ServerGroup)
GROUPS_OF = query(_ordered.where(SERVER_GROUPS.c.project_id == sa.bindparam("project_id")), ServerGroup)
GROUPS = query(_ordered, ServerGroup)
GROUP_CREATE = command(sa.insert(SERVER_GROUPS))
GROUP_DELETE = command(sa.delete(SERVER_GROUPS).where(_this))
GROUP_HOLD = command(sa.update(SERVER_GROUPS).where(_this).values(name=SERVER_GROUPS.c.name))
GROUP_COUNT = scalar(
    sa.select(sa.func.count())
    .where(SERVER_GROUPS.c.project_id == sa.bindparam("project_id"))
    .select_from(SERVER_GROUPS),
    int,
)


async def group_find(app: Compute, id: str) -> ServerGroup | None:
    """The group."""
    return await app.db.one(GROUP_FIND, id=id)


async def group_list(app: Compute, project_id: str | None) -> Sequence[ServerGroup]:
    """A project's groups, or everybody's, oldest first."""
    if project_id is None:
        return await app.db.all(GROUPS)
    return await app.db.all(GROUPS_OF, project_id=project_id)


async def group_create(app: Compute, group: ServerGroup) -> None:
    """The group has a row."""
    await app.db.run(GROUP_CREATE, **{name: getattr(group, name) for name in group.__struct_fields__})


async def group_delete(app: Compute, id: str) -> None:
    """The group has no row."""
    await app.db.run(GROUP_DELETE, id=id)


async def group_hold(app: Compute, id: str) -> None:
    """Nobody else places servers of the group until this transaction ends."""
    await app.db.run(GROUP_HOLD, id=id)


async def group_count(app: Compute, project_id: str) -> int:
    """How many groups a project has."""
    return await app.db.one(GROUP_COUNT, project_id=project_id) or 0
