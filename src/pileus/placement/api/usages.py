"""Usages: how much is claimed, of a provider and by a project."""

from typing import Annotated

import msgspec

from pileus.kit.http import Call, F, Wire
from pileus.kit.policy import Rule
from pileus.placement import errors
from pileus.placement.api.service import StrictQuery, api, provider_find, ruled, stamp
from pileus.placement.app import PlacementApp
from pileus.placement.commands import holdings
from pileus.placement.models.providers import Provider

Owner = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
ConsumerTypes = Annotated[str, msgspec.Meta(pattern=r"^([A-Z0-9_]{1,255}|all|unknown)$(?!\n)")]


class ProviderUsages(Wire):
    resource_provider_generation: int
    usages: dict[str, int]


class ProjectUsages(Wire):
    usages: dict[str, int]


class TypedUsages(Wire):
    """Usages by consumer type, each with the number of its consumers."""

    usages: dict[str, dict[str, int]]


class UsageQuery(StrictQuery):
    project_id: Owner | None = None
    user_id: Owner | None = None
    consumer_type: Annotated[ConsumerTypes | None, F(since="1.38")] = None


@api.get("/resource_providers/{uuid}/usages", ruled("resource_providers:usages"), find=provider_find)
async def of_provider(call: Call[PlacementApp], provider: Provider) -> ProviderUsages:
    """Show what is claimed of a provider."""
    stamp(call)
    return ProviderUsages(
        resource_provider_generation=provider.generation,
        usages=await holdings.usage_of_provider(call.app, provider.id),
    )


RULE = Rule("placement:usages", "admin or project reader or service")


def _owner(call: Call[PlacementApp], query: UsageQuery) -> str:
    """The project asked about; the caller may ask."""
    if not query.project_id:
        call.require(RULE.name)
        raise errors.MissingQuery(why="Invalid query string parameters: 'project_id' is a required property.")
    call.require(RULE.name, {"project_id": query.project_id})
    return query.project_id


@api.get("/usages", RULE, since="1.9", until="1.37", late=True)
async def of_project(call: Call[PlacementApp], query: UsageQuery) -> ProjectUsages:
    """Show what a project has claimed."""
    totals: dict[str, int] = {}
    for part in (await holdings.usage_of_project(call.app, _owner(call, query), query.user_id)).values():
        for name, amount in part.items():
            totals[name] = totals.get(name, 0) + amount
    stamp(call)
    return ProjectUsages(usages=totals)


@api.get("/usages", RULE, since="1.38", late=True)
async def of_project_by_type(call: Call[PlacementApp], query: UsageQuery) -> TypedUsages:
    """Show what a project has claimed, by consumer type."""
    project = _owner(call, query)
    found = await holdings.usage_of_project(call.app, project, query.user_id)
    counts = await holdings.consumers_of_project(call.app, project, query.user_id)
    by_type = {kind: {"consumer_count": counts.get(kind, 0), **part} for kind, part in found.items()}
    stamp(call)
    if query.consumer_type == "all":
        totals: dict[str, int] = {}
        for part in by_type.values():
            for name, amount in part.items():
                totals[name] = totals.get(name, 0) + amount
        return TypedUsages(usages={"all": totals} if totals else {})
    if query.consumer_type is not None:
        by_type = {kind: part for kind, part in by_type.items() if kind == query.consumer_type}
    return TypedUsages(usages=by_type)
