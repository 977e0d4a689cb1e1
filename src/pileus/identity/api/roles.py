"""Roles, and which of them imply which."""

from typing import Any, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from pileus.identity.api import find
from pileus.identity.api.root import (
    ADMIN_OR_SYSTEM_READER,
    Description,
    Links,
    Name,
    ResourceOptions,
    ShortId,
    api,
    asked,
    extras,
    given_of,
    link,
    listed,
    options_of,
)
from pileus.identity.app import Identity
from pileus.identity.commands.roles import (
    change_role,
    check_implied,
    create_role,
    delete_role,
    imply_role,
    unimply_role,
)
from pileus.identity.errors import Missing
from pileus.identity.models import Extra, Role, new_id
from pileus.identity.store.roles import ROLES_LIST, role_find, role_graph
from pileus.kit.auth import Caller
from pileus.kit.http import Call, Page, Query, Wire
from pileus.kit.policy import ADMIN, Rule

READ_ONE = (
    "admin or system reader or manager[target.role.name=manager] or manager[target.role.name=member] or "
    "manager[target.role.name=reader]"
)

api.declare(
    Rule("identity:get_domain_role", ADMIN_OR_SYSTEM_READER),
    Rule("identity:list_domain_roles", ADMIN_OR_SYSTEM_READER),
    Rule("identity:create_domain_role", ADMIN),
    Rule("identity:update_domain_role", ADMIN),
    Rule("identity:delete_domain_role", ADMIN),
)


class RoleCreate(Wire):
    """A new role."""

    __extras__: ClassVar[str | None] = "extra"

    name: Name
    domain_id: ShortId | None = None
    description: Description | None = None
    options: ResourceOptions | UnsetType = UNSET
    extra: Extra = {}


class RoleUpdate(Wire):
    """What shall change of a role."""

    __extras__: ClassVar[str | None] = "extra"

    name: Name
    domain_id: str | None
    description: Description | None
    options: ResourceOptions
    extra: Extra = {}


class RoleView(Wire):
    """A role as it is shown."""

    __extras__: ClassVar[str | None] = "extra"

    id: str
    name: str
    domain_id: str | None
    description: str | None
    options: Extra
    links: Links
    extra: Extra = {}


class RoleQuery(Query):
    """Which roles to list; without a domain, those that belong to none."""

    name: str | UnsetType = UNSET
    domain_id: str | None = None


class Implication(msgspec.Struct, frozen=True):
    """Two roles a path names."""

    prior: Role
    implied: Role


def view(call: Call[Identity], role: Role) -> RoleView:
    """A role as it is shown."""
    return RoleView(
        id=role.id,
        name=role.name,
        domain_id=role.domain_id,
        description=role.description,
        options=role.options,
        links=link(call, f"roles/{role.id}"),
        extra=role.extra,
    )


def _require(call: Call[Identity], verb: str, role: Role) -> None:
    """Let through who may do this with a role, or with one that belongs to a domain."""
    kind = "role" if role.domain_id is None else "domain_role"
    call.require(f"identity:{verb}_{kind}", role.policy_target())


@api.get(
    "/roles",
    Rule("identity:list_roles", "admin or system reader or manager[not(domain_id:None)]"),
    key="roles",
    late=True,
)
async def index(call: Call[Identity], query: RoleQuery, page: Page) -> list[RoleView]:
    """List roles."""
    call.require("identity:list_roles" if query.domain_id is None else "identity:list_domain_roles", {})
    return [view(call, one) for one in await listed(call, ROLES_LIST, asked(call, query, "name"))]


@api.post("/roles", Rule("identity:create_role", ADMIN), key="role", late=True)
async def create(call: Call[Identity], body: RoleCreate) -> RoleView:
    """Create a role."""
    role = Role(
        id=new_id(),
        name=body.name,
        domain_id=body.domain_id,
        description=body.description,
        options=options_of(body.options),
        extra=extras(body.extra, RoleView),
    )
    _require(call, "create", role)
    return view(call, await create_role(call.app, role))


@api.get("/roles/{role_id}", Rule("identity:get_role", READ_ONE), key="role", find=find.role, late=True)
async def show(call: Call[Identity], role: Role) -> RoleView:
    """Show a role."""
    _require(call, "get", role)
    return view(call, role)


@api.patch("/roles/{role_id}", Rule("identity:update_role", ADMIN), key="role", find=find.role, late=True)
async def update(call: Call[Identity], role: Role, body: RoleUpdate) -> RoleView:
    """Change a role."""
    _require(call, "update", role)
    return view(call, await change_role(call.app, role, given_of(body, RoleView)))


@api.delete("/roles/{role_id}", Rule("identity:delete_role", ADMIN), find=find.role, late=True)
async def delete(call: Call[Identity], role: Role) -> None:
    """Delete a role."""
    _require(call, "delete", role)
    await delete_role(call.app, role)


# -- implications -------------------------------------------------------------------------------------------------------

PAIR = "/roles/{prior_role_id}/implies/{implied_role_id}"


async def prior_find(app: Identity, _caller: Caller, prior_role_id: str) -> Role | Missing:
    """The role a path names as the prior one."""
    return await role_find(app, prior_role_id) or Missing(kind="role", id=prior_role_id)


async def pair_find(app: Identity, _caller: Caller, prior_role_id: str, implied_role_id: str) -> Implication | Missing:
    """The two roles a path names."""
    prior, implied = await role_find(app, prior_role_id), await role_find(app, implied_role_id)
    if prior is None or implied is None:
        return Missing(kind="role", id=prior_role_id if prior is None else implied_role_id)
    return Implication(prior, implied)


def _short(call: Call[Identity], role: Role) -> dict[str, Any]:
    return {"id": role.id, "name": role.name, "links": link(call, f"roles/{role.id}")}


def _inference(call: Call[Identity], pair: Implication) -> dict[str, Any]:
    return {
        "role_inference": {"prior_role": _short(call, pair.prior), "implies": _short(call, pair.implied)},
        "links": link(call, f"roles/{pair.prior.id}/implies/{pair.implied.id}"),
    }


async def _implied_by(call: Call[Identity], role: Role) -> list[dict[str, Any]]:
    graph = await role_graph(call.app)
    return [_short(call, graph.roles[implied]) for implied in graph.implied.get(role.id, ())]


@api.get("/roles/{prior_role_id}/implies", Rule("identity:list_implied_roles", ADMIN_OR_SYSTEM_READER), find=prior_find)
async def implied_index(call: Call[Identity], role: Role) -> dict[str, Any]:
    """List the roles a role implies."""
    return {
        "role_inference": {"prior_role": _short(call, role), "implies": await _implied_by(call, role)},
        "links": link(call, f"roles/{role.id}/implies"),
    }


@api.get(PAIR, Rule("identity:get_implied_role", ADMIN_OR_SYSTEM_READER), find=pair_find)
async def implied_show(call: Call[Identity], pair: Implication) -> dict[str, Any]:
    """Show that a role implies another."""
    await check_implied(call.app, pair.prior, pair.implied)
    return _inference(call, pair)


@api.route("HEAD", PAIR, Rule("identity:check_implied_role", ADMIN_OR_SYSTEM_READER), find=pair_find, status=204)
async def implied_check(call: Call[Identity], pair: Implication) -> None:
    """Check that a role implies another."""
    await check_implied(call.app, pair.prior, pair.implied)


@api.put(PAIR, Rule("identity:create_implied_role", ADMIN), find=pair_find, status=201)
async def implied_create(call: Call[Identity], pair: Implication) -> dict[str, Any]:
    """Let a role imply another."""
    await imply_role(call.app, pair.prior, pair.implied)
    return _inference(call, pair)


@api.delete(PAIR, Rule("identity:delete_implied_role", ADMIN), find=pair_find)
async def implied_delete(call: Call[Identity], pair: Implication) -> None:
    """Let a role not imply another any more."""
    await unimply_role(call.app, pair.prior, pair.implied)


@api.get("/role_inferences", Rule("identity:list_role_inference_rules", ADMIN_OR_SYSTEM_READER), key="role_inferences")
async def inferences(call: Call[Identity]) -> list[dict[str, Any]]:
    """List all implications."""
    graph = await role_graph(call.app)
    return [
        {"prior_role": _short(call, graph.roles[prior]), "implies": await _implied_by(call, graph.roles[prior])}
        for prior in sorted(graph.implied)
    ]
