"""Forwarded ports: what one can ask for.

A floating IP that forwards ports leads nowhere as a whole; it belongs to the router behind which they all are.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from pileus.kit.db import UniqueViolation
from pileus.network.app import Network as App
from pileus.network.commands.standard import change, changed, standard, tell
from pileus.network.errors import BadRequest, ExternalGatewayForFloatingIPNotFound, PortNotFound
from pileus.network.errors.port_forwardings import FloatingIpLeadsElsewhere, OtherRouter
from pileus.network.models.port_forwardings import NewForwarding, PortForwarding, meet, spelled
from pileus.network.models.resources import FixedIp, FloatingIp, Port
from pileus.network.store import floating_ips as floating_rows
from pileus.network.store import port_forwardings as rows
from pileus.network.store import ports as port_rows
from pileus.network.store import routers as router_rows
from pileus.network.store.journal import FLOATING


async def create_forwarding(app: App, floating: FloatingIp, wanted: NewForwarding, *, any_port: bool) -> PortForwarding:
    """The ports of the floating IP lead there."""
    async with app.db.transaction():
        floating = await floating_rows.floating_ip_get(app.db, floating.id)
        if floating.port_id is not None:
            raise FloatingIpLeadsElsewhere(id=floating.id, port=floating.port_id)
        port, fixed = await _end(app, floating, wanted.port_id, wanted.address, any_port=any_port)
        await _take_router(app, floating, port, fixed)
        found = PortForwarding(
            **standard(app, wanted, name=""),
            floating_ip_id=floating.id,
            port_id=port.id,
            protocol=wanted.protocol,
            address=fixed.address,
            inner_first=wanted.inner.start,
            outer_first=wanted.outer.start,
            count=len(wanted.outer),
        )
        await _check_free(app, found)
        try:
            await rows.SHELF.insert(app.db, found)
        except UniqueViolation:
            raise _twice(found) from None
        await tell(app, "port_forwarding.created", found)
        await changed(app, FLOATING)
        return found


async def _end(
    app: App, floating: FloatingIp, port_id: str, address: str | None, *, any_port: bool
) -> tuple[Port, FixedIp]:
    """The port and the address of it that are meant; raises when there is no such."""
    port = await port_rows.port_find(app.db, port_id)
    if port is None or not (any_port or port.project_id == floating.project_id):
        raise PortNotFound(id=port_id)
    for fixed in port.fixed_ips:
        if ":" not in fixed.address and address in {None, fixed.address}:
            return port, fixed
    raise BadRequest(resource="port_forwarding", why=f"Port {port.id} has no IPv4 address {address or ''}".rstrip())


async def _take_router(app: App, floating: FloatingIp, port: Port, fixed: FixedIp) -> None:
    """The floating IP belongs to the router that leads to the port."""
    router = await app.db.one(router_rows.LEADING, subnet_id=fixed.subnet, network_id=floating.network_id)
    if router is None:
        raise ExternalGatewayForFloatingIPNotFound(network=floating.network_id, subnet=fixed.subnet, port=port.id)
    if floating.router_id not in {None, router}:
        raise OtherRouter(id=floating.id, router=floating.router_id, port=port.id)
    if floating.router_id is None:
        await change(app, floating_rows.CHANGE, floating, {"router_id": router})


async def _check_free(app: App, wanted: PortForwarding) -> None:
    """Raises BadRequest when a port of the floating IP leads somewhere already, or two would lead to the same."""
    for other in await app.db.all(rows.OF_FLOATING_IPS, ids=[wanted.floating_ip_id]):
        if other.id == wanted.id or other.protocol != wanted.protocol:
            continue
        same_end = (other.port_id, other.address) == (wanted.port_id, wanted.address)
        if meet(other.outer, wanted.outer) or (same_end and meet(other.inner, wanted.inner)):
            raise _twice(other)


def _twice(there: PortForwarding) -> BadRequest:
    ends = f"{there.protocol} {spelled(there.outer)} to {there.address} {spelled(there.inner)}"
    return BadRequest(
        resource="port_forwarding",
        why=f"A duplicate port forwarding entry with same attributes already exists, conflicting values are {ends}",
    )


async def update_forwarding(
    app: App, floating: FloatingIp, forwarding: PortForwarding, values: Mapping[str, object], *, any_port: bool
) -> PortForwarding:
    """The ports lead where they are asked to; `inner` and `outer` are ranges."""
    async with app.db.transaction():
        forwarding = await rows.SHELF.get(app.db, forwarding.id)
        columns = {name: value for name, value in values.items() if name not in {"inner", "outer"}}
        inner = cast("range", values.get("inner", forwarding.inner))
        outer = cast("range", values.get("outer", forwarding.outer))
        if len(inner) != len(outer):
            raise BadRequest(resource="port_forwarding", why="the ranges of ports must be of the same length")
        columns |= {"inner_first": inner.start, "outer_first": outer.start, "count": len(outer)}
        if "port_id" in values or "address" in values:
            new_port = cast("str", values.get("port_id", forwarding.port_id))
            # Another port has other addresses; without one, its first is meant.
            usual = None if "port_id" in values else forwarding.address
            address = cast("str | None", values.get("address", usual))
            port, fixed = await _end(app, floating, new_port, address, any_port=any_port)
            await _take_router(app, floating, port, fixed)
            columns |= {"port_id": port.id, "address": fixed.address}
        becoming = msgspec.structs.replace(forwarding, **columns)
        await _check_free(app, becoming)
        await change(app, rows.SHELF.change, forwarding, columns)
        await tell(app, "port_forwarding.updated", forwarding)
        await changed(app, FLOATING)
        return await rows.SHELF.get(app.db, forwarding.id)


async def delete_forwarding(app: App, forwarding: PortForwarding) -> None:
    """The ports lead nowhere; with its last ones, the floating IP leaves its router."""
    async with app.db.transaction():
        await app.db.run(rows.SHELF.delete, of_id=forwarding.id)
        if not await app.db.all(rows.OF_FLOATING_IPS, ids=[forwarding.floating_ip_id]):
            floating = await floating_rows.floating_ip_get(app.db, forwarding.floating_ip_id)
            await change(app, floating_rows.CHANGE, floating, {"router_id": None})
        await tell(app, "port_forwarding.deleted", forwarding)
        await changed(app, FLOATING)


async def forget_port(app: App, port_id: str) -> None:
    """Nothing is forwarded to a port that goes."""
    for forwarding in await app.db.all(rows.TO_PORT, port_id=port_id):
        await delete_forwarding(app, forwarding)


async def forwarded_to(app: App, port_id: str) -> Sequence[PortForwarding]:
    """What is forwarded to the port."""
    return await app.db.all(rows.TO_PORT, port_id=port_id)
