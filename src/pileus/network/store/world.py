"""Everything there is, read at once for the fabric: a dozen statements however much there is."""

from collections.abc import Sequence

import msgspec

from pileus.kit.db import Database
from pileus.network.models.logs import Log
from pileus.network.models.port_forwardings import PortForwarding
from pileus.network.models.qos import QosPolicy
from pileus.network.models.resources import (
    AddressGroup,
    FloatingIp,
    Interface,
    Network,
    Port,
    Router,
    SecurityGroup,
    SecurityRule,
    Subnet,
)
from pileus.network.models.trunks import Trunk
from pileus.network.store import (
    address_groups,
    floating_ips,
    groups,
    logs,
    networks,
    port_forwardings,
    ports,
    qos,
    routers,
    subnets,
    trunks,
)


class World(msgspec.Struct, frozen=True):
    """Everything there is, as the tables have it."""

    networks: Sequence[Network]
    subnets: Sequence[Subnet]
    ports: Sequence[Port]
    routers: Sequence[Router]
    legs: Sequence[Interface]
    floating_ips: Sequence[FloatingIp]
    port_forwardings: Sequence[PortForwarding]
    groups: Sequence[SecurityGroup]
    rules: Sequence[SecurityRule]
    address_groups: Sequence[AddressGroup]
    qos_policies: Sequence[QosPolicy]
    trunks: Sequence[Trunk]
    logs: Sequence[Log]


async def world(db: Database) -> World:
    """Everything there is, as of one moment."""
    async with db.transaction():
        there = await trunks.trunks_all(db)
        return World(
            networks=await db.all(networks.ALL),
            subnets=await db.all(subnets.ALL),
            ports=trunks.hosted(await ports.ports_all(db), there),
            trunks=there,
            logs=await db.all(logs.SHELF.all),
            routers=await db.all(routers.ALL),
            legs=await db.all(routers.ALL_LEGS),
            floating_ips=await db.all(floating_ips.ALL),
            port_forwardings=await db.all(port_forwardings.SHELF.all),
            groups=await db.all(groups.ALL),
            rules=await db.all(groups.RULES_ALL),
            address_groups=await db.all(address_groups.SHELF.all),
            qos_policies=await qos.policies_all(db),
        )
