"""Quotas: what a project may have, and whether it may have more."""

from collections.abc import Mapping

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.models.quotas import COUNTED, LIMITED, UNLIMITED, exceeded
from pileus.block_storage.models.types import VolumeType
from pileus.block_storage.store import quotas as store
from pileus.block_storage.store.types import types

DEFAULT_CLASS = "default"


def _class_id(name: str) -> str:
    """Stands in the place of a project; no project has such an id."""
    return f"class:{name}"


async def defaults(app: BlockStorage) -> dict[str, int]:
    """What a project may have of which nothing else was said: the default class, else the configuration."""
    limits = {name: int(getattr(app.config, f"quota_{name}")) for name in LIMITED}
    typed = {f"{name}_{each.name}": UNLIMITED for each in await types.list(app, {}) for name in COUNTED}
    own = {
        name: most
        for name, most in (await store.quotas_of(app, _class_id(DEFAULT_CLASS))).items()
        if name in limits | typed
    }
    return {**limits, **typed, **own}


async def limits_of(app: BlockStorage, project_id: str) -> dict[str, int]:
    """What the project may have."""
    limits = await defaults(app)
    own = await store.quotas_of(app, project_id)
    return {**limits, **{name: most for name, most in own.items() if name in limits}}


async def check(app: BlockStorage, project_id: str, asked: Mapping[str, int], type: VolumeType | None = None) -> None:
    """Raise OverQuota if the project may not have that much more; `type` counts once more under its own limits."""
    await _check(app, project_id, asked, {**asked, **(_typed(asked, type) if type else {})})


async def check_type(app: BlockStorage, project_id: str, asked: Mapping[str, int], type: VolumeType) -> None:
    """Raise OverQuota if the project may not have that much more of the type."""
    await _check(app, project_id, asked, _typed(asked, type))


def _typed(asked: Mapping[str, int], type: VolumeType) -> dict[str, int]:
    return {f"{name}_{type.name}": more for name, more in asked.items() if name in COUNTED}


async def _check(app: BlockStorage, project_id: str, asked: Mapping[str, int], counted: Mapping[str, int]) -> None:
    limits, used = await limits_of(app, project_id), await store.used(app, project_id)
    over = exceeded(limits, used, counted)
    if over is None:
        return
    limit, has = limits[over], used.of(over)
    if over.startswith("backup_gigabytes"):
        raise errors.TooManyBackupGigabytes(asked=asked["backup_gigabytes"], limit=limit, used=has)
    if over.startswith("gigabytes"):
        raise errors.TooManyGigabytes(name=over, asked=asked["gigabytes"], limit=limit, used=has)
    kind = {"snapshots": errors.TooManySnapshots, "backups": errors.TooManyBackups, "groups": errors.TooManyGroups}
    raise kind.get(over.partition("_")[0], errors.TooManyVolumes)(limit=limit, name=over)


async def check_size(app: BlockStorage, project_id: str, size: int) -> None:
    """Raise TooBig if no volume of the project may be that large."""
    limit = (await limits_of(app, project_id))["per_volume_gigabytes"]
    if limit != UNLIMITED and size > limit:
        raise errors.TooBig(size=size, limit=limit)


async def limits_of_class(app: BlockStorage, name: str) -> dict[str, int]:
    """What projects of the class may have; all projects are in the default class."""
    limits = await defaults(app)
    own = await store.quotas_of(app, _class_id(name))
    return {**limits, **{each: most for each, most in own.items() if each in limits}}


async def set_class(app: BlockStorage, name: str, wanted: Mapping[str, int]) -> None:
    """The class has these limits."""
    await set_quotas(app, _class_id(name), wanted)


async def set_quotas(
    app: BlockStorage, project_id: str, wanted: Mapping[str, int], *, not_below_use: bool = False
) -> None:
    """The project has these limits; raises InvalidInput, with `not_below_use` also for a limit below what it has."""
    async with app.db.transaction():
        known, used = await defaults(app), await store.used(app, project_id)
        for name, most in wanted.items():
            if name not in known:
                raise errors.InvalidInput(why=f"Bad key(s) in quota set: {name}")
            if not_below_use and most != UNLIMITED and most < used.of(name):
                raise errors.BadRequest(why=f"Quota {name} limit must be equal to or greater than existing resources.")
            await store.quota_set(app, project_id, name, most)


async def forget_quotas(app: BlockStorage, project_id: str) -> None:
    """The project has the default limits."""
    await store.quotas_forget(app, project_id)
