"""Routers."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import UNSET, UnsetType

from pileus.kit.auth import Caller
from pileus.kit.http.call import Call, Page
from pileus.kit.http.wire import F, Wire
from pileus.network.api.networks import network_for
from pileus.network.api.policy import project_of, require, require_named, rule, sees_all, shown
from pileus.network.api.ports import FixedIpWire, port_for
from pileus.network.api.service import api
from pileus.network.api.subnets import RouteWire, subnet_for
from pileus.network.api.wires import Filters, Name, Owned, Seen, asked, standard, where
from pileus.network.app import Network as App
from pileus.network.commands import routers as commands
from pileus.network.errors import BadRequest, RouterNotFound
from pileus.network.models.requests import AskedIp, GatewayWish, NewRouter
from pileus.network.models.resources import FixedIp, FurtherGateway, HostRoute, Port, Router
from pileus.network.store import addresses as address_rows
from pileus.network.store import routers as rows


class GatewayWanted(Wire):
    network_id: str | UnsetType = UNSET
    enable_snat: bool | UnsetType = UNSET
    external_fixed_ips: list[FixedIpWire] | UnsetType = UNSET
    qos_policy_id: str | UnsetType | None = UNSET


class RouterWanted(Owned):
    """A router to make or to change."""

    name: Name = ""
    description: Name = ""
    admin_up: Annotated[bool, F("admin_state_up")] = True
    gateway: Annotated[GatewayWanted | None, F("external_gateway_info")] = None
    routes: Annotated[list[RouteWire] | None, F(on="u")] = None
    ha: bool | None = None
    distributed: bool | None = None
    zone_hints: Annotated[list[str], F("availability_zone_hints", on="c")] = []
    flavor_id: Annotated[str | None, F(on="c")] = None
    ecmp: Annotated[bool, F("enable_default_route_ecmp")] = False
    bfd: Annotated[bool, F("enable_default_route_bfd")] = False


class RouterPost(Wire):
    router: RouterWanted | UnsetType = UNSET
    routers: list[RouterWanted] | UnsetType = UNSET


class GatewaySeen(Wire):
    network_id: str
    enable_snat: bool
    external_fixed_ips: list[FixedIpWire]
    qos_policy_id: str | None


class RouterSeen(Seen):
    """A router as a caller sees it."""

    admin_up: Annotated[bool, F("admin_state_up")]
    status: str
    gateway: Annotated[GatewaySeen | None, F("external_gateway_info")]
    routes: list[RouteWire]
    ha: Annotated[bool, F(rule="get_router:ha")] = True
    distributed: Annotated[bool, F(rule="get_router:distributed")] = False
    availability_zone_hints: list[str] = []
    availability_zones: list[str] = []
    flavor_id: str | None = None
    external_gateways: list[GatewaySeen] = []
    ecmp: Annotated[bool, F("enable_default_route_ecmp")] = False
    bfd: Annotated[bool, F("enable_default_route_bfd")] = False
    enable_snat: bool = True


class RoutersMade(Wire):
    router: RouterSeen | UnsetType = UNSET
    routers: list[RouterSeen] | UnsetType = UNSET


class RouterFilters(Filters):
    admin_up: Annotated[list[bool], F("admin_state_up")] = []
    status: list[str] = []


class InterfaceWanted(Wire):
    """A subnet or a port to put on a router, or to take off."""

    subnet_id: str | UnsetType = UNSET
    port_id: str | UnsetType = UNSET


class InterfaceSeen(Wire):
    """What was put on a router, or taken off."""

    id: str
    tenant_id: str
    project_id: str
    port_id: str
    network_id: str
    subnet_id: str
    subnet_ids: list[str]
    tags: list[str]


class RoutesWanted(Wire):
    """Routes to add or to remove."""

    routes: list[RouteWire]


async def views(app: App, found: list[Router]) -> list[RouterSeen]:
    """Routers as the API shows them."""
    further: dict[str, list[FurtherGateway]] = {}
    for each in await app.db.all(rows.FURTHER, ids=[router.id for router in found]) if found else ():
        further.setdefault(each.router_id, []).append(each)
    ports = [router.gateway_port_id for router in found if router.gateway_port_id]
    ports += [each.port_id for some in further.values() for each in some]
    outer: dict[str, list[FixedIp]] = {}
    if ports:
        for port_id, subnet_id, address in await app.db.all(address_rows.OF_PORTS, ids=ports):
            outer.setdefault(port_id, []).append(FixedIp(subnet_id, address))
    return [_view(app, router, _gateways(router, further.get(router.id, []), outer)) for router in found]


def _gateways(
    router: Router, further: Sequence[FurtherGateway], outer: Mapping[str, Sequence[FixedIp]]
) -> list[GatewaySeen]:
    """A router's ways out, the first one first."""

    def seen(port_id: str, network_id: str, qos: str | None, *, snat: bool) -> GatewaySeen:
        fixed = [FixedIpWire(subnet_id=ip.subnet, ip_address=ip.address) for ip in outer.get(port_id, ())]
        return GatewaySeen(network_id=network_id, enable_snat=snat, external_fixed_ips=fixed, qos_policy_id=qos)

    if router.gateway_network_id is None:
        return []
    first = seen(router.gateway_port_id or "", router.gateway_network_id, router.qos_policy_id, snat=router.snat)
    return [first, *(seen(each.port_id, each.network_id, None, snat=each.snat) for each in further)]


def _view(app: App, router: Router, gateways: list[GatewaySeen]) -> RouterSeen:
    return RouterSeen(
        **standard(router),
        admin_up=router.admin_up,
        status="ACTIVE",
        gateway=gateways[0] if gateways else None,
        external_gateways=gateways,
        ecmp=router.ecmp,
        bfd=router.bfd,
        enable_snat=router.snat,
        routes=[RouteWire(destination=route.destination, nexthop=route.nexthop) for route in router.routes],
        availability_zone_hints=list(router.zone_hints),
        availability_zones=[app.config.zone],
        flavor_id=router.flavor_id,
    )


async def router_for(app: App, caller: Caller, router_id: str) -> Router:
    """The router, if the caller sees it; raises RouterNotFound."""
    found = await rows.router_find(app.db, router_id)
    if found is None or not (caller.admin or "service" in caller.roles or found.project_id == caller.project_id):
        raise RouterNotFound(id=router_id)
    return found


def _wish(body: RouterWanted) -> GatewayWish | None:
    given = body.gateway
    return wished(given) if isinstance(given, GatewayWanted) and given.given() else None


def wished(given: GatewayWanted) -> GatewayWish:
    """The way out a caller asks for; raises BadRequest."""
    if given.network_id is UNSET:
        raise BadRequest(resource="router", why="external_gateway_info needs a network_id")
    fixed = None
    if given.external_fixed_ips is not UNSET:
        fixed = tuple(AskedIp(item.subnet_id or None, item.ip_address or None) for item in given.external_fixed_ips)
    return GatewayWish(
        network_id=given.network_id,
        snat=given.enable_snat is not False,
        fixed_ips=fixed or None,
        qos_policy_id=given.qos_policy_id,
    )


@api.post("/routers", rule("create_router"), late=True)
async def create(call: Call[App], body: RouterPost) -> RoutersMade:
    """Create one router or many."""
    made = []
    async with call.app.db.transaction():
        for each in asked("router", body.router, body.routers):
            project_id = project_of(call, each)
            require(call, "create", "router", each, {"project_id": project_id, "tenant_id": project_id})
            _check_modes(each)
            wish = _wish(each)
            if wish is not None:
                await network_for(call.app, call.caller, wish.network_id)
            new = NewRouter(
                project_id=project_id,
                name=each.name,
                description=each.description,
                admin_up=each.admin_up,
                gateway=wish,
                flavor_id=each.flavor_id,
                ecmp=each.ecmp,
                bfd=each.bfd,
                zone_hints=tuple(each.zone_hints),
            )
            made.append(await commands.create_router(call.app, new, any_network=call.caller.admin))
        seen = await views(call.app, made)
    return RoutersMade(router=seen[0]) if body.routers is UNSET else RoutersMade(routers=seen)


@api.get("/routers", rule("get_router"), key="routers", late=True)
async def index(call: Call[App], query: RouterFilters, page: Page) -> list[RouterSeen]:
    """List routers: the caller's own."""
    wanted = where(query)
    if wanted.pop("status", "ACTIVE") != "ACTIVE":
        return []
    if not sees_all(call):
        wanted["visible"] = call.caller.project_id or ""
    found = await call.app.db.page(
        rows.LISTING, where=wanted, sort=page.sort, marker=page.marker, limit=page.limit, reverse=page.reverse
    )
    return await views(call.app, shown(call, "router", found))


@api.get("/routers/{router_id}", rule("get_router"), key="router", find=router_for)
async def show(call: Call[App], router: Router) -> RouterSeen:
    """Show a router."""
    return (await views(call.app, [router]))[0]


@api.put("/routers/{router_id}", rule("update_router"), key="router", find=router_for)
async def update(call: Call[App], router: Router, body: RouterWanted) -> RouterSeen:
    """Change a router."""
    require_named(call, "update", "router", body, router.policy_target())
    given = body.given()
    values: dict[str, Any] = {
        name: given[name] for name in ("name", "description", "admin_up", "ecmp", "bfd") if name in given
    }
    _check_modes(body)
    if "routes" in given:
        values["routes"] = _routes(given["routes"] or [])
    wish = None
    if "gateway" in given:
        values["gateway"] = True
        wish = _wish(body)
        if wish is not None:
            await network_for(call.app, call.caller, wish.network_id)
    changed = await commands.update_router(call.app, router, values, wish, any_network=call.caller.admin)
    return (await views(call.app, [changed]))[0]


def _check_modes(body: RouterWanted) -> None:
    """Raises BadRequest when a router is to be what none is: any gateway host carries it, and floating IPs are central."""
    if body.ha is False:
        raise BadRequest(resource="router", why="every router is highly available; ha cannot be switched off")
    if body.distributed:
        raise BadRequest(resource="router", why="distributed is not a mode of routers here")


def _routes(given: list[RouteWire]) -> tuple[HostRoute, ...]:
    return tuple(HostRoute(route.destination, route.nexthop) for route in given)


@api.delete("/routers/{router_id}", rule("delete_router"), find=router_for)
async def delete(call: Call[App], router: Router) -> None:
    """Delete a router."""
    await commands.delete_router(call.app, router)


def _interface(router: Router, port: Port, subnet_ids: list[str]) -> InterfaceSeen:
    return InterfaceSeen(
        id=router.id,
        tenant_id=router.project_id,
        project_id=router.project_id,
        port_id=port.id,
        network_id=port.network_id,
        subnet_id=subnet_ids[0],
        subnet_ids=subnet_ids,
        tags=list(router.tags),
    )


@api.put("/routers/{router_id}/add_router_interface", rule("add_router_interface"), find=router_for, on="c")
async def add_interface(call: Call[App], router: Router, body: InterfaceWanted) -> InterfaceSeen:
    """Put a subnet or a port on a router."""
    if body.port_id is not UNSET:
        if body.subnet_id is not UNSET:
            raise BadRequest(resource="router", why="Cannot specify both subnet-id and port-id")
        port = await commands.add_port(call.app, router, await port_for(call.app, call.caller, body.port_id))
        return _interface(router, port, [fixed.subnet for fixed in port.fixed_ips])
    if body.subnet_id is UNSET:
        raise BadRequest(resource="router", why="Either subnet_id or port_id must be specified")
    subnet = await subnet_for(call.app, call.caller, body.subnet_id)
    port = await commands.add_subnet(call.app, router, subnet)
    return _interface(router, port, [subnet.id])


@api.put("/routers/{router_id}/remove_router_interface", rule("remove_router_interface"), find=router_for, on="c")
async def remove_interface(call: Call[App], router: Router, body: InterfaceWanted) -> InterfaceSeen:
    """Take a subnet or a port off a router."""
    port_id = None if body.port_id is UNSET else body.port_id
    subnet_id = None if body.subnet_id is UNSET else body.subnet_id
    port, gone = await commands.remove_interface(call.app, router, port_id, subnet_id)
    return _interface(router, port, [gone])


@api.put("/routers/{router_id}/add_extraroutes", rule("add_extraroutes"), key="router", find=router_for, on="c")
async def add_routes(call: Call[App], router: Router, body: RoutesWanted) -> RouterSeen:
    """Add routes to a router's."""
    routes = tuple(dict.fromkeys((*router.routes, *_routes(body.routes))))
    changed = await commands.update_router(call.app, router, {"routes": routes}, None, any_network=False)
    return (await views(call.app, [changed]))[0]


@api.put("/routers/{router_id}/remove_extraroutes", rule("remove_extraroutes"), key="router", find=router_for, on="c")
async def remove_routes(call: Call[App], router: Router, body: RoutesWanted) -> RouterSeen:
    """Remove routes from a router's."""
    gone = set(_routes(body.routes))
    routes = tuple(route for route in router.routes if route not in gone)
    changed = await commands.update_router(call.app, router, {"routes": routes}, None, any_network=False)
    return (await views(call.app, [changed]))[0]
