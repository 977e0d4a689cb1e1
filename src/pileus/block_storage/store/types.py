"""Queries of volume types, who may use them, QoS specs and group types."""

import sqlalchemy as sa

from pileus.block_storage.app import BlockStorage
from pileus.block_storage.models.types import GroupType, QosSpecs, VolumeType
from pileus.block_storage.store.rows import Rows
from pileus.block_storage.tables import DEFAULT_TYPES, GROUP_TYPES, GROUPS, QOS, TYPE_ACCESS, TYPES, VOLUMES
from pileus.kit.db import command, query, scalar, upsert

types = Rows(TYPES, VolumeType, sorts=("name", "is_public", "updated_at"))
qos_specs = Rows(QOS, QosSpecs, sorts=("name", "consumer"))
group_types = Rows(GROUP_TYPES, GroupType, sorts=("name", "is_public"))

TYPE_NAMED = query(sa.select(*TYPES.c).where(TYPES.c.name == sa.bindparam("name")), VolumeType)
GROUP_TYPE_NAMED = query(sa.select(*GROUP_TYPES.c).where(GROUP_TYPES.c.name == sa.bindparam("name")), GroupType)
TYPES_OF_QOS = query(
    sa.select(*TYPES.c).where(TYPES.c.qos_id == sa.bindparam("qos_id")).order_by(TYPES.c.name), VolumeType
)
ACCESS_GRANT = command(upsert(TYPE_ACCESS, ["type_id", "project_id"]))
ACCESS_REVOKE = command(
    sa.delete(TYPE_ACCESS).where(
        TYPE_ACCESS.c.type_id == sa.bindparam("of_type"), TYPE_ACCESS.c.project_id == sa.bindparam("of_project")
    )
)
ACCESS_OF_TYPE = scalar(
    sa.select(TYPE_ACCESS.c.project_id)
    .where(TYPE_ACCESS.c.type_id == sa.bindparam("type_id"))
    .order_by(TYPE_ACCESS.c.project_id),
    str,
)
ACCESS_OF_PROJECT = scalar(
    sa.select(TYPE_ACCESS.c.type_id).where(TYPE_ACCESS.c.project_id == sa.bindparam("project_id")), str
)
TYPE_USED = scalar(
    sa.select(sa.func.count()).select_from(VOLUMES).where(VOLUMES.c.type_id == sa.bindparam("type_id")), int
)
GROUP_TYPE_USED = scalar(
    sa.select(sa.func.count()).select_from(GROUPS).where(GROUPS.c.group_type_id == sa.bindparam("type_id")), int
)
DEFAULT_SET = command(upsert(DEFAULT_TYPES, ["project_id"], ["type_id"]))
DEFAULT_UNSET = command(sa.delete(DEFAULT_TYPES).where(DEFAULT_TYPES.c.project_id == sa.bindparam("of_project")))
DEFAULT_OF = scalar(
    sa.select(DEFAULT_TYPES.c.type_id).where(DEFAULT_TYPES.c.project_id == sa.bindparam("project_id")), str
)
DEFAULTS = query(
    sa.select(DEFAULT_TYPES.c.project_id, DEFAULT_TYPES.c.type_id).order_by(DEFAULT_TYPES.c.project_id), tuple[str, str]
)


async def type_named(app: BlockStorage, name: str) -> VolumeType | None:
    """The volume type of that name."""
    return await app.db.one(TYPE_NAMED, name=name)


async def group_type_named(app: BlockStorage, name: str) -> GroupType | None:
    """The group type of that name."""
    return await app.db.one(GROUP_TYPE_NAMED, name=name)


async def types_of_qos(app: BlockStorage, qos_id: str) -> list[VolumeType]:
    """The volume types that have these QoS specs."""
    return await app.db.all(TYPES_OF_QOS, qos_id=qos_id)


async def access_of_type(app: BlockStorage, type_id: str) -> list[str]:
    """The projects that may use a private type."""
    return await app.db.all(ACCESS_OF_TYPE, type_id=type_id)


async def access_of_project(app: BlockStorage, project_id: str) -> frozenset[str]:
    """The private types a project may use."""
    return frozenset(await app.db.all(ACCESS_OF_PROJECT, project_id=project_id))


async def access_grant(app: BlockStorage, type_id: str, project_id: str) -> None:
    """The project may use the type."""
    await app.db.run(ACCESS_GRANT, type_id=type_id, project_id=project_id)


async def access_revoke(app: BlockStorage, type_id: str, project_id: str) -> bool:
    """The project may not use the type; whether it could before."""
    return bool(await app.db.run(ACCESS_REVOKE, of_type=type_id, of_project=project_id))


async def type_in_use(app: BlockStorage, type_id: str) -> bool:
    """Whether there are volumes of the type."""
    count = await app.db.one(TYPE_USED, type_id=type_id)
    return bool(count)


async def group_type_in_use(app: BlockStorage, type_id: str) -> bool:
    """Whether there are groups of the type."""
    count = await app.db.one(GROUP_TYPE_USED, type_id=type_id)
    return bool(count)


async def default_of(app: BlockStorage, project_id: str) -> str | None:
    """The type a project's volumes have of which nothing else is said."""
    return await app.db.one(DEFAULT_OF, project_id=project_id)


async def default_set(app: BlockStorage, project_id: str, type_id: str) -> None:
    """The project has this default type."""
    await app.db.run(DEFAULT_SET, project_id=project_id, type_id=type_id)


async def default_unset(app: BlockStorage, project_id: str) -> None:
    """The project has the cloud's default type."""
    await app.db.run(DEFAULT_UNSET, of_project=project_id)


async def default_list(app: BlockStorage) -> list[tuple[str, str]]:
    """Each project with a default type of its own, and that type."""
    return await app.db.all(DEFAULTS)
