"""Bytes on their way in: written to a store while they are looked at, and only whole and fitting ones are kept."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Self

from pileus.image import errors
from pileus.image.app import ImageApp
from pileus.image.drivers.content import Content, at_once
from pileus.image.drivers.interface import ByteStore, Incoming, StoreIsFull, Unreadable, closing
from pileus.image.models.images import Copy, Findings, Head
from pileus.kit.disk_formats import Mismatch, Unsafe
from pileus.kit.flow.failpoint import failpoint
from pileus.kit.observe.log import log_of

log = log_of(__name__)

BATCH, CHUNK = 1 << 20, 4 << 20
PACKED = frozenset({"ova", "docker", "compressed"})  # the disk is inside; nothing boots from these as they are


async def take_in(
    app: ImageApp, image: Head, incoming: Incoming, chunks: AsyncIterator[bytes], room: int | None = None
) -> Findings:
    """All bytes are written and fit the image, and are no more than there is room for; raises what is wrong with them."""
    taken = 0
    content = Content(image.disk_format, inspect=app.config.inspect and image.container_format not in PACKED)
    try:
        async with closing(batches(chunks)) as pieces, Behind() as behind:
            async for batch in pieces:
                taken += len(batch)
                if taken > app.config.size_cap:
                    raise errors.TooBig(image=image.id, cap=app.config.size_cap)
                if room is not None and taken > room:
                    raise errors.NoRoom(image=image.id, room=max(room, 0))
                await behind.do(partial(_both, content, incoming, batch))
                failpoint("image.upload", "writing")
        return await content.finish()
    except Mismatch as wrong:
        raise errors.ContentMismatch(why=str(wrong)) from wrong
    except Unsafe as wrong:
        raise errors.UnsafeContent(why=str(wrong)) from wrong
    except StoreIsFull as full:
        raise errors.StoreFull(why=str(full)) from full


async def _both(content: Content, incoming: Incoming, batch: bytes) -> None:
    await at_once(content.feed(batch), incoming.write(batch))


class Behind:
    """Work on one batch while the next one comes; what fails is raised at the next, or at the end of the block.

    When the block is left, whichever way, nothing is being worked on any more.
    """

    def __init__(self) -> None:
        self._work: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Nothing is being worked on yet."""
        return self

    async def do(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """The batch before is done, and this one is begun."""
        await self._last()
        self._work = asyncio.create_task(work())

    async def _last(self) -> None:
        if self._work is not None:
            await asyncio.wait({self._work})
            self._work.result()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """The last batch is done."""
        if kind is None:
            await self._last()
        elif self._work is not None:
            await asyncio.gather(self._work, return_exceptions=True)  # what ended the block is raised, not this


async def let_go(store: ByteStore, name: str) -> None:
    """No file has the name, or the sweep sees to that: a store that cannot be reached now holds nobody up."""
    try:
        await store.remove(name)
    except Unreadable as failed:
        log.warning("image bytes are left to the sweep", file=name, why=str(failed))


async def drop(incoming: Incoming) -> None:
    """Nothing is left of the file, or the sweep sees to that."""
    try:
        await incoming.drop()
    except Unreadable as failed:
        log.warning("image bytes are left to the sweep", why=str(failed))


async def batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of at least BATCH, so that a thread is worth its while."""
    gathered: list[bytes] = []
    size = 0
    async with closing(chunks):
        async for chunk in chunks:
            gathered.append(chunk)
            size += len(chunk)
            if size >= BATCH:
                yield b"".join(gathered)
                gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


async def file_chunks(path: Path) -> AsyncGenerator[bytes, None]:
    """A file's bytes, read in a thread."""
    with await asyncio.to_thread(open, path, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk


def readable(app: ImageApp, copies: tuple[Copy, ...]) -> list[Copy]:
    """The copies in stores that are there, the heaviest store first."""
    known = [copy for copy in copies if app.stores.find(copy.store) is not None]
    return sorted(known, key=lambda copy: -app.stores.weight(copy.store))


async def bytes_of(app: ImageApp, copies: tuple[Copy, ...], start: int, length: int) -> AsyncIterator[bytes]:
    """The stretch of the image, from whichever copy can be read; one that fails midway is gone on from in the next."""
    done = 0
    why = "it has no copy in any store there is"
    for copy in readable(app, copies):
        store = app.stores.all[copy.store]
        try:
            async with closing(store.source.read(copy.place, start + done, length - done)) as chunks:
                async for chunk in chunks:
                    done += len(chunk)
                    yield chunk
        except Unreadable as failed:
            why = f"store {copy.store}: {failed}"
            continue
        return
    raise Unreadable(why)
