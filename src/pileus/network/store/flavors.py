"""Flavors and service profiles in the database."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam, select

from pileus.kit.db import Database, command, query, scalar, upsert
from pileus.network.errors.flavors import FlavorNotFound, ServiceProfileNotFound
from pileus.network.models.flavors import Flavor, Profile
from pileus.network.store.shelf import Shelf
from pileus.network.tables import router_flavor_profiles, router_flavors, routers, service_profiles

SHELF = Shelf(router_flavors, Flavor, FlavorNotFound, "service_type", "enabled")
PROFILES = Shelf(service_profiles, Profile, ServiceProfileNotFound, "driver", "metainfo", "enabled")
_LINKS = select(router_flavor_profiles.c.flavor_id, router_flavor_profiles.c.profile_id).order_by(
    router_flavor_profiles.c.flavor_id, router_flavor_profiles.c.profile_id
)
LINKS_OF = query(
    _LINKS.where(router_flavor_profiles.c.flavor_id.in_(bindparam("ids", expanding=True))), tuple[str, str]
)
LINK = command(upsert(router_flavor_profiles, ["flavor_id", "profile_id"]))
UNLINK = command(
    sa.delete(router_flavor_profiles).where(
        router_flavor_profiles.c.flavor_id == bindparam("of_flavor"),
        router_flavor_profiles.c.profile_id == bindparam("of_profile"),
    )
)
WITH_PROFILE = scalar(
    select(router_flavor_profiles.c.flavor_id).where(router_flavor_profiles.c.profile_id == bindparam("id")).limit(1),
    str,
)
WITH_FLAVOR = scalar(select(routers.c.id).where(routers.c.flavor_id == bindparam("id")).limit(1), str)


async def with_profiles(db: Database, found: Sequence[Flavor]) -> list[Flavor]:
    """The flavors with the ids of their profiles."""
    inside: dict[str, list[str]] = {}
    if found:
        for flavor_id, profile_id in await db.all(LINKS_OF, ids=[flavor.id for flavor in found]):
            inside.setdefault(flavor_id, []).append(profile_id)
    return [msgspec.structs.replace(flavor, profiles=tuple(inside.get(flavor.id, ()))) for flavor in found]


async def flavor_get(db: Database, flavor_id: str) -> Flavor:
    """The flavor of that id with its profiles; raises FlavorNotFound."""
    return (await with_profiles(db, [await SHELF.get(db, flavor_id)]))[0]
