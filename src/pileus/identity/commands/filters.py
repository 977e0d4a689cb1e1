"""What projects see of the catalog, and which kept policy is an endpoint's."""

from collections.abc import Mapping
from typing import Any

from pileus.identity.app import Identity
from pileus.identity.errors import BadEndpointFilter, Missing
from pileus.identity.models import Endpoint, Policy, Project
from pileus.identity.models.filters import FILTERS, Association, EndpointGroup, place_of, policy_of
from pileus.identity.store import changing
from pileus.identity.store import filters as store
from pileus.identity.store.catalog import endpoints_all, regions_all
from pileus.identity.store.delegation import policy_find
from pileus.identity.store.filters import ENDPOINT_GROUPS, ENDPOINTS, GROUPS, Given, visibility
from pileus.identity.store.projects import projects_with_ids


def check_filters(filters: Mapping[str, Any]) -> None:
    """Raise BadEndpointFilter where a filter names what endpoints do not have."""
    for name in filters:
        if name not in FILTERS:
            raise BadEndpointFilter(name=name, known=", ".join(FILTERS))


async def create_group(app: Identity, group: EndpointGroup) -> EndpointGroup:
    """The endpoint group exists."""
    check_filters(group.filters)
    async with changing(app):
        await GROUPS.create(app, group)
    return group


async def change_group(app: Identity, group: EndpointGroup, given: Mapping[str, Any]) -> EndpointGroup:
    """The endpoint group has these values."""
    check_filters(given.get("filters") or {})
    async with changing(app):
        await GROUPS.change(app, group.id, **{name: value for name, value in given.items() if value is not None})
    return await GROUPS.find(app, group.id) or group


async def delete_group(app: Identity, group: EndpointGroup) -> None:
    """The endpoint group is gone."""
    async with changing(app):
        await GROUPS.delete(app, group.id)


async def give(app: Identity, given: Given, project_id: str, id: str) -> None:
    """The project sees the endpoint, or the endpoints of the group, and none that were not given to it."""
    async with changing(app):
        await given.give(app, project_id, id)


async def take(app: Identity, given: Given, project_id: str, id: str) -> None:
    """The project sees nothing by this any more; raises Missing where it did not."""
    async with changing(app):
        if not await given.take(app, project_id, id):
            raise _not_given(project_id, id)


async def check_given(app: Identity, given: Given, project_id: str, id: str) -> None:
    """Raise Missing unless it was given to the project."""
    if not await given.is_given(app, project_id, id):
        raise _not_given(project_id, id)


def _not_given(project_id: str, id: str) -> Missing:
    return Missing(kind="association of project", id=f"{project_id} with {id}")


async def endpoints_given(app: Identity, project_id: str) -> list[Endpoint]:
    """The endpoints a project sees because they, or groups they are in, were given to it."""
    seen = await visibility(app)
    if project_id not in seen.endpoints and project_id not in seen.groups:
        return []
    return list(seen.seen(await endpoints_all(app), project_id))


async def groups_given(app: Identity, project_id: str) -> list[EndpointGroup]:
    """The endpoint groups given to a project."""
    return list((await visibility(app)).groups.get(project_id, ()))


async def endpoints_in(app: Identity, group: EndpointGroup) -> list[Endpoint]:
    """The endpoints of a group."""
    return [one for one in await endpoints_all(app) if group.holds(one)]


async def projects_with(app: Identity, given: Given, id: str) -> list[Project]:
    """The projects an endpoint, or a group of them, was given to."""
    return await projects_with_ids(app, await given.projects(app, id))


# -- policies -----------------------------------------------------------------------------------------------------------


def _association(policy: Policy, path: Mapping[str, str]) -> Association:
    what = {name: path.get(name) for name in ("endpoint_id", "service_id", "region_id")}
    return Association(place=place_of(**what), policy_id=policy.id, **what)


async def associate(app: Identity, policy: Policy, path: Mapping[str, str]) -> None:
    """The policy is that of the endpoint, service or service in a region, instead of any other."""
    async with changing(app):
        await store.association_add(app, _association(policy, path))


async def check_association(app: Identity, policy: Policy, path: Mapping[str, str]) -> None:
    """Raise Missing unless the policy is for this."""
    place = _association(policy, path).place
    if not await store.associations(app, place=place, policy_id=policy.id):
        raise Missing(kind="policy association for policy", id=f"{policy.id} and {place}")


async def dissociate(app: Identity, policy: Policy, path: Mapping[str, str]) -> None:
    """The policy is not for this any more; raises Missing where it was not."""
    place = _association(policy, path).place
    async with changing(app):
        if not await store.association_remove(app, place, policy.id):
            raise Missing(kind="policy association for policy", id=f"{policy.id} and {place}")


async def policy_for(app: Identity, endpoint: Endpoint) -> Policy:
    """The policy of an endpoint; raises Missing where it has none."""
    regions = {region.id: region for region in await regions_all(app)}
    known = {one.place: one.policy_id for one in await store.associations(app)}
    policy_id = policy_of(endpoint, known, regions)
    found = await policy_find(app, policy_id) if policy_id is not None else None
    if found is None:
        raise Missing(kind="policy for endpoint", id=endpoint.id)
    return found


async def endpoints_under(app: Identity, policy: Policy) -> list[Endpoint]:
    """The endpoints whose policy this is."""
    regions = {region.id: region for region in await regions_all(app)}
    known = {one.place: one.policy_id for one in await store.associations(app)}
    return [one for one in await endpoints_all(app) if policy_of(one, known, regions) == policy.id]


__all__ = [
    "ENDPOINTS",
    "ENDPOINT_GROUPS",
    "associate",
    "change_group",
    "check_association",
    "check_given",
    "create_group",
    "delete_group",
    "dissociate",
    "endpoints_given",
    "endpoints_in",
    "endpoints_under",
    "give",
    "groups_given",
    "policy_for",
    "projects_with",
    "take",
]
