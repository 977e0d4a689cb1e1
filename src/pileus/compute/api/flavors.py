"""Flavors: the sizes servers can have, and what is said of them besides."""

import uuid
from typing import Annotated, Any

import msgspec

from pileus.compute import errors
from pileus.compute.api.flavor_views import FlavorBrief, FlavorView, flavor_brief, flavor_view
from pileus.compute.api.service import Name, admin, api, reader
from pileus.compute.app import Compute
from pileus.compute.commands import flavors as commands
from pileus.compute.models.flavors import Flavor
from pileus.compute.store.flavors import flavor_find, flavor_list
from pileus.kit.auth import Caller
from pileus.kit.db import Ge
from pileus.kit.http import Call, F, Page, Query, Wire
from pileus.kit.policy import ANY, Rule

MOST = 1000
YES = frozenset({"1", "true", "t", "yes", "y", "on"})
NO = frozenset({"0", "false", "f", "no", "n", "off"})
MOST_INTEGER = 2**31 - 1
Amount = Annotated[int, msgspec.Meta(ge=0, le=MOST_INTEGER)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=MOST_INTEGER)]
FlavorId = Annotated[
    str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^(?! )[A-Za-z0-9. _-]*[A-Za-z0-9._-]$(?!\n)")
]

# Nova asks for nothing but a token to read flavors.
READ = Rule("os_compute_api:flavors", ANY)
api.declare(reader("os-flavor-extra-specs:index"))


class FlavorCreate(Wire):
    """A flavor to make."""

    name: Name
    ram: Positive
    vcpus: Positive
    disk: Amount
    id: FlavorId | int | None = None
    flavor_id: Annotated[FlavorId | int | None, F("flavorid")] = None
    swap: Amount = 0
    ephemeral: Annotated[Amount, F("OS-FLV-EXT-DATA:ephemeral")] = 0
    rxtx_factor: Annotated[float, F()] = 1.0
    is_public: Annotated[bool, F("os-flavor-access:is_public")] = True
    description: Annotated[Annotated[str, msgspec.Meta(max_length=65535)] | None, F(since="2.55")] = None


class FlavorUpdate(Wire):
    """What may be changed of a flavor."""

    description: Annotated[str, msgspec.Meta(max_length=65535)] | None


class FlavorQuery(Query):
    """Which flavors a list holds."""

    is_public: str | None = None
    min_ram: Annotated[Amount | None, F("minRam")] = None
    min_disk: Annotated[Amount | None, F("minDisk")] = None
    name: Annotated[str | None, F(since="2.102")] = None


async def flavor_of(app: Compute, caller: Caller, flavor_id: str, **_more: str) -> Flavor:
    """The flavor a path names, if the caller may use it; raises FlavorNotFound."""
    found = await flavor_find(app, flavor_id, None if caller.admin else caller.project_id or "")
    if found is None:
        raise errors.FlavorNotFound(flavor=flavor_id)
    return found


async def any_flavor(app: Compute, caller: Caller, flavor_id: str, **_more: str) -> Flavor:
    """The flavor a path names, for what only admins may do with it; raises FlavorNotFound."""
    found = await flavor_find(app, flavor_id)
    if found is None:
        raise errors.FlavorNotFound(flavor=flavor_id)
    return found


async def _page(call: Call[Compute], query: FlavorQuery, page: Page) -> list[Flavor]:
    where: dict[str, Any] = {"disabled": False}
    wanted = (query.is_public or "").strip().lower()
    if not call.caller.admin:
        where["usable_by"] = call.caller.project_id or ""
    elif wanted not in {"none", ""}:
        if wanted not in YES | NO:
            raise errors.BadRequest(why=f"Invalid is_public filter [{query.is_public}]")
        where["is_public"] = wanted in YES
    elif query.is_public is None:
        where["is_public"] = True
    if query.min_ram is not None:
        where["ram"] = Ge(query.min_ram)
    if query.min_disk is not None:
        where["disk"] = Ge(query.min_disk)
    if query.name is not None:
        where["name"] = query.name
    # By id, and from the smallest on, unless asked otherwise.
    sort = page.sort or [("id", "asc")]
    return await flavor_list(
        call.app, where, sort, marker=page.marker, limit=MOST if page.limit is None else page.limit
    )


@api.get("/flavors", READ, key="flavors")
async def index(call: Call[Compute], query: FlavorQuery, page: Page) -> list[FlavorBrief]:
    """List flavors."""
    return [flavor_brief(call, flavor) for flavor in await _page(call, query, page)]


@api.get("/flavors/detail", READ, key="flavors")
async def detail(call: Call[Compute], query: FlavorQuery, page: Page) -> list[FlavorView]:
    """List flavors with details."""
    return [flavor_view(call, flavor) for flavor in await _page(call, query, page)]


@api.get("/flavors/{flavor_id}", READ, key="flavor", find=flavor_of)
async def show(call: Call[Compute], flavor: Flavor) -> FlavorView:
    """Show a flavor."""
    return flavor_view(call, flavor)


@api.post("/flavors", admin("os-flavor-manage:create"), key="flavor", status=200)
async def create(call: Call[Compute], body: FlavorCreate) -> FlavorView:
    """Create a flavor."""
    given = body.id if body.id is not None else body.flavor_id
    if not 0 < body.rxtx_factor <= 3.40282e38:
        raise errors.BadRequest(why="rxtx_factor must be greater than 0.")
    flavor = Flavor(
        id=str(uuid.uuid4()) if given in {None, "auto"} else str(given),
        name=body.name,
        vcpus=body.vcpus,
        ram=body.ram,
        disk=body.disk,
        ephemeral=body.ephemeral,
        swap=body.swap,
        rxtx_factor=body.rxtx_factor,
        is_public=body.is_public,
        description=body.description,
        created_at=call.app.clock.now(),
    )
    return flavor_view(call, await commands.create_flavor(call.app, flavor))


@api.put("/flavors/{flavor_id}", admin("os-flavor-manage:update"), key="flavor", find=flavor_of, since="2.55", on="c")
async def update(call: Call[Compute], flavor: Flavor, body: FlavorUpdate) -> FlavorView:
    """Change a flavor's description."""
    return flavor_view(call, await commands.describe_flavor(call.app, flavor, body.description))


@api.delete("/flavors/{flavor_id}", admin("os-flavor-manage:delete"), find=flavor_of, status=202)
async def delete(call: Call[Compute], flavor: Flavor) -> None:
    """Delete a flavor."""
    await commands.delete_flavor(call.app, flavor)
