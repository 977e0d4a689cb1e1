"""Queries of the quotas that projects have instead of the default ones."""

import sqlalchemy as sa

from pileus.compute.app import Compute
from pileus.compute.tables import QUOTAS
from pileus.kit.db import command, query, upsert

QUOTAS_OF = query(
    sa.select(QUOTAS.c.name, QUOTAS.c.most).where(QUOTAS.c.project_id == sa.bindparam("project_id")), tuple[str, int]
)
QUOTA_SET = command(upsert(QUOTAS, ["project_id", "name"], ["most"]))
QUOTAS_FORGET = command(sa.delete(QUOTAS).where(QUOTAS.c.project_id == sa.bindparam("project_id")))


async def quotas_of(app: Compute, project_id: str) -> dict[str, int]:
    """The project's own limits, by name."""
    return dict(await app.db.all(QUOTAS_OF, project_id=project_id))


async def quota_set(app: Compute, project_id: str, name: str, most: int) -> None:
    """The project has this limit."""
    await app.db.run(QUOTA_SET, project_id=project_id, name=name, most=most)


async def quotas_forget(app: Compute, project_id: str) -> None:
    """The project has the default limits."""
    await app.db.run(QUOTAS_FORGET, project_id=project_id)
