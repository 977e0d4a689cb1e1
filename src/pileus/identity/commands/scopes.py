"""Where somebody may act: the roles they have in a scope, and the scopes in which they have any."""

from collections.abc import Iterable, Sequence

from pileus.identity.app import Identity
from pileus.identity.models import Assignment, Project, Role, Scope, ScopeKind
from pileus.identity.store.projects import project_find, projects_below, projects_with_ids
from pileus.identity.store.roles import assignments_of_user, role_graph


async def ancestors(app: Identity, project: Project) -> list[str]:
    """The ids of the projects above this one, the nearest first, its domain last."""
    found: list[str] = []
    parent_id = project.parent_id
    while parent_id is not None:
        found.append(parent_id)
        parent = await project_find(app, parent_id)
        parent_id = parent.parent_id if parent else None
    if project.domain_id is not None and project.domain_id not in found:
        found.append(project.domain_id)
    return found


async def _holding(app: Identity, given: list[Assignment], scope: Scope, project: Project | None) -> Iterable[str]:
    """The roles that hold in the scope, before what they imply."""
    kind = scope.kind.name.lower()
    direct = {one.role_id for one in given if not one.inherited and one.scope_kind == kind and one.scope_id == scope.id}
    inherited = [one for one in given if one.inherited]
    if project is None or not inherited:
        return direct
    above = set(await ancestors(app, project))
    return direct | {one.role_id for one in inherited if one.scope_id in above}


async def roles_in(
    app: Identity, user_id: str, scope: Scope, project: Project | None = None, group_ids: Sequence[str] = ()
) -> tuple[Role, ...]:
    """What the user may do there, implied roles included; `project` is the scope when it is one.

    `group_ids` are groups the user is in by their token alone.
    """
    if scope.kind is ScopeKind.NONE:
        return ()
    given = await assignments_of_user(app, user_id, group_ids)
    return (await role_graph(app)).effective(await _holding(app, given, scope, project))


async def projects_of_user(app: Identity, user_id: str, group_ids: Sequence[str] = ()) -> list[Project]:
    """The projects in which the user has a role, by id."""
    given = await assignments_of_user(app, user_id, group_ids)
    ids = {one.scope_id for one in given if one.scope_kind == "project" and not one.inherited}
    waiting = [one.scope_id for one in given if one.inherited]
    while waiting:
        for below in await projects_below(app, waiting.pop()):
            if below not in ids:
                ids.add(below)
                waiting.append(below)
    found = await projects_with_ids(app, sorted(ids))
    return [project for project in found if not project.is_domain]


async def domains_of_user(app: Identity, user_id: str, group_ids: Sequence[str] = ()) -> list[Project]:
    """The domains in which the user has a role, by id."""
    given = await assignments_of_user(app, user_id, group_ids)
    ids = {one.scope_id for one in given if one.scope_kind == "domain" and not one.inherited}
    return [domain for domain in await projects_with_ids(app, sorted(ids)) if domain.is_domain and domain.enabled]


async def in_system(app: Identity, user_id: str) -> bool:
    """Whether the user has a role on the system."""
    return any(one.scope_kind == "system" for one in await assignments_of_user(app, user_id))
