"""Erasure codes: a segment of an object becomes data and parity fragments, and any so many of them give it back.

Reed-Solomon by liberasurecode (pyeclib). Each fragment has a header of its own, which says which it is; the files of fragments are
such fragments one after the other, so a part of an object is read from the same part of its fragments.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

SEGMENT = 1 << 20  # bytes of an object that are coded at once
KIND = "liberasurecode_rs_vand"


class Code:
    """A code of so many data and parity fragments. Everything here takes a while and belongs in threads."""

    def __init__(self, data: int, parity: int) -> None:
        from pyeclib.ec_iface import ECDriver  # few use erasure codes

        self.data = data
        self.parity = parity
        self._driver: Any = ECDriver(k=data, m=parity, ec_type=KIND)

    @property
    def fragments(self) -> int:
        """How many there are of each object."""
        return self.data + self.parity

    @property
    def quorum(self) -> int:
        """How many must be durable: one more than it takes to read."""
        return self.data + 1

    @cache  # noqa: B019  there is one code for each policy
    def length(self, segment: int) -> int:
        """How long the fragments of a segment of so many bytes are."""
        return int(self._driver.get_segment_info(segment, segment)["fragment_size"]) if segment else 0

    def size(self, object_size: int) -> int:
        """How long a fragment file is."""
        whole, rest = divmod(object_size, SEGMENT)
        return whole * self.length(SEGMENT) + self.length(rest)

    def encode(self, segment: bytes) -> list[bytes]:
        """A segment's fragments, in their order."""
        found: list[bytes] = self._driver.encode(segment)
        return found

    def decode(self, fragments: Sequence[bytes]) -> bytes:
        """The segment that some of its fragments are of."""
        found: bytes = self._driver.decode(list(fragments))
        return found

    def rebuild(self, fragments: Sequence[bytes], number: int) -> bytes:
        """The fragment of this number, from others of its segment."""
        found: list[bytes] = self._driver.reconstruct(list(fragments), [number])
        return found[0]


@cache
def code_of(fragments: tuple[int, int]) -> Code:
    """The code of a policy."""
    return Code(*fragments)
