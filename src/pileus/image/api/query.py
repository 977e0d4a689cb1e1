"""How image lists are filtered: the spellings of the query string."""

import datetime as dt
from collections.abc import Callable, Sequence

from pileus.image import errors
from pileus.image.commands.listing import Wanted
from pileus.kit.db import Ge, Gt, In, Le, Lt, Not

PAGING = frozenset({"limit", "marker", "sort", "sort_key", "sort_dir"})
LISTED = frozenset({"id", "name", "status", "disk_format", "container_format"})
PLAIN = {"tag": "tag", "owner": "owner", "checksum": "checksum", "os_hash_value": "hash_value"}
BOUNDED = ("size", "min_disk", "min_ram")
BOUNDS = {f"{name}_{end}": (name, form) for name in BOUNDED for end, form in (("min", Ge), ("max", Le))}
VISIBILITIES = ("public", "private", "shared", "community", "all")
ANSWERS = ("accepted", "pending", "rejected", "all")
_COMPARE: dict[str, Callable[[object], object]] = {
    "gt": Gt,
    "gte": Ge,
    "lt": Lt,
    "lte": Le,
    "eq": lambda value: value,
    "neq": Not,
}


def filters_of(pairs: Sequence[tuple[str, str]]) -> Wanted:
    """What a query string asks for; unknown names are properties."""
    filters: dict[str, list[object]] = {"tag": [], "property": []}
    chosen = {"visibility": "", "member_status": "accepted", "os_hidden": "false"}
    for name, value in pairs:
        if name in PAGING:
            continue
        if name in chosen:
            chosen[name] = value.lower()
        else:
            key, form = _form(name, value)
            filters.setdefault(key, []).append(form)
    if chosen["visibility"] not in {"", *VISIBILITIES}:
        raise errors.WrongValue(why=f"Invalid visibility value: {chosen['visibility']}.")
    if chosen["member_status"] not in ANSWERS:
        raise errors.WrongValue(why=f"Invalid status: {chosen['member_status']}.")
    hidden = _truth("os_hidden", chosen["os_hidden"])
    kept = {key: forms[0] if len(forms) == 1 else tuple(forms) for key, forms in filters.items() if forms}
    return Wanted({"hidden": hidden, **kept}, chosen["visibility"] or None, chosen["member_status"])


def _form(name: str, value: str) -> tuple[str, object]:
    if name in LISTED:
        return name, _listed(name, value)
    if name in PLAIN:
        return PLAIN[name], value
    if name == "changes-since":
        raise errors.WrongValue(why='The "changes-since" filter is no longer available on v2.')
    if name in BOUNDS:
        key, form = BOUNDS[name]
        return key, form(_number(name, value))
    if name in READ:
        return name, READ[name](name, value)
    return "property", f"{name}={value}"


def _listed(name: str, value: str) -> object:
    """One value, several, or one that holds a colon itself: what comes before that is no operator then."""
    operator, colon, rest = value.partition(":")
    if not colon or operator not in {"in", *_COMPARE}:
        return value
    if operator == "in":
        return In(_several(name, rest))
    if operator == "eq":
        return rest
    raise errors.WrongValue(why=f"Unable to filter {name} by unknown operator '{operator}': it is in or eq.")


def _several(name: str, value: str) -> list[str]:
    """The values of `a,b`; one in double quotes may hold a comma."""
    found: list[str] = []
    rest = value
    while rest:
        if rest.startswith('"'):
            one, closed, rest = rest[1:].partition('"')
            if not closed or (rest and not rest.startswith(",")):
                raise errors.WrongValue(why=f"Invalid filter value {value!r} of {name}: the quote is not closed.")
            rest = rest[1:]
        else:
            one, _, rest = rest.partition(",")
            if '"' in one:
                raise errors.WrongValue(why=f"Invalid filter value {value!r} of {name}: no comma before a quote.")
        found.append(one)
    return found


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise errors.WrongValue(
            why=f"Invalid value {value[:32]!r} for filter {name}: it must be a non-negative integer."
        )
    return int(value)


def _truth(name: str, value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise errors.WrongValue(why=f"Invalid value '{value[:32]}' for filter {name}: it must be true or false.")
    return value.lower() == "true"


def _moment(name: str, value: str) -> object:
    operator, colon, text = value.partition(":")
    if not colon or operator not in _COMPARE:
        operator, text = "eq", value
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError as bad:
        raise errors.WrongValue(why=f"Invalid time {text[:40]!r} for filter {name}.") from bad
    return _COMPARE[operator](when if when.tzinfo else when.replace(tzinfo=dt.UTC))


READ: dict[str, Callable[[str, str], object]] = {
    "protected": _truth,
    "min_disk": _number,
    "min_ram": _number,
    "size": _number,
    "created_at": _moment,
    "updated_at": _moment,
}
