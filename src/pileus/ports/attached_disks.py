"""What back ends need of whoever runs servers on the same host: a copy of a disk that a guest may be writing to.

A plain file cannot be copied while it changes. Who has it open knows each write, so a copy of one moment comes from there; and
from the file itself only while nobody has it open, and nobody opens it meanwhile.
"""

import enum
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal, Protocol

import msgspec


class Noting(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be noted of a volume in a qcow2 file, and which notes say what of it is to be copied.

    `found` is an empty qcow2 file as large as the volume: of a copy of changes it gets the bitmap called `since`.
    """

    name: str  # what changes after the copy's moment is noted in the volume's file by a bitmap of that name
    since: str | None  # only what this bitmap notes is copied, if it is there and to be believed
    piece: int  # and of that whole pieces of that length
    found: Path


class Copied(enum.Enum):
    """What a copy holds, and who made it."""

    NOTHING = enum.auto()  # it cannot be made so, and has to be made otherwise
    AT_REST = enum.auto()  # no server that runs had the volume: it was left to whoever asked
    WHOLE = enum.auto()
    CHANGES = enum.auto()


class AttachedDisks(Protocol):
    """Volumes of the servers on this host."""

    async def copy(self, volume_id: str, source: Path, target: Path, format: Literal["raw", "qcow2"] = "raw") -> None:
        """`target` holds, octet by octet, what `source`, the volume's file, held at one moment since the call; else this raises.

        The file is raw, whatever the volume's is (`format`), whole on the disk, and as sparse as the volume.
        """
        ...

    async def give(self, volume_id: str, target: Path) -> None:
        """`target` holds the raw bytes of one moment since the call of a volume that servers of this host have; else this raises."""
        ...

    async def grow(self, volume_id: str, size_gib: int) -> bool:
        """Whether a server that runs has the volume, and its QEMU has made the disk that large in the volume's file."""
        ...

    async def copy_changes(
        self, volume_id: str, target: Path, noting: Noting, at_rest: Callable[[], Awaitable[None]]
    ) -> Copied:
        """`target` holds the raw bytes of a qcow2 file's volume of one moment, or the pieces of it that changed; else this raises.

        Where no server that runs has the volume, `at_rest` is awaited: it is cancelled when one shall have it, and the copy
        is then begun anew. What is noted from the moment on is lost, and never wrong, if whoever notes it is killed.
        """
        ...

    async def forget_notes(self, volume_id: str, keep: str, at_rest: Callable[[], Awaitable[None]]) -> None:
        """Nothing is noted of the volume but under that name, now or the next time; `at_rest` sees to that where no server that runs has it."""
        ...
