"""How much a project may have of images: the limits that its operator registered with identity.

Where nothing is registered nothing is limited. Sizes are limited in MiB, and clients rely on how OpenStack does that: who is not
beyond his limit yet may bring one more image, of any size. With `hard_limits` a project never has a byte more than it may: an
upload ends where the room does.
"""

import enum
from collections.abc import Mapping

from pileus.image import errors
from pileus.image.app import ImageApp
from pileus.image.models.images import Used
from pileus.image.store import images as store
from pileus.ports.limits import Bound

SERVICE = "image"
MIB = 1 << 20


class Resource(enum.StrEnum):
    """What is limited."""

    SIZE = "image_size_total"
    STAGE = "image_stage_total"
    COUNT = "image_count_total"
    UPLOADING = "image_count_uploading"


IN_BYTES = frozenset({Resource.SIZE, Resource.STAGE})


async def bounds_of(app: ImageApp, project: str | None) -> Mapping[str, Bound]:
    """The project's limits; what has none is missing."""
    if app.limits is None or project is None:
        return {}
    return await app.limits.bounds(project, SERVICE, app.region)


def _has(used: Used, resource: Resource) -> int:
    return {
        Resource.SIZE: used.size,
        Resource.STAGE: used.staged,
        Resource.COUNT: used.images,
        Resource.UPLOADING: used.uploading,
    }[resource]


async def check_room(app: ImageApp, project: str | None, wanted: Mapping[Resource, int]) -> None:
    """The project may have so much more: bytes, or images; raises OverLimit. Joins the caller's transaction."""
    bounds = await bounds_of(app, project)
    for resource, asked in wanted.items():
        bound, more = bounds.get(resource), _counted(app, resource, asked)
        if bound is not None and (left := await _left(app, project or "", bound, resource)) is not None and more > left:
            unit = "MiB" if resource in IN_BYTES else "images"
            limit = bound.limit if bound.limit >= 0 else bound.whole
            raise errors.OverLimit(resource=resource, limit=f"{limit} {unit}", left=max(left, 0), wanted=more)


def _counted(app: ImageApp, resource: Resource, wanted: int) -> int:
    return 0 if resource in IN_BYTES and not app.config.hard_limits else wanted


async def room_for_bytes(app: ImageApp, project: str | None, resource: Resource) -> int | None:
    """How many more bytes the project may have; None: as many as it likes."""
    bound = (await bounds_of(app, project)).get(resource) if app.config.hard_limits else None
    return None if bound is None else await _left(app, project or "", bound, resource)


async def _left(app: ImageApp, project: str, bound: Bound, resource: Resource) -> int | None:
    unit = MIB if resource in IN_BYTES else 1
    left: list[int] = []
    if bound.limit >= 0:
        left.append(bound.limit * unit - _has(await store.images_used(app, [project]), resource))
    if bound.whole is not None and bound.whole >= 0:
        left.append(bound.whole * unit - _has(await store.images_used(app, list(bound.tree)), resource))
    return min(left) if left else None
