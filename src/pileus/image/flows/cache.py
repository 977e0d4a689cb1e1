"""Bring an image of a slow store to hand: its bytes, whole and verified, become a file of the cache.

    fetch -> the row names the file -> what was not read for longest makes room

The cache is a convenience: an image that cannot be brought is not in it, and is read from where it is.
"""

from collections.abc import AsyncIterator

from pileus.image.app import ImageApp
from pileus.image.drivers.interface import StoreIsFull, Unreadable, closing
from pileus.image.flows.imports import write_verified
from pileus.image.flows.intake import bytes_of
from pileus.image.models.images import Image
from pileus.image.store import cache as store
from pileus.image.store import images
from pileus.kit.flow.operation import Operation, State
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step


def subject_of(image: str) -> str:
    """What bringing the image is an operation on."""
    return f"image-cache:{image}"


def _file(op: Operation) -> str:
    return f"{op.args['image']}.{op.id[:8]}"


async def fetch(app: ImageApp, op: Operation) -> Outcome:
    """The image is a file of the cache."""
    image = await images.image_find(app, op.args["image"])
    if image is None or not image.copies:
        return Fail("The image is gone.")
    if (image.size or 0) > app.config.cache_size:
        return Fail(f"The image has {image.size} bytes; the cache takes {app.config.cache_size}.")
    try:
        await write_verified(app.stores.cache, _file(op), bytes_of(app, image.copies, 0, image.size or 0), image)
    except (StoreIsFull, Unreadable, OSError) as failed:
        return Fail(str(failed))
    return Done(also=lambda: _filled(app, op, image))


async def _filled(app: ImageApp, op: Operation, image: Image) -> None:
    await store.cached_fill(app, image.id, _file(op), image.size or 0)


async def drop(app: ImageApp, op: Operation) -> Outcome:
    """The operation's file is not there."""
    await app.stores.cache.remove(_file(op))
    return Done()


async def make_room(app: ImageApp, op: Operation) -> Outcome:
    """The cache holds no more than it may."""
    await prune(app)
    return Done()


async def prune(app: ImageApp) -> tuple[int, int]:
    """How many files, of how many bytes, went so that the cache holds no more than it may."""
    held = await store.cached_by_reading(app)
    over, count, freed = sum(one.size for one in held) - app.config.cache_size, 0, 0
    for one in held:
        if over <= freed or one.file is None:
            break
        await store.cached_forget(app, one.image)
        await app.stores.cache.remove(one.file)
        count, freed = count + 1, freed + one.size
    return count, freed


async def clean(app: ImageApp) -> int:
    """How many files of the cache were no image's; they are gone."""
    # The files first: one that comes into being in between is not even looked at.
    names = set(await app.stores.cache.names())
    known = {one.file for one in await store.cached_list(app)}
    strangers = [name for name in sorted(names - known) if not await _underway(app, name)]
    for name in strangers:
        await app.stores.cache.remove(name)
    return len(strangers)


async def _underway(app: ImageApp, name: str) -> bool:
    return await app.operations.open(subject_of(name.partition(".")[0])) is not None


async def ended(app: ImageApp, op: Operation) -> None:
    """What could not be brought is asked for no more."""
    if op.state is not State.DONE:
        await store.cached_forget(app, op.args["image"])


async def read_through(app: ImageApp, image: Image, start: int, length: int) -> AsyncIterator[bytes]:
    """The stretch of the image, from the cache if it is there, or from a store."""
    done = 0
    cached = await store.cached_find(app, image.id) if app.config.cache_size else None
    if cached is not None and cached.file is not None:
        await store.cached_hit(app, image.id)
        try:
            async with closing(app.stores.cache.read(cached.file, start, length)) as chunks:
                async for chunk in chunks:
                    done += len(chunk)
                    yield chunk
        except Unreadable:
            # Somebody cleaned it away; the stores have it.
            await store.cached_forget(app, image.id)
        else:
            return
    async with closing(bytes_of(app, image.copies, start + done, length - done)) as chunks:
        async for chunk in chunks:
            yield chunk


CACHE = Flow(
    "image.cache",
    (Step("fetch", fetch, drop, shows="caching"), Step("make room", make_room, shows="caching", final=True)),
    ended=ended,
)
