"""Whether a claim fits a provider, why not, and which of those it fits is best: pure rules.

Best is the emptiest: servers spread over hosts. Ties go by name, so the same state always gives the same answer.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from pileus.placement.models.providers import Stock, Supply


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What a claim asks of one provider."""

    resources: Mapping[str, int]
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    avoid: frozenset[str] = frozenset()  # ids or names
    among: frozenset[str] | None = None
    force: str | None = None


def misfit(stock: Stock | None, resource_class: str, amount: int) -> str | None:
    """Why an amount cannot be claimed of a stock; None when it can."""
    if stock is None:
        return f"has no {resource_class}"
    if amount < stock.min_unit or amount > stock.max_unit:
        return f"{resource_class} is claimed in portions of {stock.min_unit} to {stock.max_unit}, and {amount} is asked for"
    if amount % stock.step_size:
        return f"{resource_class} is claimed in steps of {stock.step_size}, and {amount} is asked for"
    if amount > stock.left:
        return f"has {max(stock.left, 0)} of {stock.capacity} {resource_class} left, and {amount} is asked for"
    return None


def why_not(supply: Supply, demand: Demand) -> str | None:
    """Why the provider cannot take the demand; None when it can."""
    why = _unwanted(supply, demand)
    if why is not None:
        return why
    for resource_class, amount in sorted(demand.resources.items()):
        why = misfit(supply.stocks.get(resource_class), resource_class, amount)
        if why is not None:
            return why
    return None


def _unwanted(supply: Supply, demand: Demand) -> str | None:
    if demand.force is not None:
        return None
    if {supply.id, supply.name} & demand.avoid:
        return "is to be left out"
    if lacking := demand.required - supply.traits:
        return f"lacks {', '.join(sorted(lacking))}"
    if unwanted := demand.forbidden & supply.traits:
        return f"is marked {', '.join(sorted(unwanted))}"
    return None


def fullness(supply: Supply, resources: Mapping[str, int]) -> float:
    """How full the provider would be with the claim, by its scarcest class: 0 is empty, 1 full."""
    shares = []
    for resource_class, amount in resources.items():
        stock = supply.stocks[resource_class]
        shares.append((stock.used + amount) / stock.capacity)
    return max(shares, default=0.0)


def ranked(supplies: Iterable[Supply], demand: Demand) -> tuple[list[Supply], list[tuple[str, str]]]:
    """The providers the demand fits, best first, and why each of the others was refused."""
    fitting: list[Supply] = []
    refused: list[tuple[str, str]] = []
    only = demand.among if demand.force is None else frozenset([demand.force])
    for supply in supplies:
        # What one is told not to look at has no reason: who tells knows why.
        if only is not None and supply.id not in only and supply.name not in only:
            continue
        why = why_not(supply, demand)
        if why is None:
            fitting.append(supply)
        else:
            refused.append((supply.name, why))
    if demand.force is not None and not fitting and not refused:
        refused.append((demand.force, "is not known here"))
    fitting.sort(key=lambda supply: (fullness(supply, demand.resources), supply.name))
    return fitting, sorted(refused)


def asked(names: Collection[str] | None) -> frozenset[str] | None:
    """A restriction as a set; None stays: there is none."""
    return None if names is None else frozenset(names)
