"""Floating IPs: what one can ask for."""

from collections.abc import Mapping, Sequence

import msgspec

from pileus.kit.db import UniqueViolation
from pileus.network.app import Network as App
from pileus.network.commands.ports import create_port, delete_port
from pileus.network.commands.qos import check_usable
from pileus.network.commands.quotas import make_room
from pileus.network.commands.standard import change, changed, standard, tell
from pileus.network.errors import (
    BadRequest,
    ExternalGatewayForFloatingIPNotFound,
    FloatingIPPortAlreadyAssociated,
    PortNotFound,
)
from pileus.network.errors.port_forwardings import FipInUseByPortForwarding
from pileus.network.models.requests import AskedIp, NewFloatingIp, NewPort
from pileus.network.models.resources import FLOATING_IP, FixedIp, FloatingIp, Network, Port
from pileus.network.store import floating_ips as rows
from pileus.network.store import port_forwardings as forwarding_rows
from pileus.network.store import ports as port_rows
from pileus.network.store import routers as router_rows
from pileus.network.store import subnets as subnet_rows
from pileus.network.store.journal import FLOATING


async def create_floating_ip(app: App, network: Network, wanted: NewFloatingIp, *, any_port: bool) -> FloatingIp:
    """The project has an address of the external network, that leads to the port if one is given."""
    if not network.external:
        raise BadRequest(resource="floatingip", why=f"Network {network.id} is not a valid external network")
    await make_room(app, "floatingip", wanted.project_id)
    await check_usable(app, wanted.project_id, wanted.qos_policy_id, anyones=any_port)
    columns = standard(app, wanted)
    asked = None
    if wanted.subnet_id is not None or wanted.address is not None:
        asked = (AskedIp(wanted.subnet_id, wanted.address),)
    outer = await create_port(
        app,
        network,
        NewPort(
            project_id="", network_id=network.id, device_owner=FLOATING_IP, device_id=columns["id"], fixed_ips=asked
        ),
        [subnet for subnet in await subnet_rows.subnets_on(app.db, network.id) if subnet.ip_version == 4],
        counted=True,
    )
    if not outer.fixed_ips:
        raise BadRequest(resource="floatingip", why=f"External network {network.id} has no subnet")
    found = FloatingIp(
        **columns,
        network_id=network.id,
        outer_port_id=outer.id,
        address=outer.fixed_ips[0].address,
        port_id=None,
        fixed_ip=None,
        router_id=None,
        dns_name=wanted.dns_name,
        dns_domain=wanted.dns_domain,
        qos_policy_id=wanted.qos_policy_id,
    )
    if wanted.port_id is not None:
        where = await _way(app, found, wanted.port_id, wanted.fixed_ip, any_port=any_port)
        found = msgspec.structs.replace(found, **where)
    await app.db.run(rows.INSERT, **msgspec.structs.asdict(found))
    await tell(app, "floatingip.created", found)
    await changed(app, FLOATING)
    return found


async def update_floating_ip(
    app: App, floating: FloatingIp, values: Mapping[str, object], *, any_port: bool
) -> FloatingIp:
    """The floating IP leads where it is asked to: `port_id` None is nowhere, and so is its absence."""
    async with app.db.transaction():
        floating = await rows.floating_ip_get(app.db, floating.id)
        columns = {name: value for name, value in values.items() if name not in {"port_id", "fixed_ip"}}
        await check_usable(app, floating.project_id, values.get("qos_policy_id"), anyones=any_port)
        port_id, fixed_ip = values.get("port_id"), values.get("fixed_ip")
        if port_id is None and fixed_ip is not None:
            raise BadRequest(resource="floatingip", why="fixed_ip_address cannot be specified without a port_id")
        if "port_id" in values or not columns:
            columns |= {"port_id": None, "fixed_ip": None, "router_id": None}
            forwarded = await app.db.all(forwarding_rows.OF_FLOATING_IPS, ids=[floating.id])
            if forwarded and isinstance(port_id, str):
                raise FipInUseByPortForwarding(id=floating.id)
            if forwarded:
                del columns["router_id"]
            if isinstance(port_id, str):
                columns |= await _way(
                    app, floating, port_id, None if fixed_ip is None else str(fixed_ip), any_port=any_port
                )
        try:
            await change(app, rows.CHANGE, floating, columns)
        except UniqueViolation:
            raise _taken(floating, str(port_id), str(columns["fixed_ip"])) from None
        await tell(app, "floatingip.updated", floating)
        await changed(app, FLOATING)
        return await rows.floating_ip_get(app.db, floating.id)


def _taken(floating: FloatingIp, port_id: str, fixed_ip: str) -> FloatingIPPortAlreadyAssociated:
    return FloatingIPPortAlreadyAssociated(
        address=floating.address, id=floating.id, port=port_id, fixed=fixed_ip, network=floating.network_id
    )


async def _way(
    app: App, floating: FloatingIp, port_id: str, fixed_ip: str | None, *, any_port: bool
) -> dict[str, object]:
    """Port, address and router by which the floating IP gets there."""
    port = await port_rows.port_find(app.db, port_id)
    if port is None or not (any_port or port.project_id == floating.project_id):
        raise PortNotFound(id=port_id)
    fixed = _fixed(port, fixed_ip)
    same = await app.db.one(rows.SAME, network_id=floating.network_id, port_id=port.id, fixed_ip=fixed.address)
    if same is not None and same.id != floating.id:
        raise _taken(floating, port.id, fixed.address)
    router = await app.db.one(router_rows.LEADING, subnet_id=fixed.subnet, network_id=floating.network_id)
    if router is None:
        raise ExternalGatewayForFloatingIPNotFound(network=floating.network_id, subnet=fixed.subnet, port=port.id)
    return {"port_id": port.id, "fixed_ip": fixed.address, "router_id": router}


def _fixed(port: Port, fixed_ip: str | None) -> FixedIp:
    """The address of the port that is meant."""
    fours: Sequence[FixedIp] = [fixed for fixed in port.fixed_ips if ":" not in fixed.address]
    if fixed_ip is not None:
        for fixed in fours:
            if fixed.address == fixed_ip:
                return fixed
        raise BadRequest(resource="floatingip", why=f"Port {port.id} does not have fixed ip {fixed_ip}")
    if not fours:
        raise BadRequest(
            resource="floatingip", why=f"Cannot add floating IP to port {port.id} that has no fixed IPv4 addresses"
        )
    if len(fours) > 1:
        raise BadRequest(
            resource="floatingip",
            why=f"Port {port.id} has multiple fixed IPv4 addresses. Must provide a specific IPv4 address when "
            "assigning a floating IP",
        )
    return fours[0]


async def delete_floating_ip(app: App, floating: FloatingIp) -> None:
    """The floating IP and the port that held its address are gone."""
    async with app.db.transaction():
        floating = await rows.floating_ip_get(app.db, floating.id)
        await app.db.run(rows.DELETE, of_id=floating.id)
        outer = await port_rows.port_find(app.db, floating.outer_port_id)
        if outer is not None:
            await delete_port(app, outer, by_owner=True)
        await tell(app, "floatingip.deleted", floating)
        await changed(app, FLOATING)
