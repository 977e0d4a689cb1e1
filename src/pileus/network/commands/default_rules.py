"""What new security groups say and are: what one can ask for."""

import msgspec

from pileus.kit.db import UniqueViolation
from pileus.network.app import Network as App
from pileus.network.commands.standard import change, standard
from pileus.network.errors.groups import (
    DefaultSecurityGroupRuleExists,
    DefaultSecurityGroupRuleNotFound,
    SecurityGroupDefaultStatefulnessExists,
)
from pileus.network.models import rules as said
from pileus.network.models.default_rules import (
    BUILT_IN,
    PARENT,
    DefaultRule,
    NewDefaultRule,
    Statefulness,
    rule_of,
)
from pileus.network.models.requests import NewRule
from pileus.network.store import default_rules as rows


async def rules_of_new(app: App, project_id: str, group_id: str, *, default: bool) -> list[NewRule]:
    """The rules a new group of the project gets; `default` says that it is the project's default one."""
    found = await rows.templates(app.db)
    wanted = [each for each in found if (each.in_default if default else each.in_others)]
    return [rule_of(each, project_id, group_id) for each in wanted]


async def template_get(app: App, rule_id: str) -> DefaultRule:
    """The template of that id; raises DefaultSecurityGroupRuleNotFound."""
    for template in await rows.templates(app.db):
        if template.id == rule_id:
            return template
    raise DefaultSecurityGroupRuleNotFound(id=rule_id)


async def create_template(app: App, wanted: NewDefaultRule) -> DefaultRule:
    """New groups get the rule; raises DefaultSecurityGroupRuleExists when they got one that says the same."""
    rule = said.checked(wanted.rule)
    async with app.db.transaction():
        found = DefaultRule(
            **standard(app, wanted, name=""),
            direction=rule.direction,
            ethertype=rule.ethertype,
            protocol=rule.protocol,
            port_min=rule.port_min,
            port_max=rule.port_max,
            remote_prefix=rule.remote_prefix,
            remote_group=rule.remote_group,
            address_group=rule.address_group,
            in_default=wanted.in_default,
            in_others=wanted.in_others,
        )
        for other in await rows.templates(app.db):
            if _says(other) == _says(found):
                raise DefaultSecurityGroupRuleExists(id=other.id)
        await rows.SHELF.insert(app.db, found)
        return found


def _says(template: DefaultRule) -> tuple[str, bool, bool]:
    return said.says(rule_of(template, "", PARENT)), template.in_default, template.in_others


async def delete_template(app: App, template: DefaultRule) -> None:
    """New groups do not get the rule."""
    if template in BUILT_IN:
        await app.db.run(rows.DROP, id=template.id)
    else:
        await app.db.run(rows.SHELF.delete, of_id=template.id)


class _Wanted(msgspec.Struct, frozen=True):
    project_id: str
    description: str = ""


async def create_statefulness(app: App, project_id: str, *, stateful: bool) -> Statefulness:
    """The project's new groups are so unless told otherwise."""
    found = Statefulness(**standard(app, _Wanted(project_id), name=""), stateful=stateful)
    try:
        await rows.STATEFULNESS.insert(app.db, found)
    except UniqueViolation:
        raise SecurityGroupDefaultStatefulnessExists(project=project_id) from None
    return found


async def update_statefulness(app: App, what: Statefulness, *, stateful: bool) -> Statefulness:
    """The project's new groups are so from now on."""
    await change(app, rows.STATEFULNESS.change, what, {"stateful": stateful})
    return await rows.STATEFULNESS.get(app.db, what.id)


async def delete_statefulness(app: App, what: Statefulness) -> None:
    """The project's new groups are stateful again."""
    await app.db.run(rows.STATEFULNESS.delete, of_id=what.id)


async def is_stateful(app: App, project_id: str) -> bool:
    """Whether the project's new groups are stateful unless told otherwise."""
    found = await app.db.one(rows.STATEFULNESS_OF, project_id=project_id)
    return found is None or found.stateful
