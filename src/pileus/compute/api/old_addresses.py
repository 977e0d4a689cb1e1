"""Floating and fixed addresses and networks, which clients asked compute for in its first versions."""

import ipaddress
from typing import Annotated

import msgspec

from pileus.compute import errors
from pileus.compute.api.service import ACTION_PATH, anybody, api, member, reader, server_find
from pileus.compute.app import Compute
from pileus.compute.commands import addresses as commands
from pileus.compute.models.servers import Server
from pileus.kit.http import Call, F, Wire
from pileus.ports.addresses import FloatingFacts, NetworkFacts

PROXIES_UNTIL, ACTIONS_UNTIL = "2.35", "2.43"
FLOATING = "/os-floating-ips"
POOLS = "/os-floating-ip-pools"
NETWORKS, PROJECT_NETWORKS = "/os-networks", "/os-tenant-networks"

Text = Annotated[str, msgspec.Meta(max_length=255)]


class FloatingView(Wire, kw_only=True):
    """A floating IP."""

    id: str
    ip: str
    pool: str
    fixed_ip: str | None
    instance_id: str | None


class PoolView(Wire):
    """Where floating IPs come from."""

    name: str


class FloatingBody(Wire):
    """From which pool a floating IP is wanted."""

    pool: Text | None = None


class ProjectNetworkView(Wire):
    """A network a project may use."""

    id: str
    cidr: str
    label: str


class NetworkView(Wire, kw_only=True):
    """A network, among what was known of networks when compute made them itself."""

    id: str
    label: str
    bridge: None = None
    bridge_interface: None = None
    broadcast: None = None
    cidr: None = None
    cidr_v6: None = None
    created_at: None = None
    deleted: None = None
    deleted_at: None = None
    dhcp_server: None = None
    dhcp_start: None = None
    dns1: None = None
    dns2: None = None
    enable_dhcp: None = None
    gateway: None = None
    gateway_v6: None = None
    host: None = None
    injected: None = None
    mtu: None = None
    multi_host: None = None
    netmask: None = None
    netmask_v6: None = None
    priority: None = None
    project_id: None = None
    rxtx_base: None = None
    share_address: None = None
    updated_at: None = None
    vlan: None = None
    vpn_private_address: None = None
    vpn_public_address: None = None
    vpn_public_port: None = None


class Associate(Wire):
    """Which floating IP is to lead to the server, and to which of its addresses."""

    address: Text
    fixed_address: Text | None = None


class Dissociate(Wire):
    """Which floating IP is to lead to the server no more."""

    address: Text


class AddFixed(Wire):
    """On which network another address is wanted."""

    network_id: Annotated[str | int, F("networkId")]


def _view(floating: FloatingFacts) -> FloatingView:
    return FloatingView(
        id=floating.id,
        ip=floating.address,
        pool=floating.pool,
        fixed_ip=floating.fixed_address,
        instance_id=floating.server_id,
    )


def _address(name: str, text: str) -> str:
    """The address in its usual spelling; raises BadRequest."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise errors.BadRequest(
            why=f"Invalid input for field/attribute {name}. Value: {text}. '{text}' is not an IP address."
        ) from None


@api.get(POOLS, anybody("os-floating-ip-pools"), key="floating_ip_pools", until=PROXIES_UNTIL)
async def pools(call: Call[Compute]) -> list[PoolView]:
    """List where floating IPs come from."""
    return [PoolView(name=pool.name or pool.id) for pool in await call.app.networks.addresses.pools()]


@api.get(FLOATING, reader("os-floating-ips:list"), key="floating_ips", until=PROXIES_UNTIL)
async def floating_index(call: Call[Compute]) -> list[FloatingView]:
    """List floating IPs."""
    return [_view(floating) for floating in await call.app.networks.addresses.floating_list(call.caller)]


@api.post(FLOATING, member("os-floating-ips:create"), reply_key="floating_ip", status=200, until=PROXIES_UNTIL)
async def floating_create(call: Call[Compute], body: FloatingBody | None) -> FloatingView:
    """Get another floating IP."""
    return _view(await commands.allocate_floating_ip(call.app, call.caller, None if body is None else body.pool))


@api.get(FLOATING + "/{floating_ip_id}", reader("os-floating-ips:show"), key="floating_ip", until=PROXIES_UNTIL)
async def floating_show(call: Call[Compute], floating_ip_id: str) -> FloatingView:
    """Show a floating IP."""
    return _view(await commands.floating_get(call.app, call.caller, floating_ip_id))


@api.delete(FLOATING + "/{floating_ip_id}", member("os-floating-ips:delete"), status=202, until=PROXIES_UNTIL)
async def floating_delete(call: Call[Compute], floating_ip_id: str) -> None:
    """Give a floating IP back."""
    found = await commands.floating_get(call.app, call.caller, floating_ip_id)
    await call.app.networks.addresses.release(call.caller, found.id)


@api.action(ACTION_PATH, "addFloatingIp", member("os-floating-ips:add"), find=server_find, until=ACTIONS_UNTIL)
async def associate(call: Call[Compute], server: Server, body: Associate) -> None:
    """Have a floating IP lead to a server."""
    fixed = None if body.fixed_address is None else _address("fixed_address", body.fixed_address)
    await commands.associate_floating_ip(call.app, call.caller, server, _address("address", body.address), fixed)


@api.action(ACTION_PATH, "removeFloatingIp", member("os-floating-ips:remove"), find=server_find, until=ACTIONS_UNTIL)
async def dissociate(call: Call[Compute], server: Server, body: Dissociate) -> None:
    """Have a floating IP lead to a server no more."""
    await commands.dissociate_floating_ip(call.app, call.caller, server, _address("address", body.address))


@api.action(ACTION_PATH, "addFixedIp", member("os-multinic:add"), find=server_find, until=ACTIONS_UNTIL)
async def fixed_add(call: Call[Compute], server: Server, body: AddFixed) -> None:
    """Give a server another address on a network it is on."""
    await commands.add_fixed_ip(call.app, call.caller, server, str(body.network_id))


@api.action(ACTION_PATH, "removeFixedIp", member("os-multinic:remove"), find=server_find, until=ACTIONS_UNTIL)
async def fixed_remove(call: Call[Compute], server: Server, body: Dissociate) -> None:
    """Take one of its addresses from a server."""
    await commands.remove_fixed_ip(call.app, call.caller, server, _address("address", body.address))


async def _network(call: Call[Compute], network_id: str) -> NetworkFacts:
    found = await call.app.networks.addresses.network(call.caller, network_id)
    if found is None:
        raise errors.NoNetwork
    return found


@api.get(NETWORKS, reader("os-networks:list"), key="networks", until=PROXIES_UNTIL)
async def networks_index(call: Call[Compute]) -> list[NetworkView]:
    """List networks."""
    found = await call.app.networks.addresses.networks(call.caller)
    return [NetworkView(id=network.id, label=network.name) for network in found]


@api.get(NETWORKS + "/{network_id}", reader("os-networks:show"), key="network", until=PROXIES_UNTIL)
async def networks_show(call: Call[Compute], network_id: str) -> NetworkView:
    """Show a network."""
    found = await _network(call, network_id)
    return NetworkView(id=found.id, label=found.name)


@api.get(PROJECT_NETWORKS, reader("os-tenant-networks:list"), key="networks", until=PROXIES_UNTIL)
async def project_networks_index(call: Call[Compute]) -> list[ProjectNetworkView]:
    """List the networks of a project."""
    found = await call.app.networks.addresses.networks(call.caller)
    return [ProjectNetworkView(id=network.id, cidr="None", label=network.name) for network in found]


@api.get(PROJECT_NETWORKS + "/{network_id}", reader("os-tenant-networks:show"), key="network", until=PROXIES_UNTIL)
async def project_networks_show(call: Call[Compute], network_id: str) -> ProjectNetworkView:
    """Show a network of a project."""
    found = await _network(call, network_id)
    return ProjectNetworkView(id=found.id, cidr="None", label=found.name)
