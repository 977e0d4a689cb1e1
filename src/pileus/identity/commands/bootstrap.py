"""The first rows of a cloud: domain, roles, administrator, catalog; repeatable, as it runs at every start.

Whatever an operator has changed since stays as it is, save that the endpoints made here follow when the cloud listens
at another address, and go when it does not serve them any more.
"""

from collections.abc import Container, Mapping, Sequence

import msgspec

from pileus.identity.app import Identity
from pileus.identity.commands.users import create_user
from pileus.identity.models import Assignment, Endpoint, Project, Region, Role, Service, User, new_id
from pileus.identity.models.entities import SYSTEM
from pileus.identity.store import catalog as store
from pileus.identity.store import changing
from pileus.identity.store.projects import domain_find, project_by_name, project_create
from pileus.identity.store.roles import assignment_add, implication_add, role_by_name, role_create
from pileus.identity.store.users import user_by_name

ROLES = ("admin", "manager", "member", "reader", "service")
IMPLIED = (("admin", "manager"), ("manager", "member"), ("member", "reader"))
INTERFACES = ("public", "internal", "admin")


class ServiceEntry(msgspec.Struct, frozen=True):
    """A service for the catalog; `urls` by interface, and one that begins with a slash follows the public URL."""

    type: str
    name: str
    description: str
    urls: Mapping[str, str]

    @classmethod
    def at(cls, type: str, name: str, description: str, path: str) -> "ServiceEntry":
        """A service reached at one path on all interfaces."""
        return cls(type, name, description, dict.fromkeys(INTERFACES, path))


class Account(msgspec.Struct, frozen=True):
    """A user and the project they work in."""

    user_id: str
    project_id: str


async def bootstrap(
    app: Identity,
    *,
    admin_password: str,
    public_url: str,
    region: str = "RegionOne",
    services: Sequence[ServiceEntry] = (),
) -> Account:
    """The cloud can be logged in to as `admin`, and its services are found; the password counts the first time only."""
    async with changing(app):
        if await domain_find(app, app.config.default_domain) is None:
            await project_create(
                app,
                Project(id=app.config.default_domain, name="Default", is_domain=True, description="The default domain"),
            )
        roles = await _ensure_roles(app)
        await _ensure_catalog(app, public_url.rstrip("/"), region, services)
    account = await _ensure_account(app, "admin", admin_password, "The cloud's own project")
    async with changing(app):
        for scope in (("project", account.project_id), ("system", SYSTEM)):
            await _ensure_given(app, account.user_id, scope, roles["admin"])
    return account


async def make_demo(app: Identity, password: str) -> Account:
    """There is a user `demo` who is a member of a project `demo`; the password counts the first time only."""
    account = await _ensure_account(app, "demo", password, "A project to try things in")
    role = await role_by_name(app, "member")
    assert role is not None, "bootstrap makes the role"
    async with changing(app):
        await _ensure_given(app, account.user_id, ("project", account.project_id), role)
    return account


async def _ensure_roles(app: Identity) -> dict[str, Role]:
    roles: dict[str, Role] = {}
    made = False
    for name in ROLES:
        role = await role_by_name(app, name)
        if role is None:
            role = Role(id=new_id(), name=name, options={"immutable": True})
            await role_create(app, role)
            made = True
        roles[name] = role
    if made:
        for prior, implied in IMPLIED:
            await implication_add(app, roles[prior].id, roles[implied].id)
    return roles


async def _ensure_given(app: Identity, user_id: str, scope: tuple[str, str], role: Role) -> None:
    await assignment_add(
        app,
        Assignment(actor_kind="user", actor_id=user_id, scope_kind=scope[0], scope_id=scope[1], role_id=role.id),
    )


async def _ensure_account(app: Identity, name: str, password: str, description: str) -> Account:
    """A project and a user of this name in the default domain."""
    domain_id = app.config.default_domain
    project = await project_by_name(app, name, domain_id)
    if project is None:
        project = Project(id=new_id(), name=name, domain_id=domain_id, parent_id=domain_id, description=description)
        async with changing(app):
            await project_create(app, project)
    user = await user_by_name(app, name, domain_id)
    if user is None:
        # The operator chose the password, and scripts go by it.
        options = {"ignore_change_password_upon_first_use": True} if app.config.change_password_upon_first_use else {}
        made = User(id=new_id(), name=name, domain_id=domain_id, default_project_id=project.id, options=options)
        user = await create_user(app, made, password)
    return Account(user.id, project.id)


async def _ensure_catalog(app: Identity, public_url: str, region: str, entries: Sequence[ServiceEntry]) -> None:
    if await store.region_find(app, region) is None:
        await store.region_create(app, Region(id=region))
    services = {(service.type, service.name): service for service in await store.services_all(app)}
    endpoints = await store.endpoints_all(app)
    ours = [one for one in endpoints if one.bootstrapped and one.region_id == region]
    for entry in entries:
        urls = {name: public_url + url if url.startswith("/") else url for name, url in entry.urls.items()}
        service = services.get((entry.type, entry.name))
        if service is None:
            await _add_service(app, entry, urls, region)
            continue
        # Those that are missing, an operator has deleted or made their own.
        for endpoint in ours:
            url = urls.get(endpoint.interface, endpoint.url)
            if endpoint.service_id == service.id and endpoint.url != url:
                await store.endpoint_change(app, endpoint.id, url=url)
    if entries:
        served = {services[key].id for entry in entries if (key := (entry.type, entry.name)) in services}
        await _drop_services(app, ours, endpoints, served)


async def _add_service(app: Identity, entry: ServiceEntry, urls: Mapping[str, str], region: str) -> None:
    service = Service(id=new_id(), type=entry.type, name=entry.name, description=entry.description)
    await store.service_create(app, service)
    for interface, url in urls.items():
        endpoint = Endpoint(
            id=new_id(), service_id=service.id, interface=interface, url=url, region_id=region, bootstrapped=True
        )
        await store.endpoint_create(app, endpoint)


async def _drop_services(
    app: Identity, ours: Sequence[Endpoint], endpoints: Sequence[Endpoint], served: Container[str]
) -> None:
    """What this cloud serves no more is not in the catalog, save what an operator put there."""
    gone = {one.id for one in ours if one.service_id not in served}
    kept = {one.service_id for one in endpoints if one.id not in gone}
    for endpoint in ours:
        if endpoint.id in gone:
            await store.endpoint_delete(app, endpoint.id)
    for service_id in {one.service_id for one in ours} - kept:
        await store.service_delete(app, service_id)
