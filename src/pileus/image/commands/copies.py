"""What can be asked of the places where an image is: to see them, to add one, to leave one."""

from collections.abc import Mapping, Sequence

import msgspec

from pileus.image import errors
from pileus.image.app import ImageApp
from pileus.image.commands.imports import begin_locating, check_address
from pileus.image.drivers.interface import Unreadable
from pileus.image.flows.intake import let_go
from pileus.image.models.images import HASH, HASHES, Image, Said, Status, stores_of
from pileus.image.models.imports import Locating
from pileus.image.store import copies as rows
from pileus.image.store import images as store
from pileus.kit.auth import Caller
from pileus.kit.errors import Problem
from pileus.kit.flow.failpoint import failpoint


def web_store(app: ImageApp) -> str:
    """The store whose places are addresses; raises NoSuchStore when the operator set none up."""
    for id, one in app.stores.all.items():
        if one.kind == "http":
            return id
    raise errors.NoSuchStore(store="http")


async def leave_store(app: ImageApp, image: Image, id: str) -> None:
    """The image is not in the store any more; it is in another."""
    if app.stores.find(id) is None:
        raise errors.NoSuchStoreHere(store=id)
    if image.status is not Status.ACTIVE:
        raise errors.NotActiveInStore(image=image.id, status=image.status.value)
    held = [copy for copy in image.copies if copy.store == id]
    if stores_of(image) == (id,) or len(image.copies) == 1:
        raise errors.LastCopy(image=image.id)
    if not held:
        raise errors.NotInStore(image=image.id, store=id)
    if image.protected:
        raise errors.Protected(image=image.id)
    target = app.stores.writable().get(id)
    failpoint("image.leave", "begun")
    for copy in held:
        await rows.copy_forget(app, copy.id)
        failpoint("image.leave", "forgotten")
        if target is not None:
            await let_go(target, copy.place)
        failpoint("image.leave", "removed")


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """An address where the bytes of an image are, and what its owner says they are."""

    url: str
    about: Mapping[str, object] = {}
    said: Said = Said()


async def add_location(app: ImageApp, image: Image, new: Location, at: str = "-") -> None:
    """The image has one more place; one that waited for its bytes is active. What is said of them is believed.

    Where in the list it shall be makes no difference: the list is in the order in which places are read.
    """
    _check_changeable(image, Status.QUEUED, Status.ACTIVE)
    if at != "-" and not _is_number(at):
        raise errors.WrongValue(why="Invalid position for adding a location: it is a number, or - for the end.")
    id = await _checked(app, image, new, errors.OddValidation)
    size = await _size(app, image, new.url)
    async with app.db.transaction():
        if image.status is Status.QUEUED:
            said = msgspec.structs.replace(new.said, size=size)
            if not await store.location_taken(app, image.id, Status.ACTIVE, said):
                raise errors.NotActiveYet(image=image.id, status=image.status)
        await rows.copy_add(app, image.id, id, new.url, whole=True, about=new.about)


async def locate(app: ImageApp, caller: Caller, image: Image, new: Location) -> None:
    """The image's bytes are at the address; that they are what is said is being found out, and a task shows it."""
    if image.status is not Status.QUEUED:
        raise errors.NotActiveYet(image=image.id, status=image.status)
    id = await _checked(app, image, new, errors.WrongValue)
    size = await _size(app, image, new.url)
    sure = not new.said.says
    hashed = HASH if sure and app.config.secure_hash else None
    async with app.db.transaction():
        becomes = Status.ACTIVE if sure else Status.IMPORTING
        if not await store.location_taken(app, image.id, becomes, Said(size=size, hash_algo=hashed)):
            raise errors.NotActiveYet(image=image.id, status=image.status)
        await rows.copies_clear(app, image.id)
        await rows.copy_add(app, image.id, id, new.url, whole=True, about=new.about)
        await begin_locating(app, caller, Locating(image=image.id, url=new.url, said=new.said, size=size))


async def _checked(app: ImageApp, image: Image, new: Location, wrong: type[Problem]) -> str:
    """The store that a new location is in; raises what is wrong with it, and `wrong` if what is said cannot be so."""
    check_address(app, new.url, "a location")
    id = web_store(app)
    if image.disk_format is None or image.container_format is None:
        raise errors.NeedsFormats
    if any((copy.store, copy.place) == (id, new.url) for copy in image.copies):
        raise errors.KnownLocation(url=new.url[:256])
    if image.status is Status.QUEUED and (why := odd_in(new.said)) is not None:
        raise wrong(why=why)
    if image.status is not Status.QUEUED and not new.said.fits(image):
        raise errors.OtherBytes(image=image.id)
    return id


async def _size(app: ImageApp, image: Image, url: str) -> int:
    """How many bytes are there, as who has them says; raises AddressRefused, and TooBig if no image may have so many."""
    try:
        size = await app.web.size(url)
    except Unreadable as failed:
        raise errors.AddressRefused(what="a location", url=url[:256], why=failed) from failed
    if size > app.config.size_cap:
        raise errors.TooBig(image=image.id, cap=app.config.size_cap)
    return size


def said_of(given: Mapping[str, str | None]) -> Said:
    """What a request says of the bytes."""
    names = {"checksum": "checksum", "hash_algo": "os_hash_algo", "hash_value": "os_hash_value"}
    return Said(**{name: given.get(wire) for name, wire in names.items()})  # type: ignore[arg-type]  # all are text


def odd_in(said: Said) -> str | None:
    """Why what is said cannot be so."""
    if said.checksum is not None and not _hex(said.checksum, 32):
        return "checksum must be 32 hexadecimal digits."
    if (said.hash_algo is None) is not (said.hash_value is None):
        return "os_hash_algo and os_hash_value must be given together."
    if said.hash_value is not None and not _hex(said.hash_value, HASHES.get(said.hash_algo or "", -1)):
        known = ", ".join(f"{name} ({digits} digits)" for name, digits in HASHES.items())
        return f"os_hash_value must be a value of os_hash_algo, which is one of {known}."
    return None


def _hex(text: str, digits: int) -> bool:
    return len(text) == digits and all(letter in "0123456789abcdef" for letter in text)


def _check_changeable(image: Image, *statuses: Status) -> None:
    if image.status not in statuses:
        raise errors.LocationsFixed(image=image.id, status=image.status)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


async def replace_locations(app: ImageApp, image: Image, wanted: Sequence[Location]) -> None:
    """The image's places are these: its own with other notes, or one of an image that had none."""
    if not wanted:
        raise errors.NoLocations
    _check_changeable(image, Status.QUEUED, Status.ACTIVE)
    shown = [url_of(app, image, place) for place in range(len(image.copies))]
    if not image.copies and len(wanted) == 1:
        await add_location(app, image, wanted[0])
    elif shown == [one.url for one in wanted]:
        async with app.db.transaction():
            for copy, one in zip(image.copies, wanted, strict=True):
                about = {name: value for name, value in one.about.items() if name != "store"}
                await rows.copy_note(app, copy.id, about)
    else:
        raise errors.WrongValue(
            why="Invalid locations: they can be added and removed; replaced are only their metadata."
        )


async def remove_location(app: ImageApp, image: Image, at: str) -> None:
    """The image is not at that one of its locations any more; raises LastLocation, or NoSuchLocation."""
    _check_changeable(image, Status.ACTIVE)
    if len(image.copies) == 1:
        raise errors.LastLocation(image=image.id)
    place = int(at) if _is_number(at) else len(image.copies) - 1 if at == "-" else -1
    if not 0 <= place < len(image.copies):
        raise errors.NoSuchLocation(place=at[:32], image=image.id, count=len(image.copies))
    copy = image.copies[place]
    await rows.copy_forget(app, copy.id)
    target = app.stores.writable().get(copy.store)
    if target is not None:
        await let_go(target, copy.place)


def url_of(app: ImageApp, image: Image, place: int) -> str:
    """The n-th location, as clients are shown it."""
    copy = image.copies[place]
    found = app.stores.find(copy.store)
    return found.source.url(copy.place) if found is not None else f"{copy.store}:{copy.place}"
