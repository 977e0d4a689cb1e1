"""What is wrong with the fields of a body or a query, told to the one who has to mend the request.

Which field it is, and why, are facts of the problem: the dialects of families say them as their clients know it.
"""

import re

import msgspec

from pileus.kit.errors import Invalid
from pileus.kit.http.wire import Wire, fields
from pileus.kit.http.words import plain


class BadField(Invalid):
    """Invalid input for field/attribute {field}: {why}."""


class UnknownField(BadField):
    """Additional properties are not allowed ('{name}' was unexpected) in {field}."""


class MissingField(BadField):
    """'{name}' is a required property of {field}."""


_UNKNOWN = re.compile(r"Object contains unknown field `(.*?)`")
_MISSING = re.compile(r"Object missing required field `(.*?)`")


def explained(bad: msgspec.ValidationError, key: str | None, whole: str = "body", wire: object = None) -> BadField:
    """A validation error in the words of the one who has to mend the request; `wire` is what was to be read."""
    why, _, path = str(bad).partition(" - at `")
    field = path.rstrip("`").lstrip("$").lstrip(".")
    field = ".".join(part for part in (key, field) if part) or whole
    unknown = _UNKNOWN.search(why)
    if unknown:
        # What a wire has otherwise, it has not at this version, or not when something is changed.
        known = isinstance(wire, type) and issubclass(wire, Wire) and unknown[1] in {each.name for each in fields(wire)}
        return UnknownField(name=unknown[1], field=field, known=known)
    missing = _MISSING.search(why)
    if missing:
        return MissingField(name=missing[1], field=field)
    return BadField(field=field, why=plain(why)[:300])
