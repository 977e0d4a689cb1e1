"""Which ways there are to satisfy a request for resources: a pure function of the providers and the request.

A request has groups. The one without a suffix may take its classes from several providers of one tree; a suffixed one
takes all of its own from a single provider. A candidate takes every group from one tree, and from providers that
share with it through an aggregate.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from pileus.placement.models.fit import misfit
from pileus.placement.models.providers import Supply

SHARES = "MISC_SHARES_VIA_AGGREGATE"
ROUNDS = 200_000  # combinations looked at before the search gives up; a request that needs more is a mistake
MAX_FOUND = 1000

AnyOf = tuple[frozenset[str], ...]  # every set must be met, by any member of it
Allocations = Mapping[str, Mapping[str, int]]  # provider -> class -> amount


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Resources that belong together, and what is asked of who gives them."""

    suffix: str = ""
    resources: Mapping[str, int] = {}
    required: AnyOf = ()
    forbidden: frozenset[str] = frozenset()
    member_of: AnyOf = ()
    not_member_of: frozenset[str] = frozenset()
    in_tree: str | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request for candidates."""

    groups: tuple[Group, ...]
    isolate: bool = False
    limit: int | None = None
    root_required: frozenset[str] = frozenset()
    root_forbidden: frozenset[str] = frozenset()
    same_subtree: tuple[frozenset[str], ...] = ()
    nested: bool = True  # whether several providers of one tree may be used together (1.29)


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One way to satisfy a request, and which provider serves which group."""

    allocations: Allocations
    mappings: Mapping[str, tuple[str, ...]]


class _Choice(msgspec.Struct, frozen=True):
    """One way to satisfy one group."""

    group: Group
    taken: tuple[tuple[str, str, int], ...]  # provider, class, amount
    providers: tuple[str, ...]


class _Tree(msgspec.Struct, frozen=True):
    root: Supply
    supplies: Mapping[str, Supply]  # its own and those that share with it
    own: frozenset[str]
    roots: Mapping[str, str]  # of every provider there is, the root of its tree

    def aggregates(self, supply: Supply, group: Group) -> frozenset[str]:
        """The provider's aggregates; to a group that may spread, being in one as a root counts for the whole tree."""
        if group.suffix or supply.id not in self.own:
            return supply.aggregates
        return supply.aggregates | self.root.aggregates


def candidates(providers: Sequence[Supply], request: Request) -> list[Candidate]:
    """Every way to satisfy the request, by tree in the order of the roots' names, at most `limit` of them."""
    most = min(request.limit or MAX_FOUND, MAX_FOUND)
    found: dict[object, Candidate] = {}
    for tree in _trees(providers):
        for candidate in _of_tree(tree, request):
            trees = [tree.roots[provider] for provider in candidate.allocations]
            if not request.nested and len(set(trees)) < len(trees):
                continue
            # The same resources given for other groups are another candidate: who asked needs to know which card is
            # for which port.
            taken = sorted((p, c, n) for p, part in candidate.allocations.items() for c, n in part.items())
            key = (tuple(taken), tuple(sorted(candidate.mappings.items())))
            found.setdefault(key, candidate)
            if len(found) >= most:
                return list(found.values())
    return list(found.values())


def _trees(providers: Sequence[Supply]) -> Iterator[_Tree]:
    by_root: dict[str, list[Supply]] = {}
    for supply in providers:
        by_root.setdefault(supply.root or supply.id, []).append(supply)
    above = {supply.id: supply.root or supply.id for supply in providers}
    roots = {supply.id: supply for supply in providers if supply.parent is None}
    sharing = [supply for supply in providers if SHARES in supply.traits]
    for root in sorted(roots.values(), key=lambda supply: supply.name):
        own = by_root[root.id]
        belongs = frozenset().union(*(supply.aggregates for supply in own))
        guests = [supply for supply in sharing if supply.root != root.root and supply.aggregates & belongs]
        yield _Tree(
            root, {supply.id: supply for supply in (*own, *guests)}, frozenset(supply.id for supply in own), above
        )


def _of_tree(tree: _Tree, request: Request) -> Iterator[Candidate]:
    if not request.root_required <= tree.root.traits or request.root_forbidden & tree.root.traits:
        return
    choices = [list(_choices(tree, group)) for group in request.groups]
    for together in itertools.islice(itertools.product(*choices), ROUNDS):
        candidate = _combined(tree, together)
        if candidate is not None and _arranged(tree, request, together):
            yield candidate


def _choices(tree: _Tree, group: Group) -> Iterator[_Choice]:
    """The ways to satisfy one group alone."""
    within = None if group.in_tree is None else tree.roots.get(group.in_tree, "nowhere")
    able = [
        supply
        for supply in sorted(tree.supplies.values(), key=lambda one: (one.id not in tree.own, one.name))
        if within in {None, supply.root or supply.id}
        and not group.forbidden & supply.traits
        and _placed(tree.aggregates(supply, group), group)
    ]
    if group.suffix:
        for supply in able:
            fits = all(misfit(supply.stocks.get(name), name, n) is None for name, n in group.resources.items())
            if fits and _meets(supply.traits, group.required):
                yield _Choice(group, tuple((supply.id, name, n) for name, n in group.resources.items()), (supply.id,))
        return
    per_class = [
        [(supply.id, name, n) for supply in able if misfit(supply.stocks.get(name), name, n) is None]
        for name, n in group.resources.items()
    ]
    for taken in itertools.islice(itertools.product(*per_class), ROUNDS):
        givers = tuple(dict.fromkeys(provider for provider, _, _ in taken))
        traits = frozenset().union(*(tree.supplies[provider].traits for provider in givers))
        if _meets(traits, group.required):
            yield _Choice(group, taken, givers)


def _placed(aggregates: frozenset[str], group: Group) -> bool:
    return _meets(aggregates, group.member_of) and not aggregates & group.not_member_of


def _meets(has: frozenset[str], wanted: AnyOf) -> bool:
    return all(has & any_of for any_of in wanted)


def _combined(tree: _Tree, together: Iterable[_Choice]) -> Candidate | None:
    """The choices as one candidate; None where they ask a provider for more than it has in all."""
    sums: dict[str, dict[str, int]] = {}
    mappings: dict[str, tuple[str, ...]] = {}
    for choice in together:
        mappings[choice.group.suffix] = tuple(sorted(choice.providers))
        for provider, name, amount in choice.taken:
            part = sums.setdefault(provider, {})
            part[name] = part.get(name, 0) + amount
    for provider, part in sums.items():
        stocks = tree.supplies[provider].stocks
        if any(misfit(stocks.get(name), name, amount) is not None for name, amount in part.items()):
            return None
    if not sums:
        return None
    return Candidate(allocations=sums, mappings=mappings)


def _arranged(tree: _Tree, request: Request, together: Sequence[_Choice]) -> bool:
    """Whether the groups stand to one another as asked: isolated, and in the same subtrees."""
    if request.isolate:
        suffixed = [choice.providers[0] for choice in together if choice.group.suffix]
        if len(set(suffixed)) < len(suffixed):
            return False
    by_suffix = {choice.group.suffix: choice.providers for choice in together}
    return all(
        _one_subtree(tree, {provider for suffix in suffixes for provider in by_suffix.get(suffix, ())})
        for suffixes in request.same_subtree
    )


def _one_subtree(tree: _Tree, providers: set[str]) -> bool:
    """Whether one of the providers stands above (or is) every other."""
    if not providers <= tree.own:
        return False
    return any(all(top in _upwards(tree, provider) for provider in providers) for top in providers)


def _upwards(tree: _Tree, provider: str) -> set[str]:
    seen = set()
    at: str | None = provider
    while at is not None and at not in seen:
        seen.add(at)
        at = tree.supplies[at].parent if at in tree.supplies else None
    return seen
