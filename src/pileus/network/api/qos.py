"""QoS policies and the rules in them."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kit.auth import Caller
from pileus.kit.db import IsNull, Not
from pileus.kit.http.call import Call, Page
from pileus.kit.http.wire import F, Wire
from pileus.network.api.finding import listed
from pileus.network.api.policy import project_of, require, rule
from pileus.network.api.service import api
from pileus.network.api.wires import Filters, Name, Owned, Seen, asked, standard, where
from pileus.network.app import Network as App
from pileus.network.commands import qos as commands
from pileus.network.errors.qos import QosPolicyNotFound, QosRuleTypeNotFound
from pileus.network.models.qos import KINDS, NewQosPolicy, QosPolicy, QosRule
from pileus.network.store import qos as rows
from pileus.network.store.sharing import grants


class PolicyWanted(Owned):
    """A policy to make or to change."""

    name: Name = ""
    description: Name = ""
    shared: bool = False
    is_default: bool = False


class PolicyPost(Wire):
    policy: PolicyWanted | UnsetType = UNSET
    policies: list[PolicyWanted] | UnsetType = UNSET


class RuleInside(Wire):
    """A rule as its policy shows it."""

    id: str
    kind: Annotated[str, F("type")]
    qos_policy_id: str
    direction: str | UnsetType
    max_kbps: int | UnsetType
    max_burst_kbps: int | UnsetType
    min_kbps: int | UnsetType
    dscp_mark: int | UnsetType


class PolicySeen(Seen):
    """A policy as a caller sees it."""

    shared: bool
    is_default: bool
    rules: list[RuleInside]


class PoliciesMade(Wire):
    policy: PolicySeen | UnsetType = UNSET
    policies: list[PolicySeen] | UnsetType = UNSET


class PolicyFilters(Filters):
    shared: list[bool] = []
    is_default: Annotated[list[bool], Meta(max_length=1)] = []


def parts(one: QosRule) -> dict[str, Any]:
    """What a rule says, without what it does not speak of."""
    said = {name: getattr(one, name) for name in ("max_kbps", "max_burst_kbps", "min_kbps", "dscp_mark")}
    return {"direction": one.direction or UNSET, **{n: UNSET if v is None else v for n, v in said.items()}}


def view(policy: QosPolicy) -> PolicySeen:
    """A policy as the API shows it."""
    return PolicySeen(
        **standard(policy),
        shared=policy.shared,
        is_default=policy.default_for is not None,
        rules=[RuleInside(id=one.id, kind=one.kind, qos_policy_id=policy.id, **parts(one)) for one in policy.rules],
    )


async def policy_for(app: App, caller: Caller, policy_id: str, **_inside: str) -> QosPolicy:
    """The policy as the caller sees it, if he does; raises QosPolicyNotFound."""
    for seen in await with_grants(app, caller, [await rows.policy_get(app.db, policy_id)]):
        return seen
    raise QosPolicyNotFound(id=policy_id)


async def with_grants(app: App, caller: Caller, found: Sequence[QosPolicy]) -> list[QosPolicy]:
    """Those of the policies the caller sees, shared if they are so with him."""
    theirs = [policy.id for policy in found if policy.project_id != caller.project_id]
    granted = await grants(app.db, theirs, caller.project_id or "")
    all_seen = caller.admin or "service" in caller.roles
    return [
        msgspec.structs.replace(policy, shared=policy.shared or policy.id in granted)
        for policy in found
        if all_seen or policy.project_id == caller.project_id or policy.id in granted
    ]


@api.post("/qos/policies", rule("create_policy"), late=True)
async def create(call: Call[App], body: PolicyPost) -> PoliciesMade:
    """Create one QoS policy or many."""
    made = []
    async with call.app.db.transaction():
        for each in asked("policy", body.policy, body.policies):
            project_id = project_of(call, each)
            require(call, "create", "policy", each, {"project_id": project_id, "tenant_id": project_id})
            given = {name: value for name, value in each.given().items() if name in NewQosPolicy.__struct_fields__}
            made.append(
                view(await commands.create_policy(call.app, NewQosPolicy(**{**given, "project_id": project_id})))
            )
    return PoliciesMade(policy=made[0]) if body.policies is UNSET else PoliciesMade(policies=made)


@api.get("/qos/policies", rule("get_policy"), key="policies", late=True)
async def index(call: Call[App], query: PolicyFilters, page: Page) -> list[PolicySeen]:
    """List QoS policies: the caller's own and those shared with him."""
    wanted = where(query)
    if "is_default" in wanted:
        wanted["default_for"] = Not(IsNull()) if wanted.pop("is_default") else IsNull()
    found = await listed(call, rows.SHELF, "policy", wanted, page)
    seen = await with_grants(call.app, call.caller, await rows.with_rules(call.app.db, found))
    return [view(policy) for policy in seen]


@api.get("/qos/policies/{policy_id}", rule("get_policy"), key="policy", find=policy_for)
async def show(call: Call[App], policy: QosPolicy) -> PolicySeen:
    """Show a QoS policy with its rules."""
    return view(policy)


@api.put("/qos/policies/{policy_id}", rule("update_policy"), key="policy", find=policy_for)
async def update(call: Call[App], policy: QosPolicy, body: PolicyWanted) -> PolicySeen:
    """Change a QoS policy."""
    return view(await commands.update_policy(call.app, policy, body.given()))


@api.delete("/qos/policies/{policy_id}", rule("delete_policy"), find=policy_for)
async def delete(call: Call[App], policy: QosPolicy) -> None:
    """Delete a QoS policy and its rules."""
    await commands.delete_policy(call.app, policy)


@api.get("/qos/rule-types", rule("get_rule_type"), key="rule_types")
async def kinds(call: Call[App]) -> list[dict[str, str]]:
    """List the kinds of rules the switch carries out."""
    return [{"type": kind} for kind in KINDS]


@api.get("/qos/rule-types/{rule_type}", rule("get_rule_type"), key="rule_type")
async def kind(call: Call[App], rule_type: str) -> dict[str, Any]:
    """Show what a kind of rule is told with."""
    if rule_type not in KINDS:
        raise QosRuleTypeNotFound(kind=rule_type, known=", ".join(KINDS))
    return {"type": rule_type, "drivers": [{"name": "ovn", "supported_parameters": KINDS[rule_type]}]}
