"""Usage: what projects' servers added up to in a period."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.api.service import Link, admin, api, fine_moment, reader
from pileus.compute.app import Compute
from pileus.compute.models.usage import Ran, Total
from pileus.compute.store.servers import server_find_even_deleted
from pileus.compute.store.usage import servers_that_ran
from pileus.kit.http import Call, F, Query, Wire
from pileus.kit.http.dialect import next_link

PATH = "/os-simple-tenant-usage"
PAGED = "2.40"
MOST = 1000
YES = frozenset({"1", "true", "yes", "on", "t", "y"})
SHOW = reader("os-simple-tenant-usage:show")


class ServerUsage(Wire, kw_only=True):
    """What one server used."""

    instance_id: str
    name: str
    tenant_id: str
    flavor: str
    hours: float
    vcpus: int
    memory_mb: int
    local_gb: int
    started_at: str | None
    ended_at: str | None
    state: str
    uptime: int


class ProjectUsage(Wire, kw_only=True):
    """What a project used; of one that used nothing, nothing is said."""

    tenant_id: str | UnsetType = UNSET
    start: str | UnsetType | None = UNSET
    stop: str | UnsetType | None = UNSET
    total_hours: float | UnsetType = UNSET
    total_vcpus_usage: float | UnsetType = UNSET
    total_memory_mb_usage: float | UnsetType = UNSET
    total_local_gb_usage: float | UnsetType = UNSET
    server_usages: list[ServerUsage] | UnsetType = UNSET


class UsageList(Wire, kw_only=True):
    """What each project used."""

    usages: Annotated[list[ProjectUsage], F("tenant_usages")]
    links: Annotated[list[Link] | UnsetType, F("tenant_usages_links", since=PAGED)] = UNSET


class UsageShown(Wire, kw_only=True):
    """What one project used."""

    usage: Annotated[ProjectUsage, F("tenant_usage")]
    links: Annotated[list[Link] | UnsetType, F("tenant_usage_links", since=PAGED)] = UNSET


class UsageQuery(Query):
    """Which period, and which part of the servers in it."""

    start: str | None = None
    end: str | None = None
    detailed: str | None = None
    limit: Annotated[Annotated[int, msgspec.Meta(ge=0)] | None, F(since=PAGED)] = None
    marker: Annotated[str | None, F(since=PAGED)] = None


class Period(msgspec.Struct, frozen=True):
    """From when to when."""

    start: dt.datetime
    stop: dt.datetime


def _period(call: Call[Compute], query: UsageQuery) -> Period:
    now = call.app.clock.now()
    period = Period(_moment("start", query.start, now), _moment("end", query.end, now))
    if period.start > period.stop:
        raise errors.BadRequest(why="Invalid start time. The start time cannot occur after the end time.")
    return period


def _moment(name: str, text: str | None, now: dt.datetime) -> dt.datetime:
    if not text:
        return now
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise errors.BadRequest(
            why=f"Invalid input for query parameters {name}: '{text}' is not a date-time."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


async def _ran(
    call: Call[Compute], query: UsageQuery, period: Period, project_id: str | None
) -> tuple[Sequence[Ran], list[Link] | UnsetType]:
    """A page of the servers, and where the next one is; before 2.40 all of them."""
    most = None if call.version < (2, 40) else min(MOST if query.limit is None else query.limit, MOST)
    asked = None if most is None else most + 1
    if query.marker is not None and await server_find_even_deleted(call.app, query.marker) is None:
        raise errors.BadRequest(why=f"marker [{query.marker}] not found")
    ran = await servers_that_ran(call.app, project_id, period.start, period.stop, marker=query.marker or "", most=asked)
    if most is None or len(ran) <= most:
        return ran, UNSET
    page = ran[:most]
    return page, [Link(rel="next", href=next_link(call, marker=page[-1].id))] if page else UNSET


def _server(each: Ran, period: Period, now: dt.datetime) -> ServerUsage:
    return ServerUsage(
        instance_id=each.id,
        name=each.name,
        tenant_id=each.project_id,
        flavor=each.flavor.name,
        hours=each.hours(period.start, period.stop),
        vcpus=each.flavor.vcpus,
        memory_mb=each.flavor.ram,
        local_gb=each.flavor.disk + each.flavor.ephemeral,
        started_at=fine_moment(each.launched_at),
        ended_at=fine_moment(each.deleted_at),
        state=each.state,
        uptime=each.lived(now),
    )


def _project(call: Call[Compute], project_id: str, ran: Sequence[Ran], period: Period, *, each: bool) -> ProjectUsage:
    total = Total()
    for one in ran:
        total = total.plus(one.flavor, one.hours(period.start, period.stop))
    now = call.app.clock.now()
    return ProjectUsage(
        tenant_id=project_id,
        start=fine_moment(period.start),
        stop=fine_moment(period.stop),
        total_hours=total.hours,
        total_vcpus_usage=total.vcpus,
        total_memory_mb_usage=total.memory_mb,
        total_local_gb_usage=total.local_gb,
        server_usages=[_server(one, period, now) for one in ran] if each else UNSET,
    )


@api.get(PATH, admin("os-simple-tenant-usage:list"))
async def index(call: Call[Compute], query: UsageQuery) -> UsageList:
    """Show what each project used."""
    period = _period(call, query)
    ran, links = await _ran(call, query, period, None)
    projects: dict[str, list[Ran]] = {}
    for one in ran:
        projects.setdefault(one.project_id, []).append(one)
    each = (query.detailed or "").lower() in YES
    usages = [_project(call, project, those, period, each=each) for project, those in projects.items()]
    return UsageList(usages=usages, links=links)


@api.get(PATH + "/{project_id}", SHOW, late=True)
async def show(call: Call[Compute], project_id: str, query: UsageQuery) -> UsageShown:
    """Show what a project used."""
    target: dict[str, Any] = {"project_id": project_id, "user_id": call.caller.user_id}
    call.require(SHOW.name, target)
    period = _period(call, query)
    ran, links = await _ran(call, query, period, project_id)
    used = _project(call, project_id, ran, period, each=True) if ran else ProjectUsage()
    return UsageShown(usage=used, links=links)
