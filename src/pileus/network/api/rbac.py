"""RBAC policies: who, beside its owner, may use a thing."""

from typing import Annotated

from msgspec import Meta

from pileus.kit.auth import Caller
from pileus.kit.db import In
from pileus.kit.http.call import Call, Page
from pileus.kit.http.route import Query
from pileus.kit.http.wire import F, Wire
from pileus.network.api.policy import project_of, rule, sees_all
from pileus.network.api.service import api
from pileus.network.api.wires import Owned
from pileus.network.app import Network as App
from pileus.network.commands import sharing as commands
from pileus.network.errors import BadRequest, RbacPolicyNotFound
from pileus.network.models.sharing import EXTERNAL, RbacPolicy
from pileus.network.store import sharing as rows

Target = Annotated[str, Meta(min_length=1, max_length=255)]


class PolicyWanted(Owned, kw_only=True):
    """A policy to make, or to give to another project."""

    object_type: Annotated[str, F(on="c")]
    object_id: Annotated[str, F(on="c")]
    action: Annotated[str, F(on="c")]
    target: Annotated[Target, F("target_tenant")]


class PolicySeen(Wire):
    """A policy as a caller sees it."""

    id: str
    project_id: str
    tenant_id: str
    object_type: str
    object_id: str
    action: str
    target: Annotated[str, F("target_tenant")]


class PolicyFilters(Query):
    id: list[str] = []
    project_id: list[str] = []
    tenant_id: Annotated[list[str], F("tenant_id")] = []
    object_type: list[str] = []
    object_id: list[str] = []
    action: list[str] = []
    target: Annotated[list[str], F("target_tenant")] = []


def view(policy: RbacPolicy) -> PolicySeen:
    """A policy as the API shows it."""
    return PolicySeen(
        id=policy.id,
        project_id=policy.project_id,
        tenant_id=policy.project_id,
        object_type=policy.object_type,
        object_id=policy.object_id,
        action=policy.action,
        target=policy.target,
    )


async def policy_for(app: App, caller: Caller, rbac_policy_id: str) -> RbacPolicy:
    """The policy, if the caller sees it; raises RbacPolicyNotFound."""
    found = await app.db.one(rows.GET, id=rbac_policy_id)
    if found is None or not (caller.admin or "service" in caller.roles or found.project_id == caller.project_id):
        raise RbacPolicyNotFound(object_type=None, id=rbac_policy_id)
    return found


@api.post("/rbac-policies", rule("create_rbac_policy"), key="rbac_policy", late=True)
async def create(call: Call[App], body: PolicyWanted) -> PolicySeen:
    """Let a project use a thing."""
    project_id = project_of(call, body)
    _require(call, "create", project_id, body.target)
    what = await commands.shared_thing(call.app, body.object_type, body.object_id)
    if not call.caller.admin and what.project_id != call.caller.project_id:
        raise commands.MISSING[body.object_type](id=body.object_id)
    if body.action == EXTERNAL:
        call.require("update_network:router:external", what.policy_target())
    return view(await commands.create_policy(call.app, project_id, body.object_type, what, body.action, body.target))


def _require(call: Call[App], verb: str, project_id: str, target: str) -> None:
    values = RbacPolicy("", project_id, "", "", "", target).policy_target()
    call.require(f"{verb}_rbac_policy", values)
    call.require(f"{verb}_rbac_policy:target_tenant", values)


@api.get("/rbac-policies", rule("get_rbac_policy"), key="rbac_policies", late=True)
async def index(call: Call[App], query: PolicyFilters, page: Page) -> list[PolicySeen]:
    """List policies: the caller's own."""
    wanted: dict[str, object] = {}
    for name in query.__struct_fields__:
        values = getattr(query, name)
        if values:
            wanted["project_id" if name == "tenant_id" else name] = In(values)
    if not sees_all(call):
        wanted["visible"] = call.caller.project_id or ""
    found = await call.app.db.page(
        rows.LISTING, where=wanted, sort=page.sort, marker=page.marker, limit=page.limit, reverse=page.reverse
    )
    return [view(policy) for policy in found if call.allows("get_rbac_policy", policy.policy_target())]


@api.get("/rbac-policies/{rbac_policy_id}", rule("get_rbac_policy"), key="rbac_policy", find=policy_for)
async def show(call: Call[App], policy: RbacPolicy) -> PolicySeen:
    """Show a policy."""
    return view(policy)


@api.put("/rbac-policies/{rbac_policy_id}", rule("update_rbac_policy"), key="rbac_policy", find=policy_for)
async def update(call: Call[App], policy: RbacPolicy, body: PolicyWanted) -> PolicySeen:
    """Give a policy to another project."""
    given = body.given()
    if "target" not in given:
        raise BadRequest(resource="rbac_policy", why="target_tenant is all that can be changed, and was not given")
    _require(call, "update", policy.project_id, given["target"])
    return view(await commands.retarget_policy(call.app, policy, given["target"]))


@api.delete("/rbac-policies/{rbac_policy_id}", rule("delete_rbac_policy"), find=policy_for)
async def delete(call: Call[App], policy: RbacPolicy) -> None:
    """Take a thing from a project again."""
    await commands.delete_policy(call.app, policy)
