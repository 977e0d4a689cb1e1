"""Custom resource classes and traits, as rows; the standard ones need none."""

from collections.abc import Collection, Iterable

import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.kit.db import command, scalar, upsert
from pileus.placement.app import PlacementApp
from pileus.placement.models.names import is_custom, is_standard_class, is_standard_trait
from pileus.placement.tables import RESOURCE_CLASSES, TRAITS

CLASSES = scalar(sa.select(RESOURCE_CLASSES.c.name).order_by(RESOURCE_CLASSES.c.name), str)
CLASSES_AMONG = scalar(
    sa.select(RESOURCE_CLASSES.c.name).where(RESOURCE_CLASSES.c.name.in_(bindparam("names", expanding=True))), str
)
CLASS_ADD = command(upsert(RESOURCE_CLASSES, ("name",)))
CLASS_RENAME = command(
    sa.update(RESOURCE_CLASSES).where(RESOURCE_CLASSES.c.name == bindparam("old")).values(name=bindparam("new"))
)
CLASS_DELETE = command(sa.delete(RESOURCE_CLASSES).where(RESOURCE_CLASSES.c.name == bindparam("old")))

CUSTOM_TRAITS = scalar(sa.select(TRAITS.c.name).order_by(TRAITS.c.name), str)
TRAITS_AMONG = scalar(sa.select(TRAITS.c.name).where(TRAITS.c.name.in_(bindparam("names", expanding=True))), str)
TRAIT_ADD = command(upsert(TRAITS, ("name",)))
TRAIT_DELETE = command(sa.delete(TRAITS).where(TRAITS.c.name == bindparam("old")))


async def class_list(app: PlacementApp) -> list[str]:
    """The custom resource classes."""
    return await app.db.all(CLASSES)


async def classes_unknown(app: PlacementApp, names: Collection[str]) -> list[str]:
    """Which of the names are no resource classes."""
    custom = sorted({name for name in names if not is_standard_class(name)})
    known = set(await app.db.all(CLASSES_AMONG, names=custom)) if any(map(is_custom, custom)) else set()
    return [name for name in custom if name not in known]


async def class_add(app: PlacementApp, name: str) -> bool:
    """Whether the class is new; it is known now."""
    return await app.db.run(CLASS_ADD, name=name, created_at=app.clock.now()) == 1


async def class_rename(app: PlacementApp, old: str, new: str) -> None:
    """The class has another name."""
    await app.db.run(CLASS_RENAME, old=old, new=new)


async def class_delete(app: PlacementApp, name: str) -> bool:
    """Whether there was such a custom class; it is gone."""
    return await app.db.run(CLASS_DELETE, old=name) == 1


async def trait_list(app: PlacementApp) -> list[str]:
    """The custom traits."""
    return await app.db.all(CUSTOM_TRAITS)


async def traits_unknown(app: PlacementApp, names: Iterable[str]) -> list[str]:
    """Which of the names are no traits."""
    custom = sorted({name for name in names if not is_standard_trait(name)})
    known = set(await app.db.all(TRAITS_AMONG, names=custom)) if any(map(is_custom, custom)) else set()
    return [name for name in custom if name not in known]


async def trait_add(app: PlacementApp, name: str) -> bool:
    """Whether the trait is new; it is known now."""
    return await app.db.run(TRAIT_ADD, name=name, created_at=app.clock.now()) == 1


async def trait_delete(app: PlacementApp, name: str) -> bool:
    """Whether there was such a custom trait; it is gone."""
    return await app.db.run(TRAIT_DELETE, old=name) == 1
