"""Custom resource classes and traits: made, renamed and removed; the standard ones stand."""

from pileus.kit.db import UniqueViolation
from pileus.placement import errors
from pileus.placement.app import PlacementApp
from pileus.placement.models.names import (
    is_custom,
    is_standard_class,
    is_standard_trait,
    standard_classes,
    standard_traits,
)
from pileus.placement.store import names as store
from pileus.placement.store import providers


async def class_list(app: PlacementApp) -> list[str]:
    """Every resource class, the standard ones first."""
    return [*standard_classes(), *await store.class_list(app)]


async def class_get(app: PlacementApp, name: str) -> None:
    """The class exists; raises NoSuchClass."""
    if await store.classes_unknown(app, [name]):
        raise errors.NoSuchClass(name=name)


async def create_class(app: PlacementApp, name: str) -> None:
    """The class exists and did not before."""
    if not await store.class_add(app, name):
        raise errors.DuplicateClass(name=name)


async def ensure_class(app: PlacementApp, name: str) -> bool:
    """Whether the class is new; it exists now."""
    _check_spelling(name)
    return await store.class_add(app, name)


async def rename_class(app: PlacementApp, name: str, new: str) -> None:
    """The custom class has another name."""
    await class_get(app, name)
    if is_standard_class(name):
        raise errors.StandardName(what="Resource class", name=name, action="renamed")
    async with app.db.transaction():
        if await providers.class_in_use(app, name):
            raise errors.NameInUse(what="Resource class", name=name)
        try:
            await store.class_rename(app, name, new)
        except UniqueViolation as taken:
            raise errors.DuplicateClass(name=new) from taken


async def delete_class(app: PlacementApp, name: str) -> None:
    """The custom class is gone; raises NameInUse while a provider has an inventory of it."""
    if is_standard_class(name):
        raise errors.StandardName(what="Resource class", name=name, action="deleted")
    async with app.db.transaction():
        if await providers.class_in_use(app, name):
            raise errors.NameInUse(what="Resource class", name=name)
        if not await store.class_delete(app, name):
            raise errors.NoSuchClass(name=name)


async def trait_list(app: PlacementApp, name: str | None, associated: str | None) -> list[str]:
    """The traits a filter names: `in:A,B` or `startswith:A`, and those that some provider has or none has."""
    found = sorted([*standard_traits(), *await store.trait_list(app)])
    if name is not None:
        kind, _, value = name.partition(":")
        if kind == "in":
            wanted = set(value.split(","))
            found = [trait for trait in found if trait in wanted]
        elif kind == "startswith" and value:
            found = [trait for trait in found if trait.startswith(value)]
        else:
            raise errors.WrongQuery(why="Badly formatted name parameter. Expected name query string parameter in form: "
                                        "?name=[in|startswith]:[name1,name2|prefix]. Got: " + name)  # fmt: skip
    if associated is not None:
        if associated.lower() not in {"true", "false"}:
            raise errors.WrongQuery(
                why=f'The query parameter "associated" only accepts "true" or "false", not {associated}'
            )
        had = set(await providers.traits_associated(app))
        found = [trait for trait in found if (trait in had) is (associated.lower() == "true")]
    return found


async def trait_get(app: PlacementApp, name: str) -> None:
    """The trait exists; raises NoSuchTrait."""
    if await store.traits_unknown(app, [name]):
        raise errors.NoSuchTrait(name=name)


async def ensure_trait(app: PlacementApp, name: str) -> bool:
    """Whether the trait is new; it exists now."""
    _check_spelling(name)
    return await store.trait_add(app, name)


async def delete_trait(app: PlacementApp, name: str) -> None:
    """The custom trait is gone; raises NameInUse while a provider has it."""
    if is_standard_trait(name):
        raise errors.StandardName(what="Trait", name=name, action="deleted")
    async with app.db.transaction():
        if await providers.trait_in_use(app, name):
            raise errors.NameInUse(what="Trait", name=name)
        if not await store.trait_delete(app, name):
            raise errors.NoSuchTrait(name=name)


def _check_spelling(name: str) -> None:
    if not is_custom(name):
        raise errors.WrongInput(why=f"{name!r} is invalid: it must be CUSTOM_ and then letters A-Z, digits or _.")
