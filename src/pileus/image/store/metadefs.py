"""Namespaces and their definitions as rows."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.image.app import ImageApp
from pileus.image.models.metadefs import Definition, Kind, Namespace, UsedType
from pileus.image.tables import DEFINITIONS, NAMESPACES
from pileus.kit.db import Listing, command, query

_N = NAMESPACES.c
_D = DEFINITIONS.c
_SPACE = _N.id == bindparam("at")
_OF = sa.and_(_D.space == bindparam("at"), _D.kind == bindparam("of"))
_ONE = sa.and_(_OF, _D.name == bindparam("called"))

SPACE_BY_NAME = query(sa.select(NAMESPACES).where(_N.namespace == bindparam("namespace")), Namespace)
SPACE_CREATE = command(sa.insert(NAMESPACES))
SPACE_CHANGE = command(sa.update(NAMESPACES).where(_SPACE))
SPACE_DELETE = command(sa.delete(NAMESPACES).where(_SPACE))
SPACES = Listing(
    NAMESPACES,
    Namespace,
    key=_N.namespace,
    filters={
        "visibility": _N.visibility,
        "owner": _N.owner,
        "seen_by": lambda test: sa.or_(_N.visibility == sa.literal_column("'public'"), test(_N.owner)),
        "resource_type": lambda test: sa.exists().where(
            _D.space == _N.id, _D.kind == sa.literal_column("'resource_type'"), test(_D.name)
        ),
    },
    sorts={name: _N[name] for name in ("namespace", "created_at", "updated_at")},
)

HELD = Listing(
    DEFINITIONS,
    Definition,
    key=_D.name,
    filters={"space": _D.space, "kind": _D.kind},
    sorts={name: _D[name] for name in ("name", "created_at", "updated_at")},
    whose=("space", "kind"),
)
DEFINITION_FETCH = query(sa.select(DEFINITIONS).where(_ONE), Definition)
DEFINITIONS_OF = query(sa.select(DEFINITIONS).where(_OF).order_by(_D.name), Definition)
TIES_OF = query(
    sa.select(DEFINITIONS)
    .where(
        _D.space.in_(bindparam("spaces", expanding=True)),
        _D.kind == sa.literal_column("'resource_type'"),
    )
    .order_by(_D.space, _D.name),
    Definition,
)
DEFINITION_CREATE = command(sa.insert(DEFINITIONS))
DEFINITION_CHANGE = command(sa.update(DEFINITIONS).where(_ONE))
DEFINITION_DELETE = command(sa.delete(DEFINITIONS).where(_ONE))
DEFINITIONS_DELETE = command(sa.delete(DEFINITIONS).where(_OF))
TYPES_USED = query(
    sa.select(_D.name, sa.func.min(_D.created_at).label("created_at"), sa.func.min(_D.updated_at).label("updated_at"))
    .where(_D.kind == sa.literal_column("'resource_type'"))
    .group_by(_D.name)
    .order_by(_D.name),
    UsedType,
)


async def space_find(app: ImageApp, namespace: str) -> Namespace | None:
    """The namespace of this name."""
    return await app.db.one(SPACE_BY_NAME, namespace=namespace)


async def space_create(app: ImageApp, space: Namespace) -> None:
    """The namespace is stored."""
    await app.db.run(SPACE_CREATE, **msgspec.structs.asdict(space))


async def space_change(app: ImageApp, space_id: str, **columns: object) -> None:
    """The namespace has these values."""
    await app.db.run(SPACE_CHANGE, at=space_id, **columns)


async def space_delete(app: ImageApp, space_id: str) -> None:
    """The namespace is gone with all it holds."""
    await app.db.run(SPACE_DELETE, at=space_id)


async def definition_find(app: ImageApp, space_id: str, kind: Kind, name: str) -> Definition | None:
    """One definition."""
    return await app.db.one(DEFINITION_FETCH, at=space_id, of=kind, called=name)


async def definitions_of(app: ImageApp, space_id: str, kind: Kind) -> list[Definition]:
    """All definitions of a kind, by name."""
    return await app.db.all(DEFINITIONS_OF, at=space_id, of=kind)


async def ties_of(app: ImageApp, spaces: Sequence[str]) -> dict[str, list[Definition]]:
    """By namespace, the types of resources each is about."""
    found: dict[str, list[Definition]] = {}
    for tie in await app.db.all(TIES_OF, spaces=spaces) if spaces else ():
        found.setdefault(tie.space, []).append(tie)
    return found


async def definitions_page(
    app: ImageApp, space: Namespace, kind: Kind, sort: Sequence[tuple[str, str]], marker: str | None, limit: int | None
) -> list[Definition]:
    """A page of what a namespace says of one kind; raises UnknownMarker."""
    where = {"space": space.id, "kind": kind}
    return await app.db.page(HELD, where=where, sort=sort, marker=marker, limit=limit)


async def definition_create(app: ImageApp, definition: Definition) -> None:
    """The definition is stored."""
    await app.db.run(DEFINITION_CREATE, **msgspec.structs.asdict(definition))


async def definition_change(app: ImageApp, old: Definition, **columns: object) -> None:
    """The definition has these values."""
    await app.db.run(DEFINITION_CHANGE, at=old.space, of=old.kind, called=old.name, **columns)


async def definition_delete(app: ImageApp, space_id: str, kind: Kind, name: str) -> bool:
    """The definition is gone; False if there was none."""
    return bool(await app.db.run(DEFINITION_DELETE, at=space_id, of=kind, called=name))


async def definitions_delete(app: ImageApp, space_id: str, kind: Kind) -> None:
    """All definitions of the kind are gone."""
    await app.db.run(DEFINITIONS_DELETE, at=space_id, of=kind)


async def types_used(app: ImageApp) -> list[UsedType]:
    """The resource types namespaces are tied to, by name."""
    return await app.db.all(TYPES_USED)
