"""Domains: the containers of projects, users and groups."""

from typing import ClassVar

from msgspec import UNSET, UnsetType

from pileus.identity.api import find
from pileus.identity.api.projects import Tags
from pileus.identity.api.root import (
    Description,
    Links,
    PlaceName,
    ResourceOptions,
    ShortId,
    api,
    asked,
    extras,
    given_of,
    link,
    listed,
    options_of,
    require_list,
)
from pileus.identity.app import Identity
from pileus.identity.commands.projects import change_project, create_project, delete_domain
from pileus.identity.models import Extra, Project, new_id
from pileus.identity.store.projects import LIST
from pileus.kit.http import Call, Page, Query, Wire
from pileus.kit.policy import ADMIN, Rule


class DomainCreate(Wire):
    """A new domain; deployments that replicate one give its id."""

    __extras__: ClassVar[str | None] = "extra"
    __exact__: ClassVar[bool] = True

    name: PlaceName
    description: Description | None = None
    enabled: bool = True
    tags: Tags = []
    options: ResourceOptions | UnsetType = UNSET
    explicit_domain_id: ShortId | None = None
    extra: Extra = {}


class DomainUpdate(Wire):
    """What shall change of a domain."""

    __extras__: ClassVar[str | None] = "extra"
    __exact__: ClassVar[bool] = True

    name: PlaceName
    description: Description | None
    enabled: bool
    tags: Tags
    options: ResourceOptions
    extra: Extra = {}


class DomainView(Wire):
    """A domain as it is shown."""

    __extras__: ClassVar[str | None] = "extra"

    id: str
    name: str
    description: str
    enabled: bool
    tags: list[str]
    options: Extra
    links: Links
    extra: Extra = {}


class DomainQuery(Query):
    """Which domains to list."""

    name: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


def view(call: Call[Identity], domain: Project) -> DomainView:
    """A domain as it is shown."""
    return DomainView(
        id=domain.id,
        name=domain.name,
        description=domain.description,
        enabled=domain.enabled,
        tags=list(domain.tags),
        options=domain.options,
        links=link(call, f"domains/{domain.id}"),
        extra=domain.extra,
    )


@api.get(
    "/domains",
    Rule("identity:list_domains", "admin or system reader or reader[domain=target.domain.id]"),
    key="domains",
    late=True,
)
async def index(call: Call[Identity], query: DomainQuery, page: Page) -> list[DomainView]:
    """List domains."""
    require_list(call, "identity:list_domains", "target.domain.id")
    where = {**asked(call, query, "name"), "is_domain": True}
    if call.caller.domain_id is not None:
        where["id"] = call.caller.domain_id
    return [view(call, one) for one in await listed(call, LIST, where)]


@api.post("/domains", Rule("identity:create_domain", ADMIN), key="domain")
async def create(call: Call[Identity], body: DomainCreate) -> DomainView:
    """Create a domain."""
    domain = Project(
        id=body.explicit_domain_id or new_id(),
        name=body.name,
        is_domain=True,
        enabled=body.enabled,
        description=body.description or "",
        tags=tuple(sorted(set(body.tags))),
        options=options_of(body.options),
        extra=extras(body.extra, DomainView),
    )
    return view(call, await create_project(call.app, domain))


@api.get(
    "/domains/{domain_id}",
    Rule(
        "identity:get_domain",
        "admin or system reader or token.domain=target.domain.id or token.project.domain=target.domain.id",
    ),
    key="domain",
    find=find.domain,
)
async def show(call: Call[Identity], domain: Project) -> DomainView:
    """Show a domain."""
    return view(call, domain)


@api.patch("/domains/{domain_id}", Rule("identity:update_domain", ADMIN), key="domain", find=find.domain)
async def update(call: Call[Identity], domain: Project, body: DomainUpdate) -> DomainView:
    """Change a domain."""
    return view(call, await change_project(call.app, domain, given_of(body, DomainView)))


@api.delete("/domains/{domain_id}", Rule("identity:delete_domain", ADMIN), find=find.domain)
async def delete(call: Call[Identity], domain: Project) -> None:
    """Delete a domain, which must be disabled, with all that is in it."""
    await delete_domain(call.app, domain)
