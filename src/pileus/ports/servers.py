"""What block storage asks of compute, whose servers have its volumes.

Whether a server really has one, before anybody gives it back by himself; and that a server goes on with one that is larger, or
whose bytes go elsewhere.
"""

from typing import Protocol

import msgspec


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a server goes on with a volume elsewhere, or why it does not."""

    done: bool = False
    failed: str | None = None


class VolumeHolders(Protocol):
    """Servers, by the volumes they have. Every verb may be repeated."""

    async def attachment_of(self, server_id: str, volume_id: str) -> str | None:
        """The attachment by which the server has the volume; None when it has it not, or there is no such server."""
        ...

    async def extended(self, server_id: str, volume_id: str) -> None:
        """The server's host is told how large the volume is now, and so is the guest, if it runs; joins the transaction."""
        ...

    async def take_along(self, server_id: str, volume_id: str, edition: int) -> Taken:
        """The server has, or is getting, the volume where it is on its way to, with all that is on it; that is called `edition`."""
        ...

    async def let_be(self, server_id: str, volume_id: str) -> bool:
        """Whether the server is not, or no more, about to have the volume elsewhere; if it is, it is told to leave that."""
        ...

    async def host_of(self, server_id: str, project_id: str) -> str | None:
        """The host of that project's server; None while it has none, or there is no such server."""
        ...

    async def has(self, server_id: str, volume_id: str) -> int | None:
        """Which edition of the volume the server has; None if it has none."""
        ...
