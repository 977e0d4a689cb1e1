"""Bytes for an image: taken in, looked at, and only then the image's own.

    begin (the row names the file) -> write and inspect -> keep (durable, renamed) -> end (the image is active)

Whatever stops it in between leaves the image waiting again and no file; after a crash the sweep sees to that.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import msgspec

from pileus.image import errors
from pileus.image.app import ImageApp
from pileus.image.drivers.interface import ByteStore, StoreIsFull, Unreadable, closing
from pileus.image.flows.intake import Work, drop, let_go, take_in
from pileus.image.flows.quotas import Resource, check_room, room_for_bytes
from pileus.image.flows.signed import Seal
from pileus.image.models.images import Head, Image, Status
from pileus.image.store import copies
from pileus.image.store import images as store
from pileus.kit.flow.failpoint import failpoint


async def upload(
    app: ImageApp,
    image: Image,
    chunks: AsyncIterator[bytes],
    length: int | None = None,
    to: str | None = None,
    *,
    limited: bool = True,
) -> None:
    """The image is active and has exactly these bytes, in the store named; or this raises, and it waits as before.

    What the cloud itself makes, such as a server's snapshot, was let be when it was asked for: it is not limited any more.
    """
    seal = await Seal.of(app, image)
    id = to or app.stores.default
    target = app.stores.writable().get(id)
    if target is None:
        raise errors.NoSuchStore(store=id)

    async def in_store(token: str) -> None:
        seal.check()
        await copies.copies_clear(app, image.id)
        await copies.copy_add(app, image.id, id, token, whole=True)

    owner = image.owner if limited else None
    way = Way(target, Status.SAVING, Status.ACTIVE, in_store, Resource.SIZE, owner, seal.looks)
    await _bring(app, image, chunks, length, way)


async def give_up(app: ImageApp, image_id: str, token: str) -> None:
    """That upload, to the default store, is over without success: the image waits again, and its file is gone."""
    target = app.stores.writable().get(app.stores.default)
    if target is not None:
        await let_go(target, token)
    await store.upload_fail(app, image_id, token)


async def stage(app: ImageApp, image: Head, chunks: AsyncIterator[bytes], length: int | None = None) -> None:
    """The bytes are there and looked at, and wait for the import; or this raises, and nothing is there."""

    async def staged(_token: str) -> None:
        """The image's own row says where."""

    await _bring(
        app,
        image,
        chunks,
        length,
        Way(app.stores.staging, Status.UPLOADING, Status.UPLOADING, staged, Resource.STAGE, image.owner),
    )


async def exactly(chunks: AsyncIterator[bytes], said: int) -> AsyncIterator[bytes]:
    """The same bytes, of which there are so many; raises SizeMismatch."""
    came = 0
    async with closing(chunks):
        async for chunk in chunks:
            came += len(chunk)
            if came > said:
                break
            yield chunk
    if came != said:
        raise errors.SizeMismatch(said=said, came=f"{came} or more" if came > said else came)


class Way(msgspec.Struct, frozen=True):
    """Where bytes go, what the image is meanwhile and afterwards, and what else is written when they are there."""

    target: ByteStore
    meanwhile: Status
    afterwards: Status
    noted: Callable[[str], Awaitable[None]]
    counts: Resource  # what its bytes count as
    owner: str | None  # whose limits hold; None: nobody's
    also: Sequence[Work] = ()  # what looks at the bytes besides


async def _left_behind(app: ImageApp, image: Head) -> Head:
    """The image, which waits for its bytes again if whoever brought them has shown no life for too long."""
    over = image.upload_until is not None and image.upload_until < app.clock.now()
    if image.upload is None or not over:
        return image
    await store.upload_fail(app, image.id, image.upload)  # its file is nobody's now, and the sweep's to remove
    return await store.head_find(app, image.id) or image


async def _begin(app: ImageApp, image: Head, length: int | None, way: Way) -> tuple[str, int | None]:
    """The row names the file; returns its name, and how many bytes there is room for."""
    image = await _left_behind(app, image)
    if image.status is not Status.QUEUED:
        raise errors.NotQueued(image=image.id, status=image.status.value)
    if image.disk_format is None or image.container_format is None:
        raise errors.NeedsFormats
    if length is not None and length > app.config.size_cap:
        raise errors.TooBig(image=image.id, cap=app.config.size_cap)
    token = f"{image.id}.{secrets.token_hex(4)}"
    async with app.db.transaction():
        await check_room(app, way.owner, {Resource.UPLOADING: 1, way.counts: length or 0})
        room = await room_for_bytes(app, way.owner, way.counts)
        if not await store.upload_begin(app, image.id, token, way.meanwhile):
            raise errors.NotQueued(image=image.id, status=way.meanwhile.value)
    return token, room


async def _bring(app: ImageApp, image: Head, chunks: AsyncIterator[bytes], length: int | None, way: Way) -> None:
    token, room = await _begin(app, image, length, way)
    failpoint("image.upload", "begun")
    try:
        incoming = await way.target.create(token)
        try:
            async with _alive(app, image, token):
                found = await take_in(app, image, incoming, chunks, room, way.also)
                await incoming.keep()
        except BaseException:
            await drop(incoming)
            raise
        failpoint("image.upload", "kept")
        async with app.db.transaction():
            if app.config.hard_limits:  # others may have come in meanwhile
                await check_room(app, way.owner, {way.counts: found.size})
            if not await store.upload_end(app, image.id, token, found, way.afterwards):
                raise errors.Vanished(image=image.id)
            await way.noted(token)
        failpoint("image.upload", "ended")
    except BaseException as why:
        await let_go(way.target, token)
        await store.upload_fail(app, image.id, token)
        if isinstance(why, StoreIsFull):
            raise errors.StoreFull(why=why) from why
        if isinstance(why, Unreadable):
            raise errors.StoreFails(why=why) from why
        raise


@contextlib.asynccontextmanager
async def _alive(app: ImageApp, image: Head, token: str) -> AsyncIterator[None]:
    """The upload's lease is renewed for as long as the block lasts, however slowly its client sends."""
    task = asyncio.create_task(_renew(app, image, token))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _renew(app: ImageApp, image: Head, token: str) -> None:
    # An image that was deleted meanwhile is found out at the end; there is no hurry about it.
    while True:
        await asyncio.sleep(app.config.upload_lease_s / 3)
        await store.upload_lives(app, image.id, token)
