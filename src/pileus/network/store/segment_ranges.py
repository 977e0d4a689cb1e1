"""Ranges of segments in the database."""

from collections.abc import Mapping

from sqlalchemy import bindparam, select

from pileus.kit.db import Database, command, query, upsert
from pileus.network.errors.segment_ranges import NetworkSegmentRangeNotFound
from pileus.network.models.segment_ranges import SegmentRange
from pileus.network.store.shelf import Shelf
from pileus.network.tables import networks, segment_ranges

SHELF = Shelf(
    segment_ranges,
    SegmentRange,
    NetworkSegmentRangeNotFound,
    "network_type",
    "physical_network",
    "minimum",
    "maximum",
    "shared",
    "default",
)
ENSURE = command(upsert(segment_ranges, ["id"]))
OF_KIND = query(
    select(*segment_ranges.c)
    .where(
        segment_ranges.c.network_type == bindparam("network_type"),
        segment_ranges.c.physical_network == bindparam("physical_network"),
    )
    .order_by(segment_ranges.c.minimum, segment_ranges.c.id),
    SegmentRange,
)
USED = query(
    select(networks.c.segmentation_id, networks.c.project_id)
    .where(
        networks.c.network_type == bindparam("network_type"),
        networks.c.physical_network == bindparam("physical_network"),
        networks.c.segmentation_id.between(bindparam("least"), bindparam("most")),
    )
    .order_by(networks.c.segmentation_id),
    tuple[int, str],
)


async def used_in(db: Database, range: SegmentRange) -> Mapping[int, str]:
    """The numbers of the range that networks have, and whose these are."""
    kind = {"network_type": range.network_type, "physical_network": range.physical_network}
    return dict(await db.all(USED, **kind, least=range.minimum, most=range.maximum))
