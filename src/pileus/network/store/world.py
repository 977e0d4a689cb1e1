"""Everything there is, read at once for the fabric: nine statements however much there is."""

from pileus.kit.db import Database
from pileus.network.models.topology import World
from pileus.network.store import floating_ips, groups, networks, ports, routers, subnets


async def world(db: Database) -> World:
    """Everything there is, as of one moment."""
    async with db.transaction():
        return World(
            networks=await db.all(networks.ALL),
            subnets=await db.all(subnets.ALL),
            ports=await ports.ports_all(db),
            routers=await db.all(routers.ALL),
            legs=await db.all(routers.ALL_LEGS),
            floating_ips=await db.all(floating_ips.ALL),
            groups=await db.all(groups.ALL),
            rules=await db.all(groups.RULES_ALL),
        )
