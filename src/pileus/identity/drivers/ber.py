"""The little of BER that LDAP is written in (X.690): tags of one byte, definite lengths."""

from collections.abc import Iterator

INTEGER, OCTETS, ENUMERATED, SEQUENCE, SET, BOOLEAN = 0x02, 0x04, 0x0A, 0x30, 0x31, 0x01
DEEPEST = 1 << 24


class BadBer(ValueError):
    """Bytes that are not what LDAP writes."""


def packed(tag: int, *parts: bytes) -> bytes:
    """An element with this content."""
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + body


def number(value: int, tag: int = INTEGER) -> bytes:
    """A number."""
    return packed(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def text(value: str | bytes, tag: int = OCTETS) -> bytes:
    """A string."""
    return packed(tag, value.encode() if isinstance(value, str) else value)


def header(raw: bytes) -> tuple[int, int] | None:
    """How long the header of the element at the beginning is, and how long its content; None when more is needed."""
    if len(raw) < 2:
        return None
    if raw[1] < 0x80:
        return 2, raw[1]
    size = raw[1] & 0x7F
    if not 1 <= size <= 4:
        raise BadBer("a length LDAP does not write")
    if len(raw) < 2 + size:
        return None
    length = int.from_bytes(raw[2 : 2 + size], "big")
    if length > DEEPEST:
        raise BadBer("an element that is too large")
    return 2 + size, length


def elements(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """The tags and contents of the elements in there."""
    at = 0
    while at < len(raw):
        found = header(raw[at:])
        if found is None or at + sum(found) > len(raw):
            raise BadBer("an element that is cut off")
        begin = at + found[0]
        yield raw[at], raw[begin : begin + found[1]]
        at = begin + found[1]


def whole(raw: bytes) -> int:
    """The number in a content."""
    return int.from_bytes(raw, "big", signed=True)
