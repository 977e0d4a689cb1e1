"""What moves of servers need: files of a server that lie on another host.

Hosts do not talk to one another: the bytes pass the channel between each host and its controller, which knows who may have
what. In one process it is a copy.
"""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol


class ServerFiles(Protocol):
    """For a host: files of servers that come to it."""

    async def fetch(self, host: str, server_id: str, name: str, destination: Path) -> None:
        """What `host` has of the server under that name, verified, is in `destination`; else this raises."""
        ...


class FilesAtHand(Protocol):
    """For a controller: files of servers, wherever they are."""

    def at_hand(self, host: str, server_id: str, file: str) -> AbstractAsyncContextManager[Path]:
        """A path where the file of that host can be read while the block lasts; raises Unavailable."""
        ...
