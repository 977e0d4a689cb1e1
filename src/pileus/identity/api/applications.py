"""Application credentials and the access rules they go by."""

import re
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from pileus.identity.api import find
from pileus.identity.api.root import Description, Links, Name, ShortId, api, asked, holder, link, listed
from pileus.identity.api.trusts import RoleNamed, moment_given
from pileus.identity.app import Identity
from pileus.identity.commands.applications import (
    ApplicationAsked,
    create_application,
    delete_application,
    delete_rule,
    rules_of_application,
)
from pileus.identity.commands.delegation import chosen_roles, reach_of, refuse_restricted
from pileus.identity.errors import BadApplicationCredential, Missing, NeedsProject
from pileus.identity.models import ApplicationCredential, KeptRule, User
from pileus.identity.store.applications import LIST, RULES_LIST, application_find, rule_find
from pileus.identity.store.roles import role_find
from pileus.kit.auth import AccessRule, Caller
from pileus.kit.http import Call, Page, Query, Wire
from pileus.kit.policy import Rule

READ = "admin or system reader or self"
READ_RULE = "system reader or user=target.user.id"
PATH = "/users/{user_id}/application_credentials"
ONE = f"{PATH}/{{application_credential_id}}"
RULES = "/users/{user_id}/access_rules"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class RuleGiven(Wire):
    """An access rule: an existing one by its id, or a new one."""

    id: ShortId | None = None
    service: ShortId | None = None
    method: ShortId | None = None
    path: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None


class ApplicationCreate(Wire):
    """A new application credential."""

    name: Name
    description: Description | None = None
    secret: Secret | None = None
    roles: list[RoleNamed] = []
    access_rules: list[RuleGiven] | UnsetType = UNSET
    unrestricted: bool = False
    expires_at: str | None = None


class RuleView(Wire):
    """An access rule as it is shown."""

    id: str
    service: str
    method: str
    path: str


class RuleWithLinks(RuleView):
    """An access rule as it is shown by itself."""

    links: Links


class ApplicationView(Wire):
    """An application credential as it is shown; the secret once only, when it is made."""

    id: str
    name: str
    description: str | None
    project_id: str
    user_id: str
    roles: list[dict[str, Any]]
    expires_at: str | None
    unrestricted: bool
    links: Links
    system: str | None = None
    access_rules: list[RuleView] | UnsetType = UNSET
    secret: str | UnsetType = UNSET


class ApplicationQuery(Query):
    """Which application credentials to list."""

    name: str | UnsetType = UNSET


class RuleQuery(Query):
    """Which access rules to list."""

    service: str | UnsetType = UNSET
    path: str | UnsetType = UNSET
    method: str | UnsetType = UNSET


async def view(call: Call[Identity], made: ApplicationCredential) -> ApplicationView:
    """An application credential as it is shown."""
    roles = [role for role_id in made.role_ids if (role := await role_find(call.app, role_id)) is not None]
    rules = await rules_of_application(call.app, made)
    return ApplicationView(
        id=made.id,
        name=made.name,
        description=made.description,
        project_id=made.project_id,
        user_id=made.user_id,
        roles=[{"id": role.id, "name": role.name, "domain_id": role.domain_id} for role in roles],
        expires_at=made.expires_at.strftime("%Y-%m-%dT%H:%M:%S.%f") if made.expires_at else None,
        unrestricted=made.unrestricted,
        links=link(call, f"users/{made.user_id}/application_credentials/{made.id}"),
        access_rules=UNSET if rules is None else [_rule_view(rule) for rule in rules],
    )


def _rule_view(rule: KeptRule) -> RuleView:
    return RuleView(id=rule.id, service=rule.service, method=rule.method, path=rule.path)


def _rule(given: RuleGiven) -> AccessRule | str:
    if given.id is not None:
        return given.id
    if given.service is None or given.path is None or given.method not in METHODS:
        raise BadApplicationCredential(why=f"an access rule has service, path and a method of {sorted(METHODS)}")
    if re.fullmatch(r"(/([^/{}*]+|\*\*?|\{[^/{}]+\}))+/?", given.path) is None:
        raise BadApplicationCredential(why=f"no path of an access rule: {given.path}")
    return AccessRule(service=given.service, method=given.method, path=given.path)


def _missing(caller: Caller, user_id: str, kind: str, id: str) -> Missing:
    """That it is missing: told to its user, whoever else asks is told if they might have seen it."""
    missing = Missing(kind=kind, id=id)
    if caller.user_id == user_id:
        raise missing
    return missing


async def _find(
    app: Identity, caller: Caller, user_id: str, application_credential_id: str
) -> ApplicationCredential | Missing:
    found = await application_find(app, application_credential_id)
    if found is None or found.user_id != user_id:
        return _missing(caller, user_id, "application_credential", application_credential_id)
    return found


async def _find_rule(app: Identity, caller: Caller, user_id: str, access_rule_id: str) -> KeptRule | Missing:
    found = await rule_find(app, access_rule_id)
    if found is None or found.user_id != user_id:
        return _missing(caller, user_id, "access_rule", access_rule_id)
    return found


@api.get(PATH, Rule("identity:list_application_credentials", READ), key="application_credentials", find=find.user)
async def index(call: Call[Identity], user: User, query: ApplicationQuery, page: Page) -> list[ApplicationView]:
    """List a user's application credentials."""
    return [await view(call, one) for one in await listed(call, LIST, {**asked(call, query), "user_id": user.id})]


@api.post(PATH, Rule("identity:create_application_credential", "self"), key="application_credential", find=find.user)
async def create(call: Call[Identity], user: User, body: ApplicationCreate) -> ApplicationView:
    """Create an application credential in the project of the token."""
    token = await holder(call)
    refuse_restricted(token, "no application credentials")
    if token.project is None:
        raise NeedsProject
    source = await reach_of(call.app, token, token.project.id)
    named = [(role.id, role.name) for role in body.roles] or [(role.id, None) for role in token.roles]
    roles, beyond = await chosen_roles(call.app, source, named)
    if beyond is not None:
        raise BadApplicationCredential(why=f"you do not have the role {beyond} in this project")
    made, secret = await create_application(
        call.app,
        ApplicationAsked(
            source=source,
            name=body.name,
            description=body.description,
            secret=body.secret,
            roles=roles,
            rules=None if isinstance(body.access_rules, UnsetType) else [_rule(one) for one in body.access_rules],
            unrestricted=body.unrestricted,
            expires_at=moment_given(body.expires_at),
        ),
    )
    shown = await view(call, made)
    shown.secret = secret
    return shown


@api.get(ONE, Rule("identity:get_application_credential", READ), key="application_credential", find=_find)
async def show(call: Call[Identity], made: ApplicationCredential) -> ApplicationView:
    """Show an application credential."""
    return await view(call, made)


@api.delete(ONE, Rule("identity:delete_application_credential", "admin or self"), find=_find)
async def delete(call: Call[Identity], made: ApplicationCredential) -> None:
    """Delete an application credential."""
    refuse_restricted(await holder(call), "no application credentials")
    await delete_application(call.app, made)


# -- access rules -------------------------------------------------------------------------------------------------------


def _with_links(call: Call[Identity], rule: KeptRule) -> RuleWithLinks:
    return RuleWithLinks(
        id=rule.id,
        service=rule.service,
        method=rule.method,
        path=rule.path,
        links=link(call, f"users/{rule.user_id}/access_rules/{rule.id}"),
    )


@api.get(RULES, Rule("identity:list_access_rules", READ_RULE), key="access_rules", find=find.user)
async def rule_index(call: Call[Identity], user: User, query: RuleQuery, page: Page) -> list[RuleWithLinks]:
    """List a user's access rules."""
    found = await listed(call, RULES_LIST, {**asked(call, query), "user_id": user.id})
    return [_with_links(call, one) for one in found]


@api.get(f"{RULES}/{{access_rule_id}}", Rule("identity:get_access_rule", READ_RULE), key="access_rule", find=_find_rule)
async def rule_show(call: Call[Identity], rule: KeptRule) -> RuleWithLinks:
    """Show an access rule."""
    return _with_links(call, rule)


@api.delete(
    f"{RULES}/{{access_rule_id}}",
    Rule("identity:delete_access_rule", "system admin or user=target.user.id"),
    find=_find_rule,
)
async def rule_delete(call: Call[Identity], rule: KeptRule) -> None:
    """Delete an access rule nothing goes by."""
    refuse_restricted(await holder(call), "no access rules")
    await delete_rule(call.app, rule)
