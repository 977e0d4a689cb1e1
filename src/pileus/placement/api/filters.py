"""How amounts, traits and aggregates are spelled in query strings; each spelling came with a microversion."""

import re
from collections.abc import Iterable, Sequence

from pileus.kit.http import Version
from pileus.placement import errors
from pileus.placement.models.candidates import AnyOf
from pileus.placement.models.names import canonical

_UUID = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
_NAME = re.compile(r"[A-Z0-9_]{1,255}")


def amounts(text: str) -> dict[str, int]:
    """`VCPU:2,MEMORY_MB:512` as amounts by class."""
    found: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = part.strip().partition(":")
        number = number.strip()
        if not _NAME.fullmatch(name) or not (number.isascii() and number.isdigit() and len(number) < 10):
            raise errors.WrongQuery(
                why=f"Badly formed resources parameter. Expected resources query string parameter in form: "
                f"?resources=VCPU:2,MEMORY_MB:1024. Got: {text}."
            )
        if int(number) < 1:
            raise errors.WrongQuery(why=f"Requested resource {name} requires a positive amount, not {number}.")
        found[name] = int(number)
    return found


def traits(
    texts: Iterable[str], at: Version, conflict: type[errors.WrongQuery] = errors.WrongQuery
) -> tuple[AnyOf, frozenset[str]]:
    """`A,!B` and `in:A,C` as sets of which one each is required, and those that are forbidden."""
    required: list[frozenset[str]] = []
    forbidden: set[str] = set()
    for text in texts:
        if text.startswith("in:") and at >= (1, 39):
            required.append(frozenset(_trait(name.strip(), text) for name in text[3:].split(",")))
            continue
        for name in (one.strip() for one in text.split(",")):
            if name.startswith("!") and at >= (1, 22):
                forbidden.add(_trait(name[1:], text))
            else:
                required.append(frozenset([_trait(name, text)]))
    conflicting = {name for one in required if one <= forbidden for name in one}
    if conflicting:
        raise conflict(why=f"traits both required and forbidden: {', '.join(sorted(conflicting))}.")
    return tuple(required), frozenset(forbidden)


def _trait(name: str, text: str) -> str:
    if not _NAME.fullmatch(name):
        raise errors.WrongQuery(why=f"Badly formed required parameter: {text!r} holds {name!r}, which is no trait.")
    return name


def aggregates(texts: Sequence[str], at: Version) -> tuple[AnyOf, frozenset[str]]:
    """`A`, `in:A,B`, `!A` and `!in:A,B` as sets of which one each is needed, and those that are forbidden."""
    if len(texts) > 1 and at < (1, 24):
        raise errors.WrongQuery(why="Multiple member_of parameters are not supported.")
    needed: list[frozenset[str]] = []
    forbidden: set[str] = set()
    for text in texts:
        rest, no = (text[1:], True) if text.startswith("!") and at >= (1, 32) else (text, False)
        several = rest.removeprefix("in:") if rest.startswith("in:") else None
        ids = [rest] if several is None else several.split(",")
        for id in ids:
            if not _UUID.fullmatch(id):
                raise errors.WrongQuery(why=f"Expected 'member_of' parameter to contain valid UUID(s), got: {text!r}.")
        if no:
            forbidden.update(map(canonical, ids))
        else:
            needed.append(frozenset(map(canonical, ids)))
    return tuple(needed), frozenset(forbidden)


def uuid(name: str, text: str) -> str:
    """The text, which is a UUID, as it is kept."""
    if not _UUID.fullmatch(text):
        raise errors.WrongQuery(why=f"'{name}' must be a UUID, not {text[:64]!r}.")
    return canonical(text)
