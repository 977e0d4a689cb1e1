"""Projects and domains in the database."""

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.identity.app import Identity
from pileus.identity.models import Project
from pileus.identity.tables import projects
from pileus.kit.db import Listing, command, query, scalar

_ALL = sa.select(projects)
_BY_ID = projects.c.id == bindparam("id")

FETCH = query(_ALL.where(_BY_ID), Project)
BY_NAME = query(
    _ALL.where(projects.c.name == bindparam("name"), projects.c.domain_id == bindparam("domain_id")), Project
)
DOMAIN_BY_NAME = query(_ALL.where(projects.c.name == bindparam("name"), projects.c.domain_id.is_(None)), Project)
BY_IDS = query(_ALL.where(projects.c.id.in_(bindparam("ids", expanding=True))).order_by(projects.c.id), Project)
BELOW = scalar(sa.select(projects.c.id).where(projects.c.parent_id == bindparam("id")), str)
CREATE = command(sa.insert(projects))
CHANGE = command(sa.update(projects).where(_BY_ID))
DELETE = command(sa.delete(projects).where(_BY_ID))

LIST = Listing(
    projects,
    Project,
    key=projects.c.id,
    filters={
        name: projects.c[name] for name in ("id", "name", "domain_id", "parent_id", "is_domain", "enabled", "tags")
    },
    sorts={"id": projects.c.id, "name": projects.c.name},
)


async def project_find(app: Identity, project_id: str) -> Project | None:
    """The project or domain with this id."""
    return await app.db.one(FETCH, id=project_id)


async def domain_find(app: Identity, domain_id: str) -> Project | None:
    """The domain with this id."""
    found = await project_find(app, domain_id)
    return found if found is not None and found.is_domain else None


async def project_by_name(app: Identity, name: str, domain_id: str) -> Project | None:
    """The project of this name in a domain."""
    return await app.db.one(BY_NAME, name=name, domain_id=domain_id)


async def domain_by_name(app: Identity, name: str) -> Project | None:
    """The domain of this name."""
    return await app.db.one(DOMAIN_BY_NAME, name=name)


async def projects_with_ids(app: Identity, ids: list[str]) -> list[Project]:
    """Those of these projects and domains that exist."""
    return await app.db.all(BY_IDS, ids=ids)


async def projects_below(app: Identity, project_id: str) -> list[str]:
    """The ids of the projects right below a project or domain."""
    return await app.db.all(BELOW, id=project_id)


async def project_create(app: Identity, project: Project) -> None:
    """The project is stored."""
    await app.db.run(CREATE, **msgspec.structs.asdict(project))


async def project_change(app: Identity, project_id: str, **columns: object) -> None:
    """The project has these values."""
    if columns:
        await app.db.run(CHANGE, id=project_id, **columns)


async def project_delete(app: Identity, project_id: str) -> None:
    """The project is gone, and with a domain all it owned."""
    await app.db.run(DELETE, id=project_id)
