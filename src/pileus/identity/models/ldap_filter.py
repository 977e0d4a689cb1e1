"""Filters of directories: as values, and as operators write them (RFC 4515)."""

import re
from collections.abc import Sequence

import msgspec


class BadFilter(ValueError):
    """Text that is no filter."""


class Equal(msgspec.Struct, frozen=True):
    """An attribute with this value."""

    attribute: str
    value: bytes


class Present(msgspec.Struct, frozen=True):
    """An attribute with any value."""

    attribute: str


class Like(msgspec.Struct, frozen=True):
    """An attribute whose value has these parts in their order; the first begins it and the last ends it, if not empty."""

    attribute: str
    parts: Sequence[bytes]


class Not(msgspec.Struct, frozen=True):
    """Everything but this."""

    of: "Filter"


class All(msgspec.Struct, frozen=True):
    """All of these."""

    of: Sequence["Filter"]


class Any(msgspec.Struct, frozen=True):
    """One of these."""

    of: Sequence["Filter"]


Filter = Equal | Present | Like | Not | All | Any
_SIMPLE = re.compile(r"([A-Za-z0-9.;:-]+)=([^()]*)")
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2})")


def read_filter(text: str) -> Filter:
    """The filter a text says; raises BadFilter."""
    found, rest = _read(text.strip())
    if rest:
        raise BadFilter(f"more than one filter: {text}")
    return found


def _read(text: str) -> tuple[Filter, str]:
    if not text.startswith("("):
        raise BadFilter(f"a filter begins with a parenthesis: {text[:40]}")
    match text[1:2]:
        case "&" | "|" as kind:
            many, rest = _many(text[2:])
            return (All(many) if kind == "&" else Any(many)), _closed(rest)
        case "!":
            one, rest = _read(text[2:])
            return Not(one), _closed(rest)
        case _:
            pass
    simple = _SIMPLE.match(text, 1)
    if simple is None:
        raise BadFilter(f"no filter: {text[:40]}")
    return _simple(simple[1], simple[2]), _closed(text[simple.end() :])


def _many(text: str) -> tuple[list[Filter], str]:
    found: list[Filter] = []
    while text.startswith("("):
        one, text = _read(text)
        found.append(one)
    return found, text


def _closed(text: str) -> str:
    if not text.startswith(")"):
        raise BadFilter("a parenthesis is not closed")
    return text[1:]


def _simple(attribute: str, value: str) -> Filter:
    if value == "*":
        return Present(attribute)
    parts = [_ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), part.encode()) for part in value.split("*")]
    return Equal(attribute, parts[0]) if len(parts) == 1 else Like(attribute, parts)
