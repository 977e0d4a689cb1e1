"""Giving roles: to a user or a group, in a project, a domain or the system; in the projects below it when inherited.

The routes of all these combinations differ in their paths and rules only, so they are declared in loops.
"""

import msgspec

from pileus.identity.api.roles import RoleView, view
from pileus.identity.api.root import ADMIN_OR_SYSTEM_READER, api
from pileus.identity.app import Identity
from pileus.identity.commands.roles import check_given, give_role, take_role
from pileus.identity.errors import Missing
from pileus.identity.models import Assignment, Group, Project, Role, User
from pileus.identity.models.entities import SYSTEM
from pileus.identity.store.projects import domain_find, project_find
from pileus.identity.store.roles import ASSIGNMENTS, role_find, role_graph
from pileus.identity.store.users import group_find, user_find
from pileus.kit.auth import Caller
from pileus.kit.http import Call
from pileus.kit.policy import ADMIN, Rule, Target

PLACES = (
    ("target.project.domain_id", "target.user.domain_id"),
    ("target.domain.id", "target.user.domain_id"),
    ("target.group.domain_id", "target.project.domain_id"),
    ("target.domain.id", "target.group.domain_id"),
)


def _list_phrase() -> str:
    arms = [f"reader[domain={first} & domain={second}]" for first, second in PLACES]
    return " or ".join(["admin", "system reader", *arms])


def _check_phrase() -> str:
    arms = []
    for first, second in PLACES:
        with_role = sorted([first, second, "target.role.domain_id"])
        arms.append(f"reader[{' & '.join(f'domain={name}' for name in with_role)}]")
        arms.append(f"reader[domain={first} & domain={second} & target.role.domain_id unset]")
    return " or ".join(["admin", "system reader", *arms])


def _write_phrase() -> str:
    arms = [
        f"manager[domain={first} & domain={second} & target.role.name={role}]"
        for first, second in PLACES
        for role in ("manager", "member", "reader")
    ]
    return " or ".join(["admin", *arms])


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """All a path names: who, where, and which role (none for a list)."""

    actor: User | Group
    scope: Project | None  # None: the system
    scope_kind: str
    role: Role | None
    inherited: bool

    def policy_target(self) -> Target:
        """What rules see of actor, scope and role."""
        target = {**self.actor.policy_target()}
        if self.scope is not None and self.scope_kind == "domain":
            target["target.domain.id"] = self.scope.id
        elif self.scope is not None:
            target["target.project.id"] = self.scope.id
            target["target.project.domain_id"] = self.scope.domain_id
        return {**target, **self.role.policy_target()} if self.role else target

    @property
    def assignment(self) -> Assignment:
        """The grant as it is stored; only for one with a role."""
        assert self.role is not None, "a list has no role"
        return Assignment(
            actor_kind="user" if isinstance(self.actor, User) else "group",
            actor_id=self.actor.id,
            scope_kind=self.scope_kind,
            scope_id=self.scope.id if self.scope else SYSTEM,
            role_id=self.role.id,
            inherited=self.inherited,
        )


async def _named(app: Identity, kind: str, thing_id: str) -> object | None:
    match kind:
        case "user":
            return await user_find(app, thing_id)
        case "group":
            return await group_find(app, thing_id)
        case "project":
            return await project_find(app, thing_id)
        case "domain":
            return await domain_find(app, thing_id)
        case _:
            return await role_find(app, thing_id)


async def _find(app: Identity, path: dict[str, str], *, inherited: bool) -> Grant | Missing:
    found: dict[str, object] = {}
    for name, thing_id in path.items():
        kind = name.removesuffix("_id")
        thing = await _named(app, kind, thing_id)
        if thing is None:
            return Missing(kind=kind, id=thing_id)
        found[kind] = thing
    actor, scope, role = (
        found.get("user") or found["group"],
        found.get("project") or found.get("domain"),
        found.get("role"),
    )
    assert isinstance(actor, User | Group)
    assert scope is None or isinstance(scope, Project)
    assert role is None or isinstance(role, Role)
    kind = "project" if "project" in found else "domain" if "domain" in found else "system"
    return Grant(actor=actor, scope=scope, scope_kind=kind, role=role, inherited=inherited)


async def grant_find(app: Identity, _caller: Caller, **path: str) -> Grant | Missing:
    """What the path of a grant names."""
    return await _find(app, path, inherited=False)


async def inherited_find(app: Identity, _caller: Caller, **path: str) -> Grant | Missing:
    """What the path of an inherited grant names."""
    return await _find(app, path, inherited=True)


async def index(call: Call[Identity], grant: Grant) -> list[RoleView]:
    """List the roles given to a user or a group in a scope."""
    graph = await role_graph(call.app)
    given = await call.app.db.page(
        ASSIGNMENTS,
        where={
            "actor_id": grant.actor.id,
            "scope_kind": grant.scope_kind,
            "scope_id": grant.scope.id if grant.scope else SYSTEM,
            "inherited": grant.inherited,
        },
    )
    return [view(call, graph.roles[one.role_id]) for one in given if one.role_id in graph.roles]


async def check(call: Call[Identity], grant: Grant) -> None:
    """Check that a role is given."""
    await check_given(call.app, grant.assignment)


async def give(call: Call[Identity], grant: Grant) -> None:
    """Give a role to a user or a group in a scope."""
    assert grant.role is not None, "the path names one"
    domain_id = (grant.scope.domain_id or grant.scope.id) if grant.scope else None
    await give_role(call.app, grant.assignment, grant.role, domain_id)


async def take(call: Call[Identity], grant: Grant) -> None:
    """Take a role from a user or a group in a scope."""
    await take_role(call.app, grant.assignment)


def _declare() -> None:
    lists, checks = Rule("identity:list_grants", _list_phrase()), Rule("identity:check_grant", _check_phrase())
    gives, takes = Rule("identity:create_grant", _write_phrase()), Rule("identity:revoke_grant", _write_phrase())
    for scope in ("projects/{project_id}", "domains/{domain_id}"):
        for actor in ("users/{user_id}", "groups/{group_id}"):
            path = f"/{scope}/{actor}/roles"
            api.get(path, lists, key="roles", find=grant_find)(index)
            below = f"/OS-INHERIT{path}"
            if scope.startswith("domains"):
                api.get(f"{below}/inherited_to_projects", lists, key="roles", find=inherited_find)(index)
            for one, find in (
                (f"{path}/{{role_id}}", grant_find),
                (f"{below}/{{role_id}}/inherited_to_projects", inherited_find),
            ):
                api.get(one, checks, find=find, status=204)(check)
                api.put(one, gives, find=find, status=204)(give)
                api.delete(one, takes, find=find)(take)
    for kind in ("user", "group"):
        path = f"/system/{kind}s/{{{kind}_id}}/roles"
        named = f"system_grant{{}}_for_{kind}"
        one = f"{path}/{{role_id}}"
        api.get(path, Rule(f"identity:list_{named.format('s')}", ADMIN_OR_SYSTEM_READER), key="roles", find=grant_find)(
            index
        )
        api.get(one, Rule(f"identity:check_{named.format('')}", ADMIN_OR_SYSTEM_READER), find=grant_find, status=204)(
            check
        )
        api.put(one, Rule(f"identity:create_{named.format('')}", ADMIN), find=grant_find, status=204)(give)
        api.delete(one, Rule(f"identity:revoke_{named.format('')}", ADMIN), find=grant_find)(take)


_declare()
