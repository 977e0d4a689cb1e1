"""Services, endpoints and regions in the database."""

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.identity.app import Identity
from pileus.identity.models import Endpoint, Region, Service
from pileus.identity.tables import endpoints, regions, services
from pileus.kit.db import Listing, command, query

_SERVICE = services.c.id == bindparam("id")
_ENDPOINT = endpoints.c.id == bindparam("id")
_REGION = regions.c.id == bindparam("id")

SERVICE_FETCH = query(sa.select(services).where(_SERVICE), Service)
SERVICES_ALL = query(sa.select(services).order_by(services.c.type, services.c.id), Service)
SERVICE_CREATE = command(sa.insert(services))
SERVICE_CHANGE = command(sa.update(services).where(_SERVICE))
SERVICE_DELETE = command(sa.delete(services).where(_SERVICE))
SERVICES_LIST = Listing(
    services,
    Service,
    key=services.c.id,
    filters={name: services.c[name] for name in ("id", "type", "name")},
    sorts={"id": services.c.id, "name": services.c.name, "type": services.c.type},
)

ENDPOINT_FETCH = query(sa.select(endpoints).where(_ENDPOINT), Endpoint)
ENDPOINTS_ALL = query(sa.select(endpoints).order_by(endpoints.c.interface, endpoints.c.id), Endpoint)
ENDPOINT_CREATE = command(sa.insert(endpoints))
ENDPOINT_CHANGE = command(sa.update(endpoints).where(_ENDPOINT))
ENDPOINT_DELETE = command(sa.delete(endpoints).where(_ENDPOINT))
ENDPOINTS_LIST = Listing(
    endpoints,
    Endpoint,
    key=endpoints.c.id,
    filters={name: endpoints.c[name] for name in ("id", "service_id", "interface", "region_id", "enabled", "url")},
    sorts={"id": endpoints.c.id},
)

REGION_FETCH = query(sa.select(regions).where(_REGION), Region)
REGIONS_ALL = query(sa.select(regions).order_by(regions.c.id), Region)
REGION_CREATE = command(sa.insert(regions))
REGION_CHANGE = command(sa.update(regions).where(_REGION))
REGION_DELETE = command(sa.delete(regions).where(_REGION))
REGIONS_LIST = Listing(
    regions,
    Region,
    key=regions.c.id,
    filters={name: regions.c[name] for name in ("id", "parent_region_id")},
    sorts={"id": regions.c.id},
)


async def service_find(app: Identity, service_id: str) -> Service | None:
    """The service with this id."""
    return await app.db.one(SERVICE_FETCH, id=service_id)


async def services_all(app: Identity) -> list[Service]:
    """Every service, by type."""
    return await app.db.all(SERVICES_ALL)


async def service_create(app: Identity, service: Service) -> None:
    """The service is stored."""
    await app.db.run(SERVICE_CREATE, **msgspec.structs.asdict(service))


async def service_change(app: Identity, service_id: str, **columns: object) -> None:
    """The service has these values."""
    if columns:
        await app.db.run(SERVICE_CHANGE, id=service_id, **columns)


async def service_delete(app: Identity, service_id: str) -> None:
    """The service is gone with its endpoints."""
    await app.db.run(SERVICE_DELETE, id=service_id)


async def endpoint_find(app: Identity, endpoint_id: str) -> Endpoint | None:
    """The endpoint with this id."""
    return await app.db.one(ENDPOINT_FETCH, id=endpoint_id)


async def endpoints_all(app: Identity) -> list[Endpoint]:
    """Every endpoint, by interface."""
    return await app.db.all(ENDPOINTS_ALL)


async def endpoint_create(app: Identity, endpoint: Endpoint) -> None:
    """The endpoint is stored."""
    await app.db.run(ENDPOINT_CREATE, **msgspec.structs.asdict(endpoint))


async def endpoint_change(app: Identity, endpoint_id: str, **columns: object) -> None:
    """The endpoint has these values."""
    if columns:
        await app.db.run(ENDPOINT_CHANGE, id=endpoint_id, **columns)


async def endpoint_delete(app: Identity, endpoint_id: str) -> None:
    """The endpoint is gone."""
    await app.db.run(ENDPOINT_DELETE, id=endpoint_id)


async def region_find(app: Identity, region_id: str) -> Region | None:
    """The region with this id."""
    return await app.db.one(REGION_FETCH, id=region_id)


async def regions_all(app: Identity) -> list[Region]:
    """Every region."""
    return await app.db.all(REGIONS_ALL)


async def region_create(app: Identity, region: Region) -> None:
    """The region is stored."""
    await app.db.run(REGION_CREATE, **msgspec.structs.asdict(region))


async def region_change(app: Identity, region_id: str, **columns: object) -> None:
    """The region has these values."""
    if columns:
        await app.db.run(REGION_CHANGE, id=region_id, **columns)


async def region_delete(app: Identity, region_id: str) -> None:
    """The region is gone, and those below it."""
    await app.db.run(REGION_DELETE, id=region_id)
