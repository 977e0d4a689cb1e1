"""What block storage asks of compute: whether a server really has a volume, before anybody gives it back by himself."""

from typing import Protocol


class VolumeHolders(Protocol):
    """Servers, by the volumes they have."""

    async def attachment_of(self, server_id: str, volume_id: str) -> str | None:
        """The attachment by which the server has the volume; None when it has it not, or there is no such server."""
        ...
