"""What the wires of all resources share: names, times, paging, filters, and bodies that hold one or many."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kit.db import Ge, In, Matches, Not
from pileus.kit.http.misread import BadField
from pileus.kit.http.route import Query
from pileus.kit.http.wire import F, Wire
from pileus.network.models.resources import Standard

Name = Annotated[str, Meta(max_length=255)]
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
DnsName = Annotated[str, Meta(max_length=255, pattern=rf"^({_LABEL}(\.{_LABEL})*\.?)?$(?!\n)")]
_PART = r"([A-Za-z0-9]|<(project_id|project_name|user_id|user_name)>)"
_WORD = rf"{_PART}(({_PART}|-){{0,61}}{_PART})?"
DomainName = Annotated[str, Meta(max_length=255, pattern=rf"^({_WORD}(\.{_WORD})*\.?)?$(?!\n)")]
Number = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]  # what a database column may be compared with
T = TypeVar("T")


class Seen(Wire):
    """What is seen of every resource."""

    id: str
    name: str | UnsetType
    description: str
    project_id: str
    tenant_id: str
    tags: list[str] | UnsetType
    created_at: str
    updated_at: str
    revision_number: int


class Owned(Wire):
    """A resource to make belongs to a project, by either of its names."""

    project_id: Annotated[str | UnsetType | None, F(on="c")] = UNSET
    tenant_id: Annotated[str | UnsetType | None, F(on="c")] = UNSET


class Filters(Query):
    """What every list can be narrowed by; unknown names are refused."""

    __loose__: ClassVar[bool] = False

    id: list[str] = []
    name: list[str] = []
    description: list[str] = []
    project_id: list[str] = []
    tenant_id: Annotated[list[str], F("tenant_id")] = []
    revision: Annotated[list[Number], F("revision_number")] = []
    tags: list[str] = []
    tags_any: Annotated[list[str], F("tags-any")] = []
    not_tags: Annotated[list[str], F("not-tags")] = []
    not_tags_any: Annotated[list[str], F("not-tags-any")] = []
    changed_since: str | None = None
    fields: list[str] = []
    limit: str | None = None
    marker: str | None = None
    page_reverse: str | None = None
    sort_key: list[str] = []
    sort_dir: list[str] = []


_PAGING = {"changed_since", "fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"}
_TAGS = {"tags", "tags_any", "not_tags", "not_tags_any"}


def where(query: Filters) -> dict[str, object]:
    """The filters of a query: equal to the value given, or to one of them."""
    found: dict[str, object] = {}
    for name in query.__struct_fields__:
        values = getattr(query, name)
        if values and name not in _PAGING and name not in _TAGS:
            target = "project_id" if name == "tenant_id" else name
            found[target] = values[0] if len(values) == 1 else In(values)
    tags = _tags(query)
    if query.changed_since is not None:
        found["updated_at"] = Ge(_time(query.changed_since))
    return {**found, "tags": tags} if tags else found


def _time(given: str) -> dt.datetime:
    try:
        at = dt.datetime.fromisoformat(given)
    except ValueError:
        raise BadField(field="changed_since", why=f"'{given}' is not a time such as 2026-01-31T12:00:00") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)


def _tags(query: Filters) -> tuple[object, ...]:
    """Tags are kept as a JSON list, so a tag is looked for between its quotes."""
    forms: list[object] = [Matches(tag) for tag in _spelled(query.tags)]
    if query.tags_any:
        forms.append(Matches("|".join(_spelled(query.tags_any))))
    if query.not_tags:
        forms.append(Not(tuple(Matches(tag) for tag in _spelled(query.not_tags))))
    if query.not_tags_any:
        forms.append(Not(Matches("|".join(_spelled(query.not_tags_any)))))
    return tuple(forms)


def _spelled(given: Sequence[str]) -> list[str]:
    tags = [tag for part in given for tag in part.split(",") if tag]
    return ["".join(_literal(char) for char in msgspec.json.encode(tag).decode()) for tag in tags]


def _literal(char: str) -> str:
    return f"\\{char}" if char.isascii() and not char.isalnum() else char


def standard(what: Standard) -> dict[str, Any]:
    """What is seen of every resource."""
    return {
        "id": what.id,
        "name": what.name,
        "description": what.description,
        "project_id": what.project_id,
        "tenant_id": what.project_id,
        "tags": list(what.tags),
        "created_at": moment(what.created_at),
        "updated_at": moment(what.updated_at),
        "revision_number": what.revision,
    }


def moment(at: dt.datetime) -> str:
    """A time as Neutron writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def asked(key: str, one: T | UnsetType, many: list[T] | UnsetType) -> list[T]:
    """What a body asks for: one thing, or many of it."""
    if one is not UNSET:
        if many is not UNSET:
            raise BadField(field=key, why="give one or many, not both")
        return [one]
    if many is UNSET:
        raise BadField(f"Unable to find '{key}' in request body")
    if not many:
        raise BadField("Resources required")
    return many
