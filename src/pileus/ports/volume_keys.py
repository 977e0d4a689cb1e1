"""What hosts need to open encrypted volumes: the key, when they need it and for no longer.

Documents name no keys and no host keeps one on a disk. Who runs a server fetches the key of a volume it is given and hands it to
QEMU without argument or environment; who makes an encrypted volume fetches it for as long as that takes.
"""

from collections.abc import Mapping
from typing import Protocol


class VolumeKeys(Protocol):
    """Keys of encrypted volumes."""

    async def fetch(self, volume_id: str) -> bytes:
        """What opens the volume's first LUKS key slot, as it is: printable, without an end of line. Raises NotFound."""
        ...


class LinkKeys(Protocol):
    """Keys of the ways from hosts to volumes that other hosts serve."""

    async def fetch(self, attachment_id: str) -> Mapping[str, str]:
        """For each host that may take the way, the key (hexadecimal) it proves that by: all to who serves, its own to who asks.

        Raises NotFound.
        """
        ...
