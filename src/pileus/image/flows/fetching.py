"""The first step of an import: the bytes come into the staging area, from an address or from another region.

What another region says of its image becomes the image's: its formats, and those properties that the operator lets through.
The token that other region is asked with is kept in memory only, so an import that a crash ended has to be asked for again.
"""

from collections.abc import AsyncIterator, Mapping

from msgspec.structs import replace

from pileus.image.app import ImageApp
from pileus.image.drivers.far import NotGiven, Place
from pileus.image.drivers.interface import StoreIsFull, Unreadable
from pileus.image.flows.intake import drop, take_in
from pileus.image.flows.quotas import Resource, room_for_bytes
from pileus.image.flows.told import Told
from pileus.image.models.images import CONTAINER_FORMATS, DISK_FORMATS, Findings, Image
from pileus.image.models.imports import Import, Method
from pileus.image.store import images as store
from pileus.kit.errors import Problem
from pileus.kit.flow.failpoint import failpoint
from pileus.kit.flow.operation import Operation
from pileus.kit.flow.step import Done, Fail, Outcome

GONE = "The image was deleted meanwhile."


async def fetch(app: ImageApp, op: Operation, asked: Import) -> Outcome:
    """The bytes are in the staging area, and the image's row says which file and what they are."""
    image = await store.image_find(app, asked.image)
    file = f"{asked.image}.{op.id}"
    if image is None or not await store.staged_set(app, image.id, file, None):
        return Fail(GONE)
    try:
        if asked.method is Method.GLANCE:
            return await _from_region(app, op, asked, image, file)
        told = Told(app, op, "fetching:")
        found = await _taken(app, image, file, told.watched(app.web.read(asked.uri, 0, told=told.of)))
    except (Problem, StoreIsFull, Unreadable, NotGiven) as failed:
        return Fail(str(failed))

    async def known() -> None:
        await store.staged_set(app, image.id, file, found)

    return Done(also=known)


async def _taken(app: ImageApp, image: Image, file: str, chunks: AsyncIterator[bytes]) -> Findings:
    incoming = await app.stores.staging.create(file)
    try:
        found = await take_in(app, image, incoming, chunks, await _room(app, image))
        await incoming.keep()
    except BaseException:
        await drop(incoming)
        raise
    failpoint("image.import", "fetched")
    return found


async def _room(app: ImageApp, image: Image) -> int | None:
    """How many bytes of an image its project has room for, here and where it is to go."""
    rooms = [await room_for_bytes(app, image.owner, resource) for resource in (Resource.STAGE, Resource.SIZE)]
    return min((room for room in rooms if room is not None), default=None)


async def _from_region(app: ImageApp, op: Operation, asked: Import, image: Image, file: str) -> Outcome:
    place = await _place(app, op, asked)
    about = await app.far.about(place)
    columns = _formats(about)
    size = about.get("size")
    told = Told(app, op, "fetching:", size if isinstance(size, int) else None)
    found = await _taken(app, replace(image, **columns), file, told.watched(app.far.read(place)))
    for name, is_ in (("checksum", found.checksum), ("os_hash_value", found.hash_value)):
        if about.get(name) not in {None, is_} and (name == "checksum" or about.get("os_hash_algo") == found.hash_algo):
            raise NotGiven(f"its {name} should be {about[name]} and is {is_}")
    wanted = app.config.download_properties
    given = {name: value for name, value in about.items() if name.startswith(wanted) and isinstance(value, str)}

    async def known() -> None:
        if await store.staged_set(app, image.id, file, found):
            await store.image_update(app, image.id, columns)
            await store.properties_note(app, image.id, given)

    was = {"disk_format": image.disk_format, "container_format": image.container_format}
    return Done({"formats": was, "properties": dict(image.properties)}, also=known)


async def _place(app: ImageApp, op: Operation, asked: Import) -> Place:
    far, token = asked.far, app.tokens.get(op.id)
    assert far is not None, "who asks for another region's image says which"
    if token is None:
        raise NotGiven("the token that this was asked with is forgotten, as the service was started anew: ask again")
    address = await app.directory.endpoint("image", far.interface, far.region) if app.directory is not None else None
    if address is None:
        raise NotGiven(f"the catalog has no {far.interface} endpoint of an image service in region {far.region}")
    return Place(endpoint=address, image=far.image, token=token)


def _formats(about: Mapping[str, object]) -> dict[str, str]:
    """The formats of an image that is there for the taking; raises NotGiven."""
    if about.get("status") != "active":
        raise NotGiven(f"the image has status {about.get('status')} there, not active")
    found = {name: about.get(name) for name in ("disk_format", "container_format")}
    if found["disk_format"] not in DISK_FORMATS or found["container_format"] not in CONTAINER_FORMATS:
        raise NotGiven("the image's formats there are none that are known here")
    return {name: str(value) for name, value in found.items()}


async def unfetch(app: ImageApp, op: Operation, asked: Import) -> Outcome:
    """The image is said to be what it was said to be before."""
    if "formats" not in op.facts:
        return Done()

    async def put_back() -> None:
        if await store.image_update(app, asked.image, op.facts["formats"]):
            await store.properties_set(app, asked.image, op.facts["properties"])

    return Done(also=put_back)
