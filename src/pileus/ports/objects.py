"""What object storage promises other services of this cloud: to keep large things for them, out of anybody else's sight."""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Protocol


class NotKept(Exception):
    """Object storage does not have it, or cannot do it now; the text says which."""


class NoSpace(NotKept):
    """Object storage has no room for it."""


class Objects(Protocol):
    """Named things in containers of the cloud's own. A thing of several parts is read as one, and removed with them."""

    async def put(self, container: str, name: str, chunks: AsyncIterator[bytes]) -> None:
        """The object is there, whole and durable; raises NotKept, and then it is not."""
        ...

    async def join(self, container: str, name: str, parts: Sequence[str]) -> None:
        """The object is the parts, one after another: objects of the same container; raises NotKept."""
        ...

    def read(self, container: str, name: str, start: int, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from there, exactly so many unless that is None; raises NotKept."""
        ...

    async def size(self, container: str, name: str) -> int | None:
        """How many bytes it has; None if there is no such object. Raises NotKept."""
        ...

    async def remove(self, container: str, name: str) -> None:
        """There is no such object; parts are left alone. Raises NotKept."""
        ...

    async def names(self, container: str, beginning: str = "") -> Collection[str]:
        """The names of all objects that begin so; raises NotKept."""
        ...
