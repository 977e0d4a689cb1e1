"""Bytes on their way in: written to a store while they are looked at, and only whole and fitting ones are kept."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Self

from pileus.image import errors
from pileus.image.app import ImageApp
from pileus.image.drivers.content import Content
from pileus.image.drivers.interface import ByteStore, Incoming, StoreIsFull, Unreadable, closing
from pileus.image.models.images import Copy, Findings, Head
from pileus.kit.disk_formats import Mismatch, Unsafe
from pileus.kit.flow.failpoint import failpoint
from pileus.kit.observe.log import log_of

log = log_of(__name__)
Work = Callable[[Sequence[bytes]], Awaitable[None]]

BATCH, AHEAD, CHUNK = 1 << 20, 2 << 20, 4 << 20
PACKED = frozenset({"ova", "docker", "compressed"})  # the disk is inside; nothing boots from these as they are


async def take_in(
    app: ImageApp,
    image: Head,
    incoming: Incoming,
    chunks: AsyncIterator[bytes],
    room: int | None = None,
    also: Sequence[Work] = (),
) -> Findings:
    """All bytes are written and fit the image, and are no more than there is room for; raises what is wrong with them."""
    taken = 0
    content = Content(image.disk_format, inspect=app.config.inspect and image.container_format not in PACKED)
    try:
        looks = [in_thread(look) for look in content.looks]
        async with closing(gathered(chunks)) as several, Behind(*looks, incoming.write, *also) as behind:
            async for pieces, size in several:
                taken += size
                if taken > app.config.size_cap:
                    raise errors.TooBig(image=image.id, cap=app.config.size_cap)
                if room is not None and taken > room:
                    raise errors.NoRoom(image=image.id, room=max(room, 0))
                await behind.give(pieces, size)
                failpoint("image.upload", "writing")
        return await content.finish(taken)
    except Mismatch as wrong:
        raise errors.ContentMismatch(why=str(wrong)) from wrong
    except Unsafe as wrong:
        raise errors.UnsafeContent(why=str(wrong)) from wrong
    except StoreIsFull as full:
        raise errors.StoreFull(why=str(full)) from full


class Lane:
    """One kind of work on pieces that come one after another: on as many at once as wait, in their order.

    Nothing holds a thread while there are no pieces; a client that sends slowly costs none.
    """

    def __init__(self, work: Work, moved: asyncio.Event) -> None:
        self._work = work
        self._moved = moved
        self._waiting: list[bytes] = []
        self._task: asyncio.Task[None] | None = None
        self.held = 0  # bytes that wait, or are being worked on
        self.failed: BaseException | None = None

    def add(self, pieces: Sequence[bytes], size: int) -> None:
        """These come next."""
        self._waiting.extend(pieces)
        self.held += size
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._waiting:
                pieces, size = self._waiting, self.held
                self._waiting = []
                await self._work(pieces)
                self.held -= size
                del pieces
                self._moved.set()
        except BaseException as failed:  # noqa: BLE001  it is raised where the pieces come from
            self.failed = failed
            self._moved.set()

    def stop(self) -> None:
        """What waits is left out."""
        self._waiting.clear()

    async def idle(self) -> None:
        """Nothing is being worked on."""
        if self._task is not None:
            await asyncio.wait({self._task})


class Behind:
    """Several kinds of work on the same pieces, side by side, none waiting for another, while further pieces come.

    At most AHEAD bytes wait. What fails is raised where the next piece is given, or at the end of the block. When the block is
    left, whichever way, nothing is being worked on any more.
    """

    def __init__(self, *works: Work) -> None:
        self._moved = asyncio.Event()
        self._lanes = [Lane(work, self._moved) for work in works]

    async def __aenter__(self) -> Self:
        """Nothing is being worked on yet."""
        return self

    async def give(self, pieces: Sequence[bytes], size: int) -> None:
        """The pieces are being worked on, or will be soon."""
        await self._until(AHEAD)
        for lane in self._lanes:
            lane.add(pieces, size)

    async def _until(self, held: int) -> None:
        """No lane holds more than that; raises what failed."""
        while True:
            self._moved.clear()
            for lane in self._lanes:
                if lane.failed is not None:
                    raise lane.failed
            if all(lane.held <= held for lane in self._lanes):
                return
            await self._moved.wait()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """All of it is done."""
        try:
            if kind is None:
                await self._until(0)
        finally:
            for lane in self._lanes:
                lane.stop()
            for lane in self._lanes:
                await lane.idle()


def hashing(digest: "hashlib._Hash") -> Callable[[Sequence[bytes]], None]:
    """Makes the pieces part of the digest."""

    def hashed(pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            digest.update(piece)

    return hashed


def in_thread(work: Callable[[Sequence[bytes]], None]) -> Work:
    """The work, done in a thread."""

    async def done(pieces: Sequence[bytes]) -> None:
        await asyncio.to_thread(work, pieces)

    return done


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


async def gathered(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[list[bytes], int]]:
    """The same bytes in lists of at least BATCH, so that a thread is worth its while; and how many are in each."""
    pieces: list[bytes] = []
    size = 0
    async with closing(chunks):
        async for chunk in chunks:
            pieces.append(chunk)
            size += len(chunk)
            if size >= BATCH:
                yield pieces, size
                pieces, size = [], 0
    if pieces:
        yield pieces, size


async def batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of at least BATCH."""
    async with closing(gathered(chunks)) as several:
        async for pieces, _ in several:
            yield pieces[0] if len(pieces) == 1 else b"".join(pieces)


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
