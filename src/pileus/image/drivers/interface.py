"""What a store of image bytes promises.

Files are written once, under a name nobody else uses, and never changed; so a reader may go on while an image is deleted,
and two uploads can never mix. A store that others keep is only read: there a name is an address.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import msgspec

Piece = TypeVar("Piece")


class StoreIsFull(Exception):
    """There is no room for more bytes."""


class Unreadable(Exception):
    """The store cannot give the bytes: they are not there, or cannot be had now."""


@contextlib.asynccontextmanager
async def closing(chunks: AsyncIterator[Piece]) -> AsyncIterator[AsyncIterator[Piece]]:
    """What gives the chunks is closed when the block ends, not when somebody finds time to collect it: files, connections."""
    try:
        yield chunks
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()


class Incoming(Protocol):
    """A file being written."""

    async def write(self, chunks: Sequence[bytes]) -> None:
        """The chunks come next; raises StoreIsFull."""
        ...

    async def keep(self) -> None:
        """Everything written is durable and can be read under the file's name."""
        ...

    async def drop(self) -> None:
        """Nothing of it is left."""
        ...


class ByteSource(Protocol):
    """Bytes that can be read."""

    def read(self, name: str, start: int, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start`, chunk by chunk, exactly `length` unless that is None; raises Unreadable."""
        ...

    async def exists(self, name: str) -> bool:
        """Whether the bytes can be had."""
        ...

    def url(self, name: str) -> str:
        """The location, as clients are shown it."""
        ...


class Web(ByteSource, Protocol):
    """Addresses as files."""

    def read(
        self, name: str, start: int, length: int | None = None, told: Callable[[int], None] | None = None
    ) -> AsyncIterator[bytes]:
        """As every source; a server that says how many bytes come has that told, once."""
        ...

    async def size(self, name: str) -> int:
        """How many bytes there are; raises Unreadable, also if the server does not tell."""
        ...


@runtime_checkable
class ByteStore(ByteSource, Protocol):
    """A store of image bytes."""

    async def create(self, name: str) -> Incoming:
        """A new file that nobody sees until it is kept; what an earlier try left under the name is gone."""
        ...

    async def copy(self, name: str, destination: Path) -> None:
        """The bytes are in `destination`, sharing blocks where the file system can; raises Unreadable."""
        ...

    async def remove(self, name: str) -> None:
        """No file has this name."""
        ...

    async def names(self) -> Collection[str]:
        """The names of all files, those being written too."""
        ...


class Staging(ByteStore, Protocol):
    """Where bytes wait for their import: files of this machine, which programs may work on."""

    def path(self, name: str) -> Path:
        """Where the file is."""
        ...

    def room(self, name: str) -> Path:
        """Where a program may work; nobody else uses it."""
        ...

    async def adopt(self, file: Path, name: str) -> None:
        """The file, which was made in a room, is here and durable under the name; the room is gone."""
        ...

    async def clear(self, name: str) -> None:
        """The room is gone, whatever is in it."""
        ...


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """One store, as the operator set it up."""

    id: str
    kind: str
    description: str
    weight: int
    source: ByteSource

    @property
    def target(self) -> ByteStore | None:
        """The store as one that can be written; None where it is only read."""
        return self.source if isinstance(self.source, ByteStore) else None


class Stores(msgspec.Struct, frozen=True, kw_only=True):
    """All stores, and where bytes wait for their import."""

    all: Mapping[str, Store]
    default: str
    staging: Staging
    cache: ByteStore

    def find(self, id: str) -> Store | None:
        """The store with this name."""
        return self.all.get(id)

    def writable(self) -> dict[str, ByteStore]:
        """The stores that can be written, the default one first."""
        ids = sorted(self.all, key=lambda id: (id != self.default, id))
        return {id: target for id in ids if (target := self.all[id].target) is not None}

    def in_order(self, ids: Iterable[str]) -> list[str]:
        """The stores in the order they are read, which is the one clients are shown."""
        return sorted(ids, key=lambda id: (-self.weight(id), id))

    def weight(self, id: str) -> int:
        """How gladly the store is read; one that is not there any more, not at all."""
        store = self.all.get(id)
        return store.weight if store is not None else -(1 << 31)
