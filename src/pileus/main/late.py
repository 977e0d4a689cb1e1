"""Promises that are kept later: by services that are wired after those that need them."""

from collections.abc import AsyncIterator, Collection, Sequence

from pileus.ports.objects import NotKept, Objects
from pileus.ports.servers import Taken, VolumeHolders


class LateHolders:
    """Servers and their volumes, once there is compute. Keeps pileus.ports.servers.VolumeHolders."""

    def __init__(self) -> None:
        self.of: VolumeHolders | None = None

    async def attachment_of(self, server_id: str, volume_id: str) -> str | None:
        """The attachment by which the server has the volume; None when it has it not."""
        return None if self.of is None else await self.of.attachment_of(server_id, volume_id)

    async def extended(self, server_id: str, volume_id: str) -> None:
        """The server's host and guest are told."""
        if self.of is not None:
            await self.of.extended(server_id, volume_id)

    async def take_along(self, server_id: str, volume_id: str, edition: int) -> Taken:
        """The server has, or is getting, the volume elsewhere."""
        if self.of is None:
            return Taken(failed="there is no compute service here")
        return await self.of.take_along(server_id, volume_id, edition)

    async def let_be(self, server_id: str, volume_id: str) -> bool:
        """The server is not about to have the volume elsewhere."""
        return self.of is None or await self.of.let_be(server_id, volume_id)

    async def host_of(self, server_id: str, project_id: str) -> str | None:
        """The host of that project's server."""
        return None if self.of is None else await self.of.host_of(server_id, project_id)

    async def has(self, server_id: str, volume_id: str) -> int | None:
        """Which edition of the volume the server has."""
        return None if self.of is None else await self.of.has(server_id, volume_id)


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
