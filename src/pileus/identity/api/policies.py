"""Policies: rules that other programs keep here; nothing in this cloud goes by them."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from pileus.identity.api import find
from pileus.identity.api.root import (
    ADMIN_OR_SYSTEM_READER,
    Links,
    api,
    asked,
    extras,
    given_of,
    link,
    listed,
)
from pileus.identity.app import Identity
from pileus.identity.models import Extra, Policy, new_id
from pileus.identity.store import changing
from pileus.identity.store.delegation import POLICIES_LIST, policy_change, policy_create, policy_delete, policy_find
from pileus.kit.http import Call, Page, Query, Wire
from pileus.kit.policy import ADMIN, Rule

Type = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Blob = Annotated[str, msgspec.Meta(min_length=1, max_length=65535)]


class PolicyCreate(Wire):
    """A new policy."""

    __extras__: ClassVar[str | None] = "extra"

    type: Type
    blob: Blob
    extra: Extra = {}


class PolicyView(Wire):
    """A policy as it is shown."""

    __extras__: ClassVar[str | None] = "extra"

    id: str
    type: str
    blob: str
    links: Links
    extra: Extra = {}


class PolicyQuery(Query):
    """Which policies to list."""

    type: str | UnsetType = UNSET


def view(call: Call[Identity], policy: Policy) -> PolicyView:
    """A policy as it is shown."""
    return PolicyView(
        id=policy.id, type=policy.type, blob=policy.blob, links=link(call, f"policies/{policy.id}"), extra=policy.extra
    )


@api.get("/policies", Rule("identity:list_policies", ADMIN_OR_SYSTEM_READER), key="policies")
async def index(call: Call[Identity], query: PolicyQuery, page: Page) -> list[PolicyView]:
    """List policies."""
    return [view(call, one) for one in await listed(call, POLICIES_LIST, asked(call, query))]


@api.post("/policies", Rule("identity:create_policy", ADMIN), key="policy")
async def create(call: Call[Identity], body: PolicyCreate) -> PolicyView:
    """Create a policy."""
    policy = Policy(id=new_id(), type=body.type, blob=body.blob, extra=extras(body.extra, PolicyView))
    async with changing(call.app):
        await policy_create(call.app, policy)
    return view(call, policy)


@api.get("/policies/{policy_id}", Rule("identity:get_policy", ADMIN_OR_SYSTEM_READER), key="policy", find=find.policy)
async def show(call: Call[Identity], policy: Policy) -> PolicyView:
    """Show a policy."""
    return view(call, policy)


@api.patch("/policies/{policy_id}", Rule("identity:update_policy", ADMIN), key="policy", find=find.policy)
async def update(call: Call[Identity], policy: Policy, body: PolicyCreate) -> PolicyView:
    """Change a policy."""
    given = given_of(body, PolicyView)
    given["extra"] = {**policy.extra, **given["extra"]}
    async with changing(call.app):
        await policy_change(call.app, policy.id, **given)
    return view(call, await policy_find(call.app, policy.id) or policy)


@api.delete("/policies/{policy_id}", Rule("identity:delete_policy", ADMIN), find=find.policy)
async def delete(call: Call[Identity], policy: Policy) -> None:
    """Delete a policy."""
    async with changing(call.app):
        await policy_delete(call.app, policy.id)
