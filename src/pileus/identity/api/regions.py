"""Regions: parts of the cloud with endpoints of their own."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from pileus.identity.api import find
from pileus.identity.api.root import Description, Links, api, asked, extras, given_of, link, listed
from pileus.identity.app import Identity
from pileus.identity.commands.catalog import change_region, create_region, delete_region
from pileus.identity.models import Extra, Region, new_id
from pileus.identity.store.catalog import REGIONS_LIST
from pileus.kit.http import Call, Page, Query, Wire
from pileus.kit.policy import ADMIN, ANY, Rule

RegionId = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class RegionCreate(Wire):
    """A new region, with an id of its maker's choice."""

    __extras__: ClassVar[str | None] = "extra"

    id: RegionId | None = None
    description: Description | None = None
    parent_region_id: RegionId | None = None
    extra: Extra = {}


class RegionUpdate(Wire):
    """What shall change of a region."""

    __extras__: ClassVar[str | None] = "extra"

    description: Description | None
    parent_region_id: RegionId | None
    extra: Extra = {}


class RegionView(Wire):
    """A region as it is shown."""

    __extras__: ClassVar[str | None] = "extra"

    id: str
    description: str
    parent_region_id: str | None
    links: Links
    extra: Extra = {}


class RegionQuery(Query):
    """Which regions to list."""

    parent_region_id: str | UnsetType = UNSET


def view(call: Call[Identity], region: Region) -> RegionView:
    """A region as it is shown."""
    return RegionView(
        id=region.id,
        description=region.description,
        parent_region_id=region.parent_region_id,
        links=link(call, f"regions/{region.id}"),
        extra=region.extra,
    )


def _made(region_id: str, body: RegionCreate) -> Region:
    return Region(
        id=region_id,
        description=body.description or "",
        parent_region_id=body.parent_region_id,
        extra=extras(body.extra, RegionView),
    )


@api.get("/regions", Rule("identity:list_regions", ANY), key="regions")
async def index(call: Call[Identity], query: RegionQuery, page: Page) -> list[RegionView]:
    """List regions."""
    return [view(call, one) for one in await listed(call, REGIONS_LIST, asked(call, query))]


@api.post("/regions", Rule("identity:create_region", ADMIN), key="region")
async def create(call: Call[Identity], body: RegionCreate) -> RegionView:
    """Create a region."""
    return view(call, await create_region(call.app, _made(body.id or new_id(), body)))


@api.put("/regions/{region_id}", Rule("identity:create_region", ADMIN), key="region", status=201, on="c")
async def create_named(call: Call[Identity], region_id: str, body: RegionCreate) -> RegionView:
    """Create a region with the id in the path."""
    return view(call, await create_region(call.app, _made(region_id, body)))


@api.get("/regions/{region_id}", Rule("identity:get_region", ANY), key="region", find=find.region)
async def show(call: Call[Identity], region: Region) -> RegionView:
    """Show a region."""
    return view(call, region)


@api.patch("/regions/{region_id}", Rule("identity:update_region", ADMIN), key="region", find=find.region)
async def update(call: Call[Identity], region: Region, body: RegionUpdate) -> RegionView:
    """Change a region."""
    given = given_of(body, RegionView)
    given["extra"] = {**region.extra, **given["extra"]}
    if given.get("description") is None:
        given.pop("description", None)
    return view(call, await change_region(call.app, region, given))


@api.delete("/regions/{region_id}", Rule("identity:delete_region", ADMIN), find=find.region)
async def delete(call: Call[Identity], region: Region) -> None:
    """Delete a region and those below it."""
    await delete_region(call.app, region)
