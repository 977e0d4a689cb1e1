"""Images as rows: found, listed, written; properties and tags come along in one statement each for a whole page."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.image.app import ImageApp
from pileus.image.models.images import Copy, Findings, Head, Image, Said, Used
from pileus.image.store.copies import copies_of
from pileus.image.store.listing import LISTING, NEWEST_FIRST
from pileus.image.tables import IMAGES, MEMBERS, PROPERTIES, TAGS
from pileus.kit.db import command, query, scalar

_I = IMAGES.c
_HERE = _I.id == bindparam("at")


def _is_one_of(*statuses: str) -> sa.ColumnElement[bool]:
    # Written out: PostgreSQL does not tell the kind of a parameter that only stands in a list.
    return _I.status.in_([sa.literal_column(f"'{status}'") for status in statuses])


class Property(msgspec.Struct, frozen=True):
    """A property of an image."""

    image: str
    name: str
    value: str


class Tag(msgspec.Struct, frozen=True):
    """A tag of an image."""

    image: str
    tag: str


FETCH = query(sa.select(IMAGES).where(_HERE), Head)
IS_MEMBER = scalar(
    sa.select(MEMBERS.c.member).where(MEMBERS.c.image == bindparam("image"), MEMBERS.c.member == bindparam("member")),
    str,
)
NAMED = query(
    sa.select(IMAGES)
    .where(_I.name == bindparam("name"), _I.owner.is_not_distinct_from(bindparam("owner")))
    .order_by(_I.created_at, _I.id),
    Head,
)
PROPERTIES_OF = query(
    sa.select(PROPERTIES)
    .where(PROPERTIES.c.image.in_(bindparam("images", expanding=True)))
    .order_by(PROPERTIES.c.name),
    Property,
)
TAGS_OF = query(
    sa.select(TAGS.c.image, TAGS.c.tag)
    .where(TAGS.c.image.in_(bindparam("images", expanding=True)))
    .order_by(TAGS.c.place, TAGS.c.tag),
    Tag,
)
_NONE: sa.ColumnElement[int] = sa.literal_column("0")
_ONE: sa.ColumnElement[int] = sa.literal_column("1")
_SIZE = sa.func.coalesce(_I.size, _NONE)
_STAGED = _I.staged.is_not(None)
_COMING = sa.or_(_I.upload.is_not(None), _is_one_of("uploading", "importing"))
USED = query(
    sa.select(
        sa.func.coalesce(sa.func.sum(sa.case((_STAGED, _NONE), else_=_SIZE)), _NONE).label("size"),
        sa.func.coalesce(sa.func.sum(sa.case((_STAGED, _SIZE), else_=_NONE)), _NONE).label("staged"),
        sa.func.count().label("images"),
        sa.func.coalesce(sa.func.sum(sa.case((_COMING, _ONE), else_=_NONE)), _NONE).label("uploading"),
    ).where(_I.owner.in_(bindparam("owners", expanding=True))),
    Used,
)
CREATE = command(sa.insert(IMAGES))
UPDATE = command(sa.update(IMAGES).where(_HERE))
DELETE = command(sa.delete(IMAGES).where(_HERE))
PROPERTIES_CLEAR = command(sa.delete(PROPERTIES).where(PROPERTIES.c.image == bindparam("at")))
PROPERTY_ADD = command(sa.insert(PROPERTIES))
PROPERTY_CHANGE = command(
    sa.update(PROPERTIES)
    .where(PROPERTIES.c.image == bindparam("at"), PROPERTIES.c.name == bindparam("called"))
    .values(value=bindparam("becomes"))
)
TAGS_CLEAR = command(sa.delete(TAGS).where(TAGS.c.image == bindparam("at")))
TAG_ADD = command(sa.insert(TAGS))

UPLOAD_BEGIN = command(
    sa.update(IMAGES)
    .where(_HERE, _I.status == "queued")
    .values(
        status=bindparam("becomes"),
        upload=bindparam("token"),
        upload_until=bindparam("until"),
        updated_at=bindparam("now"),
    )
)
UPLOAD_LIVES = command(
    sa.update(IMAGES).where(_HERE, _I.upload == bindparam("token")).values(upload_until=bindparam("until"))
)
UPLOAD_END = command(
    sa.update(IMAGES)
    .where(_HERE, _I.upload == bindparam("token"))
    .values(
        status=bindparam("becomes"),
        staged=bindparam("staging"),
        upload=None,
        upload_until=None,
        size=bindparam("bytes"),
        virtual_size=bindparam("virtual"),
        checksum=bindparam("md5"),
        hash_algo=bindparam("algorithm"),
        hash_value=bindparam("sha"),
        updated_at=bindparam("now"),
    )
)
UPLOAD_FAIL = command(
    sa.update(IMAGES)
    .where(_HERE, _I.upload == bindparam("token"))
    .values(status="queued", upload=None, upload_until=None, updated_at=bindparam("now"))
)
UPLOADS_STALE = query(sa.select(IMAGES).where(_I.upload.is_not(None), _I.upload_until < bindparam("now")), Head)
IMPORT_BEGIN = command(
    sa.update(IMAGES)
    .where(_HERE, _I.status == bindparam("was"), _I.upload.is_(None))
    .values(status="importing", updated_at=bindparam("now"))
)
STAGED = command(
    sa.update(IMAGES)
    .where(_HERE, _I.status == "importing")
    .values(
        staged=bindparam("file"),
        size=bindparam("bytes"),
        virtual_size=bindparam("virtual"),
        checksum=bindparam("md5"),
        hash_algo=bindparam("algorithm"),
        hash_value=bindparam("sha"),
        updated_at=bindparam("now"),
    )
)
IMPORT_END = command(
    sa.update(IMAGES)
    .where(_HERE, _I.status == "importing")
    .values(status=bindparam("becomes"), staged=None, updated_at=bindparam("now"))
)
_SAID: dict[str, sa.ColumnElement[Any]] = {
    "status": bindparam("becomes"),
    "size": bindparam("bytes"),
    "checksum": bindparam("md5"),
    "hash_algo": bindparam("algorithm"),
    "hash_value": bindparam("sha"),
    "updated_at": bindparam("now"),
}
LOCATION_TAKEN = command(sa.update(IMAGES).where(_HERE, _I.status == "queued").values(**_SAID))
LOCATED = command(sa.update(IMAGES).where(_HERE, _is_one_of("active", "importing")).values(**_SAID))
WIPE = command(
    sa.update(IMAGES)
    .where(_HERE, _I.status == "queued")
    .values(size=None, virtual_size=None, checksum=None, hash_algo=None, hash_value=None)
)
STATUS = command(
    sa.update(IMAGES)
    .where(_HERE, _I.status == bindparam("was"))
    .values(status=bindparam("becomes"), updated_at=bindparam("now"))
)


async def head_find(app: ImageApp, id: str) -> Head | None:
    """The image's own row."""
    return await app.db.one(FETCH, at=id)


async def image_find(app: ImageApp, id: str, project: str | None = None) -> Image | None:
    """The image with properties and tags, and whether the project is a member."""
    head = await head_find(app, id)
    if head is None:
        return None
    member: str | None = None
    if project is not None:
        member = await app.db.one(IS_MEMBER, image=id, member=project)
    return (await _filled(app, [head], member))[0]


async def image_list(
    app: ImageApp,
    where: Mapping[str, object],
    sort: Sequence[tuple[str, str]],
    marker: str | None,
    limit: int,
) -> list[Image]:
    """A page of images; newest first unless asked otherwise."""
    heads = await app.db.page(LISTING, where=where, sort=sort or NEWEST_FIRST, marker=marker, limit=limit)
    return await _filled(app, heads)


async def images_used(app: ImageApp, owners: Sequence[str]) -> Used:
    """What the projects have."""
    used = await app.db.one(USED, owners=owners)
    assert used is not None
    return used


async def image_named(app: ImageApp, name: str, owner: str | None) -> list[Image]:
    """The owner's images of this name, oldest first."""
    return await _filled(app, await app.db.all(NAMED, name=name, owner=owner))


async def _filled(app: ImageApp, heads: Sequence[Head], member: str | None = None) -> list[Image]:
    if not heads:
        return []
    ids = [head.id for head in heads]
    properties: dict[str, dict[str, str]] = {id: {} for id in ids}
    tags: dict[str, list[str]] = {id: [] for id in ids}
    copies: dict[str, list[Copy]] = {id: [] for id in ids}
    for copy in await copies_of(app, ids):
        copies[copy.image].append(copy)
    for one in await app.db.all(PROPERTIES_OF, images=ids):
        properties[one.image][one.name] = one.value
    for tag in await app.db.all(TAGS_OF, images=ids):
        tags[tag.image].append(tag.tag)
    return [
        Image(
            **{name: getattr(head, name) for name in Head.__struct_fields__},
            properties=properties[head.id],
            tags=tuple(tags[head.id]),
            copies=tuple(copies[head.id]),
            member_id=member,
        )
        for head in heads
    ]


async def image_create(app: ImageApp, columns: Mapping[str, object]) -> None:
    """The row is there; raises UniqueViolation when the id is taken."""
    await app.db.run(CREATE, **columns)


async def image_update(app: ImageApp, id: str, columns: Mapping[str, object]) -> bool:
    """Whether there is such an image; it has these columns now."""
    return await app.db.run(UPDATE, at=id, updated_at=app.clock.now(), **columns) == 1


async def properties_note(app: ImageApp, id: str, properties: Mapping[str, str]) -> None:
    """The image has these properties among others."""
    for name, value in properties.items():
        if await app.db.run(PROPERTY_CHANGE, at=id, called=name, becomes=value) == 0:
            await app.db.run(PROPERTY_ADD, image=id, name=name, value=value)


async def properties_set(app: ImageApp, id: str, properties: Mapping[str, str]) -> None:
    """The image has exactly these properties."""
    await app.db.run(PROPERTIES_CLEAR, at=id)
    rows = [{"image": id, "name": name, "value": value} for name, value in properties.items()]
    await app.db.run_many(PROPERTY_ADD, rows)


async def tags_set(app: ImageApp, id: str, tags: Iterable[str]) -> None:
    """The image has exactly these tags."""
    await app.db.run(TAGS_CLEAR, at=id)
    await app.db.run_many(TAG_ADD, [{"image": id, "tag": tag, "place": place} for place, tag in enumerate(tags)])


async def image_delete(app: ImageApp, id: str) -> bool:
    """Whether there was such an image; its rows are gone."""
    return await app.db.run(DELETE, at=id) == 1


async def upload_begin(app: ImageApp, id: str, token: str, becomes: str) -> bool:
    """Whether the image waited for its bytes; the upload `token` brings them now, and its status says so."""
    now = app.clock.now()
    until = now + dt.timedelta(seconds=app.config.upload_lease_s)
    return await app.db.run(UPLOAD_BEGIN, at=id, token=token, becomes=becomes, until=until, now=now) == 1


async def upload_lives(app: ImageApp, id: str, token: str) -> bool:
    """Whether the upload still is the image's own; its lease is renewed."""
    until = app.clock.now() + dt.timedelta(seconds=app.config.upload_lease_s)
    return await app.db.run(UPLOAD_LIVES, at=id, token=token, until=until) == 1


async def upload_end(app: ImageApp, id: str, token: str, found: Findings, becomes: str) -> bool:
    """Whether the upload still was the image's own; its status says what became of it, and its row where it is staged."""
    return (
        await app.db.run(
            UPLOAD_END,
            at=id,
            token=token,
            becomes=becomes,
            staging=token if becomes == "uploading" else None,
            bytes=found.size,
            virtual=found.virtual_size,
            md5=found.checksum,
            sha=found.hash_value,
            algorithm=found.hash_algo,
            now=app.clock.now(),
        )
        == 1
    )


async def upload_fail(app: ImageApp, id: str, token: str) -> None:
    """The image waits for its bytes again, if the upload was its own."""
    await app.db.run(UPLOAD_FAIL, at=id, token=token, now=app.clock.now())


async def uploads_stale(app: ImageApp) -> list[Head]:
    """Images whose upload has shown no life for too long."""
    return await app.db.all(UPLOADS_STALE, now=app.clock.now())


async def status_change(app: ImageApp, id: str, was: str, becomes: str) -> bool:
    """Whether the image had the one status; it has the other now."""
    return await app.db.run(STATUS, at=id, was=was, becomes=becomes, now=app.clock.now()) == 1


async def location_taken(app: ImageApp, id: str, becomes: str, said: Said) -> bool:
    """Whether the image waited for its bytes, which others keep; it has this status, and what was said of them."""
    about = {"bytes": said.size, "md5": said.checksum, "sha": said.hash_value, "algorithm": said.hash_algo}
    return await app.db.run(LOCATION_TAKEN, at=id, becomes=becomes, now=app.clock.now(), **about) == 1


async def located(app: ImageApp, id: str, becomes: str, said: Said) -> None:
    """The image, whose bytes others keep, has this status, and this is known of them."""
    about = {"bytes": said.size, "md5": said.checksum, "sha": said.hash_value, "algorithm": said.hash_algo}
    await app.db.run(LOCATED, at=id, becomes=becomes, now=app.clock.now(), **about)


async def import_begin(app: ImageApp, id: str, was: str) -> bool:
    """Whether the image had that status, and nobody uploads to it; it is being imported."""
    return await app.db.run(IMPORT_BEGIN, at=id, was=was, now=app.clock.now()) == 1


async def staged_set(app: ImageApp, id: str, file: str | None, found: Findings | None) -> bool:
    """Whether the image is being imported; its bytes wait in this file and are these."""
    about = {
        "bytes": found.size if found else None,
        "virtual": found.virtual_size if found else None,
        "md5": found.checksum if found else None,
        "sha": found.hash_value if found else None,
        "algorithm": found.hash_algo if found else None,
    }
    return await app.db.run(STAGED, at=id, file=file, now=app.clock.now(), **about) == 1


async def import_end(app: ImageApp, id: str, becomes: str) -> bool:
    """Whether the image was being imported; it has this status now, and no file waits."""
    ended = await app.db.run(IMPORT_END, at=id, becomes=becomes, now=app.clock.now()) == 1
    await app.db.run(WIPE, at=id)
    return ended
