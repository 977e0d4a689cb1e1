"""Roles, what they imply, and to whom they are given."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.identity.app import Identity
from pileus.identity.models import Assignment, Role, RoleGraph
from pileus.identity.tables import (
    assignments,
    expiring_members,
    group_members,
    groups,
    implications,
    projects,
    roles,
    users,
)
from pileus.kit.db import Listing, command, query, scalar, upsert

_ROLE = roles.c.id == bindparam("id")
_PAIR = sa.and_(implications.c.prior_id == bindparam("prior_id"), implications.c.implied_id == bindparam("implied_id"))
_ASSIGNMENT_COLUMNS = sa.select(
    assignments.c.actor_kind,
    assignments.c.actor_id,
    assignments.c.scope_kind,
    assignments.c.scope_id,
    assignments.c.role_id,
    assignments.c.inherited,
)
_KEY = ("actor_id", "scope_kind", "scope_id", "role_id", "inherited")
_ASSIGNMENT = sa.and_(*(assignments.c[name] == bindparam(name) for name in _KEY))

ROLE_FETCH = query(sa.select(roles).where(_ROLE), Role)
ROLE_BY_NAME = query(sa.select(roles).where(roles.c.name == bindparam("name"), roles.c.domain_id.is_(None)), Role)
ROLES_ALL = query(sa.select(roles).order_by(roles.c.id), Role)
ROLE_CREATE = command(sa.insert(roles))
ROLE_CHANGE = command(sa.update(roles).where(_ROLE))
ROLE_DELETE = command(sa.delete(roles).where(_ROLE))
ROLES_LIST = Listing(
    roles,
    Role,
    key=roles.c.id,
    filters={name: roles.c[name] for name in ("id", "name", "domain_id")},
    sorts={"id": roles.c.id, "name": roles.c.name},
)

IMPLICATIONS = query(
    sa.select(implications.c.prior_id, implications.c.implied_id).order_by(
        implications.c.prior_id, implications.c.implied_id
    ),
    tuple[str, str],
)
IMPLY = command(upsert(implications, key=["prior_id", "implied_id"]))
IMPLY_NOT = command(sa.delete(implications).where(_PAIR))

ASSIGN = command(upsert(assignments, key=list(_KEY)))
UNASSIGN = command(sa.delete(assignments).where(_ASSIGNMENT))
ASSIGNED = scalar(sa.select(assignments.c.role_id).where(_ASSIGNMENT), str)
OF_USER = query(
    _ASSIGNMENT_COLUMNS.where(
        sa.or_(
            assignments.c.actor_id == bindparam("user_id"),
            assignments.c.actor_id.in_(
                sa.select(group_members.c.group_id).where(group_members.c.user_id == bindparam("user_id"))
            ),
            assignments.c.actor_id.in_(
                sa.select(expiring_members.c.group_id).where(
                    expiring_members.c.user_id == bindparam("user_id"), expiring_members.c.expires_at > bindparam("now")
                )
            ),
        )
    ),
    Assignment,
)
OF_ACTORS = query(_ASSIGNMENT_COLUMNS.where(assignments.c.actor_id.in_(bindparam("ids", expanding=True))), Assignment)
ASSIGNMENTS = Listing(
    _ASSIGNMENT_COLUMNS,
    Assignment,
    key=assignments.c.actor_id
    + "/"
    + assignments.c.scope_kind
    + "/"
    + assignments.c.scope_id
    + "/"
    + assignments.c.role_id
    + "/"
    + sa.cast(assignments.c.inherited, sa.String),
    filters={
        name: assignments.c[name]
        for name in ("actor_kind", "actor_id", "scope_kind", "scope_id", "role_id", "inherited")
    },
)
DROP_ACTOR = command(sa.delete(assignments).where(assignments.c.actor_id == bindparam("actor_id")))
DROP_SCOPE = command(sa.delete(assignments).where(assignments.c.scope_id == bindparam("scope_id")))
DROP_ORPHANS = command(
    sa.delete(assignments).where(
        sa.or_(
            assignments.c.actor_id.not_in(sa.union_all(sa.select(users.c.id), sa.select(groups.c.id))),
            sa.and_(
                assignments.c.scope_kind != sa.literal_column("'system'"),
                assignments.c.scope_id.not_in(sa.select(projects.c.id)),
            ),
        )
    )
)


async def role_find(app: Identity, role_id: str) -> Role | None:
    """The role with this id."""
    return await app.db.one(ROLE_FETCH, id=role_id)


async def role_by_name(app: Identity, name: str) -> Role | None:
    """The role of this name that belongs to no domain."""
    return await app.db.one(ROLE_BY_NAME, name=name)


async def role_create(app: Identity, role: Role) -> None:
    """The role is stored."""
    await app.db.run(ROLE_CREATE, **msgspec.structs.asdict(role))


async def role_change(app: Identity, role_id: str, **columns: object) -> None:
    """The role has these values."""
    if columns:
        await app.db.run(ROLE_CHANGE, id=role_id, **columns)


async def role_delete(app: Identity, role_id: str) -> None:
    """The role is gone, also from everyone who had it."""
    await app.db.run(ROLE_DELETE, id=role_id)


async def role_graph(app: Identity) -> RoleGraph:
    """All roles and what they imply."""

    async def read() -> RoleGraph:
        return RoleGraph(await app.db.all(ROLES_ALL), await app.db.all(IMPLICATIONS))

    # Inside a transaction the rows may be ahead of what anybody else may remember.
    return await read() if app.db.in_transaction else await app.memory.fact("roles", read)


async def implication_add(app: Identity, prior_id: str, implied_id: str) -> None:
    """The first role implies the second."""
    await app.db.run(IMPLY, prior_id=prior_id, implied_id=implied_id)


async def implication_remove(app: Identity, prior_id: str, implied_id: str) -> bool:
    """The first role does not imply the second; tells whether it did."""
    return await app.db.run(IMPLY_NOT, prior_id=prior_id, implied_id=implied_id) > 0


def _key_of(assignment: Assignment) -> dict[str, object]:
    return {name: getattr(assignment, name) for name in _KEY}


async def assignment_add(app: Identity, assignment: Assignment) -> None:
    """The role is given."""
    await app.db.run(ASSIGN, **msgspec.structs.asdict(assignment))


async def assignment_remove(app: Identity, assignment: Assignment) -> bool:
    """The role is not given; tells whether it was."""
    return await app.db.run(UNASSIGN, **_key_of(assignment)) > 0


async def assignment_is(app: Identity, assignment: Assignment) -> bool:
    """Whether the role is given."""
    return await app.db.one(ASSIGNED, **_key_of(assignment)) is not None


async def assignments_of_user(app: Identity, user_id: str, group_ids: Sequence[str] = ()) -> list[Assignment]:
    """What a user is given, directly and through groups; those named are groups they are in by their token alone."""
    found = await app.db.all(OF_USER, user_id=user_id, now=app.clock.now())
    return found + await app.db.all(OF_ACTORS, ids=list(group_ids)) if group_ids else found


async def assignments_drop_actor(app: Identity, actor_id: str) -> None:
    """Nothing is given to this user or group."""
    await app.db.run(DROP_ACTOR, actor_id=actor_id)


async def assignments_drop_scope(app: Identity, scope_id: str) -> None:
    """Nothing is given in this project or domain."""
    await app.db.run(DROP_SCOPE, scope_id=scope_id)


async def assignments_drop_orphans(app: Identity) -> None:
    """Nothing is given to actors or in scopes that are no more."""
    await app.db.run(DROP_ORPHANS)
