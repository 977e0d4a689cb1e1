"""Finding providers by what they are and have, and candidates for a request."""

from collections.abc import Iterable, Mapping

import msgspec

from pileus.placement import errors
from pileus.placement.app import PlacementApp
from pileus.placement.models import candidates as models
from pileus.placement.models.fit import misfit
from pileus.placement.models.providers import Provider, Supply
from pileus.placement.store import names, supplies
from pileus.placement.store import providers as store


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for; everything given must hold."""

    name: str | None = None
    id: str | None = None
    in_tree: str | None = None
    resources: Mapping[str, int] = {}
    required: models.AnyOf = ()
    forbidden: frozenset[str] = frozenset()
    member_of: models.AnyOf = ()
    not_member_of: frozenset[str] = frozenset()

    @property
    def looks_inside(self) -> bool:
        """Whether more than a provider's own row is looked at."""
        return bool(self.resources or self.required or self.forbidden or self.member_of or self.not_member_of)


async def providers(app: PlacementApp, wanted: Search) -> list[Provider]:
    """The providers that are as wanted, by name."""
    await check_names(app, wanted.resources, [*wanted.required, wanted.forbidden])
    found = await store.provider_list(app)
    if wanted.in_tree is not None:
        roots = {one.root for one in found if one.id == wanted.in_tree}
        found = [one for one in found if one.root in roots]
    found = [one for one in found if wanted.name in {None, one.name} and wanted.id in {None, one.id}]
    if not wanted.looks_inside:
        return found
    inside = {supply.id: supply for supply in await supplies.supply_list(app)}
    return [one for one in found if _matches(inside[one.id], wanted)]


def _matches(supply: Supply, wanted: Search) -> bool:
    return (
        all(misfit(supply.stocks.get(name), name, amount) is None for name, amount in wanted.resources.items())
        and all(supply.traits & any_of for any_of in wanted.required)
        and not supply.traits & wanted.forbidden
        and all(supply.aggregates & any_of for any_of in wanted.member_of)
        and not supply.aggregates & wanted.not_member_of
    )


class Found(msgspec.Struct, frozen=True):
    """Candidates, and every provider of the trees they come from."""

    candidates: list[models.Candidate]
    supplies: list[Supply]


async def candidates(app: PlacementApp, request: models.Request) -> Found:
    """Every way to satisfy the request now."""
    classes = {name for group in request.groups for name in group.resources}
    traits = [one for group in request.groups for one in (*group.required, group.forbidden)]
    await check_names(app, classes, [*traits, request.root_required, request.root_forbidden])
    every = await supplies.supply_list(app)
    found = models.candidates(every, request)
    involved = {provider for one in found for given in one.mappings.values() for provider in given}
    roots = {supply.root for supply in every if supply.id in involved}
    return Found(found, [supply for supply in every if supply.root in roots])


async def check_names(app: PlacementApp, classes: Iterable[str], traits: Iterable[Iterable[str]]) -> None:
    """All of these exist; raises WrongQuery."""
    for name in await names.classes_unknown(app, list(classes)):
        raise errors.WrongQuery(why=f"No such resource class: {name}.")
    unknown = await names.traits_unknown(app, {name for one in traits for name in one})
    if unknown:
        raise errors.WrongQuery(why=f"No such trait(s): {', '.join(unknown)}.")
