"""Floating IPs."""

from typing import Annotated, Any

from msgspec import UNSET, UnsetType

from pileus.kit.auth import Caller
from pileus.kit.db import In, IsNull, Not
from pileus.kit.http.call import Call, Page
from pileus.kit.http.wire import F, Wire
from pileus.network.api.networks import network_for
from pileus.network.api.policy import project_of, require, rule, sees_all, shown
from pileus.network.api.service import api
from pileus.network.api.wires import DnsName, Filters, Name, Owned, Seen, asked, standard, where
from pileus.network.app import Network as App
from pileus.network.commands import floating_ips as commands
from pileus.network.errors import FloatingIPNotFound
from pileus.network.models.port_forwardings import PortForwarding, spelled
from pileus.network.models.requests import NewFloatingIp
from pileus.network.models.resources import FloatingIp, Port
from pileus.network.store import floating_ips as rows
from pileus.network.store import port_forwardings as forwarding_rows
from pileus.network.store import ports as port_rows


class FloatingIpWanted(Owned, kw_only=True):
    """A floating IP to make or to change."""

    network_id: Annotated[str, F("floating_network_id", on="c")]
    subnet_id: Annotated[str | None, F(on="c")] = None
    address: Annotated[str | None, F("floating_ip_address", on="c")] = None
    port_id: str | None = None
    fixed_ip: Annotated[str | None, F("fixed_ip_address")] = None
    description: Name = ""
    dns_name: Annotated[DnsName, F(on="c")] = ""
    dns_domain: Annotated[DnsName, F(on="c")] = ""
    qos_policy_id: str | None = None


class FloatingIpPost(Wire):
    floatingip: FloatingIpWanted | UnsetType = UNSET
    floatingips: list[FloatingIpWanted] | UnsetType = UNSET


class PortDetails(Wire):
    name: str
    network_id: str
    mac_address: str
    admin_state_up: bool
    status: str
    device_id: str
    device_owner: str


class ForwardedSeen(Wire):
    """Forwarded ports as their floating IP shows them."""

    id: str
    port_id: Annotated[str, F("internal_port_id")]
    address: Annotated[str, F("internal_ip_address")]
    protocol: str
    internal_port: int | UnsetType
    external_port: int | UnsetType
    internal_port_range: str
    external_port_range: str


class FloatingIpSeen(Seen):
    """A floating IP as a caller sees it."""

    network_id: Annotated[str, F("floating_network_id")]
    address: Annotated[str, F("floating_ip_address")]
    port_id: str | None
    fixed_ip: Annotated[str | None, F("fixed_ip_address")]
    router_id: str | None
    status: str
    port_details: PortDetails | None
    dns_name: str
    dns_domain: str
    qos_policy_id: str | None
    port_forwardings: list[ForwardedSeen]


class FloatingIpsMade(Wire):
    floatingip: FloatingIpSeen | UnsetType = UNSET
    floatingips: list[FloatingIpSeen] | UnsetType = UNSET


class FloatingIpFilters(Filters):
    network_id: Annotated[list[str], F("floating_network_id")] = []
    address: Annotated[list[str], F("floating_ip_address")] = []
    port_id: list[str] = []
    fixed_ip: Annotated[list[str], F("fixed_ip_address")] = []
    router_id: list[str] = []
    status: list[str] = []
    qos_policy_id: list[str] = []


async def views(app: App, found: list[FloatingIp]) -> list[FloatingIpSeen]:
    """Floating IPs as the API shows them, with the ports they lead to."""
    ids = sorted({floating.port_id for floating in found if floating.port_id is not None})
    ports = {port.id: port for port in await app.db.page(port_rows.LISTING, where={"id": In(ids)})} if ids else {}
    forwarded: dict[str, list[PortForwarding]] = {}
    if found:
        for one in await app.db.all(forwarding_rows.OF_FLOATING_IPS, ids=[floating.id for floating in found]):
            forwarded.setdefault(one.floating_ip_id, []).append(one)
    return [_view(each, ports.get(each.port_id or ""), forwarded.get(each.id, [])) for each in found]


def forwarded_parts(one: PortForwarding) -> dict[str, Any]:
    """What is seen of forwarded ports; a range of one has its single port too."""
    single = one.count == 1
    return {
        "id": one.id,
        "port_id": one.port_id,
        "address": one.address,
        "protocol": one.protocol,
        "internal_port": one.inner_first if single else UNSET,
        "external_port": one.outer_first if single else UNSET,
        "internal_port_range": spelled(one.inner),
        "external_port_range": spelled(one.outer),
    }


def _view(floating: FloatingIp, port: Port | None, forwarded: list[PortForwarding]) -> FloatingIpSeen:
    details = None
    if port is not None:
        details = PortDetails(
            name=port.name,
            network_id=port.network_id,
            mac_address=port.mac,
            admin_state_up=port.admin_up,
            status="ACTIVE" if port.up else "DOWN",
            device_id=port.device_id,
            device_owner=port.device_owner,
        )
    shown: dict[str, Any] = {**standard(floating), "name": UNSET}
    return FloatingIpSeen(
        **shown,
        network_id=floating.network_id,
        address=floating.address,
        port_id=floating.port_id,
        fixed_ip=floating.fixed_ip,
        router_id=floating.router_id,
        status="ACTIVE" if floating.router_id else "DOWN",
        port_details=details,
        dns_name=floating.dns_name,
        dns_domain=floating.dns_domain,
        qos_policy_id=floating.qos_policy_id,
        port_forwardings=[ForwardedSeen(**forwarded_parts(one)) for one in forwarded],
    )


async def floating_ip_for(app: App, caller: Caller, floatingip_id: str) -> FloatingIp:
    """The floating IP, if the caller sees it; raises FloatingIPNotFound."""
    found = await rows.floating_ip_find(app.db, floatingip_id)
    if found is None or not (caller.admin or "service" in caller.roles or found.project_id == caller.project_id):
        raise FloatingIPNotFound(id=floatingip_id)
    return found


@api.post("/floatingips", rule("create_floatingip"), late=True)
async def create(call: Call[App], body: FloatingIpPost) -> FloatingIpsMade:
    """Create one floating IP or many."""
    made = []
    async with call.app.db.transaction():
        for each in asked("floatingip", body.floatingip, body.floatingips):
            project_id = project_of(call, each)
            require(call, "create", "floatingip", each, {"project_id": project_id, "tenant_id": project_id})
            network = await network_for(call.app, call.caller, each.network_id)
            given = {name: value for name, value in each.given().items() if name in NewFloatingIp.__struct_fields__}
            new = NewFloatingIp(**{**given, "project_id": project_id})
            made.append(await commands.create_floating_ip(call.app, network, new, any_port=call.caller.admin))
        seen = await views(call.app, made)
    return FloatingIpsMade(floatingip=seen[0]) if body.floatingips is UNSET else FloatingIpsMade(floatingips=seen)


@api.get("/floatingips", rule("get_floatingip"), key="floatingips", late=True)
async def index(call: Call[App], query: FloatingIpFilters, page: Page) -> list[FloatingIpSeen]:
    """List floating IPs: the caller's own."""
    wanted = where(query)
    if wanted.pop("status", None) is not None:
        active = [status == "ACTIVE" for status in query.status]
        wanted["router_id"] = Not(IsNull()) if all(active) else IsNull() if not any(active) else Not(In([""]))
    if not sees_all(call):
        wanted["visible"] = call.caller.project_id or ""
    found = await call.app.db.page(
        rows.LISTING, where=wanted, sort=page.sort, marker=page.marker, limit=page.limit, reverse=page.reverse
    )
    return await views(call.app, shown(call, "floatingip", found))


@api.get("/floatingips/{floatingip_id}", rule("get_floatingip"), key="floatingip", find=floating_ip_for)
async def show(call: Call[App], floating: FloatingIp) -> FloatingIpSeen:
    """Show a floating IP."""
    return (await views(call.app, [floating]))[0]


@api.put("/floatingips/{floatingip_id}", rule("update_floatingip"), key="floatingip", find=floating_ip_for)
async def update(call: Call[App], floating: FloatingIp, body: FloatingIpWanted) -> FloatingIpSeen:
    """Lead a floating IP to a port, or nowhere."""
    changed = await commands.update_floating_ip(call.app, floating, body.given(), any_port=call.caller.admin)
    return (await views(call.app, [changed]))[0]


@api.delete("/floatingips/{floatingip_id}", rule("delete_floatingip"), find=floating_ip_for)
async def delete(call: Call[App], floating: FloatingIp) -> None:
    """Delete a floating IP."""
    await commands.delete_floating_ip(call.app, floating)
