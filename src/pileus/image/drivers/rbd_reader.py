"""Write a stretch of a snapshot in Ceph to standard output: a program of its own, run by the distribution's Python.

    python3 -I rbd_reader.py CONF USER POOL IMAGE SNAPSHOT START LENGTH    (LENGTH -1: to its end)

Several reads are under way at once, and their answers are written in order. The image is opened as one that might be written
to, because only of those the cluster knows that somebody has them open; that is what makes a deletion wait.
"""

import os
import sys
from collections import deque
from threading import Event
from typing import Any

PIECE = 4 << 20  # of the size of the objects that an image is made of
AHEAD = 4
TIMEOUTS = {"client_mount_timeout": "30", "rados_mon_op_timeout": "30", "rados_osd_op_timeout": "100"}  # seconds


class Read:
    """A read that was asked for."""

    def __init__(self, image: Any, start: int, length: int) -> None:
        self._done = Event()
        self._found: bytes | None = None
        self._asked = image.aio_read(start, length, self._came)

    def _came(self, _completion: object, found: "bytes | None") -> None:
        self._found = found
        self._done.set()

    def wait(self) -> bytes:
        """What was read; raises OSError."""
        self._done.wait()
        self._asked.wait_for_complete_and_cb()
        if self._found is None:
            raise OSError(-self._asked.get_return_value(), "the read failed")
        return self._found


def written(data: bytes) -> None:
    """All of it is on standard output."""
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def copied(image: Any, start: int, end: int) -> None:
    """The stretch is on standard output."""
    asked: deque[Read] = deque()
    while start < end or asked:
        while start < end and len(asked) < AHEAD:
            # Up to where an object ends, so that each read is one request.
            length = min(PIECE - start % PIECE, end - start)
            asked.append(Read(image, start, length))
            start += length
        written(asked.popleft().wait())


def main(words: "list[str]") -> None:
    """Do what the arguments say."""
    import rados  # type: ignore[import-not-found]  # it is the distribution's Python that has it
    import rbd  # type: ignore[import-not-found]

    conf, user, pool, name, snapshot, first, length = words

    with rados.Rados(conffile=conf, rados_id=user, conf=TIMEOUTS) as cluster, cluster.open_ioctx(pool) as context:
        with rbd.Image(context, name, snapshot=snapshot) as image:
            start = int(first)
            copied(image, start, image.size() if int(length) < 0 else min(start + int(length), image.size()))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Exception as failed:  # noqa: BLE001  whatever it is, the one who started this is told in a line
        sys.exit(f"{type(failed).__name__}: {failed}")
