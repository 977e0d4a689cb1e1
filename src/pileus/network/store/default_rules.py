"""What new security groups say and are, in the database."""

from sqlalchemy import bindparam, select

from pileus.kit.db import Database, command, query, scalar, upsert
from pileus.network.errors.groups import DefaultSecurityGroupRuleNotFound, SecurityGroupDefaultStatefulnessNotFound
from pileus.network.models.default_rules import BUILT_IN, DefaultRule, Statefulness
from pileus.network.store.shelf import Shelf
from pileus.network.tables import default_rules, dropped_rules, group_statefulness

SHELF = Shelf(default_rules, DefaultRule, DefaultSecurityGroupRuleNotFound)
DROPPED = scalar(select(dropped_rules.c.id), str)
DROP = command(upsert(dropped_rules, ["id"]))
STATEFULNESS = Shelf(
    group_statefulness,
    Statefulness,
    SecurityGroupDefaultStatefulnessNotFound,
    filters={"stateful": group_statefulness.c.stateful},
)
STATEFULNESS_OF = query(
    select(*group_statefulness.c).where(group_statefulness.c.project_id == bindparam("project_id")), Statefulness
)


async def templates(db: Database) -> list[DefaultRule]:
    """What new groups say: what is built in and not deleted, then what was added."""
    gone = set(await db.all(DROPPED))
    added = sorted(await db.all(SHELF.all), key=lambda rule: (rule.created_at, rule.id))
    return [*(rule for rule in BUILT_IN if rule.id not in gone), *added]
