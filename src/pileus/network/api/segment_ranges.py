"""Ranges of segments, for admins: which numbers new networks get."""

from itertools import islice
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from pileus.kit.auth import Caller
from pileus.kit.http.call import Call, Page
from pileus.kit.http.wire import F
from pileus.network.api.policy import rule
from pileus.network.api.service import api
from pileus.network.api.wires import Filters, Name, Number, Owned, Seen, standard, where
from pileus.network.app import Network as App
from pileus.network.commands import segment_ranges as commands
from pileus.network.models.requests import NewSegmentRange
from pileus.network.models.segment_ranges import SegmentRange
from pileus.network.store import segment_ranges as rows

SHOWN = 4094  # of numbers that are free: all VLANs, but not all of sixteen million tunnels
Segment = Annotated[int, Meta(ge=1, le=(1 << 24) - 1)]
ONE = "/network_segment_ranges/{network_segment_range_id}"


class RangeWanted(Owned, kw_only=True):
    """A range to make or to change."""

    name: Name = ""
    description: Name = ""
    shared: Annotated[bool, F(on="c")] = True
    network_type: Annotated[Literal["vlan", "geneve", "vxlan", "gre"], F(on="c")]
    physical_network: Annotated[str | None, F(on="c")] = None
    minimum: Segment | UnsetType = UNSET
    maximum: Segment | UnsetType = UNSET


class RangeSeen(Seen):
    """A range as admins see it."""

    default: bool
    shared: bool
    network_type: str
    physical_network: str | None
    minimum: int
    maximum: int
    used: dict[str, str]
    available: list[int]


class RangeFilters(Filters):
    network_type: list[str] = []
    physical_network: list[str] = []
    minimum: list[Number] = []
    maximum: list[Number] = []
    shared: list[bool] = []
    default: list[bool] = []


async def _view(app: App, range_: SegmentRange) -> RangeSeen:
    used = await rows.used_in(app.db, range_)
    free = (number for number in range(range_.minimum, range_.maximum + 1) if number not in used)
    return RangeSeen(
        **standard(range_),
        default=range_.default,
        shared=range_.shared,
        network_type=range_.network_type,
        physical_network=range_.physical_network or None,
        minimum=range_.minimum,
        maximum=range_.maximum,
        used={str(number): project for number, project in used.items()},
        available=list(islice(free, SHOWN)),
    )


async def range_for(app: App, caller: Caller, network_segment_range_id: str) -> SegmentRange:
    """The range; raises NetworkSegmentRangeNotFound."""
    return await rows.SHELF.get(app.db, network_segment_range_id)


@api.post("/network_segment_ranges", rule("create_network_segment_range"), key="network_segment_range")
async def create(call: Call[App], body: RangeWanted) -> RangeSeen:
    """Create a range of segments, for a project or for all."""
    given = {name for name in (body.project_id, body.tenant_id) if isinstance(name, str)}
    new = NewSegmentRange(
        project_id="" if body.shared else next(iter(given), call.caller.project_id or ""),
        name=body.name,
        description=body.description,
        shared=body.shared,
        network_type=body.network_type,
        physical_network=body.physical_network,
        minimum=body.minimum if body.minimum is not UNSET else 0,
        maximum=body.maximum if body.maximum is not UNSET else 0,
    )
    async with call.app.db.transaction():
        return await _view(call.app, await commands.create_range(call.app, new))


@api.get("/network_segment_ranges", rule("get_network_segment_range"), key="network_segment_ranges")
async def index(call: Call[App], query: RangeFilters, page: Page) -> list[RangeSeen]:
    """List ranges of segments."""
    found = await call.app.db.page(
        rows.SHELF.listing,
        where=where(query),
        sort=page.sort,
        marker=page.marker,
        limit=page.limit,
        reverse=page.reverse,
    )
    return [await _view(call.app, each) for each in found]


@api.get(ONE, rule("get_network_segment_range"), key="network_segment_range", find=range_for)
async def show(call: Call[App], range_: SegmentRange) -> RangeSeen:
    """Show a range of segments."""
    return await _view(call.app, range_)


@api.put(ONE, rule("update_network_segment_range"), key="network_segment_range", find=range_for)
async def update(call: Call[App], range_: SegmentRange, body: RangeWanted) -> RangeSeen:
    """Change a range of segments."""
    return await _view(call.app, await commands.update_range(call.app, range_, body.given()))


@api.delete(ONE, rule("delete_network_segment_range"), find=range_for)
async def delete(call: Call[App], range_: SegmentRange) -> None:
    """Delete a range of segments."""
    await commands.delete_range(call.app, range_)
