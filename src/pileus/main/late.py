"""Promises that are kept later: by services that are wired after those that need them."""

from collections.abc import AsyncIterator, Collection, Sequence

from pileus.ports.objects import NotKept, Objects
from pileus.ports.servers import VolumeHolders


class LateHolders:
    """Servers and their volumes, once there is compute. Keeps pileus.ports.servers.VolumeHolders."""

    def __init__(self) -> None:
        self.of: VolumeHolders | None = None

    async def attachment_of(self, server_id: str, volume_id: str) -> str | None:
        """The attachment by which the server has the volume; None when it has it not."""
        return None if self.of is None else await self.of.attachment_of(server_id, volume_id)


class LateObjects:
    """Object storage, once it is there; on a further controller it never is. Keeps pileus.ports.objects.Objects."""

    def __init__(self) -> None:
        self.of: Objects | None = None

    def _there(self) -> Objects:
        if self.of is None:
            raise NotKept("object storage is not on this controller")
        return self.of

    async def put(self, container: str, name: str, chunks: AsyncIterator[bytes]) -> None:
        """The object is there, whole and durable."""
        await self._there().put(container, name, chunks)

    async def join(self, container: str, name: str, parts: Sequence[str]) -> None:
        """The object is the parts, one after another."""
        await self._there().join(container, name, parts)

    async def read(self, container: str, name: str, start: int, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from there."""
        async for chunk in self._there().read(container, name, start, length):
            yield chunk

    async def size(self, container: str, name: str) -> int | None:
        """How many bytes it has."""
        return await self._there().size(container, name)

    async def remove(self, container: str, name: str) -> None:
        """There is no such object."""
        await self._there().remove(container, name)

    async def names(self, container: str, beginning: str = "") -> Collection[str]:
        """The names of all objects that begin so."""
        return await self._there().names(container, beginning)
