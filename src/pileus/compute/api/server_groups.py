"""Server groups."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.api.service import Name, admin, api, member, reader
from pileus.compute.app import Compute
from pileus.compute.commands import groups as commands
from pileus.compute.models.groups import GroupPolicy, ServerGroup
from pileus.compute.store.groups import group_list
from pileus.kit.auth import Caller
from pileus.kit.http import Call, F, Page, Query, Wire

Hard = Literal["affinity", "anti-affinity"]
Any4 = Literal["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]
One = msgspec.Meta(min_length=1, max_length=1)
MOST = 1000


class Rules(Wire, kw_only=True):
    """What besides its policy holds for a group."""

    most_per_host: Annotated[Annotated[int, msgspec.Meta(ge=1)] | UnsetType, F("max_server_per_host")] = UNSET


class GroupCreate(Wire, kw_only=True):
    """A group to make."""

    name: Name
    hard_policies: Annotated[Annotated[list[Hard], One] | UnsetType, F("policies", until="2.14")]
    policies: Annotated[Annotated[list[Any4], One] | UnsetType, F(since="2.15", until="2.63")]
    policy: Annotated[Any4 | UnsetType, F(since="2.64")]
    rules: Annotated[Rules | UnsetType, F(since="2.64")] = UNSET


class GroupView(Wire, kw_only=True):
    """A group."""

    id: str
    name: str
    policies: Annotated[list[str], F(until="2.63")]
    policy: Annotated[str, F(since="2.64")]
    rules: Annotated[Rules, F(since="2.64")]
    members: list[str]
    metadata: Annotated[dict[str, str], F(until="2.63")]
    project_id: Annotated[str, F(since="2.13")]
    user_id: Annotated[str, F(since="2.13")]


class GroupQuery(Query):
    """Which groups."""

    all_projects: str | None = None
    offset: Annotated[int, msgspec.Meta(ge=0)] = 0


api.declare(admin("os-server-groups:index:all_projects"))


def _view(group: ServerGroup, members: list[str]) -> GroupView:
    return GroupView(
        id=group.id,
        name=group.name,
        policies=[group.policy],
        policy=group.policy,
        rules=Rules(most_per_host=UNSET if group.most_per_host is None else group.most_per_host),
        members=members,
        metadata={},
        project_id=group.project_id,
        user_id=group.user_id,
    )


async def group_of(app: Compute, caller: Caller, group: str) -> ServerGroup:
    """The group a path names; raises ServerGroupNotFound."""
    return await commands.group_get(app, caller, group)


def _policies(body: GroupCreate) -> list[str]:
    """The one policy, from wherever the version says it."""
    if body.policy is not UNSET:
        return [body.policy]
    if body.policies is not UNSET:
        return [*body.policies]
    return [] if body.hard_policies is UNSET else [*body.hard_policies]


@api.get("/os-server-groups", reader("os-server-groups:index"), key="server_groups")
async def index(call: Call[Compute], query: GroupQuery, page: Page) -> list[GroupView]:
    """List server groups."""
    project_id: str | None = call.caller.project_id or ""
    if query.all_projects is not None and call.caller.admin:
        call.require("os_compute_api:os-server-groups:index:all_projects")
        project_id = None
    found = await group_list(call.app, project_id)
    found = found[query.offset :][: MOST if page.limit is None else page.limit]
    page.limit = None  # these lists are paged by offset, without links
    members = await commands.members_of(call.app, found)
    return [_view(group, members[group.id]) for group in found]


@api.post("/os-server-groups", member("os-server-groups:create"), key="server_group", status=200)
async def create(call: Call[Compute], body: GroupCreate) -> GroupView:
    """Make a server group."""
    policy = GroupPolicy(_policies(body)[0])
    most = body.rules.most_per_host if body.rules is not UNSET else UNSET
    if most is not UNSET and policy is not GroupPolicy.ANTI_AFFINITY:
        raise errors.BadRequest(why="Only anti-affinity policy supports rules.")
    group = await commands.create_group(call.app, call.caller, body.name, policy, None if most is UNSET else most)
    return _view(group, [])


@api.get("/os-server-groups/{group}", reader("os-server-groups:show"), key="server_group", find=group_of)
async def show(call: Call[Compute], found: ServerGroup) -> GroupView:
    """Show a server group."""
    return _view(found, (await commands.members_of(call.app, [found]))[found.id])


@api.delete("/os-server-groups/{group}", member("os-server-groups:delete"), find=group_of)
async def delete(call: Call[Compute], found: ServerGroup) -> None:
    """Remove a server group; its servers stay."""
    await commands.delete_group(call.app, found)
