"""Asking for an import: whether it can be, and then the operation and the task that shows it, in one transaction."""

import uuid
from collections.abc import Mapping

import msgspec

from pileus.image import errors
from pileus.image.app import ImageApp
from pileus.image.drivers.web import NotAllowed, target_of
from pileus.image.flows.imports import IMPORT, subject_of
from pileus.image.flows.locate import LOCATE
from pileus.image.flows.quotas import Resource, check_room
from pileus.image.models.images import Head, Image, Status, stores_of
from pileus.image.models.imports import LOCATION, Far, Import, Locating, Method, Plugin, TaskStatus, progress
from pileus.image.store import images as store
from pileus.image.store import tasks
from pileus.image.store.copies import copies_clear
from pileus.kit.auth import Caller
from pileus.kit.observe.log import request_id

NEEDED = {
    Method.DIRECT: Status.UPLOADING,
    Method.WEB: Status.QUEUED,
    Method.COPY: Status.ACTIVE,
    Method.GLANCE: Status.QUEUED,
}


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """An import as it was asked for."""

    method: str
    uri: str = ""
    far: Far | None = None
    stores: tuple[str, ...] | None = None
    all_stores: bool = False
    every_store: bool = True


async def import_image(app: ImageApp, caller: Caller, image: Image, wish: Wish, given: Mapping[str, object]) -> None:
    """The import is under way, and a task shows it; unless the image is in all stores already."""
    asked = decided(app, caller, image, wish)
    if not asked.stores:
        return  # a copy to all stores of what is in all of them
    await begin(app, caller, image, asked, kind="api_image_import", given=given)


def decided(app: ImageApp, caller: Caller, image: Image, wish: Wish) -> Import:
    """What the import has to do; raises what is wrong with it."""
    if wish.method not in app.config.import_methods:
        raise errors.WrongMethod(method=wish.method, offered=", ".join(app.config.import_methods))
    method = Method(wish.method)
    if image.status is not NEEDED[method]:
        raise errors.NotForImport(image=image.id, status=image.status, method=method, needed=NEEDED[method])
    for name, format in (("container_format", image.container_format), ("disk_format", image.disk_format)):
        if format is None and method is not Method.GLANCE:
            raise errors.FormatMissing(name=name, image=image.id)
    if method is Method.WEB:
        check_address(app, wish.uri, "web-download")
    if method is Method.GLANCE:
        _check_far(wish.far)
    stores = _stores(app, image, method, wish)
    plugins = tuple(Plugin(name) for name in app.config.plugins.enabled) if method is not Method.COPY else ()
    exempt = Plugin.INJECT not in plugins or caller.roles & set(app.config.plugins.ignore_user_roles)
    return Import(
        image=image.id,
        method=method,
        uri=wish.uri,
        far=wish.far if method is Method.GLANCE else None,
        stores=stores,
        every_store=wish.every_store,
        plugins=plugins,
        inject={} if exempt else app.config.plugins.inject,
    )


def _check_far(far: Far | None) -> None:
    if far is None or not far.region:
        raise errors.WrongValue(why="glance-download needs glance_image_id and glance_region.")
    try:
        uuid.UUID(far.image)
    except ValueError as odd:
        raise errors.WrongValue(why="Remote image id does not look like a UUID.") from odd


def check_address(app: ImageApp, url: str, what: str) -> None:
    """The words of an address let it be fetched; what they mean is seen when it is."""
    try:
        target_of(url, app.config.web)
    except NotAllowed as refused:
        raise errors.AddressRefused(what=what, url=url[:256], why=refused) from refused


def _stores(app: ImageApp, image: Image, method: Method, wish: Wish) -> tuple[str, ...]:
    writable = app.stores.writable()
    if wish.all_stores:
        if wish.stores:
            raise errors.WrongValue(why="all_stores parameter can't be used with stores list.")
        chosen = tuple(writable)
    else:
        chosen = tuple(dict.fromkeys(wish.stores or (app.stores.default,)))
    for id in chosen:
        if id not in writable:
            raise errors.NoSuchStoreHere(store=id)
    there = stores_of(image)
    if method is Method.COPY and not wish.all_stores:
        for id in set(chosen) & set(there):
            raise errors.AlreadyThere(store=id)
    return tuple(id for id in chosen if id not in there)


async def begin(
    app: ImageApp, caller: Caller, image: Head, asked: Import, *, kind: str, given: Mapping[str, object]
) -> str:
    """The operation runs, and its task, whose id is returned, is written; raises Busy."""
    async with app.db.transaction():
        if asked.method is not Method.COPY:
            more = {Resource.SIZE: image.size or 0}
            if asked.method is not Method.DIRECT:
                more |= {Resource.STAGE: 0, Resource.UPLOADING: 1}
            await check_room(app, image.owner, more)
        if asked.method is not Method.COPY and not await store.import_begin(app, image.id, image.status):
            raise errors.NotForImport(
                image=image.id, status=image.status, method=asked.method, needed=NEEDED[asked.method]
            )
        await store.properties_note(app, image.id, progress(asked.stores, set(), ()))
        if asked.method is not Method.COPY:
            await copies_clear(app, image.id)  # what an image that waits for bytes was said to be is forgotten
        return await _begin(app, caller, image.id, kind, given, (IMPORT.name, asked))


async def begin_locating(app: ImageApp, caller: Caller, asked: Locating) -> None:
    """Bytes that others keep are being looked at, and a task shows it."""
    given = {"image_id": asked.image, "loc_url": asked.url, "validation_data": msgspec.to_builtins(asked.said)}
    await _begin(app, caller, asked.image, LOCATION, given, (LOCATE.name, asked))


async def _begin(
    app: ImageApp, caller: Caller, image: str, kind: str, given: Mapping[str, object], flow: tuple[str, msgspec.Struct]
) -> str:
    id = str(uuid.uuid4())
    name, asked = flow
    row = {
        "id": id, "type": kind, "status": TaskStatus.PENDING, "owner": caller.project_id, "user": caller.user_id,
        "image": image, "request_id": request_id.get(), "input": dict(given), "result": None, "message": "",
        "expires_at": None,
    }  # fmt: skip
    await tasks.task_create(app, row)
    if isinstance(asked, Import) and asked.far is not None and caller.token is not None:
        app.tokens[id] = caller.token
    await app.operations.begin(
        name, subject_of(image), asked, id=id, project_id=caller.project_id, user_id=caller.user_id
    )
    return id
