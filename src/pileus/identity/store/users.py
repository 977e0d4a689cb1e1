"""Users and groups in the database."""

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.identity.app import Identity
from pileus.identity.models import Group, User
from pileus.identity.tables import group_members, groups, users
from pileus.kit.db import Listing, command, query, scalar, upsert

_USERS = sa.select(users)
_GROUPS = sa.select(groups)
_USER = users.c.id == bindparam("id")
_GROUP = groups.c.id == bindparam("id")
_MEMBER = sa.and_(group_members.c.user_id == bindparam("user_id"), group_members.c.group_id == bindparam("group_id"))

USER_FETCH = query(_USERS.where(_USER), User)
USER_BY_NAME = query(_USERS.where(users.c.name == bindparam("name"), users.c.domain_id == bindparam("domain_id")), User)
USERS_WITH_IDS = query(_USERS.where(users.c.id.in_(bindparam("ids", expanding=True))).order_by(users.c.id), User)
USER_CREATE = command(sa.insert(users))
USER_CHANGE = command(sa.update(users).where(_USER))
USER_DELETE = command(sa.delete(users).where(_USER))
NO_DEFAULT_PROJECT = command(
    sa.update(users).where(users.c.default_project_id == bindparam("project_id")).values(default_project_id=None)
)
USERS_LIST = Listing(
    users,
    User,
    key=users.c.id,
    filters={
        **{name: users.c[name] for name in ("id", "name", "domain_id", "enabled", "default_project_id")},
        "group_id": lambda test: users.c.id.in_(
            sa.select(group_members.c.user_id).where(test(group_members.c.group_id))
        ),
    },
    sorts={"id": users.c.id, "name": users.c.name},
)

GROUP_FETCH = query(_GROUPS.where(_GROUP), Group)
GROUP_BY_NAME = query(
    _GROUPS.where(groups.c.name == bindparam("name"), groups.c.domain_id == bindparam("domain_id")), Group
)
GROUPS_WITH_IDS = query(_GROUPS.where(groups.c.id.in_(bindparam("ids", expanding=True))).order_by(groups.c.id), Group)
GROUP_CREATE = command(sa.insert(groups))
GROUP_CHANGE = command(sa.update(groups).where(_GROUP))
GROUP_DELETE = command(sa.delete(groups).where(_GROUP))
GROUPS_LIST = Listing(
    groups,
    Group,
    key=groups.c.id,
    filters={name: groups.c[name] for name in ("id", "name", "domain_id")},
    sorts={"id": groups.c.id, "name": groups.c.name},
)

MEMBER_ADD = command(upsert(group_members, key=["user_id", "group_id"]))
MEMBER_REMOVE = command(sa.delete(group_members).where(_MEMBER))
MEMBER_FETCH = scalar(sa.select(group_members.c.user_id).where(_MEMBER), str)
GROUP_IDS = query(
    sa.select(group_members.c.group_id).where(group_members.c.user_id == bindparam("user_id")), tuple[str]
)
MEMBERS = query(
    sa.select(group_members.c.group_id, group_members.c.user_id)
    .where(group_members.c.group_id.in_(bindparam("ids", expanding=True)))
    .order_by(group_members.c.group_id, group_members.c.user_id),
    tuple[str, str],
)


async def user_find(app: Identity, user_id: str) -> User | None:
    """The user with this id."""
    return await app.db.one(USER_FETCH, id=user_id)


async def user_by_name(app: Identity, name: str, domain_id: str) -> User | None:
    """The user of this name in a domain."""
    return await app.db.one(USER_BY_NAME, name=name, domain_id=domain_id)


async def users_with_ids(app: Identity, ids: list[str]) -> list[User]:
    """Those of these users that exist."""
    return await app.db.all(USERS_WITH_IDS, ids=ids)


async def user_create(app: Identity, user: User) -> None:
    """The user is stored."""
    await app.db.run(USER_CREATE, **msgspec.structs.asdict(user))


async def user_change(app: Identity, user_id: str, **columns: object) -> None:
    """The user has these values."""
    if columns:
        await app.db.run(USER_CHANGE, id=user_id, **columns)


async def user_delete(app: Identity, user_id: str) -> None:
    """The user is gone, from all groups too."""
    await app.db.run(USER_DELETE, id=user_id)


async def default_project_forget(app: Identity, project_id: str) -> None:
    """No user has this default project."""
    await app.db.run(NO_DEFAULT_PROJECT, project_id=project_id)


async def group_find(app: Identity, group_id: str) -> Group | None:
    """The group with this id."""
    return await app.db.one(GROUP_FETCH, id=group_id)


async def group_by_name(app: Identity, name: str, domain_id: str) -> Group | None:
    """The group of this name in a domain."""
    return await app.db.one(GROUP_BY_NAME, name=name, domain_id=domain_id)


async def groups_with_ids(app: Identity, ids: list[str]) -> list[Group]:
    """Those of these groups that exist."""
    return await app.db.all(GROUPS_WITH_IDS, ids=ids)


async def group_create(app: Identity, group: Group) -> None:
    """The group is stored."""
    await app.db.run(GROUP_CREATE, **msgspec.structs.asdict(group))


async def group_change(app: Identity, group_id: str, **columns: object) -> None:
    """The group has these values."""
    if columns:
        await app.db.run(GROUP_CHANGE, id=group_id, **columns)


async def group_delete(app: Identity, group_id: str) -> None:
    """The group is gone, its members are not."""
    await app.db.run(GROUP_DELETE, id=group_id)


async def member_add(app: Identity, group_id: str, user_id: str) -> None:
    """The user is in the group."""
    await app.db.run(MEMBER_ADD, user_id=user_id, group_id=group_id)


async def member_remove(app: Identity, group_id: str, user_id: str) -> bool:
    """The user is not in the group; tells whether it was."""
    return await app.db.run(MEMBER_REMOVE, user_id=user_id, group_id=group_id) > 0


async def member_is(app: Identity, group_id: str, user_id: str) -> bool:
    """Whether the user is in the group."""
    return await app.db.one(MEMBER_FETCH, user_id=user_id, group_id=group_id) is not None


async def members_of(app: Identity, group_ids: list[str]) -> list[tuple[str, str]]:
    """Who is in these groups: pairs of group and user."""
    return await app.db.all(MEMBERS, ids=group_ids)


async def group_ids_of(app: Identity, user_id: str) -> list[str]:
    """The groups a user is in for good."""
    return [group_id for (group_id,) in await app.db.all(GROUP_IDS, user_id=user_id)]
