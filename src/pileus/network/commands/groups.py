"""Security groups and their rules: what one can ask for."""

from collections.abc import Mapping, Sequence

from pileus.network.app import Network as App
from pileus.network.commands.default_rules import is_stateful, rules_of_new
from pileus.network.commands.quotas import make_room
from pileus.network.commands.sharing import forget_policies, usable_by
from pileus.network.commands.standard import change, changed, standard, tell
from pileus.network.errors import (
    InvalidInput,
    SecurityGroupCannotRemoveDefault,
    SecurityGroupCannotUpdateDefault,
    SecurityGroupDefaultAlreadyExists,
    SecurityGroupInUse,
    SecurityGroupNotFound,
    SecurityGroupRuleExists,
)
from pileus.network.errors.address_groups import AddressGroupNotFound
from pileus.network.models import rules as said
from pileus.network.models.requests import NewGroup, NewRule
from pileus.network.models.resources import DEFAULT_GROUP, SecurityGroup, SecurityRule
from pileus.network.store import address_groups
from pileus.network.store import groups as rows
from pileus.network.store.journal import RULES

DEFAULT_DESCRIPTION = "Default security group"


async def create_group(app: App, wanted: NewGroup) -> SecurityGroup:
    """The group is there with the rules all groups begin with."""
    if wanted.name.lower() == DEFAULT_GROUP:
        raise SecurityGroupDefaultAlreadyExists
    await default_group_of(app, wanted.project_id)
    await make_room(app, "security_group", wanted.project_id)
    stateful = await is_stateful(app, wanted.project_id) if wanted.stateful is None else wanted.stateful
    found = SecurityGroup(**standard(app, wanted), stateful=stateful, default_for=None)
    await rows.group_insert(app.db, found)
    for rule in await rules_of_new(app, found.project_id, found.id, default=False):
        await _write_rule(app, rule, found)
    await tell(app, "security_group.created", found)
    await changed(app)
    return (await rows.with_rules(app.db, [found]))[0]


async def default_group_of(app: App, project_id: str) -> str:
    """The id of the project's default group, which is made when first asked for."""
    found = await app.db.one(rows.DEFAULT_OF, project_id=project_id)
    if found is not None:
        return found
    async with app.db.transaction():
        wanted = NewGroup(project_id=project_id, name=DEFAULT_GROUP, description=DEFAULT_DESCRIPTION)
        group = SecurityGroup(
            **standard(app, wanted), stateful=await is_stateful(app, project_id), default_for=project_id
        )
        if await rows.group_insert(app.db, group):
            for rule in await rules_of_new(app, project_id, group.id, default=True):
                await _write_rule(app, rule, group)
            await tell(app, "security_group.created", group)
            await changed(app)
    found = await app.db.one(rows.DEFAULT_OF, project_id=project_id)
    assert found is not None
    return found


async def groups_for(app: App, project_id: str, ids: Sequence[str]) -> list[str]:
    """The ids, each once; raises SecurityGroupNotFound for a group that is neither the project's nor shared with it."""
    wanted = list(dict.fromkeys(ids))
    there = await app.db.all(rows.MANY, ids=wanted)
    known = await usable_by(app, project_id, there)
    for group_id in wanted:
        if group_id not in known:
            raise SecurityGroupNotFound(id=group_id)
    return wanted


async def groups_named(app: App, project_id: str, names: Sequence[str]) -> list[str]:
    """The ids of the project's groups, given by id or by name."""
    found = []
    for name in names:
        if name == DEFAULT_GROUP:
            await default_group_of(app, project_id)
        there = await app.db.all(rows.MANY, ids=[name])
        ids = list(await usable_by(app, project_id, there))
        if not ids:
            ids = [group.id for group in await app.db.all(rows.NAMED, project_id=project_id, name=name)]
        if not ids:
            raise SecurityGroupNotFound(id=name)
        if len(ids) > 1:
            raise InvalidInput(why=f"there are {len(ids)} security groups named '{name}'; give an ID")
        found += ids
    return list(dict.fromkeys(found))


async def update_group(app: App, group: SecurityGroup, values: Mapping[str, object]) -> SecurityGroup:
    """The group is as asked for."""
    async with app.db.transaction():
        group = await rows.group_get(app.db, group.id)
        if "name" in values and group.default_for is not None and values["name"] != group.name:
            raise SecurityGroupCannotUpdateDefault
        if group.default_for is None and str(values.get("name", "")).lower() == DEFAULT_GROUP:
            raise SecurityGroupDefaultAlreadyExists
        # Connections that are open would be cut, or stay open, by surprise.
        if values.get("stateful", group.stateful) != group.stateful:
            if await app.db.one(rows.USED_BY, id=group.id) is not None:
                raise SecurityGroupInUse(id=group.id)
        await change(app, rows.CHANGE, group, values)
        await tell(app, "security_group.updated", group)
        await changed(app)
        return await rows.group_get(app.db, group.id)


async def delete_group(app: App, group: SecurityGroup, *, admin: bool) -> None:
    """The group, its rules and the rules that name it are gone; raises SecurityGroupInUse while ports are in it."""
    async with app.db.transaction():
        group = await rows.group_get(app.db, group.id)
        if group.default_for is not None and not admin:
            raise SecurityGroupCannotRemoveDefault
        if await app.db.one(rows.USED_BY, id=group.id) is not None:
            raise SecurityGroupInUse(id=group.id)
        await forget_policies(app, group)
        await app.db.run(rows.RULES_FORGET, of_group=group.id)
        await app.db.run(rows.DELETE, of_id=group.id)
        await tell(app, "security_group.deleted", group)
        await changed(app)


async def create_rule(app: App, group: SecurityGroup, wanted: NewRule) -> SecurityRule:
    """The group has the rule; raises SecurityGroupRuleExists when it had one that says the same."""
    rule = said.checked(wanted)
    if rule.remote_group is not None and await app.db.one(rows.GET, id=rule.remote_group) is None:
        raise SecurityGroupNotFound(id=rule.remote_group)
    if rule.address_group is not None:
        named = await address_groups.SHELF.find(app.db, rule.address_group)
        if named is None or named.project_id not in {group.project_id, rule.project_id}:
            raise AddressGroupNotFound(id=rule.address_group)
    await make_room(app, "security_group_rule", rule.project_id)
    found = await _write_rule(app, rule, group)
    await tell(app, "security_group_rule.created", found)
    await changed(app, RULES)
    return found


async def _write_rule(app: App, rule: NewRule, group: SecurityGroup) -> SecurityRule:
    found = SecurityRule(
        **standard(app, rule, name=""),
        group_id=rule.group_id,
        direction=rule.direction,
        ethertype=rule.ethertype,
        protocol=rule.protocol,
        port_min=rule.port_min,
        port_max=rule.port_max,
        remote_prefix=rule.remote_prefix,
        remote_group=rule.remote_group,
        address_group=rule.address_group,
        says=said.says(rule),
        group_project_id=group.project_id,
        group_default_for=group.default_for,
    )
    if not await rows.rule_insert(app.db, found):
        there = await app.db.one(rows.RULE_SAYING, group_id=rule.group_id, says=found.says)
        raise SecurityGroupRuleExists(id=there)
    return found


async def delete_rule(app: App, rule: SecurityRule) -> None:
    """The rule is gone."""
    async with app.db.transaction():
        await app.db.run(rows.RULE_DELETE, of_id=rule.id)
        await tell(app, "security_group_rule.deleted", rule)
        await changed(app, RULES)
