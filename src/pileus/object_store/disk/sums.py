"""Sums of an object's blocks, kept in its record: no block that is not what was written ever leaves the disk.

The MD5 that clients know takes a whole object to check and is slow. CRC-32 of each mebibyte is checked as it is read, whatever part is
wanted, at several gigabytes a second; a damaged block is an error before a byte of it is sent, and another copy goes on there.
"""

import zlib
from collections.abc import Mapping

BLOCK = 1 << 20  # bytes
KEY = "block-sums"
DIGITS = 8


class Summing:
    """The sums of blocks as their bytes come by."""

    def __init__(self) -> None:
        self._done: list[int] = []
        self._sum = 0
        self._filled = 0

    def add(self, chunk: bytes) -> None:
        """The bytes follow those before them."""
        view = memoryview(chunk)
        while view:
            part = view[: BLOCK - self._filled]
            self._sum = zlib.crc32(part, self._sum)
            self._filled += len(part)
            view = view[len(part) :]
            if self._filled == BLOCK:
                self._done.append(self._sum)
                self._sum = self._filled = 0

    @property
    def text(self) -> str:
        """All sums, eight hex digits each."""
        last = [self._sum] if self._filled else []
        return "".join(f"{sum:08x}" for sum in [*self._done, *last])


def intact(metadata: Mapping[str, str], number: int, block: bytes | bytearray) -> bool:
    """Whether a block is what was written; of objects from before there were sums nothing is known, so it is."""
    known = metadata.get(KEY, "")[number * DIGITS : (number + 1) * DIGITS]
    return not known or int(known, 16) == zlib.crc32(block)
