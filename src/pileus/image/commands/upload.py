"""Bytes for an image: taken in, looked at, and only then the image's own.

    begin (the row names the file) -> write and inspect -> keep (durable, renamed) -> end (the image is active)

Whatever stops it in between leaves the image waiting again and no file; after a crash the sweep sees to that.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator

from pileus.image import errors
from pileus.image.app import ImageApp
from pileus.image.drivers.content import Content, Mismatch, Unsafe
from pileus.image.drivers.interface import Incoming, StoreIsFull
from pileus.image.models.images import Findings, Head, Status
from pileus.image.store import images as store
from pileus.kit.flow.failpoint import failpoint

BATCH = 1 << 20
PACKED = frozenset({"ova", "docker", "compressed"})  # the disk is inside; nothing boots from these as they are


async def upload(app: ImageApp, image: Head, chunks: AsyncIterator[bytes], length: int | None = None) -> None:
    """The image is active and has exactly these bytes; or this raises, and it waits for them as before."""
    await _bring(app, image, chunks, length, (Status.SAVING, Status.ACTIVE))


async def stage(app: ImageApp, image: Head, chunks: AsyncIterator[bytes], length: int | None = None) -> None:
    """The bytes are there and looked at, and wait for the import; or this raises, and nothing is there."""
    await _bring(app, image, chunks, length, (Status.UPLOADING, Status.UPLOADING))


async def import_staged(app: ImageApp, image: Head) -> None:
    """The image is active with the bytes that were staged."""
    if not await store.import_end(app, image.id):
        raise errors.NothingStaged(image=image.id, status=image.status.value)


async def _bring(
    app: ImageApp,
    image: Head,
    chunks: AsyncIterator[bytes],
    length: int | None,
    statuses: tuple[Status, Status],
) -> None:
    meanwhile, afterwards = statuses
    if image.status is not Status.QUEUED:
        raise errors.NotQueued(image=image.id, status=image.status.value)
    if image.disk_format is None or image.container_format is None:
        raise errors.NeedsFormats
    if length is not None and length > app.config.size_cap:
        raise errors.TooBig(image=image.id, cap=app.config.size_cap)
    token = f"{image.id}.{secrets.token_hex(4)}"
    if not await store.upload_begin(app, image.id, token, meanwhile):
        raise errors.NotQueued(image=image.id, status=meanwhile.value)
    failpoint("image.upload", "begun")
    try:
        incoming = await app.files.create(token)
        try:
            async with _alive(app, image, token):
                found = await _take(app, image, incoming, chunks)
                await incoming.keep()
        except BaseException:
            await incoming.drop()
            raise
        failpoint("image.upload", "kept")
        if not await store.upload_end(app, image.id, token, found, afterwards):
            raise errors.Vanished(image=image.id)
        failpoint("image.upload", "ended")
    except BaseException:
        await app.files.remove(token)
        await store.upload_fail(app, image.id, token)
        raise


async def _take(app: ImageApp, image: Head, incoming: Incoming, chunks: AsyncIterator[bytes]) -> Findings:
    """All bytes are written and fit the image; raises what is wrong with them."""
    content = Content(image.disk_format, inspect=app.config.inspect and image.container_format not in PACKED)
    try:
        async for batch in _batches(chunks):
            if content.size + len(batch) > app.config.size_cap:
                raise errors.TooBig(image=image.id, cap=app.config.size_cap)
            await content.feed(batch)
            await incoming.write(batch)
            failpoint("image.upload", "writing")
        return await content.finish()
    except Mismatch as wrong:
        raise errors.ContentMismatch(why=str(wrong)) from wrong
    except Unsafe as wrong:
        raise errors.UnsafeContent(why=str(wrong)) from wrong
    except StoreIsFull as full:
        raise errors.StoreFull(why=str(full)) from full


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


async def _batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of at least BATCH, so that a thread is worth its while."""
    gathered: list[bytes] = []
    size = 0
    async for chunk in chunks:
        gathered.append(chunk)
        size += len(chunk)
        if size >= BATCH:
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)
