"""What is seen of the catalog in a project, and which of the kept policies is an endpoint's."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from pileus.identity.models.entities import Endpoint, Extra, Region

FILTERS = ("enabled", "interface", "region_id", "service_id", "url", "id")


class EndpointGroup(msgspec.Struct, frozen=True, kw_only=True):
    """All endpoints with these values."""

    id: str
    name: str
    description: str = ""
    filters: Extra

    def holds(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint is one of the group."""
        return all(getattr(endpoint, name) == value for name, value in self.filters.items())


class Association(msgspec.Struct, frozen=True, kw_only=True):
    """That a policy is for an endpoint, for a service, or for a service in a region."""

    place: str
    policy_id: str
    endpoint_id: str | None = None
    service_id: str | None = None
    region_id: str | None = None


def place_of(endpoint_id: str | None, service_id: str | None, region_id: str | None) -> str:
    """What an association is for, in one word."""
    if endpoint_id is not None:
        return f"endpoint/{endpoint_id}"
    return f"service/{service_id}" if region_id is None else f"service/{service_id}/region/{region_id}"


class Visibility(msgspec.Struct, frozen=True):
    """Which endpoints projects see: those given to them, and those of groups given to them."""

    endpoints: Mapping[str, Collection[str]]
    groups: Mapping[str, Sequence[EndpointGroup]]

    def seen(self, endpoints: Sequence[Endpoint], project_id: str | None) -> Sequence[Endpoint]:
        """What a project sees; all there are when nothing was given to it."""
        given, groups = self.endpoints.get(project_id or "", ()), self.groups.get(project_id or "", ())
        if not given and not groups:
            return endpoints
        return [one for one in endpoints if one.id in given or any(group.holds(one) for group in groups)]


def policy_of(endpoint: Endpoint, policies: Mapping[str, str], regions: Mapping[str, Region]) -> str | None:
    """The id of the endpoint's policy: its own, else that of its service in its region or one above, else its service's."""
    for place in _places(endpoint, regions):
        if place in policies:
            return policies[place]
    return None


def _places(endpoint: Endpoint, regions: Mapping[str, Region]) -> Iterable[str]:
    yield place_of(endpoint.id, None, None)
    region = regions.get(endpoint.region_id or "")
    while region is not None:
        yield place_of(None, endpoint.service_id, region.id)
        region = regions.get(region.parent_region_id or "")
    yield place_of(None, endpoint.service_id, None)
