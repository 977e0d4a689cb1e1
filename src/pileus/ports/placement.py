"""What other services need of placement: room on a host, claimed and given back.

All of it joins the transaction the caller is in, so a server's row and its room are there together or not at all.
Providers are named by their id or by their name; the provider that stands for a host has the host's name.
"""

from collections.abc import Collection, Mapping
from typing import Protocol

import msgspec

NO_LIMIT = 2**31 - 1


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one resource class a provider has, and in which portions it may be claimed."""

    total: int
    reserved: int = 0
    min_unit: int = 1
    max_unit: int = NO_LIMIT
    step_size: int = 1
    allocation_ratio: float = 1.0

    @property
    def capacity(self) -> int:
        """What may be claimed in all."""
        return int((self.total - self.reserved) * self.allocation_ratio)


class Claim(msgspec.Struct, frozen=True):
    """Room that is reserved for a consumer."""

    consumer: str
    provider: str  # the id
    host: str  # the provider's name
    resources: Mapping[str, int]


class Refusal(msgspec.Struct, frozen=True):
    """There is no room; `reasons` holds (provider's name, why not) for every provider looked at, ordered by name."""

    reasons: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        # So that `if claim := await placement.claim(...)` reads as it should.
        return False

    def __str__(self) -> str:
        if not self.reasons:
            return "There is no host."
        return "; ".join(f"{name}: {why}" for name, why in self.reasons)


class Room(msgspec.Struct, frozen=True):
    """A provider with what it has and what is claimed of it."""

    id: str
    name: str
    generation: int
    inventories: Mapping[str, Inventory]
    used: Mapping[str, int]
    traits: frozenset[str]


class Placement(Protocol):
    """Keeps account of room."""

    async def claim(
        self,
        consumer: str,
        resources: Mapping[str, int],
        *,
        project_id: str,
        user_id: str,
        required: Collection[str] = (),
        forbidden: Collection[str] = (),
        avoid: Collection[str] = (),
        among: Collection[str] | None = None,
        force: str | None = None,
    ) -> Claim | Refusal:
        """The consumer has room on one provider, the emptiest that fits; nothing is claimed when none does.

        Repeatable: a consumer that has room keeps the room it has. `required` and `forbidden` are traits; `avoid` are
        providers to leave out, `among` the only ones to look at; `force` is the one to take whatever its traits.
        Classes asked for with amount 0 are not looked at.
        """
        ...

    async def release(self, consumer: str) -> None:
        """The consumer has no room; it need not have had any."""
        ...

    async def hand_over(self, consumer: str, to: str) -> None:
        """What `consumer` had is `to`'s alone: its own former room is given back. Repeatable."""
        ...

    async def claims(self, consumer: str) -> list[Claim]:
        """The consumer's room, one entry a provider, ordered by provider name."""
        ...

    async def claimed_on(self, provider: str) -> list[Claim]:
        """All room claimed on one provider, ordered by consumer."""
        ...

    async def ensure_provider(
        self, name: str, uuid: str, inventories: Mapping[str, Inventory], traits: Collection[str] = ()
    ) -> None:
        """The provider exists with these inventories and these traits; traits and classes unknown so far are made known.

        An inventory that is no longer given but still claimed from stays, with nothing left to claim.
        """
        ...

    async def forget_provider(self, uuid: str) -> None:
        """The provider is gone; raises Conflict while something is claimed from it."""
        ...

    async def usage(self, project_id: str, user_id: str | None = None) -> Mapping[str, int]:
        """What a project (or one user in it) has claimed of each class."""
        ...

    async def rooms(self) -> list[Room]:
        """Every provider with what is left of it, ordered by name."""
        ...
