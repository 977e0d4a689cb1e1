"""Groups, and who is in them."""

import datetime as dt
from typing import ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from pileus.identity.api import find
from pileus.identity.api.root import (
    Description,
    Links,
    Name,
    ShortId,
    api,
    asked,
    default_domain,
    extras,
    given_of,
    link,
    listed,
    require_list,
    within_domain,
)
from pileus.identity.api.tokens import moment
from pileus.identity.api.users import UserQuery, UserView
from pileus.identity.api.users import view as user_view
from pileus.identity.app import Identity
from pileus.identity.commands.directories import mirror_domain
from pileus.identity.commands.domain_settings import list_limit_of
from pileus.identity.commands.users import (
    add_member,
    change_group,
    check_member,
    create_group,
    delete_group,
    memberships,
    remove_member,
)
from pileus.identity.errors import Missing
from pileus.identity.models import Extra, Group, User, new_id
from pileus.identity.store.users import GROUPS_LIST, USERS_LIST, group_find, user_find
from pileus.kit.auth import Caller
from pileus.kit.db import In
from pileus.kit.http import Call, Page, Query, Wire
from pileus.kit.policy import Rule, Target

READ = "admin or system reader or reader[domain=target.group.domain_id]"
WRITE = "admin or manager[domain=target.group.domain_id]"
MEMBERS_READ = "admin or system reader or reader[domain=target.group.domain_id & domain=target.user.domain_id]"
MEMBERS_WRITE = "admin or manager[domain=target.group.domain_id & domain=target.user.domain_id]"


class GroupCreate(Wire):
    """A new group."""

    __extras__: ClassVar[str | None] = "extra"

    name: Name
    domain_id: ShortId | None = None
    description: Description | None = None
    extra: Extra = {}


class GroupUpdate(Wire):
    """What shall change of a group."""

    __extras__: ClassVar[str | None] = "extra"

    name: Name
    domain_id: str | None
    description: Description | None
    extra: Extra = {}


class GroupView(Wire):
    """A group as it is shown."""

    __extras__: ClassVar[str | None] = "extra"

    id: str
    name: str
    domain_id: str
    description: str
    links: Links
    extra: Extra = {}


class GroupOfUserView(GroupView):
    """A group as its member sees it."""

    membership_expires_at: str | None = None


class GroupQuery(Query):
    """Which groups to list."""

    name: str | UnsetType = UNSET
    domain_id: str | UnsetType = UNSET


class Membership(msgspec.Struct, frozen=True):
    """A user and a group a path names."""

    group: Group
    user: User

    def policy_target(self) -> Target:
        """What rules see of both."""
        return {**self.group.policy_target(), **self.user.policy_target()}


async def membership(app: Identity, _caller: Caller, group_id: str, user_id: str) -> Membership | Missing:
    """The user and the group a path names."""
    group, user = await group_find(app, group_id), await user_find(app, user_id)
    if group is None:
        return Missing(kind="group", id=group_id)
    return Membership(group, user) if user is not None else Missing(kind="user", id=user_id)


def view(call: Call[Identity], group: Group) -> GroupView:
    """A group as it is shown."""
    return GroupView(
        id=group.id,
        name=group.name,
        domain_id=group.domain_id,
        description=group.description,
        links=link(call, f"groups/{group.id}"),
        extra=group.extra,
    )


@api.get("/groups", Rule("identity:list_groups", READ), key="groups", late=True)
async def index(call: Call[Identity], query: GroupQuery, page: Page) -> list[GroupView]:
    """List groups."""
    require_list(call, "identity:list_groups", "target.group.domain_id")
    where = within_domain(call, asked(call, query, "name"))
    await mirror_domain(call.app, where.get("domain_id"))
    most = await list_limit_of(call.app, where.get("domain_id"))
    return [view(call, one) for one in await listed(call, GROUPS_LIST, where, most)]


@api.post("/groups", Rule("identity:create_group", WRITE), key="group", late=True)
async def create(call: Call[Identity], body: GroupCreate) -> GroupView:
    """Create a group."""
    domain_id = body.domain_id or default_domain(call)
    call.require("identity:create_group", {"target.group.domain_id": domain_id})
    group = Group(
        id=new_id(),
        name=body.name,
        domain_id=domain_id,
        description=body.description or "",
        extra=extras(body.extra, GroupView),
    )
    return view(call, await create_group(call.app, group))


@api.get("/groups/{group_id}", Rule("identity:get_group", READ), key="group", find=find.group)
async def show(call: Call[Identity], group: Group) -> GroupView:
    """Show a group."""
    return view(call, group)


@api.patch("/groups/{group_id}", Rule("identity:update_group", WRITE), key="group", find=find.group)
async def update(call: Call[Identity], group: Group, body: GroupUpdate) -> GroupView:
    """Change a group."""
    return view(call, await change_group(call.app, group, given_of(body, GroupView)))


@api.delete("/groups/{group_id}", Rule("identity:delete_group", WRITE), find=find.group)
async def delete(call: Call[Identity], group: Group) -> None:
    """Delete a group."""
    await delete_group(call.app, group)


@api.get("/groups/{group_id}/users", Rule("identity:list_users_in_group", READ), key="users", find=find.group)
async def users(call: Call[Identity], group: Group, query: UserQuery, page: Page) -> list[UserView]:
    """List the users in a group."""
    where = {**asked(call, query, "name"), "group_id": group.id}
    return [user_view(call, one) for one in await listed(call, USERS_LIST, where)]


@api.get(
    "/groups/{group_id}/users/{user_id}",
    Rule("identity:check_user_in_group", MEMBERS_READ),
    find=membership,
    status=204,
)
async def member_check(call: Call[Identity], member: Membership) -> None:
    """Check that a user is in a group."""
    await check_member(call.app, member.group, member.user)


@api.put(
    "/groups/{group_id}/users/{user_id}",
    Rule("identity:add_user_to_group", MEMBERS_WRITE),
    find=membership,
    status=204,
)
async def member_add(call: Call[Identity], member: Membership) -> None:
    """Add a user to a group."""
    await add_member(call.app, member.group, member.user)


@api.delete(
    "/groups/{group_id}/users/{user_id}", Rule("identity:remove_user_from_group", MEMBERS_WRITE), find=membership
)
async def member_remove(call: Call[Identity], member: Membership) -> None:
    """Remove a user from a group."""
    await remove_member(call.app, member.group, member.user)


@api.get(
    "/users/{user_id}/groups",
    Rule("identity:list_groups_for_user", "admin or system reader or reader[domain=target.user.domain_id] or self"),
    key="groups",
    find=find.user,
)
async def of_user(call: Call[Identity], user: User, query: GroupQuery, page: Page) -> list[GroupOfUserView]:
    """List the groups a user is in."""
    where = asked(call, query, "name")
    await mirror_domain(call.app, where.get("domain_id"))
    most = await list_limit_of(call.app, where.get("domain_id"))
    ends = await memberships(call.app, user)
    found = await listed(call, GROUPS_LIST, {**where, "id": In(ends)}, most)
    return [_view_of_user(call, one, ends[one.id]) for one in found]


def _view_of_user(call: Call[Identity], group: Group, ends: dt.datetime | None) -> GroupOfUserView:
    shown = msgspec.structs.asdict(view(call, group))
    return GroupOfUserView(**shown, membership_expires_at=moment(ends) if ends is not None else None)
