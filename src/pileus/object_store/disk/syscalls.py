"""Two calls of Linux that Python does not offer."""

import ctypes
import os

BEGIN_WRITING = 2  # SYNC_FILE_RANGE_WRITE

_libc = ctypes.CDLL(None, use_errno=True)
_getdents = _libc.getdents64
_getdents.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
_getdents.restype = ctypes.c_ssize_t
_sync_range = _libc.sync_file_range
_sync_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
_sync_range.restype = ctypes.c_int


def entries(descriptor: int, room: "ctypes.Array[ctypes.c_char]") -> bytes:
    """The next entries of a directory, as getdents64(2) has them; empty at the end."""
    filled = _getdents(descriptor, room, len(room))
    if filled < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return ctypes.string_at(room, filled)


def begin_writing(descriptor: int, start: int, size: int) -> None:
    """Part of a file is on its way to the disk, so that an fsync later finds little left to do. No promise of any kind."""
    _sync_range(descriptor, start, size, BEGIN_WRITING)
