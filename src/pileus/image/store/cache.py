"""What is in the image cache, and what is asked to come into it, as rows."""

import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.image.app import ImageApp
from pileus.image.models.images import Cached
from pileus.image.tables import CACHE
from pileus.kit.db import UniqueViolation, command, query

_C = CACHE.c
MOST = 10_000  # more are never told at once
ALL = query(sa.select(CACHE).order_by(_C.asked_at, _C.image).limit(MOST), Cached)
LEAST_READ = query(
    sa.select(CACHE).where(_C.file.is_not(None)).order_by(sa.func.coalesce(_C.read_at, _C.cached_at), _C.image), Cached
)
FETCH = query(sa.select(CACHE).where(_C.image == bindparam("at")), Cached)
ADD = command(sa.insert(CACHE))
FILL = command(
    sa.update(CACHE)
    .where(_C.image == bindparam("at"))
    .values(file=bindparam("name"), size=bindparam("bytes"), cached_at=bindparam("now"))
)
HIT = command(sa.update(CACHE).where(_C.image == bindparam("at")).values(hits=_C.hits + 1, read_at=bindparam("now")))
REMOVE = command(sa.delete(CACHE).where(_C.image == bindparam("at")))


async def cached_list(app: ImageApp) -> list[Cached]:
    """What is there or asked for, in the order it was asked for."""
    return await app.db.all(ALL)


async def cached_by_reading(app: ImageApp) -> list[Cached]:
    """What is there, that which was not read for longest first."""
    return await app.db.all(LEAST_READ)


async def cached_find(app: ImageApp, image: str) -> Cached | None:
    """The image's place in the cache."""
    return await app.db.one(FETCH, at=image)


async def cached_ask(app: ImageApp, image: str) -> bool:
    """Whether it is news that the image shall be in the cache."""
    row = {"image": image, "file": None, "size": 0, "hits": 0, "cached_at": None, "read_at": None}
    try:
        async with app.db.transaction():
            await app.db.run(ADD, asked_at=app.clock.now(), **row)
    except UniqueViolation:
        return False
    return True


async def cached_fill(app: ImageApp, image: str, file: str, size: int) -> bool:
    """Whether it still shall be there; this file in the cache is the image."""
    return await app.db.run(FILL, at=image, name=file, bytes=size, now=app.clock.now()) == 1


async def cached_hit(app: ImageApp, image: str) -> None:
    """It was read once more."""
    await app.db.run(HIT, at=image, now=app.clock.now())


async def cached_forget(app: ImageApp, image: str) -> None:
    """The image is neither there nor asked for."""
    await app.db.run(REMOVE, at=image)
