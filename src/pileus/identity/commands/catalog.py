"""Services, endpoints and regions, and the catalog made of them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from pileus.identity.app import Identity
from pileus.identity.errors import Duplicate, ReferenceMissing, RegionInUse
from pileus.identity.models import Endpoint, Region, Service
from pileus.identity.models.catalog import build_catalog
from pileus.identity.store import catalog as store
from pileus.identity.store import changing
from pileus.identity.store.filters import visibility
from pileus.kit.db import ForeignKeyViolation, UniqueViolation
from pileus.ports.identity import CatalogEntry


async def catalog_list(app: Identity, project_id: str | None, user_id: str | None = None) -> list[CatalogEntry]:
    """The catalog as a user in a project sees it."""

    async def read() -> tuple[list[Service], list[Endpoint]]:
        return await store.services_all(app), await store.endpoints_all(app)

    services, endpoints = await app.memory.fact("catalog", read)
    return build_catalog(services, (await visibility(app)).seen(endpoints, project_id), project_id, user_id)


async def catalog_encoded(app: Identity, project_id: str | None, user_id: str) -> msgspec.Raw:
    """The same as JSON: most of what a token's validation answers, and the same each time."""

    async def make() -> bytes:
        return msgspec.json.encode(await catalog_list(app, project_id, user_id))

    return msgspec.Raw(await app.memory.text((project_id, user_id), make))


async def create_service(app: Identity, service: Service) -> Service:
    """The service is in the catalog."""
    async with changing(app):
        await store.service_create(app, service)
    return service


async def change_service(app: Identity, service: Service, given: Mapping[str, Any]) -> Service:
    """The service has these values."""
    async with changing(app):
        await store.service_change(app, service.id, **given)
    return await store.service_find(app, service.id) or service


async def delete_service(app: Identity, service: Service) -> None:
    """The service is gone with its endpoints."""
    async with changing(app):
        await store.service_delete(app, service.id)


async def _check_references(app: Identity, given: Mapping[str, Any]) -> None:
    service_id, region_id = given.get("service_id"), given.get("region_id")
    if service_id is not None and await store.service_find(app, service_id) is None:
        raise ReferenceMissing(kind="service", id=service_id, field="service_id")
    if region_id is not None and await store.region_find(app, region_id) is None:
        raise ReferenceMissing(kind="region", id=region_id, field="region_id")


async def create_endpoint(app: Identity, endpoint: Endpoint, *, make_region: bool = False) -> Endpoint:
    """The endpoint is in the catalog; so is its region when it is to be made."""
    async with changing(app):
        if make_region:
            await _ensure_region(app, endpoint.region_id)
        await _check_references(app, {"service_id": endpoint.service_id, "region_id": endpoint.region_id})
        await store.endpoint_create(app, endpoint)
    return endpoint


async def change_endpoint(
    app: Identity, endpoint: Endpoint, given: Mapping[str, Any], *, make_region: bool = False
) -> Endpoint:
    """The endpoint has these values; it no longer follows where the cloud listens. Its region may have to be made."""
    async with changing(app):
        if make_region:
            await _ensure_region(app, given.get("region_id"))
        await _check_references(app, given)
        await store.endpoint_change(app, endpoint.id, **given, bootstrapped=False)
    return await store.endpoint_find(app, endpoint.id) or endpoint


async def _ensure_region(app: Identity, region_id: str | None) -> None:
    if region_id is not None and not await store.region_find(app, region_id):
        await store.region_create(app, Region(id=region_id))


async def delete_endpoint(app: Identity, endpoint: Endpoint) -> None:
    """The endpoint is gone."""
    async with changing(app):
        await store.endpoint_delete(app, endpoint.id)


async def create_region(app: Identity, region: Region) -> Region:
    """The region exists."""
    await _check_parent(app, region.parent_region_id)
    try:
        async with changing(app):
            await store.region_create(app, region)
    except UniqueViolation:
        raise Duplicate(kind="region", what=f"ID {region.id}") from None
    return region


async def change_region(app: Identity, region: Region, given: Mapping[str, Any]) -> Region:
    """The region has these values."""
    await _check_parent(app, given.get("parent_region_id"))
    async with changing(app):
        await store.region_change(app, region.id, **given)
    return await store.region_find(app, region.id) or region


async def delete_region(app: Identity, region: Region) -> None:
    """The region is gone with those below it; refused while one of them has endpoints."""
    try:
        async with changing(app):
            await store.region_delete(app, region.id)
    except ForeignKeyViolation:
        raise RegionInUse(region=region.id) from None


async def _check_parent(app: Identity, parent_id: str | None) -> None:
    if parent_id is not None and await store.region_find(app, parent_id) is None:
        raise ReferenceMissing(kind="region", id=parent_id, field="parent_region_id")
