"""Role assignments: who has which role where."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from pileus.identity.api.root import api
from pileus.identity.app import Identity
from pileus.identity.commands.assignments import Asked, Held, assignment_list
from pileus.identity.errors import BadScope
from pileus.identity.models import Assignment, Group, Project, Role, User
from pileus.identity.models.entities import SYSTEM
from pileus.identity.store.projects import projects_with_ids
from pileus.identity.store.roles import role_graph
from pileus.identity.store.users import groups_with_ids, users_with_ids
from pileus.kit.http import Call, F, Query
from pileus.kit.policy import Rule

PHRASE = "admin or system reader or reader[domain=target.domain_id]"
api.declare(Rule("identity:list_role_assignments_for_tree", PHRASE))

Text = str | UnsetType


class AssignmentQuery(Query):
    """Which assignments to list; flags count when present, unless they say false or 0."""

    user_id: Annotated[Text, F("user.id")] = UNSET
    group_id: Annotated[Text, F("group.id")] = UNSET
    role_id: Annotated[Text, F("role.id")] = UNSET
    project_id: Annotated[Text, F("scope.project.id")] = UNSET
    domain_id: Annotated[Text, F("scope.domain.id")] = UNSET
    system: Annotated[Text, F("scope.system")] = UNSET
    inherited_to: Annotated[Text, F("scope.OS-INHERIT:inherited_to")] = UNSET
    effective: Text = UNSET
    include_names: Text = UNSET
    include_subtree: Text = UNSET


def _flag(given: Text) -> bool:
    return isinstance(given, str) and given.lower() not in {"0", "false"}


def _text(given: Text) -> str | None:
    return given if isinstance(given, str) else None


def _asked(query: AssignmentQuery) -> Asked:
    scopes = [
        (kind, SYSTEM if kind == "system" else given)
        for kind, given in (("project", query.project_id), ("domain", query.domain_id), ("system", query.system))
        if isinstance(given, str)
    ]
    if len(scopes) > 1:
        raise BadScope(why="Assignments are listed for one scope at most: a project, a domain or the system.")
    if isinstance(query.user_id, str) and isinstance(query.group_id, str):
        raise BadScope(why="Assignments are listed for a user or for a group, not for both.")
    if _flag(query.effective) and isinstance(query.group_id, str):
        raise BadScope(why="Combining effective and group filter will always result in an empty list.")
    if _flag(query.include_subtree) and not isinstance(query.project_id, str):
        raise BadScope(why="scope.project.id must be specified if include_subtree is also specified.")
    kind, scope_id = scopes[0] if scopes else (None, None)
    return Asked(
        user_id=_text(query.user_id),
        group_id=_text(query.group_id),
        role_id=_text(query.role_id),
        scope_kind=kind,
        scope_id=scope_id,
        inherited=True if isinstance(query.inherited_to, str) else None,
        effective=_flag(query.effective),
        subtree=_flag(query.include_subtree),
    )


class Named(msgspec.Struct):
    """Everything a list of assignments mentions, by id."""

    users: Mapping[str, User]
    groups: Mapping[str, Group]
    places: Mapping[str, Project]
    roles: Mapping[str, Role]


async def _named(app: Identity, held: list[Held]) -> Named:
    actors = sorted({one.assignment.actor_id for one in held})
    places = {one.id: one for one in await projects_with_ids(app, sorted({one.assignment.scope_id for one in held}))}
    users = {one.id: one for one in await users_with_ids(app, actors)}
    groups = {one.id: one for one in await groups_with_ids(app, actors)}
    roles = (await role_graph(app)).roles
    domains = {one.domain_id for group in (places, users, groups, roles) for one in group.values() if one.domain_id}
    more = await projects_with_ids(app, sorted(domains - places.keys()))
    return Named(users, groups, {**places, **{one.id: one for one in more}}, roles)


def _path(one: Assignment) -> str:
    """Where the grant itself is found."""
    scope = "system" if one.scope_kind == "system" else f"{one.scope_kind}s/{one.scope_id}"
    path = f"{scope}/{one.actor_kind}s/{one.actor_id}/roles/{one.role_id}"
    return f"/v3/OS-INHERIT/{path}/inherited_to_projects" if one.inherited else f"/v3/{path}"


def _labelled(thing: User | Group | Project | Role | None, thing_id: str, names: Named | None) -> dict[str, Any]:
    if names is None or thing is None:
        return {"id": thing_id}
    label: dict[str, Any] = {"id": thing_id, "name": thing.name}
    if thing.domain_id is not None:
        domain = names.places.get(thing.domain_id)
        label["domain"] = {"id": thing.domain_id, "name": domain.name if domain else ""}
    return label


def _shown(call: Call[Identity], held: Held, known: Named, *, names: bool) -> dict[str, Any]:
    one, with_names = held.assignment, known if names else None
    actors: Mapping[str, User | Group] = known.users if one.actor_kind == "user" else known.groups
    scope: dict[str, Any] = {"system": {"all": True}}
    if one.scope_kind != "system":
        scope = {one.scope_kind: _labelled(known.places.get(one.scope_id), one.scope_id, with_names)}
    if held.given.inherited:
        scope["OS-INHERIT:inherited_to"] = "projects"
    links = {"assignment": call.url(_path(held.given))}
    if held.group_id is not None:
        links["membership"] = call.url(f"/v3/groups/{held.group_id}/users/{one.actor_id}")
    if held.prior_role_id is not None:
        links["prior_role"] = call.url(f"/v3/roles/{held.prior_role_id}/implies/{one.role_id}")
    return {
        "role": _labelled(known.roles.get(one.role_id), one.role_id, with_names),
        one.actor_kind: _labelled(actors.get(one.actor_id), one.actor_id, with_names),
        "scope": scope,
        "links": links,
    }


@api.get("/role_assignments", Rule("identity:list_role_assignments", PHRASE), key="role_assignments", late=True)
async def index(call: Call[Identity], query: AssignmentQuery) -> list[dict[str, Any]]:
    """List role assignments."""
    asked = _asked(query)
    domain_id = call.caller.domain_id
    rule = "identity:list_role_assignments_for_tree" if asked.subtree else "identity:list_role_assignments"
    call.require(rule, {} if domain_id is None else {"target.domain_id": domain_id})
    held = await assignment_list(call.app, asked)
    known = await _named(call.app, held)
    if domain_id is not None:
        inside = {one.id for one in known.places.values() if domain_id in {one.id, one.domain_id}}
        held = [one for one in held if one.assignment.scope_id in inside]
    return [_shown(call, one, known, names=_flag(query.include_names)) for one in held]
