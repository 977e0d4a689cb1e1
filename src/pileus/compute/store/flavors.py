"""Queries of flavors and of who may use the private ones."""

from collections.abc import Sequence

import sqlalchemy as sa

from pileus.compute.app import Compute
from pileus.compute.models.flavors import Flavor
from pileus.compute.tables import FLAVOR_ACCESS, FLAVORS
from pileus.kit.db import Listing, command, query, scalar, upsert

_all = sa.select(*FLAVORS.c)
_mine = sa.exists().where(
    FLAVOR_ACCESS.c.flavor_id == FLAVORS.c.id, FLAVOR_ACCESS.c.project_id == sa.bindparam("project_id")
)

FLAVOR_FIND = query(_all.where(FLAVORS.c.id == sa.bindparam("id")), Flavor)
FLAVOR_FIND_FOR = query(_all.where(FLAVORS.c.id == sa.bindparam("id"), sa.or_(FLAVORS.c.is_public, _mine)), Flavor)
FLAVOR_CREATE = command(sa.insert(FLAVORS))
FLAVOR_CHANGE = command(sa.update(FLAVORS).where(FLAVORS.c.id == sa.bindparam("of_id")))
FLAVOR_DELETE = command(sa.delete(FLAVORS).where(FLAVORS.c.id == sa.bindparam("id")))
ACCESS_LIST = scalar(
    sa.select(FLAVOR_ACCESS.c.project_id)
    .where(FLAVOR_ACCESS.c.flavor_id == sa.bindparam("id"))
    .order_by(FLAVOR_ACCESS.c.project_id),
    str,
)
ACCESS_ADD = command(upsert(FLAVOR_ACCESS, ["flavor_id", "project_id"]))
ACCESS_REMOVE = command(
    sa.delete(FLAVOR_ACCESS).where(
        FLAVOR_ACCESS.c.flavor_id == sa.bindparam("id"), FLAVOR_ACCESS.c.project_id == sa.bindparam("project_id")
    )
)
_SORTS = ("id", "name", "ram", "vcpus", "disk", "ephemeral", "swap", "rxtx_factor", "is_public", "created_at")
LISTING: Listing[Flavor] = Listing(
    _all,
    Flavor,
    key=FLAVORS.c.id,
    filters={
        "id": FLAVORS.c.id,
        "name": FLAVORS.c.name,
        "ram": FLAVORS.c.ram,
        "disk": FLAVORS.c.disk,
        "is_public": FLAVORS.c.is_public,
        "disabled": FLAVORS.c.disabled,
        "usable_by": lambda test: sa.or_(
            FLAVORS.c.is_public,
            sa.exists().where(FLAVOR_ACCESS.c.flavor_id == FLAVORS.c.id, test(FLAVOR_ACCESS.c.project_id)),
        ),
    },
    sorts={
        **{name: FLAVORS.c[name] for name in _SORTS},
        "flavorid": FLAVORS.c.id,
        "memory_mb": FLAVORS.c.ram,
        "root_gb": FLAVORS.c.disk,
        "ephemeral_gb": FLAVORS.c.ephemeral,
    },
)


async def flavor_find(app: Compute, id: str, project_id: str | None = None) -> Flavor | None:
    """The flavor; for a project, only if it may use it."""
    if project_id is None:
        return await app.db.one(FLAVOR_FIND, id=id)
    return await app.db.one(FLAVOR_FIND_FOR, id=id, project_id=project_id)


async def flavor_list(
    app: Compute, where: dict[str, object], sort: Sequence[tuple[str, str]], *, marker: str | None, limit: int | None
) -> list[Flavor]:
    """A page of flavors, by id unless sorted otherwise."""
    return await app.db.page(LISTING, where=where, sort=sort or (("id", "asc"),), marker=marker, limit=limit)


async def flavor_create(app: Compute, flavor: Flavor) -> None:
    """The flavor has a row; raises UniqueViolation."""
    await app.db.run(FLAVOR_CREATE, **{name: getattr(flavor, name) for name in flavor.__struct_fields__})


async def flavor_change(app: Compute, id: str, **changes: object) -> None:
    """The flavor's row has these values."""
    await app.db.run(FLAVOR_CHANGE, of_id=id, **changes)


async def flavor_delete(app: Compute, id: str) -> None:
    """The flavor has no row."""
    await app.db.run(FLAVOR_DELETE, id=id)


async def access_list(app: Compute, id: str) -> list[str]:
    """The projects that may use a private flavor."""
    return await app.db.all(ACCESS_LIST, id=id)


async def access_add(app: Compute, id: str, project_id: str) -> bool:
    """The project may use the flavor; False if it might already."""
    return bool(await app.db.run(ACCESS_ADD, flavor_id=id, project_id=project_id))


async def access_remove(app: Compute, id: str, project_id: str) -> bool:
    """The project may not use the flavor; False if it might not before."""
    return bool(await app.db.run(ACCESS_REMOVE, id=id, project_id=project_id))
