"""What administrators can ask of the image cache: what is in it, to bring something, to empty it."""

from pileus.image import errors
from pileus.image.app import ImageApp
from pileus.image.commands.images import image_find
from pileus.image.flows import cache as flow
from pileus.image.models.images import Cached, Status
from pileus.image.store import cache as store
from pileus.image.store.images import head_find
from pileus.kit.auth import Caller

TARGETS = {"cache", "queue"}


def check_on(app: ImageApp) -> None:
    """There is a cache; raises NoCache."""
    if app.config.cache_size == 0:
        raise errors.NoCache


async def cached_list(app: ImageApp) -> tuple[list[Cached], list[str]]:
    """What is there, and the ids of what is asked for."""
    check_on(app)
    known = await store.cached_list(app)
    return [one for one in known if one.file is not None], [one.image for one in known if one.file is None]


async def ask_for(app: ImageApp, caller: Caller, image_id: str) -> None:
    """The image is in the cache, or on its way there."""
    check_on(app)
    image = await image_find(app, caller, image_id)
    if image is None:
        raise errors.NoSuchImage(image=image_id)
    if image.status is not Status.ACTIVE:
        raise errors.NotCacheable(image=image.id, status=image.status)
    async with app.db.transaction():
        if await store.cached_ask(app, image.id):
            await app.operations.begin(flow.CACHE.name, flow.subject_of(image.id), {"image": image.id})


async def leave(app: ImageApp, image_id: str) -> None:
    """The image is neither in the cache nor on its way there; raises NotCached if there is no such image either."""
    check_on(app)
    known = await store.cached_find(app, image_id)
    if known is not None:
        await _leave(app, known)
    elif await head_find(app, image_id) is None:
        raise errors.NotCached(image=image_id)


async def clear(app: ImageApp, target: str) -> int:
    """How many there were in the cache, on their way there, or (no target) both; none of them is."""
    check_on(app)
    if target not in {"", *TARGETS}:
        raise errors.WrongValue(
            why=f"x-image-cache-clear-target must be cache, queue or not given, not {target[:32]!r}."
        )
    count = 0
    for one in await store.cached_list(app):
        if target in {"", "queue" if one.file is None else "cache"}:
            await _leave(app, one)
            count += 1
    return count


async def clean(app: ImageApp) -> int:
    """How many files of the cache were no image's; they are gone."""
    check_on(app)
    return await flow.clean(app)


async def prune(app: ImageApp) -> tuple[int, int]:
    """How many files, of how many bytes, went so that the cache holds no more than it may."""
    check_on(app)
    return await flow.prune(app)


async def _leave(app: ImageApp, known: Cached) -> None:
    await store.cached_forget(app, known.image)
    if known.file is not None:
        await app.stores.cache.remove(known.file)
