"""Placement's promise to the other services, kept."""

from collections.abc import Collection, Mapping

from pileus.placement.app import PlacementApp
from pileus.placement.commands import allocations, providers
from pileus.placement.commands import claims as commands
from pileus.placement.models.fit import Demand, asked
from pileus.placement.store import allocations as store
from pileus.placement.store import providers as provider_store
from pileus.placement.store import supplies
from pileus.ports.placement import Claim, Inventory, Refusal, Room


class PlacementPort:
    """Implements pileus.ports.placement.Placement on the database."""

    def __init__(self, app: PlacementApp) -> None:
        self._app = app

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
        """The consumer has room on one provider, the emptiest that fits; nothing is claimed when none does."""
        demand = Demand(
            resources={name: amount for name, amount in resources.items() if amount},
            required=frozenset(required),
            forbidden=frozenset(forbidden),
            avoid=frozenset(avoid),
            among=asked(among),
            force=force,
        )
        return await commands.claim(self._app, consumer, demand, project_id, user_id)

    async def release(self, consumer: str) -> None:
        """The consumer has no room."""
        await allocations.release(self._app, consumer)

    async def hand_over(self, consumer: str, to: str) -> None:
        """What `consumer` had is `to`'s alone."""
        await commands.hand_over(self._app, consumer, to)

    async def claims(self, consumer: str) -> list[Claim]:
        """The consumer's room, by provider name."""
        return commands.claims_of(await store.held_by(self._app, consumer))

    async def claimed_on(self, provider: str) -> list[Claim]:
        """All room claimed on one provider, by consumer."""
        named = await provider_store.provider_find_by_name(self._app, provider)
        return commands.claims_of(await store.held_of(self._app, named.id if named else provider))

    async def ensure_provider(
        self, name: str, uuid: str, inventories: Mapping[str, Inventory], traits: Collection[str] = ()
    ) -> None:
        """The provider exists with these inventories and these traits."""
        await providers.ensure_provider(self._app, name, uuid, inventories, traits)

    async def forget_provider(self, uuid: str) -> None:
        """The provider is gone."""
        if await provider_store.provider_find(self._app, uuid) is not None:
            await providers.delete_provider(self._app, uuid)

    async def usage(self, project_id: str, user_id: str | None = None) -> Mapping[str, int]:
        """What a project (or one user in it) has claimed of each class."""
        totals: dict[str, int] = {}
        for row in await store.usage_list(self._app, project_id, user_id):
            totals[row.resource_class] = totals.get(row.resource_class, 0) + row.amount
        return totals

    async def rooms(self) -> list[Room]:
        """Every provider with what is left of it, by name."""
        return [
            Room(
                supply.id,
                supply.name,
                supply.generation,
                supply.stocks,
                {name: stock.used for name, stock in supply.stocks.items()},
                supply.traits,
            )
            for supply in await supplies.supply_list(self._app)
        ]
