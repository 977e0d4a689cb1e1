"""Everything there is, for the fabric: read at once, in a dozen statements however much there is, or what changed since.

`Seen` remembers what it read and by the journal reads again only what was changed; now and then, and whenever the journal
does not say exactly, it reads everything.
"""

from collections.abc import Iterator, Sequence, Set

import msgspec

from pileus.kit.db import Database
from pileus.network.models.logs import Log
from pileus.network.models.port_forwardings import PortForwarding
from pileus.network.models.qos import QosPolicy
from pileus.network.models.resources import (
    AddressGroup,
    Binding,
    FloatingIp,
    FurtherGateway,
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
    bindings,
    floating_ips,
    groups,
    journal,
    logs,
    networks,
    port_forwardings,
    ports,
    qos,
    routers,
    subnets,
    trunks,
)

_AT_ONCE = 500  # ids in one statement


class World(msgspec.Struct, frozen=True):
    """Everything there is, as the tables have it."""

    networks: Sequence[Network]
    subnets: Sequence[Subnet]
    ports: Sequence[Port]
    routers: Sequence[Router]
    legs: Sequence[Interface]
    gateways: Sequence[FurtherGateway]
    floating_ips: Sequence[FloatingIp]
    port_forwardings: Sequence[PortForwarding]
    groups: Sequence[SecurityGroup]
    rules: Sequence[SecurityRule]
    address_groups: Sequence[AddressGroup]
    qos_policies: Sequence[QosPolicy]
    trunks: Sequence[Trunk]
    logs: Sequence[Log]
    bindings: Sequence[Binding] = ()


async def world(db: Database) -> World:
    """Everything there is, as of one moment."""
    async with db.transaction():
        return await Seen().read(db, afresh=True)


class Seen:
    """What was read of the world, kept up with it."""

    def __init__(self) -> None:
        self._world: World | None = None
        self._ports: dict[str, Port] = {}
        self._last = 0
        self._known: frozenset[int] = frozenset()  # the numbers just before `_last` that were read

    async def read(self, db: Database, *, afresh: bool) -> World:
        """The world as of one moment; `afresh` says that nothing remembered is to be trusted."""
        async with db.transaction():
            before = None if afresh else self._world
            changes = await self._changes(db)
            parts = {part for _, part, _ in changes}
            if before is None or journal.ANYTHING in parts:
                found = await self._everything(db)
            else:
                found = await self._again(db, before, parts, [subject for _, part, subject in changes if subject])
            self._world = found
            return found

    async def _changes(self, db: Database) -> list[tuple[int, str, str]]:
        there = await db.all(journal.SINCE, after=self._last - journal.LOOK_BACK)
        fresh = [change for change in there if change[0] not in self._known]
        if there:
            self._last = max(self._last, there[-1][0])
        self._known = frozenset(number for number, _, _ in there if number > self._last - journal.LOOK_BACK)
        return fresh

    async def _everything(self, db: Database) -> World:
        await db.run(journal.FORGET, up_to=self._last - journal.KEPT)
        there = await trunks.trunks_all(db)
        self._ports = {port.id: port for port in await ports.ports_all(db)}
        return World(
            networks=await db.all(networks.ALL),
            subnets=await db.all(subnets.ALL),
            ports=trunks.hosted([*self._ports.values()], there),
            trunks=there,
            logs=await db.all(logs.SHELF.all),
            bindings=await db.all(bindings.ALL),
            routers=await db.all(routers.ALL),
            legs=await db.all(routers.ALL_LEGS),
            gateways=await db.all(routers.ALL_FURTHER),
            floating_ips=await db.all(floating_ips.ALL),
            port_forwardings=await db.all(port_forwardings.SHELF.all),
            groups=await db.all(groups.ALL),
            rules=await db.all(groups.RULES_ALL),
            address_groups=await db.all(address_groups.SHELF.all),
            qos_policies=await qos.policies_all(db),
        )

    async def _again(self, db: Database, before: World, parts: Set[str], port_ids: Sequence[str]) -> World:
        """The world as it was, but for what is read again."""
        fresh: dict[str, object] = {}
        if journal.PORT in parts:
            for port_id in port_ids:
                self._ports.pop(port_id, None)
            for chunk in _chunks(sorted(set(port_ids))):
                there = await ports.ports_of_ids(db, chunk)
                self._ports |= {port.id: port for port in there}
            fresh["bindings"] = await db.all(bindings.ALL)
            fresh["ports"] = trunks.hosted([*self._ports.values()], before.trunks)
        if journal.FLOATING in parts:
            fresh["floating_ips"] = await db.all(floating_ips.ALL)
            fresh["port_forwardings"] = await db.all(port_forwardings.SHELF.all)
        if journal.RULES in parts:
            fresh["rules"] = await db.all(groups.RULES_ALL)
            fresh["address_groups"] = await db.all(address_groups.SHELF.all)
        return msgspec.structs.replace(before, **fresh)


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
