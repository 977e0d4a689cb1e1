"""Flavors: making, changing and deleting them, and saying who may use the private ones."""

from collections.abc import Mapping

import msgspec

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.models.flavors import Flavor
from pileus.compute.store import flavors as store
from pileus.kit.db import UniqueViolation


async def create_flavor(app: Compute, flavor: Flavor) -> Flavor:
    """The flavor exists; a private one may be used by no project until one is let."""
    async with app.db.transaction():
        if await store.flavor_find(app, flavor.id) is not None:
            raise errors.FlavorIdExists(id=flavor.id)
        try:
            await store.flavor_create(app, flavor)
        except UniqueViolation:
            raise errors.FlavorExists(name=flavor.name) from None
    return flavor


async def describe_flavor(app: Compute, flavor: Flavor, description: str | None) -> Flavor:
    """The flavor has this description."""
    await store.flavor_change(app, flavor.id, description=description)
    return msgspec.structs.replace(flavor, description=description)


async def delete_flavor(app: Compute, flavor: Flavor) -> None:
    """The flavor is gone; servers made with it are as they were."""
    await store.flavor_delete(app, flavor.id)


async def set_extra_specs(app: Compute, flavor: Flavor, specs: Mapping[str, str]) -> None:
    """The flavor has these extra specs besides those it had."""
    await store.flavor_change(app, flavor.id, extra_specs={**flavor.extra_specs, **specs})


async def remove_extra_spec(app: Compute, flavor: Flavor, key: str) -> None:
    """The flavor has no such extra spec; raises ExtraSpecNotFound if it had none."""
    if key not in flavor.extra_specs:
        raise errors.ExtraSpecNotFound(flavor=flavor.id, key=key)
    rest = {name: value for name, value in flavor.extra_specs.items() if name != key}
    await store.flavor_change(app, flavor.id, extra_specs=rest)


async def grant_flavor(app: Compute, flavor: Flavor, project_id: str) -> None:
    """The project may use the private flavor; raises FlavorAccessExists if it might already."""
    if not await store.access_add(app, flavor.id, project_id):
        raise errors.FlavorAccessExists(flavor=flavor.id, project=project_id)


async def revoke_flavor(app: Compute, flavor: Flavor, project_id: str) -> None:
    """The project may not use the private flavor; raises FlavorAccessNotFound if it might not before."""
    if not await store.access_remove(app, flavor.id, project_id):
        raise errors.FlavorAccessNotFound(flavor=flavor.id, project=project_id)
