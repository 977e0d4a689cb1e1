"""Services and their endpoints: what the catalog is made of."""

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from pileus.identity.api import find
from pileus.identity.api.root import (
    ADMIN_OR_SYSTEM_READER,
    Description,
    Links,
    Name,
    ShortId,
    api,
    asked,
    extras,
    given_of,
    link,
    listed,
)
from pileus.identity.app import Identity
from pileus.identity.commands.catalog import (
    change_endpoint,
    change_service,
    create_endpoint,
    create_service,
    delete_endpoint,
    delete_service,
)
from pileus.identity.models import Endpoint, Extra, Service, new_id
from pileus.identity.store.catalog import ENDPOINTS_LIST, SERVICES_LIST
from pileus.kit.http import Call, Page, Query, Wire
from pileus.kit.policy import ADMIN, Rule

Url = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
Interface = Literal["public", "internal", "admin"]
RegionId = Annotated[str, msgspec.Meta(max_length=255)]


def _merged(given: dict[str, Any], before: Extra) -> dict[str, Any]:
    """An update whose extras join those there are."""
    return {**given, "extra": {**before, **given["extra"]}}


# -- services -----------------------------------------------------------------------------------------------------------


class ServiceCreate(Wire):
    """A new service."""

    __extras__: ClassVar[str | None] = "extra"
    __exact__: ClassVar[bool] = True

    type: Name
    name: str | None = None
    description: Description | None = None
    enabled: bool = True
    extra: Extra = {}


class ServiceView(Wire):
    """A service as it is shown."""

    __extras__: ClassVar[str | None] = "extra"

    id: str
    type: str
    name: str
    description: str
    enabled: bool
    links: Links
    extra: Extra = {}


class ServiceQuery(Query):
    """Which services to list."""

    type: str | UnsetType = UNSET
    name: str | UnsetType = UNSET


def service_view(call: Call[Identity], service: Service) -> ServiceView:
    """A service as it is shown."""
    return ServiceView(
        id=service.id,
        type=service.type,
        name=service.name or "",
        description=service.description or "",
        enabled=service.enabled,
        links=link(call, f"services/{service.id}"),
        extra=service.extra,
    )


@api.get("/services", Rule("identity:list_services", ADMIN_OR_SYSTEM_READER), key="services")
async def service_index(call: Call[Identity], query: ServiceQuery, page: Page) -> list[ServiceView]:
    """List services."""
    return [service_view(call, one) for one in await listed(call, SERVICES_LIST, asked(call, query, "name", "type"))]


@api.post("/services", Rule("identity:create_service", ADMIN), key="service")
async def service_create(call: Call[Identity], body: ServiceCreate) -> ServiceView:
    """Create a service."""
    service = Service(
        id=new_id(),
        type=body.type,
        name=body.name,
        description=body.description,
        enabled=body.enabled,
        extra=extras(body.extra, ServiceView),
    )
    return service_view(call, await create_service(call.app, service))


@api.get(
    "/services/{service_id}", Rule("identity:get_service", ADMIN_OR_SYSTEM_READER), key="service", find=find.service
)
async def service_show(call: Call[Identity], service: Service) -> ServiceView:
    """Show a service."""
    return service_view(call, service)


@api.patch("/services/{service_id}", Rule("identity:update_service", ADMIN), key="service", find=find.service)
async def service_update(call: Call[Identity], service: Service, body: ServiceCreate) -> ServiceView:
    """Change a service."""
    given = _merged(given_of(body, ServiceView), service.extra)
    return service_view(call, await change_service(call.app, service, given))


@api.delete("/services/{service_id}", Rule("identity:delete_service", ADMIN), find=find.service)
async def service_delete(call: Call[Identity], service: Service) -> None:
    """Delete a service with its endpoints."""
    await delete_service(call.app, service)


# -- endpoints ----------------------------------------------------------------------------------------------------------


class EndpointCreate(Wire):
    """A new endpoint; a region given by its old name `region` is made when there is none."""

    __extras__: ClassVar[str | None] = "extra"
    __exact__: ClassVar[bool] = True

    service_id: ShortId
    interface: Interface
    url: Url
    region_id: RegionId | None = None
    region: RegionId | None = None
    enabled: bool = True
    extra: Extra = {}


class EndpointView(Wire):
    """An endpoint as it is shown."""

    __extras__: ClassVar[str | None] = "extra"

    id: str
    service_id: str
    interface: str
    url: str
    region_id: str | None
    region: str | None
    enabled: bool
    links: Links
    extra: Extra = {}


class EndpointQuery(Query):
    """Which endpoints to list."""

    interface: str | UnsetType = UNSET
    service_id: str | UnsetType = UNSET
    region_id: str | UnsetType = UNSET


def endpoint_view(call: Call[Identity], endpoint: Endpoint) -> EndpointView:
    """An endpoint as it is shown."""
    return EndpointView(
        id=endpoint.id,
        service_id=endpoint.service_id,
        interface=endpoint.interface,
        url=endpoint.url,
        region_id=endpoint.region_id,
        region=endpoint.region_id,
        enabled=endpoint.enabled,
        links=link(call, f"endpoints/{endpoint.id}"),
        extra=endpoint.extra,
    )


@api.get("/endpoints", Rule("identity:list_endpoints", ADMIN_OR_SYSTEM_READER), key="endpoints")
async def endpoint_index(call: Call[Identity], query: EndpointQuery, page: Page) -> list[EndpointView]:
    """List endpoints."""
    return [endpoint_view(call, one) for one in await listed(call, ENDPOINTS_LIST, asked(call, query))]


@api.post("/endpoints", Rule("identity:create_endpoint", ADMIN), key="endpoint")
async def endpoint_create(call: Call[Identity], body: EndpointCreate) -> EndpointView:
    """Create an endpoint."""
    endpoint = Endpoint(
        id=new_id(),
        service_id=body.service_id,
        interface=body.interface,
        url=body.url,
        region_id=body.region_id or body.region,
        enabled=body.enabled,
        extra=extras(body.extra, EndpointView),
    )
    return endpoint_view(call, await create_endpoint(call.app, endpoint, make_region=body.region_id is None))


@api.get(
    "/endpoints/{endpoint_id}",
    Rule("identity:get_endpoint", ADMIN_OR_SYSTEM_READER),
    key="endpoint",
    find=find.endpoint,
)
async def endpoint_show(call: Call[Identity], endpoint: Endpoint) -> EndpointView:
    """Show an endpoint."""
    return endpoint_view(call, endpoint)


@api.patch("/endpoints/{endpoint_id}", Rule("identity:update_endpoint", ADMIN), key="endpoint", find=find.endpoint)
async def endpoint_update(call: Call[Identity], endpoint: Endpoint, body: EndpointCreate) -> EndpointView:
    """Change an endpoint."""
    given = _merged(given_of(body, EndpointView), endpoint.extra)
    old_name = given.pop("region", None)
    if old_name is not None:
        given.setdefault("region_id", old_name)
    made = old_name is not None and given["region_id"] == old_name
    return endpoint_view(call, await change_endpoint(call.app, endpoint, given, make_region=made))


@api.delete("/endpoints/{endpoint_id}", Rule("identity:delete_endpoint", ADMIN), find=find.endpoint)
async def endpoint_delete(call: Call[Identity], endpoint: Endpoint) -> None:
    """Delete an endpoint."""
    await delete_endpoint(call.app, endpoint)
