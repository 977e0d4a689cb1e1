"""An open directory: its names are read with few calls, and what was done in it is made durable through the same descriptor.

`os.listdir` lets other threads run before and after every single name, and a thread that has to win the interpreter back so
often takes milliseconds for a directory of a hundred files. getdents64(2) fills a buffer at once.
"""

import ctypes
import os
from types import TracebackType

ROOM = 32_768
CONTROLS = 32  # a byte before a name that is less is the kind of the entry, and none of another name

_getdents = ctypes.CDLL(None, use_errno=True).getdents64
_getdents.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
_getdents.restype = ctypes.c_ssize_t


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
        os.close(self.descriptor)

    def beginning(self, start: str) -> list[str]:
        """The names that begin so; asked once for each opening."""
        found: list[str] = []
        wanted = start.encode()
        room = ctypes.create_string_buffer(ROOM)
        while True:
            filled = _getdents(self.descriptor, room, ROOM)
            if filled < 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), self.path)
            if not filled:
                return found
            _gather(ctypes.string_at(room, filled), wanted, found)

    def sync(self) -> None:
        """What was renamed, made or removed in it is durable."""
        os.fsync(self.descriptor)


def _gather(entries: bytes, wanted: bytes, found: list[str]) -> None:
    """The names in a filled buffer that begin as wanted."""
    at = entries.find(wanted)
    while at >= 0:
        end = entries.index(b"\0", at)
        if entries[at - 1] < CONTROLS:
            found.append(entries[at:end].decode("utf-8", "surrogateescape"))
        at = entries.find(wanted, end)
