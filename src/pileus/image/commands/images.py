"""What can be asked of images besides their bytes: each decides and writes in one transaction."""

import uuid
from collections.abc import Mapping, Sequence

import msgspec

from pileus.image import errors
from pileus.image.app import ImageApp
from pileus.image.flows.intake import let_go
from pileus.image.flows.quotas import Resource, check_room
from pileus.image.models.images import CONTAINER_FORMATS, DISK_FORMATS, Change, Image, Status, Visibility, sees
from pileus.image.models.patch import COLUMNS, LOCATIONS, Operation, check_property, property_value, tags_of
from pileus.image.store import images as store
from pileus.kit.auth import Caller
from pileus.kit.db import UniqueViolation
from pileus.kit.flow.failpoint import failpoint


class _Columns(msgspec.Struct, frozen=True):
    """What a request may say of an image's columns, as it may be said."""

    name: str | None = None
    visibility: Visibility | None = None
    owner: str | None = None
    disk_format: str | None = None
    container_format: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    protected: bool = False
    os_hidden: bool = False


async def image_find(app: ImageApp, caller: Caller, image_id: str) -> Image | None:
    """The image, if the caller may see it."""
    image = await store.image_find(app, image_id, caller.project_id)
    return image if image is not None and sees(caller, image) else None


async def image_get(app: ImageApp, id: str) -> Image:
    """The image as it is now; raises NoSuchImage."""
    image = await store.image_find(app, id)
    if image is None:
        raise errors.NoSuchImage(image=id)
    return image


def checked_columns(given: Mapping[str, object]) -> dict[str, object]:
    """What was said of an image's columns (by their names on the wire), as columns; raises WrongValue."""
    try:
        read = msgspec.convert(dict(given), _Columns)
    except msgspec.ValidationError as bad:
        raise errors.WrongValue(why=f"Invalid input for an attribute of the image: {bad}.") from bad
    for name, value, allowed in (
        ("disk_format", read.disk_format, DISK_FORMATS),
        ("container_format", read.container_format, CONTAINER_FORMATS),
    ):
        if value is not None and value not in allowed:
            raise errors.WrongValue(why=f"Invalid {name} {value!r}: it must be one of {', '.join(allowed)}.")
    if read.name is not None and len(read.name) > 255:
        raise errors.WrongValue(why="Image name too long: it may have 255 characters.")
    if read.visibility is None and "visibility" in given:
        raise errors.WrongValue(why="visibility must not be null.")
    for name, number in (("min_disk", read.min_disk), ("min_ram", read.min_ram)):
        if not 0 <= number < 1 << 31:
            raise errors.WrongValue(why=f"{name} must be between 0 and 2147483647, not {number}.")
    return {COLUMNS[name]: getattr(read, name) for name in given}


def check_values(operations: Sequence[Operation]) -> None:
    """Each value of a patch is one that its attribute can have, whatever the image is; raises WrongValue."""
    for one in operations:
        if one.verb == "remove" or one.name == LOCATIONS:
            continue
        if one.name in COLUMNS:
            checked_columns({one.name: one.value})
        elif one.name == "tags":
            tags_of(one.value)
        else:
            check_property(one.name, one.value)


def check_quotas(app: ImageApp, id: str, change: Change) -> None:
    """The image has no more properties and tags than it may."""
    if len(change.properties) > app.config.properties_quota:
        raise errors.TooManyProperties(image=id, count=len(change.properties), quota=app.config.properties_quota)
    if len(change.tags) > app.config.tags_quota:
        raise errors.TooManyTags(image=id, count=len(change.tags), quota=app.config.tags_quota)


async def create_image(
    app: ImageApp, id: str | None, columns: Mapping[str, object], properties: Mapping[str, object], tags: list[str]
) -> Image:
    """The image exists and waits for its bytes."""
    change = Change(
        properties={name: property_value(name, value) for name, value in properties.items()}, tags=tags_of(tags)
    )
    id = id or str(uuid.uuid4())
    check_quotas(app, id, change)
    now = app.clock.now()
    row: dict[str, object] = {
        "id": id,
        "name": None,
        "status": Status.QUEUED,
        "visibility": Visibility.SHARED,
        "owner": None,
        "min_disk": 0,
        "min_ram": 0,
        "protected": False,
        "hidden": False,
        "created_at": now,
        "updated_at": now,
        **columns,
    }
    async with app.db.transaction():
        await check_room(app, _owner(columns), {Resource.COUNT: 1})
        try:
            await store.image_create(app, row)
        except UniqueViolation as taken:
            raise errors.ImageExists(image=id) from taken
        await store.properties_set(app, id, change.properties)
        await store.tags_set(app, id, change.tags)
        return await image_get(app, id)


def _owner(columns: Mapping[str, object]) -> str | None:
    owner = columns.get("owner")
    return owner if isinstance(owner, str) else None


async def change_image(app: ImageApp, image: Image, change: Change) -> Image:
    """The image is as the change says."""
    check_quotas(app, image.id, change)
    async with app.db.transaction():
        if not await store.image_update(app, image.id, change.columns):
            raise errors.NoSuchImage(image=image.id)
        if dict(change.properties) != dict(image.properties):
            await store.properties_set(app, image.id, change.properties)
        if change.tags != image.tags:
            await store.tags_set(app, image.id, change.tags)
        return await image_get(app, image.id)


async def tag_image(app: ImageApp, id: str, tag: str) -> None:
    """The image has this tag among others."""
    async with app.db.transaction():
        image = await image_get(app, id)
        await change_image(app, image, Change(properties=image.properties, tags=tags_of([*image.tags, tag])))


async def untag_image(app: ImageApp, id: str, tag: str) -> None:
    """The image does not have this tag; raises NoSuchTag."""
    async with app.db.transaction():
        image = await image_get(app, id)
        if tag not in image.tags:
            raise errors.NoSuchTag(tag=tag, image=id)
        tags = tuple(one for one in image.tags if one != tag)
        await change_image(app, image, Change(properties=image.properties, tags=tags))


async def delete_image(app: ImageApp, id: str) -> None:
    """The image is gone, its bytes too."""
    async with app.db.transaction():
        image = await image_get(app, id)
        if image.protected:
            raise errors.Protected(image=id)
        failpoint("image.delete", "begun")
        await store.image_delete(app, id)
        failpoint("image.delete", "in its transaction")
    failpoint("image.delete", "forgotten")
    # A file that is still being written is the upload's own to drop: it finds its image gone.
    for copy in image.copies:
        target = app.stores.writable().get(copy.store)
        if target is not None:
            await let_go(target, copy.place)
            failpoint("image.delete", "removed")
    if image.staged is not None:
        await app.stores.staging.remove(image.staged)


async def deactivate_image(app: ImageApp, image: Image) -> None:
    """The image's bytes are kept from everybody but administrators."""
    if not await store.status_change(app, image.id, Status.ACTIVE, Status.DEACTIVATED):
        if image.status is not Status.DEACTIVATED:
            raise errors.WrongStatus(verb="deactivate", image=image.id, status=image.status.value)


async def reactivate_image(app: ImageApp, image: Image) -> None:
    """The image's bytes are there for everybody who may have them."""
    if not await store.status_change(app, image.id, Status.DEACTIVATED, Status.ACTIVE):
        if image.status is not Status.ACTIVE:
            raise errors.WrongStatus(verb="reactivate", image=image.id, status=image.status.value)
