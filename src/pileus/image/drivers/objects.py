"""Image bytes in the cloud's own object storage: parts of at most PART bytes, joined under the image's name.

    <name>/00000000, <name>/00000001 ...    while they arrive
    <name>                                  what is read, once all is there: all of them, as one

A part goes to the disks while it comes, so however large an image is, no more than a few chunks of it are in memory.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path

from pileus.image.drivers.interface import Incoming, StoreIsFull, Unreadable
from pileus.ports.objects import NoSpace, NotKept, Objects

PART = 1 << 30


class IncomingObject:
    """An image on its way into object storage."""

    def __init__(self, objects: Objects, container: str, name: str, part: int) -> None:
        self._objects = objects
        self._container = container
        self._name = name
        self._part = part
        self._parts: list[str] = []
        self._room = 0
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(2)
        self._task: asyncio.Task[None] | None = None

    async def write(self, chunks: Sequence[bytes]) -> None:
        """The chunks are on their way, in as many parts as it takes."""
        chunk = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        while chunk:
            if self._room == 0:
                await self._end_part()
                self._begin_part()
            piece, chunk = chunk[: self._room], chunk[self._room :]
            self._room -= len(piece)
            await self._send(piece)

    def _begin_part(self) -> None:
        self._parts.append(f"{self._name}/{len(self._parts):08}")
        self._room = self._part
        self._task = asyncio.create_task(self._objects.put(self._container, self._parts[-1], self._sent()))

    async def _sent(self) -> AsyncIterator[bytes]:
        while (chunk := await self._chunks.get()) is not None:
            yield chunk

    async def _send(self, chunk: bytes | None) -> None:
        """The part's writer has the chunk, unless it has failed; then it is told why."""
        assert self._task is not None, "a part was begun"
        put = asyncio.create_task(self._chunks.put(chunk))
        try:
            await asyncio.wait({put, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            put.cancel()
            await asyncio.gather(put, return_exceptions=True)
        if self._task.done():
            await self._ended()

    async def _ended(self) -> None:
        assert self._task is not None, "a part was begun"
        try:
            await self._task
        except NoSpace as full:
            raise StoreIsFull(str(full)) from full
        except NotKept as failed:
            raise Unreadable(str(failed)) from failed

    async def _end_part(self) -> None:
        if self._task is not None:
            if not self._task.done():
                await self._send(None)
            await self._ended()
            self._task = None

    async def keep(self) -> None:
        """All parts are there, and are the image."""
        await self._end_part()
        try:
            if self._parts:
                await self._objects.join(self._container, self._name, self._parts)
            else:
                await self._objects.put(self._container, self._name, _nothing())
        except NotKept as failed:
            raise Unreadable(str(failed)) from failed

    async def drop(self) -> None:
        """No part is being written any more, and none is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await _remove(self._objects, self._container, self._name)
        except NotKept as failed:
            raise Unreadable(str(failed)) from failed


async def _nothing() -> AsyncIterator[bytes]:
    for _ in ():
        yield b""


async def _remove(objects: Objects, container: str, name: str) -> None:
    # What is read goes first: whoever still finds it finds all of it.
    await objects.remove(container, name)
    for part in await objects.names(container, f"{name}/"):
        await objects.remove(container, part)


class ObjectsStore:
    """A container of images."""

    def __init__(self, objects: Objects, container: str, part: int = PART) -> None:
        self._objects = objects
        self._container = container
        self._part = part

    async def create(self, name: str) -> Incoming:
        """A new image, of which nobody sees anything until it is kept."""
        await self.remove(name)
        return IncomingObject(self._objects, self._container, name, self._part)

    async def read(self, name: str, start: int, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start`."""
        try:
            async for chunk in self._objects.read(self._container, name, start, length):
                yield chunk
        except NotKept as failed:
            raise Unreadable(str(failed)) from failed

    async def copy(self, name: str, destination: Path) -> None:
        """The bytes are in `destination`."""
        with await asyncio.to_thread(destination.open, "wb") as file:
            async for chunk in self.read(name, 0):
                await asyncio.to_thread(file.write, chunk)

    async def exists(self, name: str) -> bool:
        """Whether the image is there."""
        try:
            return await self._objects.size(self._container, name) is not None
        except NotKept:
            return False

    def url(self, name: str) -> str:
        """Where it is; nobody's token leads there."""
        return f"object-store://{self._container}/{name}"

    async def remove(self, name: str) -> None:
        """Neither the image nor a part of it is there."""
        try:
            await _remove(self._objects, self._container, name)
        except NotKept as failed:
            raise Unreadable(str(failed)) from failed

    async def names(self) -> Collection[str]:
        """The names of all images, those being written too."""
        try:
            return {name.partition("/")[0] for name in await self._objects.names(self._container)}
        except NotKept as failed:
            raise Unreadable(str(failed)) from failed
