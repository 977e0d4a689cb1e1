"""Loading what a path names; what is missing is told only to those the route's rule lets in."""

from pileus.identity.app import Identity
from pileus.identity.errors import Missing
from pileus.identity.models import (
    Credential,
    Endpoint,
    Group,
    Policy,
    Project,
    Region,
    Role,
    Service,
    Trust,
    User,
)
from pileus.identity.store import catalog, delegation, projects, roles, users
from pileus.kit.auth import Caller


async def user(app: Identity, _caller: Caller, user_id: str) -> User | Missing:
    """The user a path names."""
    return await users.user_find(app, user_id) or Missing(kind="user", id=user_id)


async def group(app: Identity, _caller: Caller, group_id: str) -> Group | Missing:
    """The group a path names."""
    return await users.group_find(app, group_id) or Missing(kind="group", id=group_id)


async def project(app: Identity, _caller: Caller, project_id: str, **_more: str) -> Project | Missing:
    """The project a path names."""
    return await projects.project_find(app, project_id) or Missing(kind="project", id=project_id)


async def domain(app: Identity, _caller: Caller, domain_id: str) -> Project | Missing:
    """The domain a path names."""
    return await projects.domain_find(app, domain_id) or Missing(kind="domain", id=domain_id)


async def role(app: Identity, _caller: Caller, role_id: str) -> Role | Missing:
    """The role a path names."""
    return await roles.role_find(app, role_id) or Missing(kind="role", id=role_id)


async def service(app: Identity, _caller: Caller, service_id: str) -> Service | Missing:
    """The service a path names."""
    return await catalog.service_find(app, service_id) or Missing(kind="service", id=service_id)


async def endpoint(app: Identity, _caller: Caller, endpoint_id: str) -> Endpoint | Missing:
    """The endpoint a path names."""
    return await catalog.endpoint_find(app, endpoint_id) or Missing(kind="endpoint", id=endpoint_id)


async def region(app: Identity, _caller: Caller, region_id: str) -> Region | Missing:
    """The region a path names."""
    return await catalog.region_find(app, region_id) or Missing(kind="region", id=region_id)


async def credential(app: Identity, _caller: Caller, credential_id: str) -> Credential | Missing:
    """The credential a path names."""
    return await delegation.credential_find(app, credential_id) or Missing(kind="credential", id=credential_id)


async def policy(app: Identity, _caller: Caller, policy_id: str) -> Policy | Missing:
    """The policy a path names."""
    return await delegation.policy_find(app, policy_id) or Missing(kind="policy", id=policy_id)


async def trust(app: Identity, _caller: Caller, trust_id: str, **_more: str) -> Trust:
    """The trust a path names, as long as it holds; that there is none is told to anybody, as ids are not guessed."""
    found = await delegation.trust_find(app, trust_id)
    if found is None or not found.holds(app.clock.now()):
        raise Missing(kind="trust", id=trust_id)
    return found
