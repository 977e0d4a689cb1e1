"""Security groups, which clients asked compute for until 2.35, and those a server is in."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute.api.server_list import TRUE
from pileus.compute.api.service import api, member, reader, server_find
from pileus.compute.app import Compute
from pileus.compute.commands import security_groups as commands
from pileus.compute.models.servers import Server
from pileus.kit.http import Call, F, Page, Query, Wire
from pileus.ports.security_groups import GroupFacts, GroupRule

UNTIL = "2.35"
GROUPS = "/os-security-groups"
RULES = "/os-security-group-rules"
Text = Annotated[str, msgspec.Meta(max_length=255)]
Number = int | str


class Peer(Wire):
    """The group a rule lets in."""

    name: str | UnsetType = UNSET
    tenant_id: str | UnsetType = UNSET


class Block(Wire):
    """The addresses a rule lets in."""

    cidr: str | UnsetType = UNSET


class RuleView(Wire, kw_only=True):
    """A rule."""

    id: str
    parent_group_id: str
    protocol: Annotated[str | None, F("ip_protocol")]
    from_port: int | None
    to_port: int | None
    group: Peer
    ip_range: Block


class GroupView(Wire, kw_only=True):
    """A security group and what it lets in."""

    id: str
    name: str
    description: str
    tenant_id: str
    rules: list[RuleView]


class GroupBody(Wire):
    """A security group to make or to change."""

    __loose__: ClassVar[bool] = True
    name: Text
    description: Text | None = None


class RuleBody(Wire, kw_only=True):
    """A rule to make."""

    __loose__: ClassVar[bool] = True
    parent_group_id: str | int
    protocol: Annotated[Text | None, F("ip_protocol")] = None
    from_port: Number | None = None
    to_port: Number | None = None
    cidr: Text | None = None
    group_id: str | int | None = None


class GroupQuery(Query):
    """Which groups."""

    all_tenants: str | None = None
    offset: Annotated[int, msgspec.Meta(ge=0)] = 0


def _ports(rule: GroupRule) -> tuple[int | None, int | None]:
    if rule.protocol is None or rule.port_min is not None:
        return rule.port_min, rule.port_max if rule.protocol != "icmp" or rule.port_max is not None else commands.ANY
    return commands.PORTS if rule.protocol in commands.WITH_PORTS else (commands.ANY, commands.ANY)


def _rule_view(rule: GroupRule, peer: GroupFacts | None) -> RuleView:
    low, high = _ports(rule)
    return RuleView(
        id=rule.id,
        parent_group_id=rule.group_id,
        protocol=rule.protocol,
        from_port=low,
        to_port=high,
        group=Peer() if peer is None else Peer(name=peer.name, tenant_id=peer.project_id),
        ip_range=Block() if peer is not None else Block(cidr=rule.remote_prefix or "0.0.0.0/0"),
    )


async def _views(call: Call[Compute], groups: Sequence[GroupFacts]) -> list[GroupView]:
    incoming = [rule for group in groups for rule in group.rules if rule.direction == "ingress"]
    peers = await commands.peers(call.app, call.caller, incoming)
    rules: dict[str, list[RuleView]] = {}
    for rule in incoming:
        # A rule for a group the caller does not see tells him nothing.
        if rule.remote_group_id is None or rule.remote_group_id in peers:
            view = _rule_view(rule, peers.get(rule.remote_group_id or ""))
            rules.setdefault(rule.group_id, []).append(view)
    return [
        GroupView(
            id=group.id,
            name=group.name,
            description=group.description,
            tenant_id=group.project_id,
            rules=rules.get(group.id, []),
        )
        for group in groups
    ]


@api.get(GROUPS, reader("os-security-groups:get"), key="security_groups", until=UNTIL)
async def index(call: Call[Compute], query: GroupQuery, page: Page) -> list[GroupView]:
    """List security groups."""
    everybodys = call.caller.admin and (query.all_tenants or "no").lower() in TRUE
    found = await call.app.networks.groups.list(call.caller, everybodys=everybodys)
    limit, page.limit = page.limit, None
    end = None if limit is None else query.offset + limit
    return await _views(call, found[query.offset : end])


@api.post(GROUPS, member("os-security-groups:create"), key="security_group", status=200, until=UNTIL)
async def create(call: Call[Compute], body: GroupBody) -> GroupView:
    """Make a security group."""
    made = await commands.create_group(call.app, call.caller, body.name, body.description or "")
    return (await _views(call, [made]))[0]


@api.get(GROUPS + "/{group_id}", reader("os-security-groups:show"), key="security_group", until=UNTIL)
async def show(call: Call[Compute], group_id: str) -> GroupView:
    """Show a security group."""
    return (await _views(call, [await commands.group_get(call.app, call.caller, group_id)]))[0]


@api.put(GROUPS + "/{group_id}", member("os-security-groups:update"), key="security_group", on="c", until=UNTIL)
async def update(call: Call[Compute], group_id: str, body: GroupBody) -> GroupView:
    """Rename a security group."""
    changed = await commands.update_group(call.app, call.caller, group_id, body.name, body.description or "")
    return (await _views(call, [changed]))[0]


@api.delete(GROUPS + "/{group_id}", member("os-security-groups:delete"), status=202, until=UNTIL)
async def delete(call: Call[Compute], group_id: str) -> None:
    """Delete a security group."""
    await commands.delete_group(call.app, call.caller, group_id)


@api.post(RULES, member("os-security-groups:rule:create"), key="security_group_rule", status=200, until=UNTIL)
async def create_rule(call: Call[Compute], body: RuleBody) -> RuleView:
    """Let something into a security group."""
    group = await commands.group_get(call.app, call.caller, str(body.parent_group_id))
    asked = None if body.group_id is None else str(body.group_id)
    peer = None if asked is None else await commands.group_get(call.app, call.caller, asked)
    low, high = commands.numbers(body.protocol, body.from_port, body.to_port)
    rule = commands.new_rule(group.id, body.protocol, low, high, peer=None if peer is None else peer.id, cidr=body.cidr)
    return _rule_view(await commands.create_rule(call.app, call.caller, rule), peer)


@api.delete(RULES + "/{rule_id}", member("os-security-groups:rule:delete"), status=202, until=UNTIL)
async def delete_rule(call: Call[Compute], rule_id: str) -> None:
    """Let something into a security group no more."""
    await commands.delete_rule(call.app, call.caller, rule_id)


@api.get("/servers/{server_id}/os-security-groups", reader("os-security-groups:list"), key="security_groups",
         find=server_find)  # fmt: skip
async def of_server(call: Call[Compute], server: Server) -> list[GroupView]:
    """List a server's security groups."""
    return await _views(call, await call.app.networks.groups.of_server(server.id))
