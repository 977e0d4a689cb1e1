"""A store whose bytes stay for as long as somebody here reads them: what is removed meanwhile goes when the last has ended.

If the process dies before that, the sweep removes what no image has.
"""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator
from pathlib import Path

from pileus.image.drivers.interface import ByteStore, Incoming, closing


class Held:
    """The promise of a ByteStore, kept by another one."""

    def __init__(self, store: ByteStore) -> None:
        self._store = store
        self._readers: Counter[str] = Counter()
        self._doomed: set[str] = set()

    @contextlib.contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        self._readers[name] += 1
        try:
            yield
        finally:
            self._readers[name] -= 1
            if not self._readers[name]:
                del self._readers[name]

    async def _let_go(self, name: str) -> None:
        if name in self._doomed and name not in self._readers:
            self._doomed.discard(name)
            await self._store.remove(name)

    async def create(self, name: str) -> Incoming:
        """A new file that nobody sees until it is kept."""
        return await self._store.create(name)

    async def read(self, name: str, start: int, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start`; they are there until this has ended."""
        try:
            with self._reading(name):
                async with closing(self._store.read(name, start, length)) as chunks:
                    async for chunk in chunks:
                        yield chunk
        finally:
            await self._let_go(name)

    async def copy(self, name: str, destination: Path) -> None:
        """The bytes are in `destination`."""
        try:
            with self._reading(name):
                await self._store.copy(name, destination)
        finally:
            await self._let_go(name)

    async def exists(self, name: str) -> bool:
        """Whether the bytes can be had; those that are to go cannot."""
        return name not in self._doomed and await self._store.exists(name)

    def url(self, name: str) -> str:
        """The location."""
        return self._store.url(name)

    async def remove(self, name: str) -> None:
        """No file has this name, or will when its readers have ended."""
        if self._readers[name]:
            self._doomed.add(name)
        else:
            del self._readers[name]
            await self._store.remove(name)

    async def names(self) -> Collection[str]:
        """The names of all files but those that are to go."""
        return [name for name in await self._store.names() if name not in self._doomed]
