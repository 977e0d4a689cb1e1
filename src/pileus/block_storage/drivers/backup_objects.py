"""Chunks of backups in this cloud's own object storage, out of its users' sight."""

from collections.abc import AsyncIterator, Collection

from pileus.block_storage.drivers.interface import DriverError
from pileus.ports.objects import NotKept, Objects

STORE = "objects"
CONTAINER = "volume_backups"


class ObjectChunks:
    """Keeps pileus.block_storage.drivers.backup_chunks.Chunks."""

    store = STORE

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def put(self, name: str, content: bytes) -> None:
        """The object is there."""
        try:
            await self._objects.put(CONTAINER, name, _once(content))
        except NotKept as failed:
            raise DriverError("The backup cannot be written", str(failed)) from failed

    async def get(self, name: str) -> bytes | None:
        """The object's bytes."""
        try:
            if await self._objects.size(CONTAINER, name) is None:
                return None
            return b"".join([piece async for piece in self._objects.read(CONTAINER, name, 0)])
        except NotKept as failed:
            raise DriverError("The backup cannot be read", str(failed)) from failed

    async def names(self, backup: str) -> Collection[str]:
        """The objects of the backup."""
        try:
            return await self._objects.names(CONTAINER, f"{backup}/")
        except NotKept as failed:
            raise DriverError("The backup cannot be read", str(failed)) from failed

    async def remove(self, backup: str, names: Collection[str]) -> None:
        """The objects are gone."""
        try:
            for name in names:
                await self._objects.remove(CONTAINER, name)
        except NotKept as failed:
            raise DriverError("The backup cannot be removed", str(failed)) from failed


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
