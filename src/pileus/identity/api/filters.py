"""Which endpoints projects see (OS-EP-FILTER): those given to them, one by one or as groups."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from pileus.identity.api import find
from pileus.identity.api.projects import ProjectView
from pileus.identity.api.projects import view as project_view
from pileus.identity.api.root import ADMIN_OR_SYSTEM_READER, Description, Links, Name, api, asked, link, listed
from pileus.identity.api.services import EndpointView, endpoint_view
from pileus.identity.app import Identity
from pileus.identity.commands.filters import (
    ENDPOINT_GROUPS,
    ENDPOINTS,
    change_group,
    check_given,
    create_group,
    delete_group,
    endpoints_given,
    endpoints_in,
    give,
    groups_given,
    projects_with,
    take,
)
from pileus.identity.errors import Missing
from pileus.identity.models import Endpoint, Extra, Project, new_id
from pileus.identity.models.filters import EndpointGroup
from pileus.identity.store.catalog import endpoint_find
from pileus.identity.store.filters import GROUPS
from pileus.identity.store.projects import project_find
from pileus.kit.auth import Caller
from pileus.kit.http import Call, Page, Query, Wire
from pileus.kit.policy import ADMIN, Rule

ROOT = "/OS-EP-FILTER"
GROUP = f"{ROOT}/endpoint_groups/{{endpoint_group_id}}"
GIVEN_GROUP = f"{GROUP}/projects/{{project_id}}"
GIVEN = f"{ROOT}/projects/{{project_id}}/endpoints/{{endpoint_id}}"


def _rule(verb: str) -> Rule:
    reads = verb.startswith(("list", "get", "check"))
    return Rule(f"identity:{verb}", ADMIN_OR_SYSTEM_READER if reads else ADMIN)


class GroupCreate(Wire):
    """A new endpoint group."""

    name: Name
    filters: Extra
    description: Description | None = None


class GroupView(Wire):
    """An endpoint group as it is shown."""

    id: str
    name: str
    description: str
    filters: Extra
    links: Links


class GroupQuery(Query):
    """Which endpoint groups to list."""

    name: str | UnsetType = UNSET


class Given(msgspec.Struct, frozen=True):
    """A project, and what a path names beside it."""

    project: Project
    endpoint: Endpoint | None = None
    group: EndpointGroup | None = None


async def group_find(app: Identity, _caller: Caller, endpoint_group_id: str) -> EndpointGroup | Missing:
    """The endpoint group a path names."""
    return await GROUPS.find(app, endpoint_group_id) or Missing(kind="endpoint_group", id=endpoint_group_id)


async def given_find(
    app: Identity,
    _caller: Caller,
    project_id: str,
    endpoint_id: str | None = None,
    endpoint_group_id: str | None = None,
) -> Given | Missing:
    """The project a path names, with the endpoint or the group of endpoints."""
    project = await project_find(app, project_id)
    if project is None:
        return Missing(kind="project", id=project_id)
    if endpoint_group_id is not None:
        group = await GROUPS.find(app, endpoint_group_id)
        return Given(project, group=group) if group else Missing(kind="endpoint_group", id=endpoint_group_id)
    endpoint = await endpoint_find(app, endpoint_id or "")
    return Given(project, endpoint) if endpoint else Missing(kind="endpoint", id=endpoint_id)


def view(call: Call[Identity], group: EndpointGroup) -> GroupView:
    """An endpoint group as it is shown."""
    return GroupView(
        id=group.id,
        name=group.name,
        description=group.description,
        filters=group.filters,
        links=link(call, f"OS-EP-FILTER/endpoint_groups/{group.id}"),
    )


@api.get(f"{ROOT}/endpoint_groups", _rule("list_endpoint_groups"), key="endpoint_groups")
async def index(call: Call[Identity], query: GroupQuery, page: Page) -> list[GroupView]:
    """List endpoint groups."""
    return [view(call, one) for one in await listed(call, GROUPS.listing, asked(call, query))]


@api.post(f"{ROOT}/endpoint_groups", _rule("create_endpoint_group"), key="endpoint_group")
async def create(call: Call[Identity], body: GroupCreate) -> GroupView:
    """Create an endpoint group."""
    group = EndpointGroup(id=new_id(), name=body.name, filters=body.filters, description=body.description or "")
    return view(call, await create_group(call.app, group))


@api.get(GROUP, _rule("get_endpoint_group"), key="endpoint_group", find=group_find)
async def show(call: Call[Identity], group: EndpointGroup) -> GroupView:
    """Show an endpoint group."""
    return view(call, group)


@api.patch(GROUP, _rule("update_endpoint_group"), key="endpoint_group", find=group_find)
async def update(call: Call[Identity], group: EndpointGroup, body: GroupCreate) -> GroupView:
    """Change an endpoint group."""
    return view(call, await change_group(call.app, group, body.given()))


@api.delete(GROUP, _rule("delete_endpoint_group"), find=group_find)
async def delete(call: Call[Identity], group: EndpointGroup) -> None:
    """Delete an endpoint group."""
    await delete_group(call.app, group)


@api.get(f"{GROUP}/projects", _rule("list_projects_associated_with_endpoint_group"), key="projects", find=group_find)
async def group_projects(call: Call[Identity], group: EndpointGroup) -> list[ProjectView]:
    """List the projects an endpoint group was given to."""
    return [project_view(call, one) for one in await projects_with(call.app, ENDPOINT_GROUPS, group.id)]


@api.get(f"{GROUP}/endpoints", _rule("list_endpoints_associated_with_endpoint_group"), key="endpoints", find=group_find)
async def group_endpoints(call: Call[Identity], group: EndpointGroup) -> list[EndpointView]:
    """List the endpoints of an endpoint group."""
    return [endpoint_view(call, one) for one in await endpoints_in(call.app, group)]


@api.get(GIVEN_GROUP, _rule("get_endpoint_group_in_project"), key="project_endpoint_group", find=given_find)
async def group_given(call: Call[Identity], given: Given) -> dict[str, Any]:
    """Check that an endpoint group was given to a project."""
    assert given.group is not None, "the path names one"
    await check_given(call.app, ENDPOINT_GROUPS, given.project.id, given.group.id)
    path = f"OS-EP-FILTER/endpoint_groups/{given.group.id}/projects/{given.project.id}"
    return {"endpoint_group_id": given.group.id, "project_id": given.project.id, "links": link(call, path)}


@api.put(GIVEN_GROUP, _rule("add_endpoint_group_to_project"), find=given_find, status=204)
async def group_give(call: Call[Identity], given: Given) -> None:
    """Give an endpoint group to a project."""
    assert given.group is not None, "the path names one"
    await give(call.app, ENDPOINT_GROUPS, given.project.id, given.group.id)


@api.delete(GIVEN_GROUP, _rule("remove_endpoint_group_from_project"), find=given_find)
async def group_take(call: Call[Identity], given: Given) -> None:
    """Take an endpoint group from a project."""
    assert given.group is not None, "the path names one"
    await take(call.app, ENDPOINT_GROUPS, given.project.id, given.group.id)


@api.get(
    f"{ROOT}/projects/{{project_id}}/endpoint_groups",
    _rule("list_endpoint_groups_for_project"),
    key="endpoint_groups",
    find=find.project,
)
async def project_groups(call: Call[Identity], project: Project) -> list[GroupView]:
    """List the endpoint groups given to a project."""
    return [view(call, one) for one in await groups_given(call.app, project.id)]


# -- single endpoints ---------------------------------------------------------------------------------------------------


@api.get(
    f"{ROOT}/projects/{{project_id}}/endpoints",
    _rule("list_endpoints_for_project"),
    key="endpoints",
    find=find.project,
)
async def project_endpoints(call: Call[Identity], project: Project) -> list[EndpointView]:
    """List the endpoints a project was given, those of groups included."""
    return [endpoint_view(call, one) for one in await endpoints_given(call.app, project.id)]


@api.get(
    f"{ROOT}/endpoints/{{endpoint_id}}/projects",
    _rule("list_projects_for_endpoint"),
    key="projects",
    find=find.endpoint,
)
async def endpoint_projects(call: Call[Identity], endpoint: Endpoint) -> list[ProjectView]:
    """List the projects an endpoint was given to."""
    return [project_view(call, one) for one in await projects_with(call.app, ENDPOINTS, endpoint.id)]


@api.get(GIVEN, _rule("check_endpoint_in_project"), find=given_find, status=204)
async def endpoint_check(call: Call[Identity], given: Given) -> None:
    """Check that an endpoint was given to a project."""
    assert given.endpoint is not None, "the path names one"
    await check_given(call.app, ENDPOINTS, given.project.id, given.endpoint.id)


@api.put(GIVEN, _rule("add_endpoint_to_project"), find=given_find, status=204)
async def endpoint_give(call: Call[Identity], given: Given) -> None:
    """Give an endpoint to a project."""
    assert given.endpoint is not None, "the path names one"
    await give(call.app, ENDPOINTS, given.project.id, given.endpoint.id)


@api.delete(GIVEN, _rule("remove_endpoint_from_project"), find=given_find)
async def endpoint_take(call: Call[Identity], given: Given) -> None:
    """Take an endpoint from a project."""
    assert given.endpoint is not None, "the path names one"
    await take(call.app, ENDPOINTS, given.project.id, given.endpoint.id)
