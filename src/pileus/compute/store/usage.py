"""Queries of how long servers ran."""

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa

from pileus.compute.app import Compute
from pileus.compute.models.usage import Ran
from pileus.compute.tables import SERVERS
from pileus.kit.db import query

_ran = (
    sa.select(
        SERVERS.c.id,
        SERVERS.c.name,
        SERVERS.c.project_id,
        SERVERS.c.flavor,
        SERVERS.c.power_wanted,
        SERVERS.c.broken,
        SERVERS.c.launched_at,
        SERVERS.c.deleted_at,
    )
    .where(
        SERVERS.c.launched_at.is_not(None),
        SERVERS.c.launched_at < sa.bindparam("stop", type_=SERVERS.c.launched_at.type),
        sa.or_(
            SERVERS.c.deleted_at.is_(None),
            SERVERS.c.deleted_at > sa.bindparam("start", type_=SERVERS.c.deleted_at.type),
        ),
        SERVERS.c.id > sa.bindparam("marker"),
    )
    .order_by(SERVERS.c.id)
    .limit(sa.bindparam("most"))
)
RAN = query(_ran, Ran)
RAN_OF = query(_ran.where(SERVERS.c.project_id == sa.bindparam("project_id")), Ran)
UNBOUNDED = 2**31 - 1


async def servers_that_ran(
    app: Compute, project_id: str | None, start: dt.datetime, stop: dt.datetime, *, marker: str, most: int | None
) -> Sequence[Ran]:
    """The servers of a project, or of all, that were there between two moments, by id, those after the marker."""
    where = {"start": start, "stop": stop, "marker": marker, "most": UNBOUNDED if most is None else most}
    if project_id is None:
        return await app.db.all(RAN, **where)
    return await app.db.all(RAN_OF, project_id=project_id, **where)
