"""What can be asked of the places where an image is: to see them, to add one, to leave one."""

from collections.abc import Mapping

import msgspec

from pileus.image import errors
from pileus.image.app import ImageApp
from pileus.image.commands.imports import check_address
from pileus.image.drivers.interface import Unreadable
from pileus.image.models.images import Image, Status, stores_of
from pileus.image.store import copies as rows
from pileus.image.store import images as store


def web_store(app: ImageApp) -> str:
    """The store whose places are addresses; raises NoSuchStore when the operator set none up."""
    for id, one in app.stores.all.items():
        if one.kind == "http":
            return id
    raise errors.NoSuchStore(store="http")


async def leave_store(app: ImageApp, image: Image, id: str) -> None:
    """The image is not in the store any more; it is in another."""
    held = [copy for copy in image.copies if copy.store == id]
    if not held:
        raise errors.NotInStore(image=image.id, store=id)
    if image.protected:
        raise errors.Protected(image=image.id)
    if stores_of(image) == (id,):
        raise errors.LastCopy(image=image.id, store=id)
    target = app.stores.writable().get(id)
    for copy in held:
        await rows.copy_forget(app, copy.id)
        if target is not None:
            await target.remove(copy.place)


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """An address where the bytes of an image are, and what its owner says they are."""

    url: str
    about: Mapping[str, object] = {}
    checksum: str | None = None
    hash_value: str | None = None


async def add_location(app: ImageApp, image: Image, new: Location) -> None:
    """The image, which waited for its bytes, is active with those at the address."""
    if image.status is not Status.QUEUED:
        raise errors.NotActiveYet(image=image.id, status=image.status)
    if image.disk_format is None or image.container_format is None:
        raise errors.NeedsFormats
    check_address(app, new.url, "a location")
    id = web_store(app)
    try:
        size = await app.web.size(new.url)
    except Unreadable as failed:
        raise errors.AddressRefused(what="a location", url=new.url[:256], why=failed) from failed
    async with app.db.transaction():
        if not await store.location_taken(app, image.id, size, new.checksum, new.hash_value):
            raise errors.NotActiveYet(image=image.id, status=image.status)
        await rows.copy_add(app, image.id, id, new.url, whole=True, about=new.about)


async def remove_location(app: ImageApp, image: Image, place: int) -> None:
    """The image is not at its n-th location any more; without any it waits for bytes."""
    if not 0 <= place < len(image.copies):
        raise errors.NoSuchLocation(place=place, image=image.id, count=len(image.copies))
    copy = image.copies[place]
    async with app.db.transaction():
        await rows.copy_forget(app, copy.id)
        if len(image.copies) == 1:
            await store.emptied(app, image.id)
    target = app.stores.writable().get(copy.store)
    if target is not None:
        await target.remove(copy.place)


def url_of(app: ImageApp, image: Image, place: int) -> str:
    """The n-th location, as clients are shown it."""
    copy = image.copies[place]
    found = app.stores.find(copy.store)
    return found.source.url(copy.place) if found is not None else f"{copy.store}:{copy.place}"
