"""Making, changing and deleting namespaces and what they hold."""

import uuid
from collections.abc import Iterable, Mapping

from pileus.image.app import ImageApp
from pileus.image.errors import (
    DefinitionExists,
    DefinitionProtected,
    NamespaceExists,
    NamespaceProtected,
    NoSuchDefinition,
    NoSuchNamespace,
    NoSuchTie,
    OtherPrefix,
    PropertyDefined,
    TagDefined,
    TieExists,
)
from pileus.image.models.metadefs import Body, Definition, Kind, Namespace
from pileus.image.store import metadefs as store
from pileus.kit.auth import Caller
from pileus.kit.db import UniqueViolation
from pileus.kit.errors import Conflict, NotFound

Held = Mapping[Kind, Iterable[tuple[str, Body]]]
EXISTS: Mapping[Kind, type[Conflict]] = {
    Kind.PROPERTY: PropertyDefined,
    Kind.TAG: TagDefined,
    Kind.RESOURCE_TYPE: TieExists,
}


def missing(space: Namespace, kind: Kind, name: str) -> NotFound:
    """That the namespace says nothing of it."""
    wrong = NoSuchTie if kind is Kind.RESOURCE_TYPE else NoSuchDefinition
    return wrong(kind=kind.value, name=name, namespace=space.namespace)


def existing(space: Namespace, kind: Kind, name: str) -> Conflict:
    """That the namespace says something of it already."""
    return EXISTS.get(kind, DefinitionExists)(kind=kind.value, name=name, namespace=space.namespace)


async def namespace_get(app: ImageApp, caller: Caller, namespace: str) -> Namespace:
    """The namespace, if the caller may see it; raises NoSuchNamespace."""
    found = await store.space_find(app, namespace)
    if found is None or not found.shows_to(caller):
        raise NoSuchNamespace(namespace=namespace)
    return found


async def create_namespace(app: ImageApp, columns: Mapping[str, object], held: Held) -> Namespace:
    """The namespace exists with what it shall hold."""
    now = app.clock.now()
    given = {"id": str(uuid.uuid4()), "created_at": now, "updated_at": now, **columns}
    space = Namespace(**given)  # type: ignore[arg-type]  # the API has checked what is in there
    try:
        async with app.db.transaction():
            await store.space_create(app, space)
            for kind, definitions in held.items():
                for name, body in definitions:
                    await add_definition(app, space, kind, name, body)
    except UniqueViolation:
        raise NamespaceExists(namespace=space.namespace) from None
    return space


async def change_namespace(app: ImageApp, space: Namespace, columns: Mapping[str, object]) -> Namespace:
    """The namespace has these values."""
    name = str(columns.get("namespace", space.namespace))
    try:
        await store.space_change(app, space.id, **{**columns, "updated_at": app.clock.now()})
    except UniqueViolation:
        raise NamespaceExists(namespace=name) from None
    return await store.space_find(app, name) or space


async def delete_namespace(app: ImageApp, space: Namespace) -> None:
    """The namespace is gone with all it holds."""
    refuse_protected(space)
    await store.space_delete(app, space.id)


def refuse_protected(space: Namespace) -> None:
    """Raise NamespaceProtected if nothing of the namespace may be deleted."""
    if space.protected:
        raise NamespaceProtected(namespace=space.namespace)


async def definition_get(app: ImageApp, space: Namespace, kind: Kind, name: str) -> Definition:
    """What the namespace says of it; raises NoSuchDefinition."""
    found = await store.definition_find(app, space.id, kind, name)
    if found is None:
        raise missing(space, kind, name)
    return found


async def property_for(app: ImageApp, space: Namespace, name: str, resource_type: str) -> Definition:
    """The property that has this name, prefix and all, on resources of the type; raises what `missing` makes, and OtherPrefix."""
    tie = await definition_get(app, space, Kind.RESOURCE_TYPE, resource_type)
    before = str(tie.body.get("prefix", ""))
    if not name.startswith(before):
        raise OtherPrefix(name=name, prefix=before)
    return await definition_get(app, space, Kind.PROPERTY, name.removeprefix(before))


async def add_definition(app: ImageApp, space: Namespace, kind: Kind, name: str, body: Body) -> Definition:
    """The namespace holds the definition."""
    now = app.clock.now()
    definition = Definition(space=space.id, kind=kind, name=name, body=body, created_at=now, updated_at=now)
    try:
        async with app.db.transaction():
            await store.definition_create(app, definition)
    except UniqueViolation:
        raise existing(space, kind, name) from None
    return definition


async def change_definition(app: ImageApp, space: Namespace, old: Definition, name: str, body: Body) -> Definition:
    """The definition says this, perhaps under another name."""
    try:
        await store.definition_change(app, old, name=name, body=body, updated_at=app.clock.now())
    except UniqueViolation:
        raise existing(space, old.kind, name) from None
    return await definition_get(app, space, old.kind, name)


async def replace_tags(app: ImageApp, space: Namespace, names: Iterable[str], *, keep: bool) -> list[Definition]:
    """The namespace holds these tags, beside those it had if they are kept."""
    async with app.db.transaction():
        if not keep:
            await store.definitions_delete(app, space.id, Kind.TAG)
        for name in names:
            await add_definition(app, space, Kind.TAG, name, {})
    return await store.definitions_of(app, space.id, Kind.TAG)


async def remove_definition(app: ImageApp, space: Namespace, kind: Kind, name: str) -> None:
    """The namespace, which is not protected, holds it no more."""
    if space.protected:
        await definition_get(app, space, kind, name)
        what = "resource-type-association" if kind is Kind.RESOURCE_TYPE else kind.value
        raise DefinitionProtected(kind=what, name=name)
    if not await store.definition_delete(app, space.id, kind, name):
        raise missing(space, kind, name)


async def remove_definitions(app: ImageApp, space: Namespace, kind: Kind) -> None:
    """The namespace, which is not protected, holds none of the kind."""
    refuse_protected(space)
    await store.definitions_delete(app, space.id, kind)
