"""Security groups and their rules in the database."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam, select

from pileus.kit.db import Database, Listing, command, query, scalar, upsert
from pileus.network.errors import SecurityGroupNotFound
from pileus.network.models.resources import SecurityGroup, SecurityRule
from pileus.network.store.rows import Test, any_of, change_of, delete_of, standard_filters, standard_sorts
from pileus.network.store.sharing import granted
from pileus.network.tables import port_groups, security_groups, security_rules

_RULES = select(
    *security_rules.c,
    security_groups.c.project_id.label("group_project_id"),
    security_groups.c.default_for.label("group_default_for"),
).join_from(security_rules, security_groups, security_groups.c.id == security_rules.c.group_id)


def _visible(test: Test) -> sa.ColumnElement[bool]:
    """Of the project, or in a group of the project."""
    return any_of(test(security_rules.c.project_id), test(security_groups.c.project_id))


def _group_visible(test: Test) -> sa.ColumnElement[bool]:
    return any_of(test(security_groups.c.project_id), granted(test, security_groups.c.id))


LISTING = Listing(
    security_groups,
    SecurityGroup,
    key=security_groups.c.id,
    filters={
        **standard_filters(security_groups),
        "visible": _group_visible,
        "stateful": security_groups.c.stateful,
    },
    sorts=standard_sorts(security_groups),
)
RULE_LISTING = Listing(
    _RULES,
    SecurityRule,
    key=security_rules.c.id,
    filters={
        **standard_filters(security_rules),
        "visible": _visible,
        "group_id": security_rules.c.group_id,
        "direction": security_rules.c.direction,
        "ethertype": security_rules.c.ethertype,
        "protocol": security_rules.c.protocol,
        "port_min": security_rules.c.port_min,
        "port_max": security_rules.c.port_max,
        "remote_prefix": security_rules.c.remote_prefix,
        "remote_group": security_rules.c.remote_group,
        "address_group": security_rules.c.address_group,
    },
    sorts={
        **standard_sorts(security_rules, "direction", "ethertype", "protocol"),
        "security_group_id": security_rules.c.group_id,
        "port_range_min": security_rules.c.port_min,
        "port_range_max": security_rules.c.port_max,
        "remote_ip_prefix": security_rules.c.remote_prefix,
        "remote_group_id": security_rules.c.remote_group,
        "remote_address_group_id": security_rules.c.address_group,
    },
)
GET = query(select(*security_groups.c).where(security_groups.c.id == bindparam("id")), SecurityGroup)
ALL = query(select(*security_groups.c), SecurityGroup)
MANY = query(
    select(*security_groups.c).where(security_groups.c.id.in_(bindparam("ids", expanding=True))), SecurityGroup
)
NAMED = query(
    select(*security_groups.c).where(
        security_groups.c.project_id == bindparam("project_id"), security_groups.c.name == bindparam("name")
    ),
    SecurityGroup,
)
DEFAULT_OF = scalar(select(security_groups.c.id).where(security_groups.c.default_for == bindparam("project_id")), str)
INSERT = command(upsert(security_groups, ["default_for"]))
CHANGE = change_of(security_groups)
DELETE = delete_of(security_groups)
USED_BY = scalar(select(port_groups.c.port_id).where(port_groups.c.group_id == bindparam("id")).limit(1), str)
RULE_GET = query(_RULES.where(security_rules.c.id == bindparam("id")), SecurityRule)
RULES_IN = query(
    _RULES.where(security_rules.c.group_id.in_(bindparam("ids", expanding=True))).order_by(
        security_rules.c.created_at, security_rules.c.id
    ),
    SecurityRule,
)
RULES_ALL = query(_RULES.order_by(security_rules.c.id), SecurityRule)
RULE_SAYING = scalar(
    select(security_rules.c.id).where(
        security_rules.c.group_id == bindparam("group_id"), security_rules.c.says == bindparam("says")
    ),
    str,
)
RULE_INSERT = command(upsert(security_rules, ["group_id", "says"]))
RULE_DELETE = delete_of(security_rules)
RULES_FORGET = command(
    sa.delete(security_rules).where(
        sa.or_(
            security_rules.c.group_id == bindparam("of_group"), security_rules.c.remote_group == bindparam("of_group")
        )
    )
)


async def with_rules(db: Database, found: Sequence[SecurityGroup]) -> list[SecurityGroup]:
    """The groups with their rules."""
    inside: dict[str, list[SecurityRule]] = {}
    if found:
        for rule in await db.all(RULES_IN, ids=[group.id for group in found]):
            inside.setdefault(rule.group_id, []).append(rule)
    return [msgspec.structs.replace(group, rules=tuple(inside.get(group.id, ()))) for group in found]


async def group_find(db: Database, group_id: str) -> SecurityGroup | None:
    """The group of that id, with its rules."""
    found = await db.one(GET, id=group_id)
    return None if found is None else (await with_rules(db, [found]))[0]


async def group_get(db: Database, group_id: str) -> SecurityGroup:
    """The group of that id as it is now; raises SecurityGroupNotFound."""
    found = await group_find(db, group_id)
    if found is None:
        raise SecurityGroupNotFound(id=group_id)
    return found


async def rule_find(db: Database, rule_id: str) -> SecurityRule | None:
    """The rule of that id."""
    return await db.one(RULE_GET, id=rule_id)


async def group_insert(db: Database, group: SecurityGroup) -> bool:
    """The group is written, without rules; False when the project has its default group already."""
    row = msgspec.structs.asdict(group)
    del row["rules"], row["shared"]
    return await db.run(INSERT, **row) == 1


async def rule_insert(db: Database, rule: SecurityRule) -> bool:
    """The rule is written; False when the group has such a rule already."""
    row = msgspec.structs.asdict(rule)
    del row["group_project_id"], row["group_default_for"]
    return await db.run(RULE_INSERT, **row) == 1
