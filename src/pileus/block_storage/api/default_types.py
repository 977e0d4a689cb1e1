"""The types that volumes of single projects have of which nothing else is said."""

from pileus.block_storage import errors
from pileus.block_storage.api.service import RealName, admin, api
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands.types import type_chosen
from pileus.block_storage.store import types as store
from pileus.kit.http import Call, Wire

SINCE = "3.62"
THIS = "/default-types/{of_project}"


class DefaultType(Wire):
    """A project's default type."""

    project_id: str
    volume_type_id: str


class DefaultChange(Wire):
    """The type to be the default."""

    volume_type: RealName


@api.get("/default-types", admin("volume_extension:default_get_all"), key="default_types", since=SINCE)
async def index(call: Call[BlockStorage]) -> list[DefaultType]:
    """List default types."""
    found = await store.default_list(call.app)
    return [DefaultType(project_id=project, volume_type_id=type) for project, type in found]


@api.get(THIS, admin("volume_extension:default_get"), key="default_type", since=SINCE)
async def show(call: Call[BlockStorage], of_project: str) -> DefaultType:
    """Show a project's default type."""
    found = await store.default_of(call.app, of_project)
    if found is None:
        raise errors.DefaultTypeNotFound(project=of_project)
    return DefaultType(project_id=of_project, volume_type_id=found)


@api.put(THIS, admin("volume_extension:default_set_or_update"), key="default_type", since=SINCE, on="c")
async def update(call: Call[BlockStorage], of_project: str, body: DefaultChange) -> DefaultType:
    """Give a project a default type."""
    if await call.app.identity.project(of_project) is None:
        raise errors.BadRequest(why=f"Project ID {of_project} is not a valid project.")
    type = await type_chosen(call.app, call.caller, body.volume_type)
    assert type is not None, "a name was given"
    await store.default_set(call.app, of_project, type.id)
    return DefaultType(project_id=of_project, volume_type_id=type.id)


@api.delete(THIS, admin("volume_extension:default_unset"), since=SINCE)
async def delete(call: Call[BlockStorage], of_project: str) -> None:
    """Give a project the cloud's default type."""
    if await store.default_of(call.app, of_project) is None:
        raise errors.DefaultTypeNotFound(project=of_project)
    await store.default_unset(call.app, of_project)
