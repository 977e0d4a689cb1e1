"""Where the bytes of images are, as rows: known before the first byte is written, forgotten before the last is removed."""

import uuid
from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.image.app import ImageApp
from pileus.image.models.images import Copy
from pileus.image.tables import COPIES, IMAGES
from pileus.kit.db import command, query

_C = COPIES.c
OF = query(
    sa.select(COPIES)
    .where(_C.image.in_(bindparam("images", expanding=True)), _C.whole)
    .order_by(_C.created_at, _C.store, _C.place),
    Copy,
)
UNFINISHED = query(sa.select(COPIES).where(_C.image == bindparam("image"), sa.not_(_C.whole)).order_by(_C.id), Copy)
AT = query(
    sa.select(COPIES).where(
        _C.image == bindparam("image"), _C.store == bindparam("store"), _C.place == bindparam("place")
    ),
    Copy,
)
ADD = command(sa.insert(COPIES))
WHOLE = command(sa.update(COPIES).where(_C.id == bindparam("at")).values(whole=True))
CLEAR = command(sa.delete(COPIES).where(_C.image == bindparam("image")))
NOTE = command(sa.update(COPIES).where(_C.id == bindparam("at")).values(about=bindparam("notes")))
REMOVE = command(sa.delete(COPIES).where(_C.id == bindparam("at")))
_ANYWHERE: sa.ColumnElement[str] = sa.literal_column("''")
IN_USE = query(
    sa.union_all(
        sa.select(_C.store, _C.place),
        sa.select(_ANYWHERE, IMAGES.c.staged).where(IMAGES.c.staged.is_not(None)),
        sa.select(_ANYWHERE, IMAGES.c.upload).where(IMAGES.c.upload.is_not(None)),
    ),
    tuple[str, str],
)


class Places:
    """Which files are images', or are being written."""

    def __init__(self, app: ImageApp, held: Collection[tuple[str, str]]) -> None:
        self._held = held
        # Of a store that the configuration has no more, or has by another name, the files may lie in any of those it has.
        self._anywhere = {place for id, place in held if app.stores.find(id) is None}

    def holds(self, store: str, name: str) -> bool:
        """Whether the file in the store is one; an image in several stores may have files of one name."""
        return (store, name) in self._held or name in self._anywhere


async def copies_of(app: ImageApp, images: Sequence[str]) -> list[Copy]:
    """The whole copies of the images, the oldest first."""
    return await app.db.all(OF, images=images)


async def copies_unfinished(app: ImageApp, image: str) -> list[Copy]:
    """The image's copies that are still being written."""
    return await app.db.all(UNFINISHED, image=image)


async def copy_at(app: ImageApp, image: str, store: str, place: str) -> Copy | None:
    """The image's copy at this place, whole or not."""
    return await app.db.one(AT, image=image, store=store, place=place)


async def copy_add(
    app: ImageApp, image: str, store: str, place: str, *, whole: bool, about: Mapping[str, object] | None = None
) -> str:
    """The row is there; returns its id."""
    id = str(uuid.uuid4())
    now = app.clock.now()
    await app.db.run(
        ADD, id=id, image=image, store=store, place=place, about=dict(about or {}), whole=whole, created_at=now
    )
    return id


async def copy_done(app: ImageApp, id: str) -> None:
    """All bytes of the copy are there."""
    await app.db.run(WHOLE, at=id)


async def copy_forget(app: ImageApp, id: str) -> None:
    """The row is gone."""
    await app.db.run(REMOVE, at=id)


async def copies_clear(app: ImageApp, image: str) -> None:
    """The image has no copies."""
    await app.db.run(CLEAR, image=image)


async def copy_note(app: ImageApp, id: str, about: Mapping[str, object]) -> None:
    """This is noted on the copy."""
    await app.db.run(NOTE, at=id, notes=dict(about))


async def places_in_use(app: ImageApp) -> Places:
    """The files that images have or that are being written."""
    return Places(app, set(await app.db.all(IN_USE)))
