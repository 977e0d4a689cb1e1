"""What back ends need of whoever runs servers on the same host: a copy of a disk that a guest may be writing to.

A plain file cannot be copied while it changes. Who has it open knows each write, so a copy of one moment comes from there; and
from the file itself only while nobody has it open, and nobody opens it meanwhile.
"""

from pathlib import Path
from typing import Literal, Protocol


class AttachedDisks(Protocol):
    """Volumes of the servers on this host."""

    async def copy(self, volume_id: str, source: Path, target: Path, format: Literal["raw", "qcow2"] = "raw") -> None:
        """`target` holds, octet by octet, what `source`, the volume's file, held at one moment since the call; else this raises.

        The file is raw, whatever the volume's is (`format`), whole on the disk, and as sparse as the volume.
        """
        ...

    async def grow(self, volume_id: str, size_gib: int) -> bool:
        """Whether a server that runs has the volume, and its QEMU has made the disk that large in the volume's file."""
        ...
