"""The API all of block storage's operations are declared on, and what their answers share."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands.volumes import volume_get
from pileus.block_storage.models.volumes import Volume
from pileus.kit.auth import Caller
from pileus.kit.db import UnknownMarker
from pileus.kit.errors import OverQuota, Problem
from pileus.kit.http import Api, Call, Faults, Microversions, Page, Reply, Version, Wire
from pileus.kit.policy import ADMIN, ANY, PROJECT_MEMBER, PROJECT_READER, Rule

LOWEST, HIGHEST = Version(3, 0), Version(3, 71)
PREFIX = "/v3"
MOST = 1000
AT_ONCE = "0"  # waiting does not help who is over quota, and clients retry by themselves only when it does


class VolumeFaults(Faults):
    """Errors and lists as block storage's clients expect them: quotas are 413, and lists may say how many there are."""

    slash_names_nothing = True
    sort_direction = "desc"

    def page(self, call: Call[Any]) -> Page:
        given = {name for name, _ in call.query}
        if "sort" in given and given & {"sort_key", "sort_dir"}:
            raise errors.InvalidInput(why="sort_key and sort_dir cannot be used together with sort.")
        return super().page(call)

    def error(self, problem: Problem, call: Call[Any]) -> Reply:
        reply = super().error(problem, call)
        if isinstance(problem, OverQuota):
            reply.headers["Retry-After"] = AT_ONCE
        return reply

    def envelope(self, status: int, problem: Problem, call: Call[Any]) -> dict[str, Any]:
        told = super().envelope(status, problem, call)
        if isinstance(problem, OverQuota):
            next(iter(told.values()))["retryAfter"] = AT_ONCE
        return told

    def listing(self, key: str, items: Sequence[Any], encoded: bytes, call: Call[Any]) -> bytes:
        body = super().listing(key, items, encoded, call)
        return body if call.page.total is None else body[:-1] + b',"count":%d}' % call.page.total


api = Api(
    "block-storage",
    VolumeFaults("computeFault", {OverQuota: 413, UnknownMarker: 404}),
    prefixes=(PREFIX, f"{PREFIX}/{{project_id}}"),
    microversions=Microversions("volume", LOWEST, HIGHEST),
)

Name = Annotated[str, msgspec.Meta(max_length=255)]
RealName = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"\S")]
Uuid = Annotated[
    str,
    msgspec.Meta(pattern=r"^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$(?!\n)"),
]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Metadata = dict[Key, Annotated[str, msgspec.Meta(max_length=255)]]
SpecKey = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9_.:\- ]{1,255}$(?!\n)")]
Specs = dict[SpecKey, Annotated[str, msgspec.Meta(max_length=255)]]
TRUE = {"1", "true", "yes", "on", "t", "y"}
FALSE = {"0", "false", "no", "off", "f", "n"}
# The spellings of truth this API takes.
Flag = bool | Literal["1", "true", "yes", "on", "t", "y", "0", "false", "no", "off", "f", "n", "True", "False",
                      "TRUE", "FALSE", "Yes", "No", "On", "Off", "ON", "OFF", "YES", "NO", "T", "F", "Y", "N"]  # fmt: skip


# What upstream lets everybody read without asking a rule.
ANYBODY = Rule("block_storage:default", ANY)


class Link(Wire):
    """A reference to a resource."""

    rel: str
    href: str


def reader(name: str) -> Rule:
    """A rule that lets a project's readers."""
    return Rule(name, PROJECT_READER)


def member(name: str) -> Rule:
    """A rule that lets a project's members."""
    return Rule(name, PROJECT_MEMBER)


def admin(name: str) -> Rule:
    """A rule that lets admins alone."""
    return Rule(name, ADMIN)


def links(call: Call[BlockStorage], path: str) -> list[Link]:
    """Where a resource is, with and without the version."""
    project = f"/{call.caller.project_id}" if call.caller.project_id else ""
    return [
        Link(rel="self", href=call.url(f"{PREFIX}{project}{path}")),
        Link(rel="bookmark", href=call.url(f"{project}{path}")),
    ]


def moment(at: dt.datetime | None) -> str | None:
    """A moment as this API writes it: 2026-01-01T00:00:00.000000."""
    return None if at is None else at.isoformat(timespec="microseconds")[:26]


def flag(value: Any, name: str = "") -> bool:
    """A truth as requests write it; raises BadRequest."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in TRUE | FALSE:
        raise errors.InvalidInput(why=f"Invalid value for '{name}': '{value}' is neither true nor false.")
    return text in TRUE


def trimmed(text: str | None) -> str | None:
    """A name or description as it is kept."""
    return text.strip() if text is not None else None


def page_of(call: Call[BlockStorage], page: Page) -> int:
    """How many rows to read; the page then knows its own length, so that links to the next follow."""
    if page.limit is None:
        page.limit = MOST
    return page.limit


def offset_of(call: Call[BlockStorage]) -> int:
    """How many rows a list leaves out at its beginning; raises BadRequest."""
    text = dict(call.query).get("offset", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise errors.BadRequest(why=f"offset must be an integer that is not negative, not '{text[:32]}'.")
    return int(text)


def scope(call: Call[BlockStorage], all_projects: str | None, project_id: str | None = None) -> dict[str, object]:
    """Whose things a list holds: the caller's project's, unless an admin asks for all or for another's."""
    everybody = all_projects is not None and flag(all_projects or "true", "all_tenants")
    if call.caller.admin and everybody:
        return {"project_id": project_id} if project_id else {}
    return {"project_id": call.caller.project_id or ""}


async def volume_find(app: BlockStorage, caller: Caller, volume_id: str, **_more: str) -> Volume:
    """The volume a path names; raises VolumeNotFound."""
    return await volume_get(app, caller, volume_id)
