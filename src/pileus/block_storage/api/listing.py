"""What lists of this API share: filters by equality, by likeness since 3.34, by time, by metadata; offsets and counts.

Since 3.31 whoever is no admin filters by what `/resource_filters` publishes, and is told of any other filter.
"""

import ast
import datetime as dt
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from pileus.block_storage import errors
from pileus.block_storage.api.service import FALSE, TRUE, flag, offset_of
from pileus.block_storage.app import BlockStorage
from pileus.kit.db import Ge, Gt, In, Le, Like, Lt, Not
from pileus.kit.http import Call

T = TypeVar("T")
LIKENESS = (3, 34)
COMPARED = {"gt": Gt, "gte": Ge, "lt": Lt, "lte": Le}
GENERAL = (3, 31)
PAGING = frozenset({"limit", "marker", "offset", "sort", "sort_key", "sort_dir", "all_tenants", "with_count"})
PUBLISHED = {
    "volume": ["name", "status", "metadata", "bootable", "migration_status", "availability_zone", "group_id", "size",
               "created_at", "updated_at", "consumes_quota", "volume_type_id"],
    "backup": ["name", "status", "volume_id"],
    "snapshot": ["name", "status", "volume_id", "metadata", "availability_zone", "consumes_quota"],
    "group_snapshot": ["status", "group_id"],
    "group": ["name", "status"],
    "attachment": ["volume_id", "status", "instance_id", "attach_status"],
    "message": ["resource_uuid", "resource_type", "event_id", "request_id", "message_level"],
    "pool": ["name", "volume_type"],
    "volume_type": ["is_public"],
}  # fmt: skip


def filters(call: Call[BlockStorage], columns: Mapping[str, str], of: str | None = None) -> dict[str, Any]:
    """What the query asks of columns, by the names it has for them; raises InvalidInput if that may not be asked `of` these."""
    where: dict[str, Any] = {}
    for given, value in call.query:
        name = _name(call, given)
        if name in columns and name not in PAGING:
            where[columns[name]] = Like(contains=value) if name != given else _equal(columns[name], value)
    if of is not None:
        check_filters(call, of)
    return where


def _name(call: Call[BlockStorage], given: str) -> str:
    return given[:-1] if given.endswith("~") and call.version >= LIKENESS else given


def check_filters(call: Call[BlockStorage], of: str, *, more: Collection[str] = ()) -> None:
    """Raise InvalidInput if the query filters by what is not published; only pools are asked for by admins alone."""
    if call.version < GENERAL or (call.caller.admin and of != "pool"):
        return
    known = {*PAGING, *PUBLISHED[of], *more}
    if unknown := [given for given, _ in call.query if _name(call, given) not in known]:
        raise errors.InvalidInput(why=f"Invalid filters {','.join(unknown)} are found in query options.")


def _equal(column: str, value: str) -> object:
    if column in {"bootable", "multiattach", "consumes_quota", "is_public", "accepted"}:
        text = value.strip().lower()
        if text not in TRUE | FALSE:
            raise errors.InvalidInput(why=f"'{value}' is not a value of the filter {column}: it is true or false.")
        return text in TRUE
    if column == "size":
        return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else -1
    if value.startswith("["):
        parsed = _literal(value)
        if isinstance(parsed, list):
            return In([str(each) for each in parsed])
    return value


def _literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def metadata_filter(call: Call[BlockStorage], name: str = "metadata") -> dict[str, object]:
    """What the query asks of metadata: each pair of `{'key': 'value'}` must be there."""
    text = dict(call.query).get(name)
    if text is None:
        return {}
    asked = _literal(text)
    if not isinstance(asked, dict):
        raise errors.BadRequest(why=f"The filter {name} must be a dictionary, not '{text[:64]}'.")
    parts = [Like(contains=msgspec.json.encode({str(key): str(value)})[1:-1].decode()) for key, value in asked.items()]
    return {"image_metadata" if name == "glance_metadata" else name: tuple(parts)}


def times(call: Call[BlockStorage]) -> dict[str, object]:
    """What the query asks of moments, since 3.60: `created_at=gt:2026-01-01T00:00:00,lt:...`."""
    where: dict[str, object] = {}
    for name, value in call.query:
        if name in {"created_at", "updated_at"} and call.version >= (3, 60):
            where[name] = tuple(_bound(name, part) for part in value.split(","))
    return where


def _bound(name: str, text: str) -> object:
    word, colon, rest = text.strip().partition(":")
    known = bool(colon) and word in {*COMPARED, "eq", "neq"}
    at = _moment(name, rest if known else text.strip())
    if known and word in COMPARED:
        return COMPARED[word](at)
    return Not(at) if known and word == "neq" else at


def _moment(name: str, text: str) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise errors.BadRequest(why=f"'{text}' is no moment to compare {name} with.") from None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


async def paged(
    call: Call[BlockStorage], read: Callable[[str | None, int], Awaitable[Sequence[T]]], limit: int, marker: str | None
) -> list[T]:
    """A page that leaves out as many rows at its beginning as `offset` says."""
    skip = offset_of(call)
    if not skip:
        return list(await read(marker, limit)) if limit else []
    # Offsets are a relic: rows before it are read too, but no more at once than a page holds.
    while skip > 0:
        some = list(await read(marker, min(skip, 1000)))
        if len(some) < min(skip, 1000):
            return []
        skip, marker = skip - len(some), str(getattr(some[-1], "id", ""))
    return list(await read(marker, limit)) if limit else []


def wants_count(call: Call[BlockStorage]) -> bool:
    """Whether the list is to say how many there are in all, since 3.45."""
    asked = dict(call.query).get("with_count")
    return call.version >= (3, 45) and asked is not None and flag(asked, "with_count")
