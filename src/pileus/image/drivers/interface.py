"""What a store of image bytes promises.

Files are written once, under a name nobody else uses, and never changed; so a reader may go on while an image is deleted,
and two uploads can never mix.
"""

from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Protocol


class StoreIsFull(Exception):
    """There is no room for more bytes."""


class Incoming(Protocol):
    """A file being written."""

    async def write(self, chunk: bytes) -> None:
        """The chunk comes next; raises StoreIsFull."""
        ...

    async def keep(self) -> None:
        """Everything written is durable and can be read under the file's name."""
        ...

    async def drop(self) -> None:
        """Nothing of it is left."""
        ...


class ByteStore(Protocol):
    """A store of image bytes."""

    async def create(self, name: str) -> Incoming:
        """A new file that nobody sees until it is kept."""
        ...

    def read(self, name: str, start: int, length: int) -> AsyncIterator[bytes]:
        """The bytes from `start`, chunk by chunk; raises FileNotFoundError."""
        ...

    async def copy(self, name: str, destination: Path) -> None:
        """The bytes are in `destination`, sharing blocks where the file system can; raises FileNotFoundError."""
        ...

    async def exists(self, name: str) -> bool:
        """Whether a kept file has this name."""
        ...

    async def remove(self, name: str) -> None:
        """No file has this name."""
        ...

    async def names(self) -> Collection[str]:
        """The names of all files, those being written too."""
        ...
