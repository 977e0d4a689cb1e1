"""Calls of Linux that Python does not offer, or only with the interpreter given away meanwhile.

That is right for what may wait for a disk. For what never does, to win the interpreter back from busy threads takes longer than the call.
"""

import ctypes
import os
from collections.abc import Sequence

PIECES = 256  # of one call; Linux takes 1,024
BEGIN_WRITING = 2  # SYNC_FILE_RANGE_WRITE

_libc = ctypes.CDLL(None, use_errno=True)
_getdents = _libc.getdents64
_getdents.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
_getdents.restype = ctypes.c_ssize_t
_sync_range = _libc.sync_file_range
_sync_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
_sync_range.restype = ctypes.c_int
_held = ctypes.PyDLL(None, use_errno=True)  # calls that keep the interpreter
_close = _held.close
_close.argtypes = (ctypes.c_int,)
_access = _held.access
_access.argtypes = (ctypes.c_char_p, ctypes.c_int)


def close(descriptor: int) -> None:
    """A descriptor of a file whose bytes are on the disk, or that was only read, is closed: nothing is left to wait for."""
    if _close(descriptor):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def is_folder(path: str) -> bool:
    """Whether there is a directory. For one that is used all the time: the kernel has it in memory."""
    return not _access(os.fsencode(path) + b"/.", os.F_OK)


def entries(descriptor: int, room: "ctypes.Array[ctypes.c_char]") -> bytes:
    """The next entries of a directory, as getdents64(2) has them; empty at the end."""
    filled = _getdents(descriptor, room, len(room))
    if filled < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return ctypes.string_at(room, filled)


def append(descriptor: int, chunks: Sequence[bytes]) -> None:
    """All bytes are in the file, behind those before them: as a rule with one call, however many pieces they are."""
    left = [memoryview(chunk) for chunk in chunks]
    while left:
        done = os.writev(descriptor, left[:PIECES])
        while left and done >= len(left[0]):
            done -= len(left.pop(0))
        if done:
            left[0] = left[0][done:]


def begin_writing(descriptor: int, start: int, size: int) -> None:
    """Part of a file is on its way to the disk, so that an fsync later finds little left to do. No promise of any kind."""
    _sync_range(descriptor, start, size, BEGIN_WRITING)
