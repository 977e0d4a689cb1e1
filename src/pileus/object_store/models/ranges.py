"""Parts of something as RFC 9110 asks for them: `bytes=0-9,20-,-5`."""

import re

import msgspec

MOST = 50  # parts in one request
_PART = re.compile(r"\s*(\d*)\s*-\s*(\d*)\s*")


class Range(msgspec.Struct, frozen=True):
    """So many bytes from there."""

    start: int
    length: int

    def described(self, size: int) -> str:
        """As in Content-Range."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


def ranges_of(header: str, size: int) -> list[Range] | None:
    """The parts of `size` bytes that a Range header means; empty: none can be had; None: it says nothing."""
    unit, sign, rest = header.partition("=")
    if unit.strip().lower() != "bytes" or not sign:
        return None
    found = []
    parts = rest.split(",")
    if len(parts) > MOST:
        return []
    for part in parts:
        match = _PART.fullmatch(part)
        if match is None or not (match[1] or match[2]):
            return None
        if match[1] and match[2] and int(match[1]) > int(match[2]):
            return None
        one = _range(match[1], match[2], size)
        if one is not None:
            found.append(one)
    return found


def _range(first: str, last: str, size: int) -> Range | None:
    if not first:
        length = min(int(last), size)
        return Range(size - length, length) if length else None
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    return Range(start, end - start + 1) if start <= end else None
