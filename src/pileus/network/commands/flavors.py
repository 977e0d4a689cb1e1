"""Flavors and service profiles: what one can ask for."""

from collections.abc import Mapping

from pileus.network.app import Network as App
from pileus.network.commands.standard import change, standard, tell
from pileus.network.errors.flavors import (
    FlavorDisabled,
    FlavorInUse,
    FlavorServiceProfileBindingExists,
    FlavorServiceProfileBindingNotFound,
    InvalidFlavorServiceType,
    ServiceProfileDriverNotFound,
    ServiceProfileEmpty,
    ServiceProfileInUse,
)
from pileus.network.models.flavors import DRIVER, ROUTERS, Flavor, NewFlavor, NewProfile, Profile
from pileus.network.store import flavors as rows


async def create_flavor(app: App, wanted: NewFlavor) -> Flavor:
    """The flavor is there, without profiles."""
    if wanted.service_type != ROUTERS:
        raise InvalidFlavorServiceType(kind=wanted.service_type)
    found = Flavor(**standard(app, wanted), service_type=wanted.service_type, enabled=wanted.enabled)
    await rows.SHELF.insert(app.db, found)
    await tell(app, "flavor.created", found)
    return found


async def update_flavor(app: App, flavor: Flavor, values: Mapping[str, object]) -> Flavor:
    """The flavor is as asked for; raises FlavorInUse while routers are of it."""
    async with app.db.transaction():
        await _check_unused(app, flavor)
        await change(app, rows.SHELF.change, flavor, values)
        await tell(app, "flavor.updated", flavor)
        return await rows.flavor_get(app.db, flavor.id)


async def _check_unused(app: App, flavor: Flavor) -> None:
    if await app.db.one(rows.WITH_FLAVOR, id=flavor.id) is not None:
        raise FlavorInUse(id=flavor.id)


async def delete_flavor(app: App, flavor: Flavor) -> None:
    """The flavor is gone; raises FlavorInUse while routers are of it."""
    async with app.db.transaction():
        await _check_unused(app, flavor)
        await app.db.run(rows.SHELF.delete, of_id=flavor.id)
        await tell(app, "flavor.deleted", flavor)


def _check_profile(driver: object, metainfo: object) -> None:
    if not driver and not metainfo:
        raise ServiceProfileEmpty
    if driver not in {"", None, DRIVER}:
        raise ServiceProfileDriverNotFound(driver=driver)


async def create_profile(app: App, wanted: NewProfile) -> Profile:
    """The profile is there."""
    _check_profile(wanted.driver, wanted.metainfo)
    found = Profile(
        **standard(app, wanted, name=""), driver=wanted.driver, metainfo=wanted.metainfo, enabled=wanted.enabled
    )
    await rows.PROFILES.insert(app.db, found)
    return found


async def update_profile(app: App, profile: Profile, values: Mapping[str, object]) -> Profile:
    """The profile is as asked for; raises ServiceProfileInUse while flavors have it."""
    async with app.db.transaction():
        await _check_free(app, profile)
        _check_profile(values.get("driver", profile.driver), values.get("metainfo", profile.metainfo))
        await change(app, rows.PROFILES.change, profile, values)
        return await rows.PROFILES.get(app.db, profile.id)


async def _check_free(app: App, profile: Profile) -> None:
    if await app.db.one(rows.WITH_PROFILE, id=profile.id) is not None:
        raise ServiceProfileInUse(id=profile.id)


async def delete_profile(app: App, profile: Profile) -> None:
    """The profile is gone; raises ServiceProfileInUse while flavors have it."""
    async with app.db.transaction():
        await _check_free(app, profile)
        await app.db.run(rows.PROFILES.delete, of_id=profile.id)


async def add_profile(app: App, flavor: Flavor, profile_id: str) -> Profile:
    """The flavor is provided by the profile, too."""
    async with app.db.transaction():
        profile = await rows.PROFILES.get(app.db, profile_id)
        if await app.db.run(rows.LINK, flavor_id=flavor.id, profile_id=profile.id) == 0:
            raise FlavorServiceProfileBindingExists(profile=profile.id, flavor=flavor.id)
        return profile


async def remove_profile(app: App, flavor: Flavor, profile_id: str) -> None:
    """The flavor is not provided by the profile."""
    async with app.db.transaction():
        profile = await rows.PROFILES.get(app.db, profile_id)
        if await app.db.run(rows.UNLINK, of_flavor=flavor.id, of_profile=profile.id) == 0:
            raise FlavorServiceProfileBindingNotFound(profile=profile.id, flavor=flavor.id)


async def check_flavor(app: App, flavor_id: str | None) -> None:
    """Raises unless routers may be of the flavor; None is the usual kind."""
    if flavor_id is not None:
        flavor = await rows.SHELF.get(app.db, flavor_id)
        if not flavor.enabled:
            raise FlavorDisabled(id=flavor.id)
