"""Security groups and their rules."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from pileus.kit.auth import Caller
from pileus.kit.http.call import Call, Page
from pileus.kit.http.wire import F, Wire
from pileus.network.api.policy import project_of, require, rule, sees_all, shown
from pileus.network.api.service import api
from pileus.network.api.wires import Filters, Name, Number, Owned, Seen, asked, standard, where
from pileus.network.app import Network as App
from pileus.network.commands import groups as commands
from pileus.network.errors import SecurityGroupNotFound, SecurityGroupRuleNotFound
from pileus.network.models.requests import NewGroup, NewRule
from pileus.network.models.resources import SecurityGroup, SecurityRule
from pileus.network.models.rules import normalized
from pileus.network.store import groups as rows
from pileus.network.store.sharing import grants


class GroupWanted(Owned):
    """A security group to make or to change."""

    name: Name = ""
    description: Name = ""
    stateful: bool | UnsetType = UNSET


class GroupPost(Wire):
    security_group: GroupWanted | UnsetType = UNSET
    security_groups: list[GroupWanted] | UnsetType = UNSET


class RuleWanted(Owned, kw_only=True):
    """A rule to make."""

    group_id: Annotated[str, F("security_group_id")]
    direction: Literal["ingress", "egress"]
    description: Name = ""
    ethertype: str | None = "IPv4"
    protocol: str | int | None = None
    port_min: Annotated[int | None, F("port_range_min")] = None
    port_max: Annotated[int | None, F("port_range_max")] = None
    remote_prefix: Annotated[str | None, F("remote_ip_prefix")] = None
    remote_group: Annotated[str | None, F("remote_group_id")] = None
    address_group: Annotated[str | None, F("remote_address_group_id")] = None


class RulePost(Wire):
    security_group_rule: RuleWanted | UnsetType = UNSET
    security_group_rules: list[RuleWanted] | UnsetType = UNSET


class RuleSeen(Seen):
    """A rule as a caller sees it."""

    group_id: Annotated[str, F("security_group_id")]
    direction: str
    ethertype: str
    protocol: str | None
    port_min: Annotated[int | None, F("port_range_min")]
    port_max: Annotated[int | None, F("port_range_max")]
    remote_prefix: Annotated[str | None, F("remote_ip_prefix")]
    remote_group: Annotated[str | None, F("remote_group_id")]
    normalized_cidr: str | None
    address_group: Annotated[str | None, F("remote_address_group_id")]
    belongs_to_default_sg: bool


class GroupSeen(Seen):
    """A security group as a caller sees it."""

    stateful: bool
    shared: bool
    is_default: bool
    rules: Annotated[list[RuleSeen], F("security_group_rules")]


class GroupsMade(Wire):
    security_group: GroupSeen | UnsetType = UNSET
    security_groups: list[GroupSeen] | UnsetType = UNSET


class RulesMade(Wire):
    security_group_rule: RuleSeen | UnsetType = UNSET
    security_group_rules: list[RuleSeen] | UnsetType = UNSET


class GroupFilters(Filters):
    stateful: list[bool] = []
    shared: list[bool] = []


class RuleFilters(Filters):
    group_id: Annotated[list[str], F("security_group_id")] = []
    direction: list[str] = []
    ethertype: list[str] = []
    protocol: list[str] = []
    port_min: Annotated[list[Number], F("port_range_min")] = []
    port_max: Annotated[list[Number], F("port_range_max")] = []
    remote_prefix: Annotated[list[str], F("remote_ip_prefix")] = []
    remote_group: Annotated[list[str], F("remote_group_id")] = []
    address_group: Annotated[list[str], F("remote_address_group_id")] = []


def rule_view(one: SecurityRule) -> RuleSeen:
    """A rule as the API shows it."""
    return RuleSeen(
        **{**standard(one), "name": UNSET, "tags": UNSET},
        group_id=one.group_id,
        direction=one.direction,
        ethertype=one.ethertype,
        protocol=one.protocol,
        port_min=one.port_min,
        port_max=one.port_max,
        remote_prefix=one.remote_prefix,
        remote_group=one.remote_group,
        address_group=one.address_group,
        normalized_cidr=normalized(one.remote_prefix),
        belongs_to_default_sg=one.group_default_for is not None,
    )


def view(group: SecurityGroup) -> GroupSeen:
    """A security group as the API shows it."""
    return GroupSeen(
        **standard(group),
        stateful=group.stateful,
        shared=group.shared,
        is_default=group.default_for is not None,
        rules=[rule_view(one) for one in group.rules],
    )


async def group_for(app: App, caller: Caller, security_group_id: str) -> SecurityGroup:
    """The group, if the caller sees it; raises SecurityGroupNotFound."""
    found = await rows.group_find(app.db, security_group_id)
    if found is not None:
        (found,) = await with_grants(app, caller, [found]) or (None,)
    if found is None:
        raise SecurityGroupNotFound(id=security_group_id)
    return found


async def with_grants(app: App, caller: Caller, found: Sequence[SecurityGroup]) -> list[SecurityGroup]:
    """Those of the groups the caller sees, shared if they are so with him."""
    theirs = [group.id for group in found if group.project_id != caller.project_id]
    granted = await grants(app.db, theirs, caller.project_id or "")
    all_seen = caller.admin or "service" in caller.roles
    return [
        msgspec.structs.replace(group, shared=group.id in granted)
        for group in found
        if all_seen or group.project_id == caller.project_id or group.id in granted
    ]


async def rule_for(app: App, caller: Caller, security_group_rule_id: str) -> SecurityRule:
    """The rule, if the caller sees it; raises SecurityGroupRuleNotFound."""
    found = await rows.rule_find(app.db, security_group_rule_id)
    own = found is not None and caller.project_id in {found.project_id, found.group_project_id}
    if found is None or not (caller.admin or "service" in caller.roles or own):
        raise SecurityGroupRuleNotFound(id=security_group_rule_id)
    return found


@api.post("/security-groups", rule("create_security_group"), late=True)
async def create(call: Call[App], body: GroupPost) -> GroupsMade:
    """Create one security group or many."""
    made = []
    async with call.app.db.transaction():
        for each in asked("security_group", body.security_group, body.security_groups):
            project_id = project_of(call, each)
            require(call, "create", "security_group", each, {"project_id": project_id, "tenant_id": project_id})
            stateful = None if each.stateful is UNSET else each.stateful
            new = NewGroup(project_id=project_id, name=each.name, description=each.description, stateful=stateful)
            made.append(view(await commands.create_group(call.app, new)))
    if body.security_groups is UNSET:
        return GroupsMade(security_group=made[0])
    return GroupsMade(security_groups=made)


@api.get("/security-groups", rule("get_security_group"), key="security_groups", late=True)
async def index(call: Call[App], query: GroupFilters, page: Page) -> list[GroupSeen]:
    """List security groups: the caller's own, of which there is always the default one."""
    wanted = where(query)
    wanted.pop("shared", None)
    if call.caller.project_id:
        await commands.default_group_of(call.app, call.caller.project_id)
    if not sees_all(call):
        wanted["visible"] = call.caller.project_id or ""
    found = await call.app.db.page(
        rows.LISTING, where=wanted, sort=page.sort, marker=page.marker, limit=page.limit, reverse=page.reverse
    )
    seen = shown(call, "security_group", await with_grants(call.app, call.caller, found))
    if query.shared:
        seen = [group for group in seen if group.shared in query.shared]
    return [view(group) for group in await rows.with_rules(call.app.db, seen)]


@api.get("/security-groups/{security_group_id}", rule("get_security_group"), key="security_group", find=group_for)
async def show(call: Call[App], group: SecurityGroup) -> GroupSeen:
    """Show a security group with its rules."""
    return view(group)


@api.put("/security-groups/{security_group_id}", rule("update_security_group"), key="security_group", find=group_for)
async def update(call: Call[App], group: SecurityGroup, body: GroupWanted) -> GroupSeen:
    """Change a security group."""
    return view(await commands.update_group(call.app, group, body.given()))


@api.delete("/security-groups/{security_group_id}", rule("delete_security_group"), find=group_for)
async def delete(call: Call[App], group: SecurityGroup) -> None:
    """Delete a security group."""
    await commands.delete_group(call.app, group, admin=call.caller.admin)


def rule_values(body: RuleWanted) -> dict[str, Any]:
    """What was given of a rule, in the words of the model."""
    given = {name: value for name, value in body.given().items() if name in NewRule.__struct_fields__}
    if given.get("protocol") is not None:
        given["protocol"] = str(given["protocol"])
    given["ethertype"] = given.get("ethertype") or "IPv4"
    return given


@api.post("/security-group-rules", rule("create_security_group_rule"), late=True)
async def create_rule(call: Call[App], body: RulePost) -> RulesMade:
    """Create one security group rule or many."""
    made = []
    async with call.app.db.transaction():
        for each in asked("security_group_rule", body.security_group_rule, body.security_group_rules):
            group = await group_for(call.app, call.caller, each.group_id)
            project_id = project_of(call, each)
            target = {"project_id": project_id, "tenant_id": project_id, "security_group:project_id": group.project_id}
            require(call, "create", "security_group_rule", each, target)
            made.append(
                rule_view(
                    await commands.create_rule(
                        call.app, group, NewRule(**{**rule_values(each), "project_id": project_id})
                    )
                )
            )
    if body.security_group_rules is UNSET:
        return RulesMade(security_group_rule=made[0])
    return RulesMade(security_group_rules=made)


@api.get("/security-group-rules", rule("get_security_group_rule"), key="security_group_rules", late=True)
async def index_rules(call: Call[App], query: RuleFilters, page: Page) -> list[RuleSeen]:
    """List security group rules: those in the caller's groups."""
    wanted = where(query)
    if call.caller.project_id:
        await commands.default_group_of(call.app, call.caller.project_id)
    if not sees_all(call):
        wanted["visible"] = call.caller.project_id or ""
    found = await call.app.db.page(
        rows.RULE_LISTING, where=wanted, sort=page.sort, marker=page.marker, limit=page.limit, reverse=page.reverse
    )
    return [rule_view(one) for one in shown(call, "security_group_rule", found)]


@api.get(
    "/security-group-rules/{security_group_rule_id}",
    rule("get_security_group_rule"),
    key="security_group_rule",
    find=rule_for,
)
async def show_rule(call: Call[App], one: SecurityRule) -> RuleSeen:
    """Show a security group rule."""
    return rule_view(one)


@api.delete("/security-group-rules/{security_group_rule_id}", rule("delete_security_group_rule"), find=rule_for)
async def delete_rule(call: Call[App], one: SecurityRule) -> None:
    """Delete a security group rule."""
    await commands.delete_rule(call.app, one)
