"""Trusts: what one user lets another do in their place."""

import datetime as dt
from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from pileus.identity.api import find
from pileus.identity.api.roles import RoleView
from pileus.identity.api.roles import view as role_view
from pileus.identity.api.root import Links, ShortId, api, asked, extras, holder, link, listed
from pileus.identity.api.tokens import moment
from pileus.identity.app import Identity
from pileus.identity.commands.trusts import TrustAsked, create_trust, delete_trust
from pileus.identity.errors import BadTrust, Missing
from pileus.identity.models import Extra, Role, Trust
from pileus.identity.store.delegation import TRUSTS_LIST
from pileus.identity.store.roles import role_find
from pileus.kit.http import Call, Page, Query, Wire
from pileus.kit.policy import Rule

SEE = "admin or system reader or user=target.trust.trustor_user_id or user=target.trust.trustee_user_id"
TRUSTOR = "user=target.trust.trustor_user_id"
PATH = "/OS-TRUST/trusts"
FOR_TRUSTOR = Rule("identity:list_trusts_for_trustor", f"admin or system reader or {TRUSTOR}")
FOR_TRUSTEE = Rule("identity:list_trusts_for_trustee", "admin or system reader or user=target.trust.trustee_user_id")
api.declare(FOR_TRUSTOR, FOR_TRUSTEE)


class RoleNamed(Wire):
    """A role named by id or by name."""

    id: str | None = None
    name: str | None = None


class TrustCreate(Wire):
    """A new trust."""

    __extras__: ClassVar[str | None] = "extra"

    trustor_user_id: ShortId
    trustee_user_id: ShortId
    impersonation: bool
    project_id: ShortId | None = None
    roles: list[RoleNamed] = []
    expires_at: str | None = None
    remaining_uses: Annotated[int, msgspec.Meta(ge=1)] | None = None
    allow_redelegation: bool = False
    redelegation_count: Annotated[int, msgspec.Meta(ge=0)] | None = None
    extra: Extra = {}


class TrustView(Wire):
    """A trust as it is shown; lists leave the roles out."""

    __extras__: ClassVar[str | None] = "extra"

    id: str
    trustor_user_id: str
    trustee_user_id: str
    project_id: str
    impersonation: bool
    expires_at: str | None
    deleted_at: str | None
    remaining_uses: int | None
    redelegation_count: int
    redelegated_trust_id: str | UnsetType
    links: Links
    roles: list[RoleView] | UnsetType = UNSET
    roles_links: dict[str, str | None] | UnsetType = UNSET
    extra: Extra = {}


class TrustQuery(Query):
    """Which trusts to list."""

    trustor_user_id: str | UnsetType = UNSET
    trustee_user_id: str | UnsetType = UNSET


def view(call: Call[Identity], trust: Trust) -> TrustView:
    """A trust as lists show it."""
    return TrustView(
        id=trust.id,
        trustor_user_id=trust.trustor_user_id,
        trustee_user_id=trust.trustee_user_id,
        project_id=trust.project_id,
        impersonation=trust.impersonation,
        expires_at=moment(trust.expires_at) if trust.expires_at else None,
        deleted_at=None,
        remaining_uses=trust.remaining_uses,
        redelegation_count=trust.redelegation_count or 0,
        redelegated_trust_id=trust.redelegated_trust_id or UNSET,
        links=link(call, f"OS-TRUST/trusts/{trust.id}"),
        extra=trust.extra,
    )


async def _whole(call: Call[Identity], trust: Trust) -> TrustView:
    shown = view(call, trust)
    shown.roles = [role_view(call, role) for role in await _roles(call, trust)]
    shown.roles_links = {"self": call.url(f"/v3{PATH}/{trust.id}/roles"), "next": None, "previous": None}
    return shown


async def _roles(call: Call[Identity], trust: Trust) -> list[Role]:
    found = [await role_find(call.app, role_id) for role_id in trust.role_ids]
    return [role for role in found if role is not None]


def moment_given(text: str | None) -> dt.datetime | None:
    """The moment a client names; UTC unless it says otherwise."""
    if text is None:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise BadTrust(why=f"expires_at is no time: {text[:50]}") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)


@api.get(PATH, Rule("identity:list_trusts", "admin or system reader"), key="trusts", late=True)
async def index(call: Call[Identity], query: TrustQuery, page: Page) -> list[TrustView]:
    """List trusts: all of them, or those a user gave or was given."""
    where = asked(call, query)
    if not where:
        call.require("identity:list_trusts", {})
    for field, rule in (("trustor_user_id", FOR_TRUSTOR), ("trustee_user_id", FOR_TRUSTEE)):
        if field in where:
            call.require(rule.name, {f"target.trust.{field}": where[field]})
    now = call.app.clock.now()
    return [view(call, one) for one in await listed(call, TRUSTS_LIST, where) if one.holds(now)]


@api.post(PATH, Rule("identity:create_trust", TRUSTOR), key="trust", late=True)
async def create(call: Call[Identity], body: TrustCreate) -> TrustView:
    """Create a trust."""
    call.require("identity:create_trust", {"target.trust.trustor_user_id": body.trustor_user_id})
    if body.project_id is None or not body.roles:
        raise BadTrust(why="a project_id and at least one role are required")
    asked_for = TrustAsked(
        trustor_user_id=body.trustor_user_id,
        trustee_user_id=body.trustee_user_id,
        project_id=body.project_id,
        impersonation=body.impersonation,
        roles=[(role.id, role.name) for role in body.roles],
        expires_at=moment_given(body.expires_at),
        remaining_uses=body.remaining_uses,
        redelegable=body.allow_redelegation,
        redelegation_count=body.redelegation_count,
        extra=extras(body.extra, TrustView),
    )
    return await _whole(call, await create_trust(call.app, await holder(call), asked_for))


@api.get(f"{PATH}/{{trust_id}}", Rule("identity:get_trust", SEE), key="trust", find=find.trust)
async def show(call: Call[Identity], trust: Trust) -> TrustView:
    """Show a trust."""
    return await _whole(call, trust)


@api.delete(f"{PATH}/{{trust_id}}", Rule("identity:delete_trust", f"admin or {TRUSTOR}"), find=find.trust)
async def delete(call: Call[Identity], trust: Trust) -> None:
    """Delete a trust."""
    await delete_trust(call.app, trust)


@api.get(f"{PATH}/{{trust_id}}/roles", Rule("identity:list_roles_for_trust", SEE), key="roles", find=find.trust)
async def roles(call: Call[Identity], trust: Trust) -> list[RoleView]:
    """List the roles a trust gives."""
    return [role_view(call, role) for role in await _roles(call, trust)]


@api.get(
    f"{PATH}/{{trust_id}}/roles/{{role_id}}", Rule("identity:get_role_for_trust", SEE), key="role", find=find.trust
)
async def role(call: Call[Identity], trust: Trust, role_id: str) -> RoleView:
    """Show a role a trust gives."""
    for one in await _roles(call, trust):
        if one.id == role_id:
            return role_view(call, one)
    raise Missing(kind="role", id=role_id)
