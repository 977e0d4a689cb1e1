"""Keeps the promise of `pileus.ports.security_groups`."""

from collections.abc import Sequence

from pileus.kit.auth import Caller
from pileus.network.app import Network as App
from pileus.network.commands.groups import (
    create_group,
    create_rule,
    default_group_of,
    delete_group,
    delete_rule,
    update_group,
)
from pileus.network.commands.sharing import usable_by
from pileus.network.errors import SecurityGroupNotFound, SecurityGroupRuleNotFound
from pileus.network.models.requests import NewGroup, NewRule
from pileus.network.models.resources import SecurityGroup, SecurityRule
from pileus.network.store import groups as rows
from pileus.network.store import ports as port_rows
from pileus.ports.security_groups import GroupFacts, GroupRule, NewGroupRule

BY_PROJECT = (("project_id", "asc"), ("name", "asc"))


class Groups:
    """Security groups, by those who may see them."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def list(self, caller: Caller, *, everybodys: bool = False) -> Sequence[GroupFacts]:
        """The groups of the caller's project, or of all, by project and name."""
        if caller.project_id:
            await default_group_of(self._app, caller.project_id)
        where = {} if everybodys else {"project_id": caller.project_id or ""}
        return await self._told(await self._app.db.page(rows.LISTING, where=where, sort=BY_PROJECT))

    async def named(self, caller: Caller, ids: Sequence[str]) -> Sequence[GroupFacts]:
        """Those of the groups with these ids that exist and that the caller sees."""
        found = await self._app.db.all(rows.MANY, ids=sorted(set(ids)))
        if not caller.admin:
            usable = await usable_by(self._app, caller.project_id or "", found)
            found = [group for group in found if group.id in usable]
        return await self._told(found)

    async def of_server(self, server_id: str) -> Sequence[GroupFacts]:
        """The groups that ports of the server are in, by name."""
        ports = await port_rows.ports_of_servers(self._app.db, [server_id])
        ids = sorted({group_id for port in ports for group_id in port.security_groups})
        found = await self._told(await self._app.db.all(rows.MANY, ids=ids))
        return sorted(found, key=lambda group: (group.name, group.id))

    async def _told(self, found: Sequence[SecurityGroup]) -> Sequence[GroupFacts]:
        return [_facts(group) for group in await rows.with_rules(self._app.db, found)]

    async def create(self, caller: Caller, name: str, description: str) -> GroupFacts:
        """The caller's project has the group."""
        async with self._app.db.transaction():
            new = NewGroup(project_id=caller.project_id or "", name=name, description=description)
            return _facts(await create_group(self._app, new))

    async def change(self, caller: Caller, id: str, name: str, description: str) -> GroupFacts:
        """The group is called so."""
        group = await self._own(caller, id)
        return _facts(await update_group(self._app, group, {"name": name, "description": description}))

    async def remove(self, caller: Caller, id: str) -> None:
        """The group is gone."""
        await delete_group(self._app, await self._own(caller, id), admin=caller.admin)

    async def add_rule(self, caller: Caller, rule: NewGroupRule) -> GroupRule:
        """The group has the rule for what comes in."""
        async with self._app.db.transaction():
            group = await self._own(caller, rule.group_id)
            if rule.remote_group_id is not None and not await self.named(caller, [rule.remote_group_id]):
                raise SecurityGroupNotFound(id=rule.remote_group_id)
            new = NewRule(
                project_id=group.project_id,
                group_id=group.id,
                direction="ingress",
                ethertype="IPv6" if ":" in (rule.remote_prefix or "") else "IPv4",
                protocol=rule.protocol,
                port_min=rule.port_min,
                port_max=rule.port_max,
                remote_prefix=rule.remote_prefix,
                remote_group=rule.remote_group_id,
            )
            return _rule(await create_rule(self._app, group, new))

    async def remove_rule(self, caller: Caller, id: str) -> None:
        """The rule is gone."""
        found = await rows.rule_find(self._app.db, id)
        if found is None or not (caller.admin or caller.project_id in {found.project_id, found.group_project_id}):
            raise SecurityGroupRuleNotFound(id=id)
        await delete_rule(self._app, found)

    async def _own(self, caller: Caller, id: str) -> SecurityGroup:
        found = await rows.group_find(self._app.db, id)
        if found is None or not (caller.admin or found.project_id == caller.project_id):
            raise SecurityGroupNotFound(id=id)
        return found


def _facts(group: SecurityGroup) -> GroupFacts:
    return GroupFacts(
        id=group.id,
        name=group.name,
        description=group.description,
        project_id=group.project_id,
        rules=tuple(_rule(rule) for rule in group.rules),
    )


def _rule(rule: SecurityRule) -> GroupRule:
    return GroupRule(
        id=rule.id,
        group_id=rule.group_id,
        direction=rule.direction,
        protocol=rule.protocol,
        port_min=rule.port_min,
        port_max=rule.port_max,
        remote_prefix=rule.remote_prefix,
        remote_group_id=rule.remote_group,
    )
