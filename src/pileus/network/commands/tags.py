"""Tags of any resource: set, added and removed."""

from collections.abc import Sequence

from pileus.network.app import Network as App
from pileus.network.commands.standard import change
from pileus.network.errors import TagNotFound
from pileus.network.models.pools import SubnetPool
from pileus.network.models.qos import QosPolicy
from pileus.network.models.resources import FloatingIp, Network, Port, Router, SecurityGroup, Standard, Subnet
from pileus.network.models.segment_ranges import SegmentRange
from pileus.network.models.tags import checked
from pileus.network.models.trunks import Trunk
from pileus.network.store import (
    floating_ips,
    groups,
    networks,
    pools,
    ports,
    qos,
    routers,
    segment_ranges,
    subnets,
    trunks,
)

STATEMENTS = {
    Network: networks.CHANGE,
    Subnet: subnets.CHANGE,
    Port: ports.CHANGE,
    Router: routers.CHANGE,
    FloatingIp: floating_ips.CHANGE,
    SecurityGroup: groups.CHANGE,
    SubnetPool: pools.POOL_CHANGE,
    QosPolicy: qos.SHELF.change,
    Trunk: trunks.SHELF.change,
    SegmentRange: segment_ranges.SHELF.change,
}


async def set_tags(app: App, what: Standard, tags: Sequence[str]) -> tuple[str, ...]:
    """The resource has exactly these tags."""
    found = checked(tags)
    await change(app, STATEMENTS[type(what)], what, {"tags": found})
    return found


async def add_tags(app: App, what: Standard, tags: Sequence[str]) -> tuple[str, ...]:
    """The resource has these tags, too."""
    return await set_tags(app, what, [*what.tags, *tags])


async def remove_tag(app: App, what: Standard, tag: str) -> None:
    """The resource does not have the tag; raises TagNotFound when it had not."""
    if tag not in what.tags:
        raise TagNotFound(tag=tag)
    await set_tags(app, what, [other for other in what.tags if other != tag])
