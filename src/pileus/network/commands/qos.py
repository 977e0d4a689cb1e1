"""Quality of service: what one can ask for."""

import uuid
from collections.abc import Mapping

import msgspec

from pileus.kit.db import UniqueViolation
from pileus.network.app import Network as App
from pileus.network.commands.quotas import make_room
from pileus.network.commands.sharing import forget_policies, share, unshare, usable_by
from pileus.network.commands.standard import change, changed, standard, tell
from pileus.network.errors.qos import (
    QoSPolicyDefaultAlreadyExists,
    QosPolicyInUse,
    QosPolicyNotFound,
    QosRuleNotFound,
    QosRuleParameterConflict,
    QoSRulesConflict,
)
from pileus.network.models.qos import BANDWIDTH, MINIMUM, NewQosPolicy, QosPolicy, QosRule
from pileus.network.models.sharing import SHARED
from pileus.network.store import qos as rows


async def create_policy(app: App, wanted: NewQosPolicy) -> QosPolicy:
    """The project has the policy, without rules."""
    await make_room(app, "qos_policy", wanted.project_id)
    found = QosPolicy(
        **standard(app, wanted), shared=wanted.shared, default_for=wanted.project_id if wanted.is_default else None
    )
    try:
        await rows.SHELF.insert(app.db, found)
    except UniqueViolation:
        raise QoSPolicyDefaultAlreadyExists(project=wanted.project_id) from None
    if found.shared:
        await share(app, "qos_policy", found)
    await tell(app, "qos_policy.created", found)
    return found


async def update_policy(app: App, policy: QosPolicy, values: Mapping[str, object]) -> QosPolicy:
    """The policy is as asked for."""
    async with app.db.transaction():
        policy = await rows.policy_get(app.db, policy.id)
        columns = {name: value for name, value in values.items() if name != "is_default"}
        if "is_default" in values:
            columns["default_for"] = policy.project_id if values["is_default"] else None
        if columns.get("shared") and not policy.shared:
            await share(app, "qos_policy", policy)
        if policy.shared and columns.get("shared") is False:
            await unshare(app, policy, SHARED)
        try:
            await change(app, rows.SHELF.change, policy, columns)
        except UniqueViolation:
            raise QoSPolicyDefaultAlreadyExists(project=policy.project_id) from None
        await tell(app, "qos_policy.updated", policy)
        return await rows.policy_get(app.db, policy.id)


async def delete_policy(app: App, policy: QosPolicy) -> None:
    """The policy and its rules are gone; raises QosPolicyInUse while something has it."""
    async with app.db.transaction():
        user = await app.db.one(rows.USERS, id=policy.id)
        if user is not None:
            raise QosPolicyInUse(id=policy.id, kind=user[0], user=user[1])
        await forget_policies(app, policy)
        await app.db.run(rows.RULES_FORGET, of_policy=policy.id)
        await app.db.run(rows.SHELF.delete, of_id=policy.id)
        await tell(app, "qos_policy.deleted", policy)


async def create_rule(app: App, policy: QosPolicy, kind: str, values: Mapping[str, object]) -> QosRule:
    """The policy has the rule; raises QoSRulesConflict when it had one of the kind and direction."""
    async with app.db.transaction():
        policy = await rows.policy_get(app.db, policy.id)
        rule = msgspec.convert({"id": str(uuid.uuid4()), "policy_id": policy.id, "kind": kind, **values}, QosRule)
        _check(policy, rule)
        try:
            await app.db.run(rows.RULE_INSERT, **msgspec.structs.asdict(rule))
        except UniqueViolation:
            raise QoSRulesConflict(kind=kind, id=policy.id) from None
        await _changed(app, policy)
        return rule


def _check(policy: QosPolicy, rule: QosRule) -> None:
    """Raises QosRuleParameterConflict when less is allowed than is promised."""
    for other in policy.rules:
        if other.id == rule.id or other.direction != rule.direction or {rule.kind, other.kind} != {BANDWIDTH, MINIMUM}:
            continue
        most, least = (rule, other) if rule.kind == BANDWIDTH else (other, rule)
        if (most.max_kbps or 0) < (least.min_kbps or 0):
            asked = rule.max_kbps if rule is most else rule.min_kbps
            there = other.max_kbps if other is most else other.min_kbps
            raise QosRuleParameterConflict(kind=rule.kind, id=policy.id, asked=asked, other=there, rule=other.id)


async def _changed(app: App, policy: QosPolicy) -> None:
    await change(app, rows.SHELF.change, policy, {})
    await tell(app, "qos_policy.updated", policy)
    await changed(app)


def rule_in(policy: QosPolicy, kind: str, rule_id: str) -> QosRule:
    """The policy's rule of that kind and id; raises QosRuleNotFound."""
    for rule in policy.rules:
        if rule.id == rule_id and rule.kind == kind:
            return rule
    raise QosRuleNotFound(id=rule_id, policy=policy.id)


async def update_rule(app: App, policy: QosPolicy, rule: QosRule, values: Mapping[str, object]) -> QosRule:
    """The rule is as asked for."""
    async with app.db.transaction():
        policy = await rows.policy_get(app.db, policy.id)
        becoming = msgspec.structs.replace(rule_in(policy, rule.kind, rule.id), **dict(values))
        _check(policy, becoming)
        if values:
            try:
                await app.db.run(rows.RULE_CHANGE, of_id=rule.id, **dict(values))
            except UniqueViolation:
                raise QoSRulesConflict(kind=rule.kind, id=policy.id) from None
        await _changed(app, policy)
        return becoming


async def delete_rule(app: App, policy: QosPolicy, rule: QosRule) -> None:
    """The policy does not have the rule."""
    async with app.db.transaction():
        await app.db.run(rows.RULE_DELETE, of_id=rule.id)
        await _changed(app, policy)


async def check_usable(app: App, project_id: str, policy_id: object, *, anyones: bool = False) -> None:
    """Raises QosPolicyNotFound unless the project may use the policy, or anybody's may be used; None is no policy."""
    if policy_id is None:
        return
    found = await rows.SHELF.find(app.db, str(policy_id))
    if found is None or not (anyones or found.id in await usable_by(app, project_id, [found])):
        raise QosPolicyNotFound(id=policy_id)


async def default_of(app: App, project_id: str) -> str | None:
    """The id of the policy the project's networks have unless told otherwise."""
    if not project_id:
        return None
    return await app.db.one(rows.DEFAULT_OF, project_id=project_id)
