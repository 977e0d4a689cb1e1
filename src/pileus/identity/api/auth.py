"""What the holder of a token can reach: catalog, projects, domains, system."""

from typing import Any

from pileus.identity.api.domains import DomainView
from pileus.identity.api.domains import view as domain_view
from pileus.identity.api.projects import ProjectView
from pileus.identity.api.projects import view as project_view
from pileus.identity.api.root import api
from pileus.identity.app import Identity
from pileus.identity.commands.catalog import catalog_list
from pileus.identity.commands.scopes import domains_of_user, in_system, projects_of_user
from pileus.identity.commands.validity import token_find
from pileus.kit.http import Call
from pileus.kit.policy import ANY, Rule
from pileus.ports.identity import CatalogEntry


@api.get("/auth/catalog", Rule("identity:get_auth_catalog", ANY), key="catalog")
async def catalog(call: Call[Identity]) -> list[CatalogEntry]:
    """Show the catalog for the token's scope."""
    return await catalog_list(call.app, call.caller.project_id, call.caller.user_id)


async def _groups(call: Call[Identity]) -> tuple[str, ...]:
    """The groups the caller is in by their token alone."""
    found = await token_find(call.app, call.caller.token or "")
    came = found.payload.federated if found is not None else None
    return came.group_ids if came is not None else ()


@api.get("/auth/projects", Rule("identity:get_auth_projects", ANY), key="projects")
async def projects(call: Call[Identity]) -> list[ProjectView]:
    """List the projects the token's user can act in."""
    return [
        project_view(call, one) for one in await projects_of_user(call.app, call.caller.user_id, await _groups(call))
    ]


@api.get("/auth/domains", Rule("identity:get_auth_domains", ANY), key="domains")
async def domains(call: Call[Identity]) -> list[DomainView]:
    """List the domains the token's user can act in."""
    return [domain_view(call, one) for one in await domains_of_user(call.app, call.caller.user_id, await _groups(call))]


@api.get("/auth/system", Rule("identity:get_auth_system", ANY), key="system")
async def system(call: Call[Identity]) -> list[dict[str, Any]]:
    """List the systems the token's user can act on."""
    return [{"all": True}] if await in_system(call.app, call.caller.user_id) else []
