"""The API all of compute's operations are declared on, and what their answers share."""

import datetime as dt
import re
from typing import Annotated

import msgspec

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.servers import server_get
from pileus.compute.models.servers import Server
from pileus.kit.auth import Caller
from pileus.kit.errors import Problem
from pileus.kit.flow.operation import Busy
from pileus.kit.http import Api, Call, Faults, Microversions, Version, Wire
from pileus.kit.http.route import Route
from pileus.kit.http.wire import fields
from pileus.kit.policy import ADMIN, ANY, PROJECT_MEMBER, PROJECT_READER, Rule

LOWEST, HIGHEST = Version(2, 1), Version(2, 104)
PREFIX = "/v2.1"
OLD_PREFIX = "/v2"  # the same API for clients from before microversions
ACTION_PATH = "/servers/{server_id}/action"


class ComputeFaults(Faults):
    """Errors as compute's clients expect them; /servers/ is a server without an id, not the list of them."""

    slash_names_nothing = True


# Since when a parameter that an operation has not is refused: where the operation takes any (unless its query says
# `__exact_since__`), and everywhere.
EXACT, EXACT_EVERYWHERE = Version(2, 75), Version(2, 102)
PAGING = frozenset({"limit", "marker", "sort_key", "sort_dir"})


def check_query(call: Call[Compute], route: Route) -> None:
    """Raise BadRequest for a parameter that the operation has not; earlier clients were told nothing."""
    since = EXACT_EVERYWHERE if route.query is None else getattr(route.query, "__exact_since__", EXACT)
    if not call.query_string or call.version < since:
        return
    known = PAGING if route.paged else frozenset()
    if route.query is not None:
        spans = (field.name for field in fields(route.query) if field.since <= call.version <= field.until)
        known |= {*spans, *getattr(route.query, "__idle__", ())}
    for name, _ in call.query:
        if name not in known:
            raise errors.BadRequest(why=f"Additional properties are not allowed ('{name}' was unexpected)")


# What comes to a server or goes from it one after the other, as upstream does it, while the server has no task to show for it.
BRIEF = frozenset(
    f"server.{each}"
    for each in ("attach_interface", "detach_interface", "attach_volume", "detach_volume", "extend_volume")
)


async def soon_over(app: Compute, refused: Problem, within_s: float) -> bool:
    """Whether the server is free by now: who gives it a card and a disk at once is not refused one of them."""
    if not isinstance(refused, Busy) or refused.running.flow not in BRIEF:
        return False
    async with app.db.transaction():  # what began it may not be committed yet; once this is, it is
        running = await app.engine.open(refused.running.subject)
    if running is None or running.id != refused.running.id:
        return True
    try:
        await app.engine.wait_ended(running.id, within_s)
    except TimeoutError:
        return False
    return True


api = Api(
    "compute",
    ComputeFaults(),
    prefixes=(PREFIX, f"{PREFIX}/{{project_id}}", OLD_PREFIX, f"{OLD_PREFIX}/{{project_id}}"),
    microversions=Microversions("compute", LOWEST, HIGHEST, "X-OpenStack-Nova-API-Version"),
    check=check_query,
    soon_over=soon_over,
)

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^(?! )(.*\S)$(?!\n)")]
Uuid = Annotated[
    str,
    msgspec.Meta(pattern=r"^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$(?!\n)"),
]
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9-_:. ]{1,255}$(?!\n)")]
Metadata = dict[Key, Annotated[str, msgspec.Meta(max_length=255)]]
Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=60, pattern=r"^[^,/]*$(?!\n)")]


class Link(Wire):
    """A reference to a resource."""

    rel: str
    href: str


def reader(name: str) -> Rule:
    """One of compute's rules that lets a project's readers."""
    return Rule(f"os_compute_api:{name}", PROJECT_READER)


def member(name: str) -> Rule:
    """One of compute's rules that lets a project's members."""
    return Rule(f"os_compute_api:{name}", PROJECT_MEMBER)


def admin(name: str) -> Rule:
    """One of compute's rules that lets admins alone."""
    return Rule(f"os_compute_api:{name}", ADMIN)


def anybody(name: str) -> Rule:
    """One of compute's rules that lets everybody with a token."""
    return Rule(f"os_compute_api:{name}", ANY)


def links(call: Call[Compute], path: str) -> list[Link]:
    """Where a resource is, with and without the version."""
    return [Link(rel="self", href=call.url(f"{PREFIX}{path}")), Link(rel="bookmark", href=call.url(path))]


def bookmark(call: Call[Compute], path: str) -> list[Link]:
    """Where a resource is, whatever the version."""
    return [Link(rel="bookmark", href=call.url(path))]


def moment(at: dt.datetime) -> str:
    """A moment as most of this API writes it, in whole seconds: 2026-01-01T00:00:00Z."""
    # strftime takes six times as long, which a list of servers feels.
    return at.isoformat()[:19] + "Z"


def fine_moment(at: dt.datetime | None) -> str | None:
    """A moment as the rest of it does: 2026-01-01T00:00:00.000000."""
    return None if at is None else at.isoformat(timespec="microseconds")[:26]


def time_asked(name: str, text: str) -> dt.datetime:
    """The moment a parameter of a query names, in UTC unless it says otherwise; raises BadRequest."""
    try:
        found = dt.datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise errors.BadRequest(
            why=f"Invalid input for query parameters {name}: '{text}' is not a date-time."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def period_asked(since: str | None, before: str | None) -> tuple[dt.datetime | None, dt.datetime | None]:
    """The moments that changes-since and changes-before name; raises BadRequest unless they are in that order."""
    first = None if since is None else time_asked("changes-since", since)
    last = None if before is None else time_asked("changes-before", before)
    if first is not None and last is not None and first > last:
        raise errors.BadRequest(why="The value of changes-since must be less than or equal to changes-before.")
    return first, last


def is_uuid(text: str) -> bool:
    """Whether a text looks like one of the ids that are UUIDs."""
    return _UUID.fullmatch(text) is not None


async def server_find(app: Compute, caller: Caller, server_id: str, **_more: str) -> Server:
    """The server a path names; raises ServerNotFound."""
    return await server_get(app, caller, server_id)
