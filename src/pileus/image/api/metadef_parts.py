"""What namespaces of metadata definitions hold: objects, properties and tags."""

from typing import Any, ClassVar

from msgspec import UnsetType

from pileus.image.api.metadefs import (
    READ,
    SPACE,
    Described,
    ForType,
    Tag,
    around,
    described,
    namespace_find,
    object_of,
    object_view,
    ordered,
    property_of,
)
from pileus.image.api.service import api, moment
from pileus.image.app import ImageApp
from pileus.image.commands import metadefs as commands
from pileus.image.errors import WrongValue
from pileus.image.models import metadef_forms as forms
from pileus.image.models.metadefs import Definition, Kind, Namespace
from pileus.image.store import metadefs as store
from pileus.kit.db import UnknownMarker
from pileus.kit.http import Call, Page, Wire
from pileus.kit.policy import Rule

OBJECTS, PROPERTIES, TAGS = f"{SPACE}/objects", f"{SPACE}/properties", f"{SPACE}/tags"
OBJECT, PROPERTY, TAG = f"{OBJECTS}/{{object_name}}", f"{PROPERTIES}/{{property_name}}", f"{TAGS}/{{tag_name}}"
APPEND = "x-openstack-append"
LONGEST = 80  # characters of a name


class TagsGiven(Wire):
    """The tags a namespace shall have."""

    __exact__: ClassVar[bool] = True
    tags: list[Tag]


def _tag_view(tag: Definition) -> dict[str, Any]:
    return {"name": tag.name, "created_at": moment(tag.created_at), "updated_at": moment(tag.updated_at)}


async def _page(call: Call[ImageApp], space: Namespace, kind: Kind, page: Page) -> list[Definition]:
    ordered(page)
    try:
        return await store.definitions_page(call.app, space, kind, page.sort, page.marker, page.limit)
    except UnknownMarker as unknown:
        raise commands.missing(space, kind, str(unknown.marker)) from unknown


# -- objects ------------------------------------------------------------------------------------------------------------


@api.get(OBJECTS, Rule("get_metadef_objects", READ), find=namespace_find)
async def object_index(call: Call[ImageApp], space: Namespace, page: Page) -> dict[str, Any]:
    """List objects; the newest come first."""
    found = await _page(call, space, Kind.OBJECT, page)
    shown = [object_view(space, one) for one in found]
    links = around(call, [one.name for one in found])
    return {"objects": shown, **links, "schema": "/v2/schemas/metadefs/objects"}


@api.post(OBJECTS, Rule("add_metadef_object", "admin"), find=namespace_find)
async def object_create(call: Call[ImageApp], space: Namespace, body: Described) -> dict[str, Any]:
    """Create an object."""
    forms.check_writable(body.body)
    name, about = object_of({"name": body.name, **body.body})
    return object_view(space, await commands.add_definition(call.app, space, Kind.OBJECT, name, about))


@api.get(OBJECT, Rule("get_metadef_object", READ), find=namespace_find)
async def object_show(call: Call[ImageApp], space: Namespace, object_name: str) -> dict[str, Any]:
    """Show an object."""
    return object_view(space, await commands.definition_get(call.app, space, Kind.OBJECT, object_name))


@api.put(OBJECT, Rule("modify_metadef_object", "admin"), find=namespace_find, on="c")
async def object_update(call: Call[ImageApp], space: Namespace, object_name: str, body: Described) -> dict[str, Any]:
    """Change an object."""
    forms.check_writable(body.body)
    name, about = object_of({"name": body.name, **body.body})
    old = await commands.definition_get(call.app, space, Kind.OBJECT, object_name)
    return object_view(space, await commands.change_definition(call.app, space, old, name, about))


@api.delete(OBJECT, Rule("delete_metadef_object", "admin"), find=namespace_find)
async def object_delete(call: Call[ImageApp], space: Namespace, object_name: str) -> None:
    """Delete an object."""
    await commands.remove_definition(call.app, space, Kind.OBJECT, object_name)


@api.delete(OBJECTS, Rule("delete_metadef_object", "admin"), find=namespace_find)
async def object_delete_all(call: Call[ImageApp], space: Namespace) -> None:
    """Delete all objects of a namespace."""
    await commands.remove_definitions(call.app, space, Kind.OBJECT)


# -- properties ---------------------------------------------------------------------------------------------------------


@api.get(PROPERTIES, Rule("get_metadef_properties", READ), find=namespace_find)
async def property_index(call: Call[ImageApp], space: Namespace) -> dict[str, Any]:
    """List properties, by name."""
    found = await store.definitions_of(call.app, space.id, Kind.PROPERTY)
    return {"properties": {one.name: one.body for one in found}}


@api.post(PROPERTIES, Rule("add_metadef_property", "admin"), find=namespace_find)
async def property_create(call: Call[ImageApp], space: Namespace, body: Described) -> dict[str, Any]:
    """Create a property."""
    forms.check_writable(body.body)
    name, about = property_of(body.name, body.body)
    return described(await commands.add_definition(call.app, space, Kind.PROPERTY, name, about))


@api.get(PROPERTY, Rule("get_metadef_property", READ), find=namespace_find)
async def property_show(call: Call[ImageApp], space: Namespace, property_name: str, query: ForType) -> dict[str, Any]:
    """Show a property; for a type of resource, asked for by the name it has there."""
    if isinstance(query.resource_type, UnsetType):
        return described(await commands.definition_get(call.app, space, Kind.PROPERTY, property_name))
    return described(await commands.property_for(call.app, space, property_name, query.resource_type))


@api.put(PROPERTY, Rule("modify_metadef_property", "admin"), find=namespace_find, on="c")
async def property_update(
    call: Call[ImageApp], space: Namespace, property_name: str, body: Described
) -> dict[str, Any]:
    """Change a property."""
    forms.check_writable(body.body)
    name, about = property_of(body.name, body.body)
    old = await commands.definition_get(call.app, space, Kind.PROPERTY, property_name)
    return described(await commands.change_definition(call.app, space, old, name, about))


@api.delete(PROPERTY, Rule("remove_metadef_property", "admin"), find=namespace_find)
async def property_delete(call: Call[ImageApp], space: Namespace, property_name: str) -> None:
    """Delete a property."""
    await commands.remove_definition(call.app, space, Kind.PROPERTY, property_name)


@api.delete(PROPERTIES, Rule("remove_metadef_property", "admin"), find=namespace_find)
async def property_delete_all(call: Call[ImageApp], space: Namespace) -> None:
    """Delete all properties of a namespace."""
    await commands.remove_definitions(call.app, space, Kind.PROPERTY)


# -- tags ---------------------------------------------------------------------------------------------------------------


@api.get(TAGS, Rule("get_metadef_tags", READ), find=namespace_find)
async def tag_index(call: Call[ImageApp], space: Namespace, page: Page) -> dict[str, Any]:
    """List tags; the newest come first."""
    names = [one.name for one in await _page(call, space, Kind.TAG, page)]
    shown = [{"name": name} for name in names]
    return {"tags": shown, **around(call, names), "schema": "/v2/schemas/metadefs/tags"}


@api.post(TAGS, Rule("add_metadef_tags", "admin"), find=namespace_find)
async def tags_create(call: Call[ImageApp], space: Namespace, body: TagsGiven) -> dict[str, Any]:
    """Give a namespace these tags in place of those it has; with X-Openstack-Append, beside them."""
    keep = call.headers.get(APPEND, "").lower() in {"true", "1", "yes"}
    found = await commands.replace_tags(call.app, space, [tag.name for tag in body.tags], keep=keep)
    return {"tags": [{"name": one.name} for one in found]}


@api.get(TAG, Rule("get_metadef_tag", READ), find=namespace_find)
async def tag_show(call: Call[ImageApp], space: Namespace, tag_name: str) -> dict[str, Any]:
    """Show a tag."""
    return _tag_view(await commands.definition_get(call.app, space, Kind.TAG, tag_name))


@api.post(TAG, Rule("add_metadef_tag", "admin"), find=namespace_find)
async def tag_create(call: Call[ImageApp], space: Namespace, tag_name: str) -> dict[str, Any]:
    """Create a tag."""
    if len(tag_name) > LONGEST:
        raise WrongValue(why=f"The name of a tag may have {LONGEST} characters, not {len(tag_name)}.")
    return _tag_view(await commands.add_definition(call.app, space, Kind.TAG, tag_name, {}))


@api.put(TAG, Rule("modify_metadef_tag", "admin"), find=namespace_find, on="c")
async def tag_update(call: Call[ImageApp], space: Namespace, tag_name: str, body: Tag) -> dict[str, Any]:
    """Rename a tag."""
    forms.check_writable({key: value for key, value in body.given().items() if value is not None})
    old = await commands.definition_get(call.app, space, Kind.TAG, tag_name)
    return _tag_view(await commands.change_definition(call.app, space, old, body.name, {}))


@api.delete(TAG, Rule("delete_metadef_tag", "admin"), find=namespace_find)
async def tag_delete(call: Call[ImageApp], space: Namespace, tag_name: str) -> None:
    """Delete a tag."""
    await commands.remove_definition(call.app, space, Kind.TAG, tag_name)


@api.delete(TAGS, Rule("delete_metadef_tags", "admin"), find=namespace_find)
async def tag_delete_all(call: Call[ImageApp], space: Namespace) -> None:
    """Delete all tags of a namespace."""
    await commands.remove_definitions(call.app, space, Kind.TAG)
