"""Routers: what one can ask for, but for their ways out (see gateways)."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import cast

from pileus.network.app import Network as App
from pileus.network.commands.flavors import check_flavor
from pileus.network.commands.gateways import clear_gateways, set_gateway
from pileus.network.commands.ports import create_port, delete_port, update_port
from pileus.network.commands.quotas import make_room
from pileus.network.commands.standard import change, changed, checked_zones, standard, tell
from pileus.network.errors import (
    BadRequest,
    InvalidRoutes,
    NetworkNotFound,
    PortInUse,
    RouterInterfaceInUseByFloatingIP,
    RouterInterfaceInUseByRoute,
    RouterInterfaceNotFound,
    RouterInterfaceNotFoundForSubnet,
    RouterInUse,
    RoutesExhausted,
    SubnetMismatchForPort,
    SubnetNotFound,
)
from pileus.network.models.requests import AskedIp, GatewayWish, NewPort, NewRouter
from pileus.network.models.resources import ROUTER_INTERFACE, HostRoute, Interface, Port, Router, Subnet
from pileus.network.store import networks as network_rows
from pileus.network.store import ports as port_rows
from pileus.network.store import routers as rows
from pileus.network.store import subnets as subnet_rows

MAX_ROUTES = 30


async def create_router(app: App, wanted: NewRouter, *, any_network: bool) -> Router:
    """The router is there, with its way out if asked for."""
    await make_room(app, "router", wanted.project_id)
    await check_flavor(app, wanted.flavor_id)
    router = Router(
        **standard(app, wanted),
        admin_up=wanted.admin_up,
        gateway_port_id=None,
        gateway_network_id=None,
        snat=True,
        routes=(),
        qos_policy_id=None,
        flavor_id=wanted.flavor_id,
        ecmp=wanted.ecmp,
        bfd=wanted.bfd,
        zone_hints=checked_zones(app, wanted.zone_hints),
    )
    await app.db.run(rows.INSERT, **{name: getattr(router, name) for name in router.__struct_fields__})
    if wanted.gateway is not None:
        await set_gateway(app, router, wanted.gateway, any_network=any_network)
    await tell(app, "router.created", router)
    await changed(app)
    return await _again(app, router)


async def _again(app: App, router: Router) -> Router:
    return await rows.router_get(app.db, router.id)


async def update_router(
    app: App, router: Router, values: Mapping[str, object], gateway: GatewayWish | None, *, any_network: bool
) -> Router:
    """The router is as asked for; `gateway` counts only if values say "gateway"."""
    async with app.db.transaction():
        router = await rows.router_get(app.db, router.id)
        columns = {name: value for name, value in values.items() if name != "gateway"}
        if "gateway" in values:
            if gateway is None:
                await clear_gateways(app, router)
            else:
                await set_gateway(app, router, gateway, any_network=any_network)
        if "routes" in values:
            await check_router_routes(app, router, cast("Sequence[HostRoute]", values["routes"]))
        await change(app, rows.CHANGE, router, columns)
        await tell(app, "router.updated", router)
        await changed(app)
        return await _again(app, router)


async def check_router_routes(app: App, router: Router, routes: Sequence[HostRoute]) -> None:
    """Raises InvalidRoutes unless each route's next hop is beside the router and not the router itself."""
    shown = [{"destination": route.destination, "nexthop": route.nexthop} for route in routes]
    if len(routes) > MAX_ROUTES:
        raise RoutesExhausted(id=router.id, limit=MAX_ROUTES)
    if len(set(routes)) != len(routes):
        raise InvalidRoutes(routes=shown, why="duplicate items in the list")
    legs = [*await app.db.all(subnet_rows.BESIDE_ROUTER, router_id=router.id), *await _gateway_subnets(app, router)]
    own = {fixed.address for port in await port_rows.ports_of_devices(app.db, [router.id]) for fixed in port.fixed_ips}
    for route in routes:
        try:
            hop = ipaddress.ip_address(route.nexthop)
            ipaddress.ip_network(route.destination)
        except ValueError as wrong:
            raise InvalidRoutes(routes=shown, why=str(wrong)) from None
        if str(hop) in own:
            raise InvalidRoutes(routes=shown, why="the nexthop is used by router")
        if not any(hop in ipaddress.ip_network(subnet.cidr) for subnet in legs):
            raise InvalidRoutes(routes=shown, why="the nexthop is not connected with router")


async def _gateway_subnets(app: App, router: Router) -> Sequence[Subnet]:
    further = await app.db.all(rows.FURTHER, ids=[router.id])
    networks = dict.fromkeys([*filter(None, [router.gateway_network_id]), *(each.network_id for each in further)])
    return [subnet for network_id in networks for subnet in await subnet_rows.subnets_on(app.db, network_id)]


async def delete_router(app: App, router: Router) -> None:
    """The router and its way out are gone; raises RouterInUse while it has legs."""
    async with app.db.transaction():
        router = await rows.router_get(app.db, router.id)
        if await app.db.all(rows.LEGS, router_id=router.id):
            raise RouterInUse(id=router.id, why="still has ports")
        await clear_gateways(app, router)
        await app.db.run(rows.DELETE, of_id=router.id)
        await tell(app, "router.deleted", router)
        await changed(app)


async def add_subnet(app: App, router: Router, subnet: Subnet) -> Port:
    """The router is the subnet's gateway, by a port that has the gateway's address: of IPv6, one on each network."""
    if subnet.gateway_ip is None:
        raise BadRequest(resource="router", why="Subnet for router interface must have a gateway IP")
    async with app.db.transaction():
        router = await rows.router_get(app.db, router.id)
        network = await network_rows.network_find(app.db, subnet.network_id)
        if network is None:
            raise NetworkNotFound(id=subnet.network_id)
        await _check_beside(app, router, [subnet])
        leg = await _leg_of_six(app, router, subnet)
        if leg is not None:
            asked = [*(AskedIp(fixed.subnet, fixed.address) for fixed in leg.fixed_ips)]
            wish = AskedIp(subnet.id, subnet.gateway_ip)
            leg = await update_port(app, leg, {"fixed_ips": (*asked, wish)})
            await _note_leg(app, router, subnet.id, leg)
            return leg
        wanted = NewPort(
            project_id=router.project_id,
            network_id=network.id,
            device_owner=ROUTER_INTERFACE,
            device_id=router.id,
            fixed_ips=(AskedIp(subnet.id, subnet.gateway_ip),),
        )
        port = await create_port(app, network, wanted)
        await _add_legs(app, router, port)
        return port


async def add_port(app: App, router: Router, port: Port) -> Port:
    """The router has the port, and with it its addresses, as a leg."""
    async with app.db.transaction():
        router, port = await rows.router_get(app.db, router.id), await port_rows.port_get(app.db, port.id)
        if port.device_id:
            raise PortInUse(id=port.id, device=port.device_id)
        if not port.fixed_ips:
            raise BadRequest(resource="router", why=f"Router port {port.id} must have at least one fixed IP")
        beside = [await subnet_rows.subnet_find(app.db, fixed.subnet) for fixed in port.fixed_ips]
        await _check_beside(app, router, [subnet for subnet in beside if subnet is not None])
        await app.db.run(port_rows.LEAVE_GROUPS, port_id=port.id)
        values: dict[str, object] = {
            "device_owner": ROUTER_INTERFACE,
            "device_id": router.id,
            "port_security": False,
            "allowed_pairs": (),
        }
        await change(app, port_rows.CHANGE, port, values)
        await _add_legs(app, router, port)
        return port


async def _leg_of_six(app: App, router: Router, subnet: Subnet) -> Port | None:
    """The router's port on the same network that has IPv6 addresses only, if the subnet is of IPv6."""
    if subnet.ip_version == 4:
        return None
    for port in await port_rows.ports_of_devices(app.db, [router.id]):
        on = port.network_id == subnet.network_id and port.device_owner == ROUTER_INTERFACE
        if on and all(":" in fixed.address for fixed in port.fixed_ips):
            return port
    return None


async def _add_legs(app: App, router: Router, port: Port) -> None:
    for subnet_id in {fixed.subnet for fixed in port.fixed_ips}:
        await _note_leg(app, router, subnet_id, port)


async def _note_leg(app: App, router: Router, subnet_id: str, port: Port) -> None:
    await app.db.run(rows.LEG_INSERT, router_id=router.id, subnet_id=subnet_id, port_id=port.id)
    await change(app, rows.CHANGE, router, {})
    await tell(app, "router.interface_added", router)
    await changed(app)


async def _check_beside(app: App, router: Router, fresh: Sequence[Subnet]) -> None:
    """The router does not reach these addresses yet."""
    known = await app.db.all(subnet_rows.BESIDE_ROUTER, router_id=router.id)
    known += await _gateway_subnets(app, router)
    for subnet in fresh:
        for other in known:
            if other.id == subnet.id:
                raise BadRequest(resource="router", why=f"Router already has a port on subnet {subnet.id}")
            if ipaddress.ip_network(other.cidr).overlaps(ipaddress.ip_network(subnet.cidr)):
                raise BadRequest(
                    resource="router",
                    why=f"Cidr {subnet.cidr} of subnet {subnet.id} overlaps with cidr {other.cidr} of subnet {other.id}",
                )


async def remove_interface(app: App, router: Router, port_id: str | None, subnet_id: str | None) -> tuple[Port, str]:
    """The leg given by its port, its subnet or both is gone; returns the port it was and its subnet."""
    async with app.db.transaction():
        router = await rows.router_get(app.db, router.id)
        legs = await app.db.all(rows.LEGS, router_id=router.id)
        if port_id is None and subnet_id is not None and await subnet_rows.subnet_find(app.db, subnet_id) is None:
            raise SubnetNotFound(id=subnet_id)
        leg = _chosen(router, legs, port_id, subnet_id)
        port = await port_rows.port_find(app.db, leg.port_id)
        assert port is not None
        going = [each for each in legs if each.port_id == leg.port_id]
        # Of a port that stands in several subnets, naming one takes away no more than that.
        staying = [each for each in going if each.subnet_id != leg.subnet_id] if port_id is None else []
        for each in going:
            if each not in staying:
                await _check_leg_free(app, router, each)
                await app.db.run(rows.LEG_DELETE, router_id=router.id, subnet_id=each.subnet_id)
        if staying:
            kept = tuple(AskedIp(ip.subnet, ip.address) for ip in port.fixed_ips if ip.subnet != leg.subnet_id)
            await update_port(app, port, {"fixed_ips": kept})
        else:
            await delete_port(app, port, by_owner=True)
        await change(app, rows.CHANGE, router, {})
        await tell(app, "router.interface_removed", router)
        await changed(app)
        return port, leg.subnet_id


def _chosen(router: Router, legs: Sequence[Interface], port_id: str | None, subnet_id: str | None) -> Interface:
    if port_id is None and subnet_id is None:
        raise BadRequest(resource="router", why="Either subnet_id or port_id must be specified")
    for leg in legs:
        if port_id in {None, leg.port_id} and subnet_id in {None, leg.subnet_id}:
            return leg
    if subnet_id is not None and any(leg.port_id == port_id for leg in legs):
        raise SubnetMismatchForPort(port=port_id, subnet=subnet_id)
    if port_id is not None:
        raise RouterInterfaceNotFound(id=router.id, port=port_id)
    raise RouterInterfaceNotFoundForSubnet(id=router.id, subnet=subnet_id)


async def _check_leg_free(app: App, router: Router, leg: Interface) -> None:
    through = await app.db.one(rows.FLOATING_THROUGH_SUBNET, router_id=router.id, subnet_id=leg.subnet_id)
    forwarded = await app.db.one(rows.FORWARDED_THROUGH_SUBNET, router_id=router.id, subnet_id=leg.subnet_id)
    if through is not None or forwarded is not None:
        raise RouterInterfaceInUseByFloatingIP(id=router.id, subnet=leg.subnet_id)
    subnet = await subnet_rows.subnet_find(app.db, leg.subnet_id)
    assert subnet is not None
    block = ipaddress.ip_network(subnet.cidr)
    if any(ipaddress.ip_address(route.nexthop) in block for route in router.routes):
        raise RouterInterfaceInUseByRoute(id=router.id, subnet=leg.subnet_id)
