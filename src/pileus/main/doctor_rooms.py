"""Room: what is claimed against the servers it is claimed for, and the sums against their parts."""

from collections.abc import Sequence
from functools import partial

import msgspec
import sqlalchemy as sa

from pileus.compute.models.servers import Resized
from pileus.compute.tables import SERVERS
from pileus.kit.db import command, query, scalar
from pileus.kit.errors import Conflict
from pileus.kit.tables import operations
from pileus.main.doctor import Finding, Known, Patient, servers_known
from pileus.placement.commands.claims import SERVER
from pileus.placement.port import PlacementPort
from pileus.placement.tables import ALLOCATIONS, CONSUMERS, INVENTORIES, PROVIDERS
from pileus.ports.placement import Refusal

AGAIN = "Run `pileus doctor --fix`."
OFFLOADED = "shelved_offloaded"


class NoRoom(Conflict):
    """There is no room for server {server} on {host}: {why}."""


class Held(msgspec.Struct, frozen=True):
    """Who holds room where."""

    consumer: str
    host: str


class Former(msgspec.Struct, frozen=True):
    """What a resized server was before."""

    resized: Resized | None


class Sum(msgspec.Struct, frozen=True):
    """What an inventory says is used, and what the allocations come to."""

    provider: str
    host: str
    resource_class: str
    said: int
    held: int


HELD = query(
    sa.select(ALLOCATIONS.c.consumer, PROVIDERS.c.name.label("host"))
    .join(CONSUMERS, CONSUMERS.c.id == ALLOCATIONS.c.consumer)
    .join(PROVIDERS, PROVIDERS.c.id == ALLOCATIONS.c.provider)
    .where(CONSUMERS.c.consumer_type == SERVER)
    .distinct()
    .order_by(ALLOCATIONS.c.consumer, PROVIDERS.c.name),
    Held,
)
# Work in progress holds room by its own id until it is done, and a resized server by what resized it.
OPEN_WORK = scalar(
    sa.select(operations.c.id).where(
        operations.c.state.in_([sa.literal_column(f"'{state}'") for state in ("running", "queued", "stuck")])
    ),
    str,
)
RESIZED = query(
    sa.select(SERVERS.c.resized).where(
        SERVERS.c.deleted_at.is_(None), SERVERS.c.phase == sa.literal_column("'resized'")
    ),
    Former,
)
_held = (
    sa.select(sa.func.coalesce(sa.func.sum(ALLOCATIONS.c.used), 0))
    .where(
        ALLOCATIONS.c.provider == INVENTORIES.c.provider, ALLOCATIONS.c.resource_class == INVENTORIES.c.resource_class
    )
    .scalar_subquery()
)
SUMS = query(
    sa.select(
        INVENTORIES.c.provider, PROVIDERS.c.name.label("host"), INVENTORIES.c.resource_class,
        INVENTORIES.c.used.label("said"), _held.label("held"),
    ).join(PROVIDERS, PROVIDERS.c.id == INVENTORIES.c.provider).where(INVENTORIES.c.used != _held)
    .order_by(PROVIDERS.c.name, INVENTORIES.c.resource_class),
    Sum,
)  # fmt: skip
COUNT_AGAIN = command(
    sa.update(INVENTORIES)
    .where(INVENTORIES.c.provider == sa.bindparam("at"), INVENTORIES.c.resource_class == sa.bindparam("of_class"))
    .values(used=_held)
)


async def claims(patient: Patient) -> Sequence[Finding]:
    """Every server holds room on its host, and nobody else does."""
    if patient.placement is None or patient.compute is None:
        return []
    port = PlacementPort(patient.placement)
    held: dict[str, set[str]] = {}
    for each in await patient.db.all(HELD):
        held.setdefault(each.consumer, set()).add(each.host)
    servers = await servers_known(patient)
    work = set(await patient.db.all(OPEN_WORK))
    work |= {one.resized.operation for one in await patient.db.all(RESIZED) if one.resized is not None}
    found = [
        Finding(
            "room.without_server", consumer, f"holds room on {', '.join(sorted(hosts))}, but there is no such server",
            "It was deleted outside of the compute service, or what held it has ended without giving it back.", AGAIN, partial(port.release, consumer),
        )
        for consumer, hosts in held.items() if consumer not in servers and consumer not in work
    ]  # fmt: skip
    for server in servers.values():
        if not server.launched or server.host is None or server.busy or server.phase == OFFLOADED:
            continue
        there = held.get(server.id, set())
        if server.host not in there:
            found.append(_roomless(patient, port, server, there))
    return found


def _roomless(patient: Patient, port: PlacementPort, server: Known, there: set[str]) -> Finding:
    async def claim() -> None:
        assert patient.compute is not None
        from pileus.compute.store.servers import server_find

        row = await server_find(patient.compute, server.id)
        if row is None or row.host is None:
            return
        async with patient.db.transaction():
            await port.release(row.id)
            claimed = await port.claim(
                row.id, row.flavor.resources, project_id=row.project_id, user_id=row.user_id, among=[row.host]
            )
            if isinstance(claimed, Refusal):
                raise NoRoom(server=row.id, host=row.host, why=claimed)

    what = f"holds its room on {', '.join(sorted(there))} instead" if there else "holds no room there"
    return Finding(
        "room.elsewhere" if there else "server.without_room", server.id, f"is on {server.host}, but {what}",
        "Its allocation was changed outside of the compute service.", AGAIN, claim,
    )  # fmt: skip


async def sums(patient: Patient) -> Sequence[Finding]:
    """What hosts say is used is what is claimed of them."""
    if patient.placement is None:
        return []
    return [
        Finding(
            "room.miscounted", each.host, f"{each.said} {each.resource_class} are said to be used, {each.held} are claimed",
            "Rows were changed by hand.", AGAIN,
            partial(patient.db.run, COUNT_AGAIN, at=each.provider, of_class=each.resource_class),
        )
        for each in await patient.db.all(SUMS)
    ]  # fmt: skip


CHECKS = (claims, sums)
