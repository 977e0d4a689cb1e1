"""QoS policies and their rules in the database, and who has them."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam, select

from pileus.kit.db import Database, command, query, scalar
from pileus.network.errors.qos import QosPolicyNotFound
from pileus.network.models.qos import QosPolicy, QosRule
from pileus.network.store.rows import Test, any_of, change_of, delete_of, insert_of
from pileus.network.store.sharing import granted
from pileus.network.store.shelf import Shelf
from pileus.network.tables import floating_ips, networks, ports, qos_policies, qos_rules, routers


def _visible(test: Test) -> sa.ColumnElement[bool]:
    return any_of(test(qos_policies.c.project_id), granted(test, qos_policies.c.id))


SHELF = Shelf(
    qos_policies,
    QosPolicy,
    QosPolicyNotFound,
    "shared",
    filters={"visible": _visible, "default_for": qos_policies.c.default_for},
)
DEFAULT_OF = scalar(select(qos_policies.c.id).where(qos_policies.c.default_for == bindparam("project_id")), str)
_RULES = select(*qos_rules.c)
RULES_ALL = query(_RULES.order_by(qos_rules.c.policy_id, qos_rules.c.kind, qos_rules.c.direction), QosRule)
RULES_OF = query(
    _RULES.where(qos_rules.c.policy_id.in_(bindparam("ids", expanding=True))).order_by(
        qos_rules.c.policy_id, qos_rules.c.kind, qos_rules.c.direction
    ),
    QosRule,
)
RULE_GET = query(_RULES.where(qos_rules.c.id == bindparam("id")), QosRule)
RULE_INSERT = insert_of(qos_rules)
RULE_CHANGE = change_of(qos_rules)
RULE_DELETE = delete_of(qos_rules)
RULES_FORGET = command(sa.delete(qos_rules).where(qos_rules.c.policy_id == bindparam("of_policy")))
USERS = query(
    sa.union_all(
        *(
            select(sa.literal(kind), table.c.id).where(table.c.qos_policy_id == bindparam("id"))
            for kind, table in (
                ("network", networks),
                ("port", ports),
                ("floatingip", floating_ips),
                ("router", routers),
            )
        )
    ).limit(1),
    tuple[str, str],
)


async def with_rules(db: Database, found: Sequence[QosPolicy]) -> list[QosPolicy]:
    """The policies with their rules."""
    inside: dict[str, list[QosRule]] = {}
    if found:
        for rule in await db.all(RULES_OF, ids=[policy.id for policy in found]):
            inside.setdefault(rule.policy_id, []).append(rule)
    return [msgspec.structs.replace(policy, rules=tuple(inside.get(policy.id, ()))) for policy in found]


async def policy_get(db: Database, policy_id: str) -> QosPolicy:
    """The policy of that id with its rules, as it is now; raises QosPolicyNotFound."""
    return (await with_rules(db, [await SHELF.get(db, policy_id)]))[0]


async def policies_all(db: Database) -> list[QosPolicy]:
    """Every policy with its rules."""
    inside: dict[str, list[QosRule]] = {}
    for rule in await db.all(RULES_ALL):
        inside.setdefault(rule.policy_id, []).append(rule)
    return [
        msgspec.structs.replace(policy, rules=tuple(inside.get(policy.id, ()))) for policy in await db.all(SHELF.all)
    ]
