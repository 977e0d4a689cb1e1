"""The reshaper: inventories and allocations moved between providers at once."""

from pileus.kit.http import Call, Wire
from pileus.kit.policy import Rule
from pileus.placement.api.allocations import AllocationsBody
from pileus.placement.api.inventories import InventorySet, checked
from pileus.placement.api.service import Uuid, api
from pileus.placement.app import PlacementApp
from pileus.placement.commands.reshape import NewShape, reshape
from pileus.placement.models.names import canonical


class Reshape(Wire):
    """The inventories some providers shall have, and what some consumers shall hold."""

    inventories: dict[Uuid, InventorySet]
    allocations: dict[Uuid, AllocationsBody]


@api.post("/reshaper", Rule("placement:reshaper:reshape", "service"), status=204, since="1.30")
async def index(call: Call[PlacementApp], body: Reshape) -> None:
    """Move inventories and allocations."""
    shapes = {
        canonical(id): NewShape(
            one.resource_provider_generation,
            {name: checked(call, name, inventory) for name, inventory in one.inventories.items()},
        )
        for id, one in body.inventories.items()
    }
    await reshape(call.app, shapes, [one.write(consumer) for consumer, one in body.allocations.items()])
