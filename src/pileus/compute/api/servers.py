"""Servers: create, list, show, change, delete."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.api.server_create import HostName, Label, ServerBody, access_address, asked
from pileus.compute.api.server_list import (
    ServerQuery,
    check_order,
    filters,
    matching_address,
    matching_power,
    scope,
)
from pileus.compute.api.server_view import GroupName, ServerBrief, ServerChanged, ServerView, changed, view, views
from pileus.compute.api.service import Link, Name, admin, api, links, member, reader, server_find
from pileus.compute.app import Compute
from pileus.compute.commands import servers as commands
from pileus.compute.commands.create import create_servers
from pileus.compute.models.servers import Server
from pileus.compute.store.servers import server_list
from pileus.kit.http import Call, F, Page, Reply, Wire
from pileus.kit.policy import ADMIN, Rule
from pileus.ports.network import Address

MOST = 1000
DiskConfig = Annotated[str, msgspec.Meta(pattern=r"^(AUTO|MANUAL)$(?!\n)")]

api.declare(
    admin("os-extended-server-attributes"),
    admin("servers:show:host_status"),
    reader("servers:show:flavor-extra-specs"),
    admin("servers:index:get_all_tenants"),
    admin("servers:detail:get_all_tenants"),
    admin("servers:allow_all_filters"),
    admin("servers:create:forced_host"),
    admin("servers:create:zero_disk_flavor"),
    Rule("compute:servers:create:requested_destination", ADMIN),
    member("servers:create:attach_network"),
    member("servers:create:attach_volume"),
    member("servers:create:trusted_certs"),
    member("servers:rebuild:trusted_certs"),
)


class ServerCreated(Wire, kw_only=True):
    """What the creator of a server is told at once."""

    id: str
    links: list[Link]
    disk_config: Annotated[str, F("OS-DCF:diskConfig")]
    security_groups: list[GroupName]
    admin_password: Annotated[str, F("adminPass")]


class ServerUpdate(Wire):
    """What may be changed of a server."""

    name: Name | UnsetType = UNSET
    access_ipv4: Annotated[str | UnsetType | None, F("accessIPv4")] = UNSET
    access_ipv6: Annotated[str | UnsetType | None, F("accessIPv6")] = UNSET
    disk_config: Annotated[DiskConfig | UnsetType, F("OS-DCF:diskConfig")] = UNSET
    description: Annotated[str | UnsetType | None, F(since="2.19")] = UNSET
    early_hostname: Annotated[Label | UnsetType, F("hostname", since="2.90", until="2.93")] = UNSET
    hostname: Annotated[HostName | UnsetType, F(since="2.94")] = UNSET
    pinned_zone: Annotated[str | UnsetType | None, F("pinned_availability_zone", since="2.104")] = UNSET


@api.post("/servers", member("servers:create"), status=202, reply_key="server")
async def create(call: Call[Compute], body: ServerBody) -> ServerCreated | Reply:
    """Create servers; they boot in the background."""
    new = asked(call, body)
    made = await create_servers(call.app, call.caller, new, call.request_id)
    first = made[0]
    if body.server.wants_reservation:
        said = msgspec.json.encode({"reservation_id": first.reservation_id})
        return Reply(202, said, {"Content-Type": "application/json"})
    call.reply_headers["Location"] = call.url(f"/v2.1/servers/{first.id}")
    return ServerCreated(
        id=first.id,
        links=links(call, f"/servers/{first.id}"),
        disk_config=first.disk_config,
        security_groups=[GroupName(name=name) for name in first.security_groups or ("default",)],
        admin_password=new.admin_password or "",
    )


@api.get("/servers", reader("servers:index"), key="servers")
async def index(call: Call[Compute], query: ServerQuery, page: Page) -> list[ServerBrief]:
    """List servers."""
    found = await _page(call, query, page, "os_compute_api:servers:index:get_all_tenants")
    return [ServerBrief(id=server.id, name=server.name, links=links(call, f"/servers/{server.id}")) for server in found]


@api.get("/servers/detail", reader("servers:detail"), key="servers")
async def detail(call: Call[Compute], query: ServerQuery, page: Page) -> list[ServerView]:
    """List servers with details."""
    return await views(call, await _page(call, query, page, "os_compute_api:servers:detail:get_all_tenants"))


async def _page(call: Call[Compute], query: ServerQuery, page: Page, everywhere: str) -> list[Server]:
    where: dict[str, Any] = {**scope(call, query, everywhere), **filters(call, query)}
    check_order(call, page.sort)
    if page.limit is None:
        page.limit = MOST
    fits, power = matching_address(query), matching_power(call, query)
    if fits is not None or power is not None:
        return await _looked_at(call, where, fits, power, page)
    return await server_list(call.app, where, page.sort, marker=page.marker, limit=page.limit)


async def _looked_at(
    call: Call[Compute], where: dict[str, Any], fits: Callable[[Address], bool] | None, power: int | None, page: Page
) -> list[Server]:
    """Those with that power, and an address that fits: what hosts and networks know is looked at page by page."""
    found: list[Server] = []
    marker, limit = page.marker, page.limit or MOST
    while len(found) < limit:
        some = await server_list(call.app, where, page.sort, marker=marker, limit=MOST)
        kept = [server for server in some if power is None or server.power == power]
        if fits is not None:
            ports = await call.app.networks.ports_of([server.id for server in kept])
            kept = [
                server
                for server in kept
                if any(fits(address) for port in ports.get(server.id, ()) for address in port.addresses)
            ]
        found += kept
        if len(some) < MOST:
            break
        marker = some[-1].id
    return found[:limit]


@api.get("/servers/{server_id}", reader("servers:show"), key="server", find=server_find)
async def show(call: Call[Compute], server: Server) -> ServerView:
    """Show a server."""
    return await view(call, server)


@api.put("/servers/{server_id}", member("servers:update"), key="server", find=server_find)
async def update(call: Call[Compute], server: Server, body: ServerUpdate) -> ServerChanged:
    """Change a server's name and the like."""
    given = body.given()
    if "early_hostname" in given:
        given["hostname"] = given.pop("early_hostname")
    for version, name in ((4, "access_ipv4"), (6, "access_ipv6")):
        if name in given:
            given[name] = access_address(version, given[name])
    if "pinned_zone" in given:
        zone = given.pop("pinned_zone")
        if zone not in {None, server.host_zone or call.app.config.zone}:
            raise errors.NotReady(server=server.id, why=f"it cannot be moved to zone {zone} by naming it.")
        given["zone_wanted"] = zone
    return await changed(call, await commands.update_server(call.app, server, given))


@api.delete("/servers/{server_id}", member("servers:delete"), find=server_find)
async def delete(call: Call[Compute], server: Server) -> None:
    """Delete a server."""
    await commands.delete_server(call.app, call.caller, server, call.request_id)
