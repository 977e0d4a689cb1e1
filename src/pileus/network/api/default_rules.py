"""What new security groups say (default security group rules), and whether they are stateful."""

from typing import Annotated

from pileus.kit.http.call import Call, Page
from pileus.kit.http.wire import F, Wire
from pileus.network.api.finding import listed, own
from pileus.network.api.policy import project_of, rule
from pileus.network.api.security_groups import RuleWanted, rule_values
from pileus.network.api.service import api
from pileus.network.api.wires import Filters, Owned, where
from pileus.network.app import Network as App
from pileus.network.commands import default_rules as commands
from pileus.network.models.default_rules import DefaultRule, NewDefaultRule, Statefulness
from pileus.network.models.requests import NewRule
from pileus.network.store import default_rules as rows


class TemplateWanted(RuleWanted, kw_only=True):
    """A rule new groups shall get."""

    group_id: Annotated[str, F("security_group_id", on="u")] = ""
    in_default: Annotated[bool, F("used_in_default_sg")] = False
    in_others: Annotated[bool, F("used_in_non_default_sg")] = True


class TemplateSeen(Wire):
    """A rule new groups get, as a caller sees it."""

    id: str
    description: str
    direction: str
    ethertype: str
    protocol: str | None
    port_min: Annotated[int | None, F("port_range_min")]
    port_max: Annotated[int | None, F("port_range_max")]
    remote_prefix: Annotated[str | None, F("remote_ip_prefix")]
    remote_group: Annotated[str | None, F("remote_group_id")]
    address_group: Annotated[str | None, F("remote_address_group_id")]
    in_default: Annotated[bool, F("used_in_default_sg")]
    in_others: Annotated[bool, F("used_in_non_default_sg")]


class StatefulnessWanted(Owned, kw_only=True):
    """Whether new groups are to be stateful."""

    stateful: bool


class StatefulnessSeen(Wire):
    id: str
    project_id: str
    tenant_id: str
    stateful: bool


def view(template: DefaultRule) -> TemplateSeen:
    """A template as the API shows it."""
    return TemplateSeen(**{name: getattr(template, name) for name in TemplateSeen.__struct_fields__})


def seen(what: Statefulness) -> StatefulnessSeen:
    """A project's default as the API shows it."""
    return StatefulnessSeen(id=what.id, project_id=what.project_id, tenant_id=what.project_id, stateful=what.stateful)


@api.post(
    "/default-security-group-rules", rule("create_default_security_group_rule"), key="default_security_group_rule"
)
async def create(call: Call[App], body: TemplateWanted) -> TemplateSeen:
    """Have new security groups say more."""
    wanted = NewRule(**{**rule_values(body), "project_id": "", "group_id": ""})
    new = NewDefaultRule(
        rule=wanted, in_default=body.in_default, in_others=body.in_others, description=body.description
    )
    return view(await commands.create_template(call.app, new))


@api.get("/default-security-group-rules", rule("get_default_security_group_rule"), key="default_security_group_rules")
async def index(call: Call[App]) -> list[TemplateSeen]:
    """List what new security groups say."""
    wanted = {name: value.lower() for name, value in call.query}
    found = [view(template) for template in await rows.templates(call.app.db)]
    names = {"id": "id", "direction": "direction", "ethertype": "ethertype", "protocol": "protocol",
             "used_in_default_sg": "in_default", "used_in_non_default_sg": "in_others"}  # fmt: skip
    return [
        each
        for each in found
        if all(str(getattr(each, names[name])).lower() == value for name, value in wanted.items() if name in names)
    ]


_ONE = "/default-security-group-rules/{default_security_group_rule_id}"


@api.get(_ONE, rule("get_default_security_group_rule"), key="default_security_group_rule")
async def show(call: Call[App], default_security_group_rule_id: str) -> TemplateSeen:
    """Show something new security groups say."""
    return view(await commands.template_get(call.app, default_security_group_rule_id))


@api.delete(_ONE, rule("delete_default_security_group_rule"))
async def delete(call: Call[App], default_security_group_rule_id: str) -> None:
    """Have new security groups say less."""
    await commands.delete_template(call.app, await commands.template_get(call.app, default_security_group_rule_id))


_WHOLE = "/security-groups-default-statefulness"
_STATE = "/security-groups-default-statefulness/{security_groups_default_statefulness_id}"
_KEY = "security_groups_default_statefulness"
find = own(rows.STATEFULNESS, "security_groups_default_statefulness_id")


@api.post(_WHOLE, rule("create_security_groups_default_statefulness"), key=_KEY, late=True)
async def create_statefulness(call: Call[App], body: StatefulnessWanted) -> StatefulnessSeen:
    """Say whether a project's new security groups are stateful."""
    project_id = project_of(call, body)
    call.require("create_security_groups_default_statefulness", {"project_id": project_id, "tenant_id": project_id})
    return seen(await commands.create_statefulness(call.app, project_id, stateful=body.stateful))


@api.get(_WHOLE, rule("get_security_groups_default_statefulness"), key=_KEY, late=True)
async def index_statefulness(call: Call[App], query: Filters, page: Page) -> list[StatefulnessSeen]:
    """List what projects said of their new security groups."""
    found = await listed(call, rows.STATEFULNESS, "security_groups_default_statefulness", where(query), page)
    return [seen(each) for each in found]


@api.get(_STATE, rule("get_security_groups_default_statefulness"), key=_KEY, find=find)
async def show_statefulness(call: Call[App], what: Statefulness) -> StatefulnessSeen:
    """Show what a project said of its new security groups."""
    return seen(what)


@api.put(_STATE, rule("update_security_groups_default_statefulness"), key=_KEY, find=find)
async def update_statefulness(call: Call[App], what: Statefulness, body: StatefulnessWanted) -> StatefulnessSeen:
    """Change what a project said of its new security groups."""
    return seen(await commands.update_statefulness(call.app, what, stateful=body.stateful))


@api.delete(_STATE, rule("delete_security_groups_default_statefulness"), find=find)
async def delete_statefulness(call: Call[App], what: Statefulness) -> None:
    """Have a project's new security groups be stateful again."""
    await commands.delete_statefulness(call.app, what)
