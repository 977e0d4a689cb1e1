"""Server groups: making them, and joining them."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.quotas import limits_of
from pileus.compute.models.groups import GroupPolicy, ServerGroup
from pileus.compute.models.quotas import UNLIMITED
from pileus.compute.store import groups as store
from pileus.compute.store.servers import server_list_in_groups
from pileus.kit.auth import Caller


async def group_get(app: Compute, caller: Caller, id: str) -> ServerGroup:
    """The group, if it is the caller's project's; raises ServerGroupNotFound."""
    group = await store.group_find(app, id)
    if group is None or not (group.project_id == caller.project_id or caller.admin or caller.system):
        raise errors.ServerGroupNotFound(group=id)
    return group


async def create_group(
    app: Compute, caller: Caller, name: str, policy: GroupPolicy, most_per_host: int | None
) -> ServerGroup:
    """The project has the group."""
    if caller.project_id is None:
        raise errors.BadRequest(why="A server group belongs to a project: use a token that is scoped to one.")
    group = ServerGroup(
        id=str(uuid.uuid4()),
        name=name,
        project_id=caller.project_id,
        user_id=caller.user_id,
        policy=policy,
        most_per_host=most_per_host,
        created_at=app.clock.now(),
    )
    limit = (await limits_of(app, caller.project_id))["server_groups"]
    async with app.db.transaction():
        if limit != UNLIMITED and await store.group_count(app, caller.project_id) >= limit:
            raise errors.TooManyServerGroups
        await store.group_create(app, group)
    return group


async def delete_group(app: Compute, group: ServerGroup) -> None:
    """There is no such group; its servers stay where they are."""
    await store.group_delete(app, group.id)


async def joined_group(app: Compute, caller: Caller, hints: Mapping[str, Any], count: int) -> str | None:
    """The group new servers shall be in, if it has room for so many; raises if it has not, or does not exist."""
    wanted = hints.get("group")
    if wanted is None:
        return None
    group = await store.group_find(app, str(wanted))
    if group is None or (group.project_id != caller.project_id and not caller.admin):
        raise errors.BadRequest(why=f"Instance group {wanted} could not be found.")
    await store.group_hold(app, group.id)
    limit = (await limits_of(app, group.project_id))["server_group_members"]
    have = len((await server_list_in_groups(app, [group.id]))[group.id])
    if limit != UNLIMITED and have + count > limit:
        raise errors.TooManyInGroup
    return group.id


async def members_of(app: Compute, groups: Sequence[ServerGroup]) -> dict[str, list[str]]:
    """The ids of the servers in each group."""
    found = await server_list_in_groups(app, [group.id for group in groups])
    return {group: [id for id, _ in members] for group, members in found.items()}
