"""Which endpoints projects see, and which policies belong to what, in the database."""

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.identity.app import Identity
from pileus.identity.models.filters import Association, EndpointGroup, Visibility
from pileus.identity.store.kept import Kept
from pileus.identity.tables import endpoint_groups, policy_associations, project_endpoint_groups, project_endpoints
from pileus.kit.db import Listing, command, query, scalar, upsert

GROUPS = Kept(endpoint_groups, EndpointGroup, "name")


class Given:
    """A table of pairs: what is given to projects."""

    def __init__(self, table: sa.Table, what: str) -> None:
        self._what = what
        pair = sa.and_(table.c.project_id == bindparam("project_id"), table.c[what] == bindparam(what))
        self._give = command(upsert(table, key=["project_id", what]))
        self._take = command(sa.delete(table).where(pair))
        self._find = scalar(sa.select(table.c.project_id).where(pair), str)
        self._all = query(
            sa.select(table.c.project_id, table.c[what]).order_by(table.c.project_id, table.c[what]), tuple[str, str]
        )
        self._projects = scalar(
            sa.select(table.c.project_id).where(table.c[what] == bindparam(what)).order_by(table.c.project_id), str
        )

    async def give(self, app: Identity, project_id: str, id: str) -> None:
        """The project sees it."""
        await app.db.run(self._give, project_id=project_id, **{self._what: id})

    async def take(self, app: Identity, project_id: str, id: str) -> bool:
        """The project does not see it by itself; tells whether it did."""
        return await app.db.run(self._take, project_id=project_id, **{self._what: id}) > 0

    async def is_given(self, app: Identity, project_id: str, id: str) -> bool:
        """Whether it was given to the project."""
        return await app.db.one(self._find, project_id=project_id, **{self._what: id}) is not None

    async def projects(self, app: Identity, id: str) -> list[str]:
        """The ids of the projects it was given to."""
        return await app.db.all(self._projects, **{self._what: id})

    async def all(self, app: Identity) -> dict[str, list[str]]:
        """What was given, by project."""
        found: dict[str, list[str]] = {}
        for project_id, id in await app.db.all(self._all):
            found.setdefault(project_id, []).append(id)
        return found


ENDPOINTS = Given(project_endpoints, "endpoint_id")
ENDPOINT_GROUPS = Given(project_endpoint_groups, "endpoint_group_id")


async def visibility(app: Identity) -> Visibility:
    """What all projects see of the catalog."""

    async def read() -> Visibility:
        groups = {group.id: group for group in await GROUPS.all(app)}
        given = await ENDPOINT_GROUPS.all(app)
        return Visibility(
            endpoints={project: frozenset(ids) for project, ids in (await ENDPOINTS.all(app)).items()},
            groups={project: [groups[id] for id in ids] for project, ids in given.items()},
        )

    return await app.memory.fact("visibility", read)


ASSOCIATE = command(upsert(policy_associations, key=["place"], update=["policy_id"]))
DISSOCIATE = command(
    sa.delete(policy_associations).where(
        policy_associations.c.place == bindparam("place"), policy_associations.c.policy_id == bindparam("policy_id")
    )
)
ASSOCIATIONS = Listing(
    policy_associations,
    Association,
    key=policy_associations.c.place,
    filters={name: policy_associations.c[name] for name in ("place", "policy_id")},
)


async def association_add(app: Identity, made: Association) -> None:
    """The policy is for this place, instead of another that was."""
    await app.db.run(ASSOCIATE, **msgspec.structs.asdict(made))


async def association_remove(app: Identity, place: str, policy_id: str) -> bool:
    """The policy is not for this place; tells whether it was."""
    return await app.db.run(DISSOCIATE, place=place, policy_id=policy_id) > 0


async def associations(app: Identity, **where: object) -> list[Association]:
    """The associations with these values."""
    return await app.db.page(ASSOCIATIONS, where=where)
