"""Namespaces of metadata definitions, and the types of resources they are about."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from pileus.image.api.service import api, moment
from pileus.image.app import ImageApp
from pileus.image.commands import metadefs as commands
from pileus.image.errors import NoSuchNamespace, WrongValue
from pileus.image.models import metadef_forms as forms
from pileus.image.models.metadef_forms import Label
from pileus.image.models.metadefs import RESOURCE_TYPES, Body, Definition, Kind, Namespace
from pileus.image.store import metadefs as store
from pileus.kit.auth import Caller
from pileus.kit.db import In, UnknownMarker
from pileus.kit.http import Call, Page, Query, Wire
from pileus.kit.http.call import BadPaging
from pileus.kit.http.dialect import next_link
from pileus.kit.policy import PROJECT_READER, Rule

READ = "admin or project reader or reader[visibility=public]"
SPACES = "/metadefs/namespaces"
SPACE = "/metadefs/namespaces/{namespace}"
PAGE = 1000  # what a list holds where nothing is said: Glance's clients do not ask for what follows everywhere
# What a namespace is of which nothing is said.
WITHOUT = {"display_name": None, "description": None, "visibility": "private", "protected": False}
Text = Annotated[str, msgspec.Meta(max_length=500)]
Owner = Annotated[str, msgspec.Meta(max_length=255)]


class Tie(Wire):
    """A type of resource a namespace is about."""

    __exact__: ClassVar[bool] = True
    name: Label
    prefix: Label | None = None
    properties_target: Label | None = None
    created_at: str | None = None
    updated_at: str | None = None


class Described(Wire):
    """Something with a name, and whatever is said of it."""

    __extras__: ClassVar[str | None] = "body"
    __exact__: ClassVar[bool] = True
    name: Label
    body: Body = {}


class Tag(Wire):
    """A tag."""

    __exact__: ClassVar[bool] = True
    name: Label
    created_at: str | None = None
    updated_at: str | None = None


class NamespaceGiven(Wire):
    """A namespace, perhaps with what it shall hold."""

    __extras__: ClassVar[str | None] = "rest"
    __exact__: ClassVar[bool] = True
    namespace: Label
    display_name: Label | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    visibility: Literal["public", "private"] | UnsetType = UNSET
    protected: bool | UnsetType = UNSET
    owner: Owner | UnsetType = UNSET
    resource_type_associations: list[Tie] = []
    properties: dict[Label, Body] = {}
    objects: list[Body] = []
    tags: list[Tag] = []
    rest: Body = {}


class NamespaceQuery(Query):
    """Which namespaces to list."""

    visibility: Literal["public", "private"] | UnsetType = UNSET
    resource_types: str | UnsetType = UNSET


class ForType(Query):
    """For which type of resource; the namespace's prefix for it then stands before the names of properties."""

    resource_type: str | UnsetType = UNSET


async def namespace_find(app: ImageApp, caller: Caller, namespace: str, **_rest: str) -> Namespace:
    """The namespace a path names; raises NoSuchNamespace when there is none the caller may see."""
    return await commands.namespace_get(app, caller, namespace)


def view(space: Namespace) -> dict[str, Any]:
    """A namespace as lists show it."""
    shown = {
        "namespace": space.namespace,
        "display_name": space.display_name,
        "description": space.description,
        "visibility": space.visibility,
        "protected": space.protected,
        "owner": space.owner,
        "created_at": moment(space.created_at),
        "updated_at": moment(space.updated_at),
        "self": f"/v2{SPACES}/{space.namespace}",
        "schema": "/v2/schemas/metadefs/namespace",
    }
    return {name: value for name, value in shown.items() if value is not None}


def described(definition: Definition) -> dict[str, Any]:
    """A definition with what is said of it."""
    return {"name": definition.name, **definition.body}


def tie_view(tie: Definition) -> dict[str, Any]:
    """What ties a namespace to a type of resource."""
    return {**described(tie), "created_at": moment(tie.created_at), "updated_at": moment(tie.updated_at)}


def object_view(space: Namespace, definition: Definition) -> dict[str, Any]:
    """An object with its own properties."""
    return {
        "required": [],
        "properties": {},
        **described(definition),
        "created_at": moment(definition.created_at),
        "updated_at": moment(definition.updated_at),
        "self": f"/v2{SPACES}/{space.namespace}/objects/{definition.name}",
        "schema": "/v2/schemas/metadefs/object",
    }


async def whole(call: Call[ImageApp], space: Namespace) -> dict[str, Any]:
    """A namespace with all it holds."""
    held = {kind: await store.definitions_of(call.app, space.id, kind) for kind in Kind}
    parts: dict[str, Any] = {
        "resource_type_associations": [tie_view(one) for one in held[Kind.RESOURCE_TYPE]],
        "properties": {one.name: one.body for one in held[Kind.PROPERTY]},
        "objects": [object_view(space, one) for one in held[Kind.OBJECT]],
        "tags": [described(one) for one in held[Kind.TAG]],
    }
    return {**view(space), **{name: part for name, part in parts.items() if part}}


def _columns(body: NamespaceGiven) -> dict[str, object]:
    """What a request says of the namespace itself, all of it allowed; raises ReadOnly or WrongValue."""
    given = body.given()
    forms.check_writable(body.rest)
    if body.rest:
        raise WrongValue(why=f"Additional properties are not allowed ({', '.join(map(repr, body.rest))}).")
    names = ("namespace", "display_name", "description", "visibility", "protected", "owner")
    return {name: given[name] for name in names if name in given}


def _tie(tie: Tie) -> tuple[str, Body]:
    body = {"prefix": tie.prefix, "properties_target": tie.properties_target}
    return tie.name, {name: value for name, value in body.items() if value is not None}


def object_of(body: Mapping[str, Any]) -> tuple[str, Body]:
    """The name of an object and what is said of it, which is what an object can be; raises WrongValue."""
    forms.check(forms.ObjectForm, body, "object")
    found = forms.without_marks(body)
    return str(found.pop("name")), found


def property_of(name: str, body: Mapping[str, Any]) -> tuple[str, Body]:
    """The name of a property and what is said of it, which is what a property can be; raises WrongValue."""
    forms.check(forms.PropertyForm, body, f"property {name}")
    return name, dict(body)


@api.get(SPACES, Rule("get_metadef_namespaces", PROJECT_READER), late=True)
async def index(call: Call[ImageApp], query: NamespaceQuery, page: Page) -> dict[str, Any]:
    """List namespaces; the newest come first."""
    caller = call.caller
    call.require("get_metadef_namespaces", {"project_id": caller.project_id})
    where: dict[str, object] = {} if caller.admin else {"seen_by": caller.project_id or ""}
    if not isinstance(query.visibility, UnsetType):
        where["visibility"] = query.visibility
    if not isinstance(query.resource_types, UnsetType):
        where["resource_type"] = In(tuple(query.resource_types.split(",")))
    ordered(page)
    try:
        found = await call.app.db.page(store.SPACES, where=where, sort=page.sort, marker=page.marker, limit=page.limit)
    except UnknownMarker as unknown:
        raise NoSuchNamespace(namespace=unknown.marker) from unknown
    tied = await store.ties_of(call.app, [space.id for space in found])
    shown: list[dict[str, Any]] = []
    for space in found:
        ties = [tie_view(one) for one in tied.get(space.id, ())]
        shown.append({**view(space), **({"resource_type_associations": ties} if ties else {})})
    names = [space.namespace for space in found]
    return {"namespaces": shown, **around(call, names), "schema": "/v2/schemas/metadefs/namespaces"}


def ordered(page: Page) -> None:
    """The page has a size and an order: the newest first unless asked otherwise; raises BadPaging."""
    if page.limit == 0:
        raise BadPaging("limit param must be positive.")
    page.limit = min(page.limit or PAGE, PAGE)
    page.sort = page.sort or [("created_at", "desc")]


def around(call: Call[ImageApp], names: Sequence[str]) -> dict[str, str]:
    """Where the first page of the list is, and the next one if this one, of things so called, is full."""
    links = {"first": next_link(call, marker=None).removeprefix(call.base)}
    if len(names) == call.page.limit:
        links["next"] = next_link(call, marker=names[-1]).removeprefix(call.base)
    return links


@api.post(SPACES, Rule("add_metadef_namespace", "admin"))
async def create(call: Call[ImageApp], body: NamespaceGiven) -> dict[str, Any]:
    """Create a namespace."""
    columns = {"owner": call.caller.project_id, **_columns(body)}
    held: commands.Held = {
        Kind.RESOURCE_TYPE: [_tie(tie) for tie in body.resource_type_associations],
        Kind.PROPERTY: [property_of(*one) for one in body.properties.items()],
        Kind.OBJECT: [object_of(one) for one in body.objects],
        Kind.TAG: [(tag.name, {}) for tag in body.tags],
    }
    space = await commands.create_namespace(call.app, columns, held)
    call.reply_headers["Location"] = call.url(f"/v2{SPACES}/{space.namespace}")
    return await whole(call, space)


@api.get(SPACE, Rule("get_metadef_namespace", READ), find=namespace_find)
async def show(call: Call[ImageApp], space: Namespace, query: ForType) -> dict[str, Any]:
    """Show a namespace with all it holds."""
    shown = await whole(call, space)
    if not isinstance(query.resource_type, UnsetType):
        tie = await store.definition_find(call.app, space.id, Kind.RESOURCE_TYPE, query.resource_type)
        before = str(tie.body.get("prefix", "")) if tie is not None else ""
        for part in (shown, *shown.get("objects", ())):
            if "properties" in part:
                part["properties"] = {before + name: body for name, body in part["properties"].items()}
            if "required" in part:
                part["required"] = [before + name for name in part["required"]]
    return shown


@api.put(SPACE, Rule("modify_metadef_namespace", "admin"), find=namespace_find, on="c")
async def update(call: Call[ImageApp], space: Namespace, body: NamespaceGiven) -> dict[str, Any]:
    """Put another description in a namespace's place; what is not given is as in a new one. What it holds stays."""
    given = _columns(body)
    columns = {**WITHOUT, "owner": call.caller.project_id, **given}
    return view(await commands.change_namespace(call.app, space, columns))


@api.delete(SPACE, Rule("delete_metadef_namespace", "admin"), find=namespace_find)
async def delete(call: Call[ImageApp], space: Namespace) -> None:
    """Delete a namespace with all it holds."""
    await commands.delete_namespace(call.app, space)


# -- types of resources -------------------------------------------------------------------------------------------------


@api.get("/metadefs/resource_types", Rule("list_metadef_resource_types", READ), late=True)
async def types(call: Call[ImageApp]) -> dict[str, Any]:
    """List the types of resources namespaces can be about."""
    call.require("list_metadef_resource_types", {"project_id": call.caller.project_id})
    shown: dict[str, dict[str, str | None]] = {name: {"name": name} for name in RESOURCE_TYPES}
    for used in await store.types_used(call.app):
        dates = {"created_at": moment(used.created_at), "updated_at": moment(used.updated_at)}
        shown[used.name] = {"name": used.name, **dates}
    return {"resource_types": [shown[name] for name in sorted(shown)], "schema": "/v2/schemas/metadefs/resource_types"}


@api.get(f"{SPACE}/resource_types", Rule("get_metadef_resource_type", READ), find=namespace_find)
async def ties(call: Call[ImageApp], space: Namespace) -> dict[str, Any]:
    """List the types of resources a namespace is about."""
    found = await store.definitions_of(call.app, space.id, Kind.RESOURCE_TYPE)
    return {"resource_type_associations": [tie_view(one) for one in found]}


@api.post(f"{SPACE}/resource_types", Rule("add_metadef_resource_type_association", "admin"), find=namespace_find)
async def tie(call: Call[ImageApp], space: Namespace, body: Tie) -> dict[str, Any]:
    """Say that a namespace is about a type of resource."""
    forms.check_writable({key: value for key, value in body.given().items() if value is not None})
    name, about = _tie(body)
    return tie_view(await commands.add_definition(call.app, space, Kind.RESOURCE_TYPE, name, about))


@api.delete(
    f"{SPACE}/resource_types/{{resource_type}}",
    Rule("remove_metadef_resource_type_association", "admin"),
    find=namespace_find,
)
async def untie(call: Call[ImageApp], space: Namespace, resource_type: str) -> None:
    """Say that a namespace is not about a type of resource."""
    await commands.remove_definition(call.app, space, Kind.RESOURCE_TYPE, resource_type)
