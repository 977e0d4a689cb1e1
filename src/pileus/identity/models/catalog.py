"""The catalog: services with their addresses, as one project and user see them."""

import re
from collections.abc import Iterable, Mapping, Sequence

from pileus.identity.models.entities import Endpoint, Service
from pileus.ports.identity import CatalogEndpoint, CatalogEntry

_PLACE = re.compile(r"[$%]\((\w+)\)s")


def filled(url: str, facts: Mapping[str, str | None]) -> str | None:
    """The URL with its `$(project_id)s` and the like filled in; None when one is not known."""
    if "(" not in url:
        return url
    if any(facts.get(name) is None for name in _PLACE.findall(url)):
        return None
    return _PLACE.sub(lambda found: str(facts[found[1]]), url)


def build_catalog(
    services: Iterable[Service], endpoints: Sequence[Endpoint], project_id: str | None, user_id: str | None
) -> list[CatalogEntry]:
    """What is enabled, with URLs as this project and user reach them."""
    facts = {"project_id": project_id, "tenant_id": project_id, "user_id": user_id}
    by_service: dict[str, list[CatalogEndpoint]] = {}
    for endpoint in endpoints:
        url = filled(endpoint.url, facts)
        if endpoint.enabled and url is not None:
            seen = CatalogEndpoint(endpoint.id, endpoint.interface, endpoint.region_id, endpoint.region_id, url)
            by_service.setdefault(endpoint.service_id, []).append(seen)
    return [
        CatalogEntry(service.id, service.type, service.name or "", by_service.get(service.id, []))
        for service in services
        if service.enabled
    ]
