"""Many fsyncs at once: what several writers have done becomes durable in one call that gives the interpreter away once.

Linux does them side by side (`IOCB_CMD_FSYNC` of io_submit(2)), and a disk takes them together. Where it does not, on another kind of
machine or behind a filter of system calls, they are done one after the other.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Generator, Sequence
from typing import TypeVar

Done = TypeVar("Done")
Steps = Generator[int, None, Done]  # work on a disk that yields each descriptor it goes on with once that is durable
NUMBERS = {"x86_64": (206, 207, 209, 208), "aarch64": (0, 1, 2, 4)}  # io_setup, io_destroy, io_submit, io_getevents
MOST = 64
FSYNC = 2  # IOCB_CMD_FSYNC
WISH = struct.Struct(
    "=QIiHhIQQqQII"
)  # struct iocb, where the lowest byte comes first: which, -, -, opcode, -, descriptor, ...
DONE = struct.Struct("=QQqq")  # struct io_event: which, -, result, -

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


def alone(steps: Steps[Done]) -> Done:
    """What the work returns; it waits for its own."""
    failed: OSError | None = None
    while True:
        try:
            descriptor = next(steps) if failed is None else steps.throw(failed)
        except StopIteration as end:
            done: Done = end.value
            return done
        failed = _synced(descriptor)


class Syncs:
    """What one thread has fsynced. Not to be shared between threads."""

    def __init__(self) -> None:
        self._numbers = NUMBERS.get(platform.machine())
        self._context = ctypes.c_ulong(0)
        if self._numbers and _syscall(self._numbers[0], ctypes.c_long(MOST), ctypes.byref(self._context)):
            self._numbers = None
        self._wishes = ctypes.create_string_buffer(MOST * WISH.size)
        first = ctypes.addressof(self._wishes)
        self._list = (ctypes.c_void_p * MOST)(*(first + at * WISH.size for at in range(MOST)))
        self._done = ctypes.create_string_buffer(MOST * DONE.size)

    def all(self, descriptors: Sequence[int]) -> list[OSError | None]:
        """What became of each: None where it is durable."""
        found: list[OSError | None] = []
        for start in range(0, len(descriptors), MOST):
            some = descriptors[start : start + MOST]
            # One alone is waited for by this thread as well as by another.
            found += self._at_once(some) if self._numbers and len(some) > 1 else [_synced(one) for one in some]
        return found

    def _at_once(self, descriptors: Sequence[int]) -> list[OSError | None]:
        assert self._numbers is not None
        for at, descriptor in enumerate(descriptors):
            WISH.pack_into(self._wishes, at * WISH.size, at, 0, 0, FSYNC, 0, descriptor, 0, 0, 0, 0, 0, 0)
        taken = max(_syscall(self._numbers[2], self._context, ctypes.c_long(len(descriptors)), self._list), 0)
        found: list[OSError | None] = [None] * taken
        left = ctypes.c_long(taken)
        while left.value:
            ended = _syscall(self._numbers[3], self._context, left, left, self._done, None)
            if ended < 0 and ctypes.get_errno() != errno.EINTR:
                raise _problem(ctypes.get_errno())
            for at in range(ended):
                number, _, result, _ = DONE.unpack_from(self._done, at * DONE.size)
                found[number] = _problem(-result) if result < 0 else None
            left.value -= max(ended, 0)
        # What the kernel did not take, of this filesystem or for lack of room, is waited for here.
        return found + [_synced(one) for one in descriptors[taken:]]

    def together(self, work: Sequence[Steps[Done]]) -> list[Done | BaseException]:
        """What each returns or raises; they wait for the disk together, step by step."""
        outcomes: dict[int, Done | BaseException] = {}
        going = list(enumerate(work))
        failed: Sequence[OSError | None] = [None] * len(going)
        while going:
            wished = []
            for (at, steps), problem in zip(going, failed, strict=True):
                try:
                    descriptor = next(steps) if problem is None else steps.throw(problem)
                except StopIteration as end:
                    outcomes[at] = end.value
                except BaseException as raised:  # noqa: BLE001  it is raised where the work was asked for
                    outcomes[at] = raised
                else:
                    wished.append((at, steps, descriptor))
            failed = self.all([descriptor for _, _, descriptor in wished])
            going = [(at, steps) for at, steps, _ in wished]
        return [outcomes[at] for at in range(len(work))]

    def close(self) -> None:
        """Nothing is left of it."""
        if self._numbers:
            _syscall(self._numbers[1], self._context)
            self._numbers = None


def _problem(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _synced(descriptor: int) -> OSError | None:
    try:
        os.fsync(descriptor)
    except OSError as failed:
        return failed
    return None
