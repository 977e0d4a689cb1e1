"""Subnets."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from pileus.kit.auth import Caller
from pileus.kit.http.call import Call, Page
from pileus.kit.http.wire import F, Wire
from pileus.network.api.networks import network_for
from pileus.network.api.policy import project_of, require, require_named, rule, sees_all, shown
from pileus.network.api.service import api
from pileus.network.api.wires import Filters, Name, Number, Owned, Seen, asked, standard, where
from pileus.network.app import Network as App
from pileus.network.commands import ports as port_commands
from pileus.network.commands import subnets as commands
from pileus.network.commands.pools import default_pool
from pileus.network.errors import BadRequest, SubnetNotFound
from pileus.network.models.blocks import block_of
from pileus.network.models.requests import NewSubnet
from pileus.network.models.resources import HostRoute, Pool, Subnet
from pileus.network.models.sharing import SHARED
from pileus.network.store import networks as network_rows
from pileus.network.store import subnets as rows
from pileus.network.store.sharing import grants

Ipv6Mode = Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"]

# What clients say in place of a pool where a router outside is to give the prefix.
PREFIX_DELEGATION = "prefix_delegation"


class PoolWire(Wire):
    start: str
    end: str


class RouteWire(Wire):
    destination: str
    nexthop: str


class SubnetWanted(Owned, kw_only=True):
    """A subnet to make or to change."""

    network_id: Annotated[str, F(on="c")]
    ip_version: Annotated[Literal[4, 6], F(on="c")]
    cidr: Annotated[str | UnsetType, F(on="c")] = UNSET
    name: Name = ""
    description: Name = ""
    gateway_ip: str | UnsetType | None = UNSET
    pools: Annotated[list[PoolWire] | UnsetType, F("allocation_pools")] = UNSET
    dhcp: Annotated[bool, F("enable_dhcp")] = True
    dns_servers: Annotated[list[str] | None, F("dns_nameservers")] = None
    host_routes: list[RouteWire] | None = None
    service_types: list[str] = []
    dns_publish: Annotated[bool, F("dns_publish_fixed_ip")] = False
    subnetpool_id: Annotated[str | None, F(on="c")] = None
    use_default_subnetpool: Annotated[bool, F(on="c")] = False
    prefixlen: Annotated[int | None, F(on="c")] = None
    ipv6_ra_mode: Annotated[Ipv6Mode | None, F(on="c")] = None
    ipv6_address_mode: Annotated[Ipv6Mode | None, F(on="c")] = None
    segment_id: None = None


class SubnetPost(Wire):
    subnet: SubnetWanted | UnsetType = UNSET
    subnets: list[SubnetWanted] | UnsetType = UNSET


class SubnetSeen(Seen):
    """A subnet as a caller sees it."""

    network_id: str
    ip_version: int
    cidr: str
    gateway_ip: str | None
    pools: Annotated[list[PoolWire], F("allocation_pools")]
    dhcp: Annotated[bool, F("enable_dhcp")]
    dns_servers: Annotated[list[str], F("dns_nameservers")]
    host_routes: list[RouteWire]
    service_types: list[str]
    dns_publish: Annotated[bool, F("dns_publish_fixed_ip")]
    external: Annotated[bool, F("router:external")]
    ipv6_ra_mode: str | None
    ipv6_address_mode: str | None
    subnetpool_id: str | None
    segment_id: None = None


class SubnetsMade(Wire):
    subnet: SubnetSeen | UnsetType = UNSET
    subnets: list[SubnetSeen] | UnsetType = UNSET


class SubnetFilters(Filters):
    network_id: list[str] = []
    subnetpool_id: list[str] = []
    ip_version: list[Number] = []
    cidr: list[str] = []
    gateway_ip: list[str] = []
    dhcp: Annotated[list[bool], F("enable_dhcp")] = []
    shared: list[bool] = []
    external: Annotated[list[bool], F("router:external")] = []
    ipv6_ra_mode: list[str] = []
    ipv6_address_mode: list[str] = []


def view(subnet: Subnet) -> SubnetSeen:
    """A subnet as the API shows it."""
    return SubnetSeen(
        **standard(subnet),
        network_id=subnet.network_id,
        ip_version=subnet.ip_version,
        cidr=subnet.cidr,
        gateway_ip=subnet.gateway_ip,
        pools=[PoolWire(start=pool.start, end=pool.end) for pool in subnet.pools],
        dhcp=subnet.dhcp,
        dns_servers=list(subnet.dns_servers),
        host_routes=[RouteWire(destination=route.destination, nexthop=route.nexthop) for route in subnet.host_routes],
        service_types=list(subnet.service_types),
        dns_publish=subnet.dns_publish,
        external=subnet.network_external,
        ipv6_ra_mode=subnet.ipv6_ra_mode,
        ipv6_address_mode=subnet.ipv6_address_mode,
        subnetpool_id=subnet.subnetpool_id,
    )


async def subnet_for(app: App, caller: Caller, subnet_id: str) -> Subnet:
    """The subnet, if the caller sees it; raises SubnetNotFound."""
    found = await rows.subnet_find(app.db, subnet_id)
    if found is not None:
        (found,) = await with_grants(app, caller, [found]) or (None,)
    if found is None:
        raise SubnetNotFound(id=subnet_id)
    return found


async def with_grants(app: App, caller: Caller, found: Sequence[Subnet]) -> list[Subnet]:
    """Those of the subnets the caller sees, with what he may use their networks as."""
    own = {subnet.id for subnet in found if caller.project_id in {subnet.project_id, subnet.network_project_id}}
    theirs = sorted({subnet.network_id for subnet in found if subnet.id not in own})
    granted = await grants(app.db, theirs, caller.project_id or "")
    all_seen = caller.admin or "service" in caller.roles
    return [
        msgspec.structs.replace(
            subnet, network_shared=subnet.network_shared or SHARED in granted.get(subnet.network_id, ())
        )
        for subnet in found
        if all_seen or subnet.id in own or subnet.network_id in granted
    ]


def _values(body: SubnetWanted) -> dict[str, Any]:
    """What was given, in the words of the model."""
    found = body.given()
    for name, kind in (("pools", Pool), ("host_routes", HostRoute)):
        if name in found:
            made = [kind(*(getattr(item, part) for part in item.__struct_fields__)) for item in found[name] or ()]
            found[name] = tuple(made)
    for name in ("dns_servers", "service_types"):
        if name in found:
            found[name] = tuple(found[name] or ())
    return {name: value for name, value in found.items() if name in NewSubnet.__struct_fields__}


def _new(body: SubnetWanted, project_id: str) -> NewSubnet:
    given = _values(body)
    return NewSubnet(**{**given, "project_id": project_id, "auto_gateway": body.gateway_ip is UNSET})


async def _pooled(app: App, body: SubnetWanted, new: NewSubnet) -> NewSubnet:
    """The subnet to make, of the default pool if that is asked for."""
    if new.cidr is not None and new.prefixlen is not None:
        raise BadRequest(resource="subnets", why="a cidr and a prefixlen cannot both be given")
    if new.subnetpool_id == PREFIX_DELEGATION:
        why = "prefix delegation is not offered here: no router asks others for prefixes; name a subnet pool, or give a cidr"
        raise BadRequest(resource="subnets", why=why)
    if not body.use_default_subnetpool:
        return new
    if new.subnetpool_id is not None:
        raise BadRequest(resource="subnets", why="subnetpool_id and use_default_subnetpool cannot both be specified")
    pool = await default_pool(app, new.ip_version)
    if pool is None:
        raise BadRequest(resource="subnets", why=f"No default subnetpool found for IPv{new.ip_version}")
    return msgspec.structs.replace(new, subnetpool_id=pool.id)


@api.post("/subnets", rule("create_subnet"), late=True)
async def create(call: Call[App], body: SubnetPost) -> SubnetsMade:
    """Create one subnet or many."""
    wanted = asked("subnet", body.subnet, body.subnets)
    made = []
    async with call.app.db.transaction():
        for each in wanted:
            project_id = project_of(call, each)
            if each.cidr is not UNSET:
                # What is wrong in the body itself is said before anything is looked up.
                block_of(each.cidr, each.ip_version)
            network = await network_for(call.app, call.caller, each.network_id)
            target = {**network.policy_target(), "project_id": project_id, "tenant_id": project_id}
            require(call, "create", "subnet", each, target)
            new = await _pooled(call.app, each, _new(each, project_id))
            subnet = await commands.create_subnet(call.app, network, new)
            await port_commands.ensure_metadata_port(call.app, network)
            made.append(view(subnet))
    return SubnetsMade(subnet=made[0]) if body.subnets is UNSET else SubnetsMade(subnets=made)


@api.get("/subnets", rule("get_subnet"), key="subnets", late=True)
async def index(call: Call[App], query: SubnetFilters, page: Page) -> list[SubnetSeen]:
    """List subnets: the caller's own, and those of networks he sees."""
    wanted = where(query)
    if not sees_all(call):
        wanted["visible"] = call.caller.project_id or ""
    found = await call.app.db.page(
        rows.LISTING, where=wanted, sort=page.sort, marker=page.marker, limit=page.limit, reverse=page.reverse
    )
    return [view(subnet) for subnet in shown(call, "subnet", await with_grants(call.app, call.caller, found))]


@api.get("/subnets/{subnet_id}", rule("get_subnet"), key="subnet", find=subnet_for)
async def show(call: Call[App], subnet: Subnet) -> SubnetSeen:
    """Show a subnet."""
    return view(subnet)


@api.put("/subnets/{subnet_id}", rule("update_subnet"), key="subnet", find=subnet_for)
async def update(call: Call[App], subnet: Subnet, body: SubnetWanted) -> SubnetSeen:
    """Change a subnet."""
    require_named(call, "update", "subnet", body, subnet.policy_target())
    async with call.app.db.transaction():
        changed = await commands.update_subnet(call.app, subnet, _values(body))
        if changed.dhcp and not subnet.dhcp:
            network = await network_rows.network_find(call.app.db, subnet.network_id)
            if network is not None:
                await port_commands.ensure_metadata_port(call.app, network)
    return view(changed)


@api.delete("/subnets/{subnet_id}", rule("delete_subnet"), find=subnet_for)
async def delete(call: Call[App], subnet: Subnet) -> None:
    """Delete a subnet."""
    await commands.delete_subnet(call.app, subnet)
