"""Resource classes and traits: the names of what can be counted and of what can be said of a provider."""

from typing import Annotated

import msgspec

from pileus.kit.http import Call, Wire
from pileus.placement.api.service import StrictQuery, api, ruled, stamp
from pileus.placement.app import PlacementApp
from pileus.placement.commands import names as commands

CustomName = Annotated[str, msgspec.Meta(pattern=r"^CUSTOM_[A-Z0-9_]+$(?!\n)", max_length=255)]


class ClassBody(Wire):
    """A custom resource class."""

    name: CustomName


class ClassLink(Wire):
    rel: str
    href: str


class ClassView(Wire):
    """A resource class."""

    name: str
    links: list[ClassLink]


class ClassList(Wire):
    resource_classes: list[ClassView]


def class_view(call: Call[PlacementApp], name: str) -> ClassView:
    return ClassView(name=name, links=[ClassLink(rel="self", href=f"/placement/resource_classes/{name}")])


@api.get("/resource_classes", ruled("resource_classes:list"), since="1.2")
async def class_index(call: Call[PlacementApp]) -> ClassList:
    """List resource classes."""
    stamp(call)
    return ClassList(resource_classes=[class_view(call, name) for name in await commands.class_list(call.app)])


@api.post("/resource_classes", ruled("resource_classes:create"), since="1.2")
async def class_create(call: Call[PlacementApp], body: ClassBody) -> None:
    """Create a resource class."""
    await commands.create_class(call.app, body.name)
    call.reply_headers["Location"] = call.url(f"/resource_classes/{body.name}")


@api.get("/resource_classes/{name}", ruled("resource_classes:show"), since="1.2")
async def class_show(call: Call[PlacementApp], name: str) -> ClassView:
    """Show a resource class."""
    await commands.class_get(call.app, name)
    stamp(call)
    return class_view(call, name)


@api.put("/resource_classes/{name}", ruled("resource_classes:update"), since="1.2", until="1.6", on="c")
async def class_rename(call: Call[PlacementApp], name: str, body: ClassBody) -> ClassView:
    """Rename a resource class."""
    await commands.rename_class(call.app, name, body.name)
    return class_view(call, body.name)


@api.put("/resource_classes/{name}", ruled("resource_classes:update"), since="1.7")
async def class_ensure(call: Call[PlacementApp], name: str) -> None:
    """Ensure a resource class exists."""
    call.reply_status = 201 if await commands.ensure_class(call.app, name) else 204
    call.reply_headers["Location"] = call.url(f"/resource_classes/{name}")


@api.delete("/resource_classes/{name}", ruled("resource_classes:delete"), since="1.2")
async def class_delete(call: Call[PlacementApp], name: str) -> None:
    """Delete a custom resource class."""
    await commands.delete_class(call.app, name)


class TraitQuery(StrictQuery):
    name: str | None = None
    associated: str | None = None


class TraitList(Wire):
    traits: list[str]


@api.get("/traits", ruled("traits:list"), since="1.6")
async def trait_index(call: Call[PlacementApp], query: TraitQuery) -> TraitList:
    """List traits."""
    stamp(call)
    return TraitList(traits=await commands.trait_list(call.app, query.name, query.associated))


@api.get("/traits/{name}", ruled("traits:show"), since="1.6", status=204)
async def trait_show(call: Call[PlacementApp], name: str) -> None:
    """Tell whether a trait exists."""
    await commands.trait_get(call.app, name)
    stamp(call)


@api.put("/traits/{name}", ruled("traits:update"), since="1.6")
async def trait_ensure(call: Call[PlacementApp], name: str) -> None:
    """Ensure a custom trait exists."""
    call.reply_status = 201 if await commands.ensure_trait(call.app, name) else 204
    call.reply_headers["Location"] = call.url(f"/traits/{name}")
    stamp(call)


@api.delete("/traits/{name}", ruled("traits:delete"), since="1.6")
async def trait_delete(call: Call[PlacementApp], name: str) -> None:
    """Delete a custom trait."""
    await commands.delete_trait(call.app, name)
