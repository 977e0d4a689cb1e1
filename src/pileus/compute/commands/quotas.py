"""Quotas: what a project may have, and whether it may have more."""

from collections.abc import Mapping

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.models.quotas import LIMITED, SHOWN, UNLIMITED, Usage, lacking
from pileus.compute.store import quotas as store
from pileus.compute.store.servers import used


def defaults(app: Compute) -> dict[str, int]:
    """What a project may have of which nothing else was said."""
    limits = {name: int(getattr(app.config, f"quota_{name}")) for name in LIMITED}
    return {**SHOWN, **limits}


async def limits_of(app: Compute, project_id: str) -> dict[str, int]:
    """What the project may have."""
    return {**defaults(app), **await store.quotas_of(app, project_id)}


async def fitting_count(app: Compute, project_id: str, one: Usage, least: int, most: int) -> int:
    """How many servers of a size the project may have, `most` at best; raises NotEnough if not even `least`."""
    limits, have = await limits_of(app, project_id), await used(app, project_id)
    for count in range(most, least - 1, -1):
        over = lacking(limits, have, _times(one, count))
        if not over:
            return count
    over = lacking(limits, have, _times(one, least))
    raise errors.NotEnough(
        names=", ".join(name for name, _, _, _ in over),
        asked=", ".join(str(asked) for _, asked, _, _ in over),
        used=", ".join(str(has) for _, _, has, _ in over),
        limits=", ".join(str(limit) for _, _, _, limit in over),
    )


def _times(one: Usage, count: int) -> Usage:
    return Usage(one.instances * count, one.cores * count, one.ram * count)


async def check_metadata(app: Compute, project_id: str, metadata: Mapping[str, str]) -> None:
    """Raise TooManyMetadataItems if a server of the project may not have so many."""
    limit = (await limits_of(app, project_id))["metadata_items"]
    if limit != UNLIMITED and len(metadata) > limit:
        raise errors.TooManyMetadataItems(limit=limit)


async def set_quotas(app: Compute, project_id: str, wanted: Mapping[str, int], *, force: bool) -> None:
    """The project has these limits; raises QuotaBelowUse unless forced."""
    have = await used(app, project_id)
    async with app.db.transaction():
        for name, most in wanted.items():
            in_use = int(getattr(have, name, 0))
            if not force and UNLIMITED < most < in_use:
                raise errors.QuotaBelowUse(limit=most, name=name, used=in_use)
            await store.quota_set(app, project_id, name, most)


async def forget_quotas(app: Compute, project_id: str) -> None:
    """The project has the default limits."""
    await store.quotas_forget(app, project_id)
