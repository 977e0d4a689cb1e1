"""Subnets: what one can ask for."""

from collections.abc import Mapping, Sequence
from typing import cast

from pileus.network.app import Network as App
from pileus.network.commands.addresses import address_ports
from pileus.network.commands.pools import take_prefix
from pileus.network.commands.quotas import make_room
from pileus.network.commands.standard import change, changed, standard, tell
from pileus.network.errors import (
    BadRequest,
    DNSNameServersExhausted,
    GatewayIpInUse,
    HostRoutesExhausted,
    InvalidAttribute,
    InvalidInput,
    InvalidSubnetServiceType,
    NetworkSubnetPoolAffinityError,
    SubnetInUse,
)
from pileus.network.models import blocks
from pileus.network.models.ipv6 import automatic, check_modes, check_mtu
from pileus.network.models.requests import NewSubnet
from pileus.network.models.resources import METADATA, HostRoute, Network, Pool, Subnet
from pileus.network.store import addresses as address_rows
from pileus.network.store import subnets as rows
from pileus.network.store.pools import pool_get

MAX_NAMESERVERS = 5
MAX_HOST_ROUTES = 20
# What the owners of ports begin with.
OWNERS = ("network:", "compute:", "baremetal:", "neutron:", "trunk:", "ironic:")


async def create_subnet(app: App, network: Network, wanted: NewSubnet) -> Subnet:
    """The network has the subnet, and if it answers DHCP, a port for metadata."""
    check_mtu(wanted.ip_version, network.mtu)
    cidr, pool_id = await _block(app, network, wanted)
    block, gateway, pools = _laid_out(wanted, cidr)
    clash = blocks.overlaps(block, [subnet.cidr for subnet in await rows.subnets_on(app.db, network.id)])
    if clash is not None:
        raise InvalidInput(
            why=f"Requested subnet with cidr: {block} for network: {network.id} overlaps with another subnet ({clash})"
        )
    await make_room(app, "subnet", wanted.project_id)
    found = Subnet(
        **standard(app, wanted),
        network_id=network.id,
        ip_version=block.version,
        cidr=str(block),
        gateway_ip=gateway,
        dhcp=wanted.dhcp,
        dns_servers=wanted.dns_servers,
        host_routes=wanted.host_routes,
        pools=pools,
        service_types=wanted.service_types,
        ipv6_ra_mode=wanted.ipv6_ra_mode,
        ipv6_address_mode=wanted.ipv6_address_mode,
        dns_publish=wanted.dns_publish,
        subnetpool_id=pool_id,
        network_project_id=network.project_id,
        network_shared=network.shared,
        network_external=network.external,
    )
    await rows.subnet_insert(app.db, found)
    if automatic(found):
        await address_ports(app, found)
    await tell(app, "subnet.created", found)
    await changed(app)
    return found


async def _block(app: App, network: Network, wanted: NewSubnet) -> tuple[str, str | None]:
    """The subnet's block, and the pool it is of, if any; all subnets of a network are of the same one."""
    beside = [subnet for subnet in await rows.subnets_on(app.db, network.id) if subnet.ip_version == wanted.ip_version]
    if wanted.subnetpool_id is not None:
        await pool_get(app.db, wanted.subnetpool_id)
    if any(subnet.subnetpool_id != wanted.subnetpool_id for subnet in beside):
        raise NetworkSubnetPoolAffinityError
    if wanted.subnetpool_id is None:
        if wanted.cidr is None:
            raise BadRequest(resource="subnets", why="a subnetpool must be specified in the absence of a cidr")
        return wanted.cidr, None
    cidr = await take_prefix(
        app, wanted.project_id, wanted.subnetpool_id, wanted.ip_version, wanted.cidr, wanted.prefixlen
    )
    return cidr, wanted.subnetpool_id


def _laid_out(wanted: NewSubnet, cidr: str) -> tuple[blocks.Block, str | None, tuple[Pool, ...]]:
    """The block, its gateway and its pools; raises when they cannot be so."""
    block = blocks.block_of(cidr, wanted.ip_version)
    longest = block.max_prefixlen - 2
    if wanted.dhcp and block.version == 4 and (block.is_multicast or block.is_loopback):
        kind = "Multicast" if block.is_multicast else "Loopback"
        raise InvalidInput(why=f"{kind} IP subnet is not supported if enable_dhcp is True")
    if wanted.dhcp and block.prefixlen > longest:
        raise InvalidInput(why=f"with enable_dhcp the CIDR prefix must not be longer than {longest}, '{block}' is")
    check_modes(block, wanted.ipv6_ra_mode, wanted.ipv6_address_mode, dhcp=wanted.dhcp)
    gateway = blocks.first_address(block) if wanted.auto_gateway else wanted.gateway_ip
    if gateway is not None:
        gateway = blocks.check_gateway(block, gateway)
    pools = blocks.default_pools(block, gateway)
    if wanted.pools is not None:
        pools = blocks.check_pools(block, wanted.pools, gateway)
    _check_options(wanted.dns_servers, wanted.host_routes, wanted.service_types, "new subnet")
    return block, gateway, pools


def _check_options(servers: Sequence[str], routes: Sequence[HostRoute], kinds: Sequence[str], subnet: str) -> None:
    for kind in kinds:
        if not kind.startswith(OWNERS):
            raise InvalidSubnetServiceType(kind=kind)
    check_servers(servers, subnet)
    check_routes(routes, subnet)


def check_servers(servers: Sequence[str], subnet: str) -> None:
    """Raises DNSNameServersExhausted or InvalidAttribute unless guests of the subnet may be told of these."""
    if len(servers) > MAX_NAMESERVERS:
        raise DNSNameServersExhausted(id=subnet, limit=MAX_NAMESERVERS)
    if len(set(servers)) != len(servers):
        raise InvalidAttribute(name="dns_nameservers", why=f"Duplicate items in the list: {', '.join(servers)}")
    for server in servers:
        blocks.ip_of(server, "dns_nameservers")


def check_routes(routes: Sequence[HostRoute], subnet: str) -> None:
    """Raises HostRoutesExhausted, InvalidAttribute or InvalidInput unless guests of the subnet may be told of these routes."""
    if len(routes) > MAX_HOST_ROUTES:
        raise HostRoutesExhausted(id=subnet, limit=MAX_HOST_ROUTES)
    if len(set(routes)) != len(routes):
        raise InvalidAttribute(name="host_routes", why="Duplicate items in the list")
    for route in routes:
        to = blocks.ip_of(route.nexthop, "host_routes")
        if to.version != _version_of(route.destination):
            raise InvalidInput(why=f"nexthop '{route.nexthop}' does not match '{route.destination}'")


def _version_of(cidr: str) -> int:
    version = 6 if ":" in cidr else 4
    # The default route is a route here, unlike a subnet.
    return version if cidr in {"0.0.0.0/0", "::/0"} else blocks.block_of(cidr, version, "host_routes").version


async def update_subnet(app: App, subnet: Subnet, values: Mapping[str, object]) -> Subnet:
    """The subnet is as asked for."""
    async with app.db.transaction():
        subnet = await rows.subnet_get(app.db, subnet.id)
        dhcp = bool(values.get("dhcp", subnet.dhcp))
        block = blocks.block_of(subnet.cidr, subnet.ip_version)
        check_modes(block, subnet.ipv6_ra_mode, subnet.ipv6_address_mode, dhcp=dhcp)
        wanted = {**values, **await _ranges(app, subnet, values)}
        _check_options(
            cast("Sequence[str]", values.get("dns_servers", subnet.dns_servers)),
            cast("Sequence[HostRoute]", values.get("host_routes", subnet.host_routes)),
            cast("Sequence[str]", values.get("service_types", subnet.service_types)),
            subnet.id,
        )
        await change(app, rows.CHANGE, subnet, wanted)
        await tell(app, "subnet.updated", subnet)
        await changed(app)
        return await rows.subnet_get(app.db, subnet.id)


async def _ranges(app: App, subnet: Subnet, values: Mapping[str, object]) -> dict[str, object]:
    """Gateway and pools as they become, checked against each other."""
    block = blocks.block_of(subnet.cidr, subnet.ip_version)
    found: dict[str, object] = {}
    gateway = subnet.gateway_ip
    if "gateway_ip" in values:
        given = cast("str | None", values["gateway_ip"])
        gateway = None if given is None else blocks.check_gateway(block, given)
        if gateway != subnet.gateway_ip:
            await _let_go_of_gateway(app, subnet)
        found["gateway_ip"] = gateway
    pools = subnet.pools
    if "pools" in values:
        pools = found["pools"] = blocks.check_pools(block, cast("Sequence[Pool]", values["pools"]), gateway)
    elif gateway is not None and "gateway_ip" in values:
        blocks.check_gateway_outside(pools, gateway)
    return found


async def _let_go_of_gateway(app: App, subnet: Subnet) -> None:
    """Nobody holds the old gateway's address; raises GatewayIpInUse."""
    if subnet.gateway_ip is not None:
        holder = await app.db.one(address_rows.HOLDER, subnet_id=subnet.id, address=subnet.gateway_ip)
        if holder is not None and await app.db.one(rows.ROUTERS_ON, id=subnet.id) is not None:
            raise GatewayIpInUse(address=subnet.gateway_ip, port=holder)


async def delete_subnet(app: App, subnet: Subnet) -> None:
    """The subnet is gone; raises SubnetInUse while ports have addresses of it."""
    async with app.db.transaction():
        subnet = await rows.subnet_get(app.db, subnet.id)
        # Addresses that guests make themselves go with their subnet.
        if automatic(subnet):
            used = await app.db.all(address_rows.IN_USE_BY_ROUTERS, id=subnet.id)
        else:
            used = await app.db.all(address_rows.IN_USE, id=subnet.id, but=METADATA)
        if used:
            raise SubnetInUse(id=subnet.id, ports=", ".join(used))
        await app.db.run(address_rows.FORGET, of_subnet=subnet.id)
        await app.db.run(rows.DELETE, of_id=subnet.id)
        await tell(app, "subnet.deleted", subnet)
        await changed(app)
