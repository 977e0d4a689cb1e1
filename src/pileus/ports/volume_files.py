"""What hosts need of one another's volumes: the bytes of one that moves, or is copied, from another host.

Hosts do not talk to one another: the bytes pass the channel between each host and its controller (decision 0016). In one
process it is a copy.
"""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol


class VolumeFiles(Protocol):
    """For a host: disks that other hosts keep."""

    async def fetch(self, host: str, backend: str, kind: str, id: str, destination: Path) -> None:
        """The raw bytes of what `host` keeps there, verified, are in `destination`; else this raises."""
        ...


class VolumesAtHand(Protocol):
    """For a controller: copies of volumes that were made for images, wherever they are."""

    def at_hand(self, host: str, backend: str, volume_id: str, file: str) -> AbstractAsyncContextManager[Path]:
        """A path where the file of that host can be read while the block lasts; raises Unavailable or a Problem."""
        ...
