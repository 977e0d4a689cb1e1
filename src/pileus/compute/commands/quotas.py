"""Quotas: what a project may have, and whether it may have more."""

import base64
import binascii
from collections.abc import Mapping, Sequence

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.models.quotas import LIMITED, SHOWN, UNLIMITED, Usage, lacking
from pileus.compute.models.servers import GivenFile
from pileus.compute.store import quotas as store
from pileus.compute.store.servers import used, used_by

# Stands in the place of a project; no project has such an id.
DEFAULT_CLASS = "class:default"


async def defaults(app: Compute) -> dict[str, int]:
    """What a project may have of which nothing else was said: the default class, else the configuration."""
    limits = {name: int(getattr(app.config, f"quota_{name}")) for name in LIMITED}
    return {**SHOWN, **limits, **await store.quotas_of(app, DEFAULT_CLASS)}


async def limits_of(app: Compute, project_id: str, user_id: str | None = None) -> dict[str, int]:
    """What the project may have, or one user in it."""
    limits = {**await defaults(app), **await store.quotas_of(app, project_id)}
    return limits if user_id is None else {**limits, **await store.user_quotas_of(app, project_id, user_id)}


async def fitting_count(
    app: Compute, project_id: str, one: Usage, least: int, most: int, *, user_id: str | None = None
) -> int:
    """How many servers of a size the project, and the user in it, may have, `most` at best; raises NotEnough if not even `least`."""
    pots = [(await limits_of(app, project_id), await used(app, project_id))]
    if user_id is not None and await store.user_quotas_of(app, project_id, user_id):
        pots.append((await limits_of(app, project_id, user_id), await used_by(app, project_id, user_id)))
    for count in range(most, least - 1, -1):
        if not any(lacking(limits, have, _times(one, count)) for limits, have in pots):
            return count
    over = next(found for limits, have in pots if (found := lacking(limits, have, _times(one, least))))
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


async def check_files(app: Compute, project_id: str, files: Sequence[GivenFile]) -> None:
    """Raise BadRequest, TooManyFiles, FilePathTooLong or FileTooLong unless a server of the project may be given the files."""
    if not files:
        return
    limits = await limits_of(app, project_id)
    if _above(len(files), limits["injected_files"]):
        raise errors.TooManyFiles(count=len(files), limit=limits["injected_files"])
    for file in files:
        try:
            content = base64.b64decode("".join(file.contents.split()), validate=True)
        except (binascii.Error, ValueError):
            raise errors.BadRequest(why=f"Personality content for {file.path} cannot be decoded") from None
        if _above(len(file.path.encode()), limits["injected_file_path_bytes"]):
            raise errors.FilePathTooLong(path=file.path, limit=limits["injected_file_path_bytes"])
        if _above(len(content), limits["injected_file_content_bytes"]):
            raise errors.FileTooLong(path=file.path, limit=limits["injected_file_content_bytes"])


def _above(count: int, limit: int) -> bool:
    return limit != UNLIMITED and count > limit


async def set_quotas(app: Compute, project_id: str, wanted: Mapping[str, int], *, force: bool) -> None:
    """The project has these limits; raises QuotaBelowUse unless forced."""
    have = await used(app, project_id)
    async with app.db.transaction():
        for name, most in wanted.items():
            if not force:
                _check_use(have, name, most)
            await store.quota_set(app, project_id, name, most)


def _check_use(have: Usage, name: str, most: int) -> None:
    in_use = int(getattr(have, name, 0))
    if UNLIMITED < most < in_use:
        raise errors.QuotaBelowUse(limit=most, name=name, used=in_use)


async def set_user_quotas(
    app: Compute, project_id: str, user_id: str, wanted: Mapping[str, int], *, force: bool
) -> None:
    """The user has these limits in the project; raises QuotaAboveProject, and QuotaBelowUse unless forced."""
    have = await used_by(app, project_id, user_id)
    async with app.db.transaction():
        limits = await limits_of(app, project_id)
        for name, most in wanted.items():
            limit = limits[name]
            if limit != UNLIMITED and (most == UNLIMITED or most > limit):
                raise errors.QuotaAboveProject(limit=most, name=name, most=limit)
            if not force:
                _check_use(have, name, most)
            await store.user_quota_set(app, project_id, user_id, name, most)


async def forget_user_quotas(app: Compute, project_id: str, user_id: str) -> None:
    """The user has the limits of the project."""
    await store.user_quotas_forget(app, project_id, user_id)


async def set_default_quotas(app: Compute, wanted: Mapping[str, int]) -> None:
    """Projects of which nothing else was said have these limits."""
    async with app.db.transaction():
        for name, most in wanted.items():
            await store.quota_set(app, DEFAULT_CLASS, name, most)


async def forget_quotas(app: Compute, project_id: str) -> None:
    """The project has the default limits."""
    await store.quotas_forget(app, project_id)
