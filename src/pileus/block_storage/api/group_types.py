"""Types of groups, and what is said of them."""

from typing import Annotated, Any

from msgspec import UNSET, UnsetType

from pileus.block_storage import errors
from pileus.block_storage.api.listing import paged
from pileus.block_storage.api.service import (
    ANYBODY,
    Flag,
    Name,
    RealName,
    Specs,
    admin,
    api,
    flag,
    page_of,
)
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import groups as commands
from pileus.block_storage.models.types import GroupType
from pileus.block_storage.store.types import group_type_named, group_types
from pileus.kit.auth import Caller
from pileus.kit.http import Call, F, Page, Query, Wire

SINCE = "3.11"
THIS = "/group_types/{group_type_id}"
SPECS = THIS + "/group_specs"

api.declare(admin("group:access_group_types_specs"))


class GroupTypeView(Wire, kw_only=True):
    """A group type."""

    id: str
    name: str
    description: str | None
    is_public: bool
    specs: Annotated[dict[str, str], F("group_specs", rule="group:access_group_types_specs")]


class GroupTypeCreate(Wire, kw_only=True):
    """A group type to make."""

    name: RealName
    description: Name | None = None
    is_public: Flag = True
    group_specs: Specs | None = None


class GroupTypeUpdate(Wire, kw_only=True):
    """What may be changed of a group type."""

    name: RealName | UnsetType | None = UNSET
    description: Name | UnsetType | None = UNSET
    is_public: Flag | UnsetType = UNSET


class GroupTypesQuery(Query):
    """Which group types."""

    is_public: str | None = None


async def group_type_find(app: BlockStorage, caller: Caller, group_type_id: str, **_more: str) -> GroupType:
    """The group type a path names; raises GroupTypeNotFound."""
    return await commands.group_type_get(app, caller, group_type_id)


def _view(type: GroupType) -> GroupTypeView:
    return GroupTypeView(
        id=type.id, name=type.name, description=type.description, is_public=type.is_public, specs=type.specs
    )


@api.get("/group_types", ANYBODY, key="group_types", since=SINCE)
async def index(call: Call[BlockStorage], query: GroupTypesQuery, page: Page) -> list[GroupTypeView]:
    """List group types."""
    where: dict[str, object] = {"is_public": True}
    if call.caller.admin:
        text = (query.is_public or "true").strip().lower()
        where = {} if text == "none" else {"is_public": flag(text, "is_public")}
    limit = page_of(call, page)
    found = await paged(
        call,
        lambda marker, count: group_types.list(call.app, where, page.sort, marker=marker, limit=count),
        limit,
        page.marker,
    )
    return [_view(each) for each in found]


@api.post("/group_types", admin("group:group_types:create"), key="group_type", since=SINCE, status=202)
async def create(call: Call[BlockStorage], body: GroupTypeCreate) -> GroupTypeView:
    """Make a group type."""
    public = flag(body.is_public, "is_public")
    made = await commands.create_group_type(
        call.app, body.name.strip(), body.description, body.group_specs or {}, public=public
    )
    return _view(made)


@api.get("/group_types/default", ANYBODY, key="group_type", since=SINCE)
async def default(call: Call[BlockStorage]) -> GroupTypeView:
    """Show the type groups have of which nothing else is said."""
    found = await group_type_named(call.app, commands.DEFAULT_TYPE)
    if found is None:
        raise errors.GroupTypeNotFound(type="default")
    return _view(found)


@api.get(THIS, ANYBODY, key="group_type", find=group_type_find, since=SINCE)
async def show(call: Call[BlockStorage], type: GroupType) -> GroupTypeView:
    """Show a group type."""
    return _view(type)


@api.put(THIS, admin("group:group_types:update"), key="group_type", find=group_type_find, since=SINCE)
async def update(call: Call[BlockStorage], type: GroupType, body: GroupTypeUpdate) -> GroupTypeView:
    """Change a group type's name and the like."""
    changes: dict[str, Any] = body.given()
    if changes.get("name", "") is None:
        del changes["name"]
    if not changes:
        raise errors.BadRequest(why="Specify group type name, description or a combination thereof.")
    if "is_public" in changes:
        changes["is_public"] = flag(changes["is_public"], "is_public")
    return _view(await commands.change_group_type(call.app, type, changes))


@api.delete(THIS, admin("group:group_types:delete"), find=group_type_find, since=SINCE, status=202)
async def delete(call: Call[BlockStorage], type: GroupType) -> None:
    """Remove a group type."""
    await commands.delete_group_type(call.app, type)


@api.get(SPECS, admin("group:group_types_specs:get_all"), find=group_type_find, since=SINCE)
async def specs_index(call: Call[BlockStorage], type: GroupType) -> dict[str, dict[str, str]]:
    """List what is said of a group type."""
    return {"group_specs": type.specs}


@api.post(
    SPECS,
    admin("group:group_types_specs:create"),
    key="group_specs",
    reply_key="",
    find=group_type_find,
    since=SINCE,
    status=202,
)
async def specs_create(call: Call[BlockStorage], type: GroupType, body: Specs) -> dict[str, dict[str, str]]:
    """Say more of a group type."""
    await commands.edit_group_specs(call.app, type, lambda specs: {**specs, **body})
    return {"group_specs": body}


@api.get(SPECS + "/{key}", admin("group:group_types_specs:get"), find=group_type_find, since=SINCE)
async def spec_show(call: Call[BlockStorage], type: GroupType, key: str) -> dict[str, str]:
    """Show one thing that is said of a group type."""
    if key not in type.specs:
        raise errors.GroupSpecNotFound(type=type.id, key=key)
    return {key: type.specs[key]}


@api.put(SPECS + "/{key}", admin("group:group_types_specs:update"), find=group_type_find, since=SINCE, on="c")
async def spec_update(call: Call[BlockStorage], type: GroupType, key: str, body: Specs) -> dict[str, str]:
    """Say one thing of a group type."""
    if list(body) != [key]:
        raise errors.BadRequest(why=f"Request body and URI mismatch: the body must hold '{key}' and nothing else.")
    await commands.edit_group_specs(call.app, type, lambda specs: {**specs, **body})
    return body


@api.delete(SPECS + "/{key}", admin("group:group_types_specs:delete"), find=group_type_find, since=SINCE, status=202)
async def spec_delete(call: Call[BlockStorage], type: GroupType, key: str) -> None:
    """Say one thing less of a group type."""

    def dropped(specs: dict[str, str]) -> dict[str, str]:
        if key not in specs:
            raise errors.GroupSpecNotFound(type=type.id, key=key)
        return {name: value for name, value in specs.items() if name != key}

    await commands.edit_group_specs(call.app, type, dropped)
