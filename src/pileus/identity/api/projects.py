"""Projects and their tags."""

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from pileus.identity.api import find
from pileus.identity.api.root import (
    Description,
    Links,
    PlaceName,
    ResourceOptions,
    ShortId,
    api,
    asked,
    default_domain,
    extras,
    given_of,
    link,
    listed,
    options_of,
    require_list,
    within_domain,
)
from pileus.identity.app import Identity
from pileus.identity.commands.projects import change_project, create_project, delete_project, remove_tag, set_tags
from pileus.identity.errors import BadTag, TagNotFound
from pileus.identity.models import Extra, Project, new_id
from pileus.identity.store.projects import LIST, project_find
from pileus.kit.db import Matches
from pileus.kit.http import Call, Page, Query, Wire
from pileus.kit.policy import Rule

READ = (
    "admin or system reader or reader[domain=target.project.domain_id & not(target.project.domain_id unset)] or "
    "project=target.project.id"
)
WRITE = "admin or manager[domain=target.project.domain_id & not(target.project.domain_id unset)]"
Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[^,/]*$(?!\n)")]
Tags = Annotated[list[Tag], msgspec.Meta(max_length=80)]


class ProjectCreate(Wire):
    """A new project."""

    __extras__: ClassVar[str | None] = "extra"
    __exact__: ClassVar[bool] = True

    name: PlaceName
    domain_id: ShortId | None = None
    parent_id: ShortId | None = None
    description: Description | None = None
    enabled: bool = True
    is_domain: bool = False
    tags: Tags = []
    options: ResourceOptions | UnsetType = UNSET
    extra: Extra = {}


class ProjectUpdate(Wire):
    """What shall change of a project."""

    __extras__: ClassVar[str | None] = "extra"
    __exact__: ClassVar[bool] = True

    name: PlaceName
    domain_id: str | None
    parent_id: str | None
    description: Description | None
    enabled: bool
    is_domain: bool
    tags: Tags
    options: ResourceOptions
    extra: Extra = {}


class ProjectView(Wire):
    """A project as it is shown."""

    __extras__: ClassVar[str | None] = "extra"

    id: str
    name: str
    domain_id: str | None
    parent_id: str | None
    description: str
    enabled: bool
    is_domain: bool
    tags: list[str]
    options: Extra
    links: Links
    extra: Extra = {}


class ProjectQuery(Query):
    """Which projects to list."""

    name: str | UnsetType = UNSET
    domain_id: str | UnsetType = UNSET
    parent_id: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    is_domain: bool = False
    tags: str | UnsetType = UNSET


def view(call: Call[Identity], project: Project) -> ProjectView:
    """A project as it is shown."""
    return ProjectView(
        id=project.id,
        name=project.name,
        domain_id=project.domain_id,
        parent_id=project.parent_id,
        description=project.description,
        enabled=project.enabled,
        is_domain=project.is_domain,
        tags=list(project.tags),
        options=project.options,
        links=link(call, f"projects/{project.id}"),
        extra=project.extra,
    )


def _tagged(tags: str) -> tuple[Matches, ...]:
    """All of these tags, which lie in the column as the JSON text of a list."""
    texts = (msgspec.json.encode(tag).decode() for tag in tags.split(",") if tag)
    return tuple(Matches("".join(f"\\{char}" if not char.isalnum() else char for char in text)) for text in texts)


@api.get(
    "/projects",
    Rule("identity:list_projects", "admin or system reader or reader[domain=target.domain_id]"),
    key="projects",
    late=True,
)
async def index(call: Call[Identity], query: ProjectQuery, page: Page) -> list[ProjectView]:
    """List projects."""
    require_list(call, "identity:list_projects", "target.domain_id")
    where = within_domain(call, asked(call, query, "name"))
    if isinstance(query.tags, str):
        where["tags"] = _tagged(query.tags)
    return [view(call, one) for one in await listed(call, LIST, where)]


@api.post("/projects", Rule("identity:create_project", WRITE), key="project", late=True)
async def create(call: Call[Identity], body: ProjectCreate) -> ProjectView:
    """Create a project."""
    domain_id, parent_id = body.domain_id, body.parent_id
    if body.is_domain:
        domain_id = parent_id = None
    else:
        parent = await project_find(call.app, parent_id) if parent_id else None
        domain_id = domain_id or ((parent.domain_id or parent.id) if parent else default_domain(call))
        parent_id = parent_id or domain_id
    call.require("identity:create_project", {"target.project.domain_id": domain_id})
    project = Project(
        id=new_id(),
        name=body.name,
        domain_id=domain_id,
        parent_id=parent_id,
        is_domain=body.is_domain,
        enabled=body.enabled,
        description=body.description or "",
        tags=tuple(sorted(set(body.tags))),
        options=options_of(body.options),
        extra=extras(body.extra, ProjectView),
    )
    return view(call, await create_project(call.app, project))


@api.get("/projects/{project_id}", Rule("identity:get_project", READ), key="project", find=find.project)
async def show(call: Call[Identity], project: Project) -> ProjectView:
    """Show a project."""
    return view(call, project)


@api.patch("/projects/{project_id}", Rule("identity:update_project", WRITE), key="project", find=find.project)
async def update(call: Call[Identity], project: Project, body: ProjectUpdate) -> ProjectView:
    """Change a project."""
    given = given_of(body, ProjectView)
    if given.get("tags") is not None:
        given["tags"] = tuple(sorted(set(given["tags"])))
    return view(call, await change_project(call.app, project, given))


@api.delete("/projects/{project_id}", Rule("identity:delete_project", WRITE), find=find.project)
async def delete(call: Call[Identity], project: Project) -> None:
    """Delete a project."""
    await delete_project(call.app, project)


@api.get("/projects/{project_id}/tags", Rule("identity:list_project_tags", READ), find=find.project)
async def tag_index(call: Call[Identity], project: Project) -> dict[str, Any]:
    """List a project's tags."""
    return {"tags": list(project.tags), "links": link(call, f"projects/{project.id}/tags")}


class TagsBody(Wire):
    """A project's tags."""

    tags: Tags


@api.put("/projects/{project_id}/tags", Rule("identity:update_project_tags", WRITE), find=find.project, on="c")
async def tag_replace(call: Call[Identity], project: Project, body: TagsBody) -> dict[str, Any]:
    """Replace a project's tags."""
    changed = await set_tags(call.app, project, tuple(body.tags))
    return {"tags": list(changed.tags), "links": link(call, f"projects/{project.id}/tags")}


@api.delete("/projects/{project_id}/tags", Rule("identity:delete_project_tags", WRITE), find=find.project)
async def tag_clear(call: Call[Identity], project: Project) -> None:
    """Remove all tags from a project."""
    await set_tags(call.app, project, ())


@api.get("/projects/{project_id}/tags/{tag}", Rule("identity:get_project_tag", READ), find=find.project, status=204)
async def tag_check(call: Call[Identity], project: Project, tag: str) -> None:
    """Check that a project has a tag."""
    if tag not in project.tags:
        raise TagNotFound(tag=tag)


@api.put("/projects/{project_id}/tags/{tag}", Rule("identity:create_project_tag", WRITE), find=find.project, status=201)
async def tag_add(call: Call[Identity], project: Project, tag: str) -> None:
    """Add a tag to a project."""
    if "," in tag or len(tag) > 255:
        raise BadTag(tag=tag[:64])
    await set_tags(call.app, project, (*project.tags, tag))
    call.reply_headers["Location"] = call.url(f"/v3/projects/{project.id}/tags/{tag}")


@api.delete("/projects/{project_id}/tags/{tag}", Rule("identity:delete_project_tag", WRITE), find=find.project)
async def tag_remove(call: Call[Identity], project: Project, tag: str) -> None:
    """Remove a tag from a project."""
    await remove_tag(call.app, project, tag)
