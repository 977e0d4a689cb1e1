"""Who has which role where: as it was given, or as it takes effect through groups, implications and inheritance."""

from collections.abc import Iterable, Mapping

import msgspec

from pileus.identity.app import Identity
from pileus.identity.models import Assignment, RoleGraph
from pileus.identity.store.projects import projects_below
from pileus.identity.store.roles import ASSIGNMENTS, assignments_of_user, role_graph
from pileus.identity.store.users import members_of
from pileus.kit.db import In


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which assignments to list."""

    user_id: str | None = None
    group_id: str | None = None
    role_id: str | None = None
    scope_kind: str | None = None
    scope_id: str | None = None
    inherited: bool | None = None
    effective: bool = False
    subtree: bool = False


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A role somebody has: the assignment as it takes effect, and what it comes from."""

    assignment: Assignment
    given: Assignment
    group_id: str | None = None  # the group through whose membership
    prior_role_id: str | None = None  # the role that implies it


async def assignment_list(app: Identity, asked: Asked) -> list[Held]:
    """The assignments asked for, in a total order."""
    scopes = None if asked.scope_id is None else [asked.scope_id]
    if scopes is not None and asked.subtree:
        scopes += await subtree(app, scopes[0])
    if asked.effective:
        held = await _effective(app, asked)
        return [one for one in held if _matches(one.assignment, asked, scopes)]
    where: dict[str, object] = {}
    if asked.user_id is not None or asked.group_id is not None:
        where["actor_id"] = asked.user_id or asked.group_id
    for name in ("role_id", "scope_kind", "inherited"):
        if getattr(asked, name) is not None:
            where[name] = getattr(asked, name)
    if scopes is not None:
        where["scope_id"] = In(scopes)
    return [Held(assignment=one, given=one) for one in await app.db.page(ASSIGNMENTS, where=where)]


async def subtree(app: Identity, project_id: str) -> list[str]:
    """The ids of all projects below a project or domain."""
    found: list[str] = []
    waiting = [project_id]
    while waiting:
        below = await projects_below(app, waiting.pop())
        found += below
        waiting += below
    return found


def _matches(one: Assignment, asked: Asked, scopes: list[str] | None) -> bool:
    return (
        asked.user_id in {None, one.actor_id}
        and asked.role_id in {None, one.role_id}
        and asked.scope_kind in {None, one.scope_kind}
        and (scopes is None or one.scope_id in scopes)
    )


async def _effective(app: Identity, asked: Asked) -> list[Held]:
    """All that holds in the end: for one user when only one is asked for."""
    if asked.user_id is not None:
        given = await assignments_of_user(app, asked.user_id)
    else:
        given = await app.db.page(ASSIGNMENTS)
    groups = sorted({one.actor_id for one in given if one.actor_kind == "group"})
    members: dict[str, list[str]] = {}
    for group_id, user_id in await members_of(app, groups):
        members.setdefault(group_id, []).append(user_id)
    places = {one.scope_id: await subtree(app, one.scope_id) for one in given if one.inherited}
    graph = await role_graph(app)
    found: dict[Assignment, Held] = {}
    for one in sorted(given, key=lambda one: (one.actor_id, one.scope_kind, one.scope_id, one.role_id)):
        for held in _spread(one, members, places, graph):
            found.setdefault(held.assignment, held)
    return list(found.values())


def _spread(
    given: Assignment, members: Mapping[str, list[str]], places: Mapping[str, list[str]], graph: RoleGraph
) -> Iterable[Held]:
    """Everything one assignment amounts to."""
    group_id = given.actor_id if given.actor_kind == "group" else None
    users = [given.actor_id] if group_id is None else members.get(group_id, [])
    scopes = [(given.scope_kind, given.scope_id)]
    if given.inherited:
        scopes = [("project", project_id) for project_id in places[given.scope_id]]
    for role_id, prior_id in graph.reach([given.role_id]).items():
        if graph.roles[role_id].domain_id is not None:
            continue
        for user_id in users:
            for kind, scope_id in scopes:
                yield Held(
                    assignment=Assignment(
                        actor_kind="user", actor_id=user_id, scope_kind=kind, scope_id=scope_id, role_id=role_id
                    ),
                    given=given,
                    group_id=group_id,
                    prior_role_id=prior_id if prior_id != role_id else None,
                )
