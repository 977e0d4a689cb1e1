"""What of a disk was ever written, as far as file systems tell."""

import errno
import os
from pathlib import Path


def filled(disk: Path, piece: int) -> tuple[int, list[int]]:
    """How many bytes a file or device has, and the pieces of that length of which anything was ever written, by their numbers."""
    with disk.open("rb") as source:
        size = source.seek(0, os.SEEK_END)
        found: list[int] = []
        at = 0
        while at < size:
            try:
                at = os.lseek(source.fileno(), at, os.SEEK_DATA)
                end = os.lseek(source.fileno(), at, os.SEEK_HOLE)
            except OSError as failed:
                if failed.errno != errno.ENXIO:  # nothing says what of a device was written: all of it may have been
                    return size, list(range(-(-size // piece)))
                break  # there is nothing after it
            first = max(at // piece, found[-1] + 1 if found else 0)
            found += range(first, -(-end // piece))
            at = end
    return size, found
