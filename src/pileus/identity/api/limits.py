"""Unified limits: what projects may use of the resources of other services, by default and each by itself."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from pileus.identity.api.root import Description, Links, Name, ShortId, api, asked, link, listed
from pileus.identity.app import Identity
from pileus.identity.commands.limits import (
    change_limit,
    change_registered,
    create_limits,
    create_registered,
    delete_limit,
    delete_registered,
)
from pileus.identity.errors import BadLimit, Missing
from pileus.identity.models import new_id
from pileus.identity.models.limits import DESCRIPTIONS, Limit, RegisteredLimit
from pileus.identity.store.limits import LIMITS, REGISTERED
from pileus.identity.store.projects import project_find
from pileus.kit.auth import Caller
from pileus.kit.http import Call, Page, Query, Wire
from pileus.kit.policy import ADMIN, ANY, Rule

READ = (
    "admin or system reader or domain=target.limit.domain.id or domain=target.limit.project.domain_id or "
    "not(target.limit.project_id unset) & project=target.limit.project_id"
)
Amount = Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)]
RegionId = Annotated[str, msgspec.Meta(max_length=255)]
Text = str | UnsetType


class RegisteredCreate(Wire):
    """A new registered limit."""

    service_id: ShortId
    resource_name: Name
    default_limit: Amount
    region_id: RegionId | None = None
    description: Description | None = None


class RegisteredView(Wire):
    """A registered limit as it is shown."""

    id: str
    service_id: str
    region_id: str | None
    resource_name: str
    default_limit: int
    description: str | None
    links: Links


class LimitCreate(Wire):
    """A new limit, of a project or of a domain."""

    service_id: ShortId
    resource_name: Name
    resource_limit: Amount
    project_id: ShortId | None = None
    domain_id: ShortId | None = None
    region_id: RegionId | None = None
    description: Description | None = None


class LimitUpdate(Wire):
    """What shall change of a limit."""

    resource_limit: Amount
    description: Description | None


class LimitView(Wire):
    """A limit as it is shown."""

    id: str
    project_id: str | None
    domain_id: str | None
    service_id: str
    region_id: str | None
    resource_name: str
    resource_limit: int
    description: str | None
    links: Links


class RegisteredQuery(Query):
    """Which registered limits to list."""

    service_id: Text = UNSET
    region_id: Text = UNSET
    resource_name: Text = UNSET


class LimitQuery(RegisteredQuery):
    """Which limits to list."""

    project_id: Text = UNSET
    domain_id: Text = UNSET


async def registered_find(app: Identity, _caller: Caller, registered_limit_id: str) -> RegisteredLimit | Missing:
    """The registered limit a path names."""
    return await REGISTERED.find(app, registered_limit_id) or Missing(kind="registered_limit", id=registered_limit_id)


async def limit_find(app: Identity, _caller: Caller, limit_id: str) -> Limit | Missing:
    """The limit a path names."""
    return await LIMITS.find(app, limit_id) or Missing(kind="limit", id=limit_id)


def registered_view(call: Call[Identity], one: RegisteredLimit) -> RegisteredView:
    """A registered limit as it is shown."""
    links = link(call, f"registered_limits/{one.id}")
    return RegisteredView(links=links, **msgspec.structs.asdict(one))


def view(call: Call[Identity], one: Limit) -> LimitView:
    """A limit as it is shown."""
    shown = msgspec.structs.asdict(one)
    del shown["registered_limit_id"]
    return LimitView(links=link(call, f"limits/{one.id}"), **shown)


# -- registered limits --------------------------------------------------------------------------------------------------


@api.get("/registered_limits", Rule("identity:list_registered_limits", ANY), key="registered_limits")
async def registered_index(call: Call[Identity], query: RegisteredQuery, page: Page) -> list[RegisteredView]:
    """List registered limits."""
    return [registered_view(call, one) for one in await listed(call, REGISTERED.listing, asked(call, query))]


@api.post("/registered_limits", Rule("identity:create_registered_limits", ADMIN), key="registered_limits")
async def registered_create(call: Call[Identity], body: list[RegisteredCreate]) -> list[RegisteredView]:
    """Create registered limits."""
    made = [RegisteredLimit(id=new_id(), **one.given()) for one in body]
    return [registered_view(call, one) for one in await create_registered(call.app, made)]


@api.get(
    "/registered_limits/{registered_limit_id}",
    Rule("identity:get_registered_limit", ANY),
    key="registered_limit",
    find=registered_find,
)
async def registered_show(call: Call[Identity], one: RegisteredLimit) -> RegisteredView:
    """Show a registered limit."""
    return registered_view(call, one)


@api.patch(
    "/registered_limits/{registered_limit_id}",
    Rule("identity:update_registered_limit", ADMIN),
    key="registered_limit",
    find=registered_find,
)
async def registered_update(call: Call[Identity], one: RegisteredLimit, body: RegisteredCreate) -> RegisteredView:
    """Change a registered limit."""
    return registered_view(call, await change_registered(call.app, one, body.given()))


@api.delete(
    "/registered_limits/{registered_limit_id}",
    Rule("identity:delete_registered_limit", ADMIN),
    find=registered_find,
)
async def registered_delete(call: Call[Identity], one: RegisteredLimit) -> None:
    """Delete a registered limit."""
    await delete_registered(call.app, one)


# -- limits -------------------------------------------------------------------------------------------------------------


@api.get("/limits/model", Rule("identity:get_limit_model", ANY), key="model")
async def model(call: Call[Identity]) -> dict[str, str]:
    """Show the model limits go by."""
    name = call.app.config.limit_model
    return {"name": name, "description": DESCRIPTIONS[name]}


@api.get("/limits", Rule("identity:list_limits", ANY), key="limits")
async def index(call: Call[Identity], query: LimitQuery, page: Page) -> list[LimitView]:
    """List limits: all of them, or those of the caller's project or domain."""
    where: dict[str, Any] = asked(call, query)
    caller = call.caller
    if not caller.admin and not caller.system:
        name, own = ("domain_id", caller.domain_id) if caller.domain_id else ("project_id", caller.project_id or "")
        where[name] = (where[name], own) if name in where else own
    return [view(call, one) for one in await listed(call, LIMITS.listing, where)]


@api.post("/limits", Rule("identity:create_limits", ADMIN), key="limits")
async def create(call: Call[Identity], body: list[LimitCreate]) -> list[LimitView]:
    """Create limits."""
    for one in body:
        if (one.project_id is None) == (one.domain_id is None):
            raise BadLimit(why="one of project_id and domain_id is required")
    made = [Limit(id=new_id(), registered_limit_id="", **one.given()) for one in body]
    return [view(call, one) for one in await create_limits(call.app, made)]


@api.get("/limits/{limit_id}", Rule("identity:get_limit", READ), key="limit", find=limit_find, late=True)
async def show(call: Call[Identity], limit: Limit) -> LimitView:
    """Show a limit."""
    target = dict(limit.policy_target())
    project = await project_find(call.app, limit.project_id) if limit.project_id else None
    if project is not None:
        target["target.limit.project.domain_id"] = project.domain_id
    call.require("identity:get_limit", target)
    return view(call, limit)


@api.patch("/limits/{limit_id}", Rule("identity:update_limit", ADMIN), key="limit", find=limit_find)
async def update(call: Call[Identity], limit: Limit, body: LimitUpdate) -> LimitView:
    """Change a limit."""
    return view(call, await change_limit(call.app, limit, body.given()))


@api.delete("/limits/{limit_id}", Rule("identity:delete_limit", ADMIN), find=limit_find)
async def delete(call: Call[Identity], limit: Limit) -> None:
    """Delete a limit."""
    await delete_limit(call.app, limit)
