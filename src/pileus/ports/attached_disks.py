"""What back ends need of whoever runs servers on the same host: a copy of a disk that a guest may be writing to.

A plain file cannot be copied while it changes. Who has it open knows each write, so a copy of one moment comes from there; and
from the file itself only while nobody has it open, and nobody opens it meanwhile.
"""

from pathlib import Path
from typing import Protocol


class AttachedDisks(Protocol):
    """Volumes of the servers on this host."""

    async def copy(self, volume_id: str, source: Path, target: Path) -> None:
        """`target` holds, octet by octet, what `source`, the volume's file, held at one moment since the call; else this raises.

        The file is whole on the disk, and as sparse as the volume.
        """
        ...
