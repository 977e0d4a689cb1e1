"""An open directory: its names are read with few calls, and what was done in it is made durable through the same descriptor.

`os.listdir` lets other threads run before and after every single name, and a thread that has to win the interpreter back so
often takes milliseconds for a directory of a hundred files. getdents64(2) fills a buffer at once.
"""

import ctypes
import os
from types import TracebackType

from pileus.object_store.disk.syscalls import close, entries

ROOM = 32_768
CONTROLS = 32  # a byte before a name that is less is the kind of the entry, and none of another name


class Folder:
    """A directory that is open; raises FileNotFoundError when there is none."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)

    def __enter__(self) -> "Folder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        close(self.descriptor)

    def beginning(self, start: str) -> list[str]:
        """The names that begin so, with a hash: 32 bytes, more than the numbers between two names have. Asked once for each opening."""
        found: list[str] = []
        wanted = os.fsencode(start)
        room = ctypes.create_string_buffer(ROOM)
        while filled := entries(self.descriptor, room):
            _gather(filled, wanted, found)
        return found


def _gather(filled: bytes, wanted: bytes, found: list[str]) -> None:
    """The names in a filled buffer that begin as wanted."""
    at = filled.find(wanted)
    while at >= 0:
        end = filled.index(b"\0", at)
        if filled[at - 1] < CONTROLS:
            found.append(os.fsdecode(filled[at:end]))
        at = filled.find(wanted, end)
