"""Queries of the quotas that projects have instead of the default ones."""

import sqlalchemy as sa

from pileus.compute.app import Compute
from pileus.compute.tables import QUOTAS, USER_QUOTAS
from pileus.kit.db import command, query, upsert

QUOTAS_OF = query(
    sa.select(QUOTAS.c.name, QUOTAS.c.most).where(QUOTAS.c.project_id == sa.bindparam("project_id")), tuple[str, int]
)
USER_QUOTAS_OF = query(
    sa.select(USER_QUOTAS.c.name, USER_QUOTAS.c.most).where(
        USER_QUOTAS.c.project_id == sa.bindparam("project_id"), USER_QUOTAS.c.user_id == sa.bindparam("user_id")
    ),
    tuple[str, int],
)
USER_QUOTA_SET = command(upsert(USER_QUOTAS, ["project_id", "user_id", "name"], ["most"]))
USER_QUOTAS_FORGET = command(
    sa.delete(USER_QUOTAS).where(
        USER_QUOTAS.c.project_id == sa.bindparam("project_id"), USER_QUOTAS.c.user_id == sa.bindparam("user_id")
    )
)
USERS_QUOTAS_FORGET = command(sa.delete(USER_QUOTAS).where(USER_QUOTAS.c.project_id == sa.bindparam("project_id")))
QUOTA_SET = command(upsert(QUOTAS, ["project_id", "name"], ["most"]))
QUOTAS_FORGET = command(sa.delete(QUOTAS).where(QUOTAS.c.project_id == sa.bindparam("project_id")))


async def quotas_of(app: Compute, project_id: str) -> dict[str, int]:
    """The project's own limits, by name."""
    return dict(await app.db.all(QUOTAS_OF, project_id=project_id))


async def quota_set(app: Compute, project_id: str, name: str, most: int) -> None:
    """The project has this limit."""
    await app.db.run(QUOTA_SET, project_id=project_id, name=name, most=most)


async def quotas_forget(app: Compute, project_id: str) -> None:
    """The project and its users have the default limits."""
    await app.db.run(QUOTAS_FORGET, project_id=project_id)
    await app.db.run(USERS_QUOTAS_FORGET, project_id=project_id)


async def user_quotas_of(app: Compute, project_id: str, user_id: str) -> dict[str, int]:
    """The user's own limits in the project, by name."""
    return dict(await app.db.all(USER_QUOTAS_OF, project_id=project_id, user_id=user_id))


async def user_quota_set(app: Compute, project_id: str, user_id: str, name: str, most: int) -> None:
    """The user has this limit in the project."""
    await app.db.run(USER_QUOTA_SET, project_id=project_id, user_id=user_id, name=name, most=most)


async def user_quotas_forget(app: Compute, project_id: str, user_id: str) -> None:
    """The user has the limits of the project."""
    await app.db.run(USER_QUOTAS_FORGET, project_id=project_id, user_id=user_id)
