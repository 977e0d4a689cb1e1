"""Port forwardings of floating IPs."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from pileus.kit.auth import Caller
from pileus.kit.http.call import Call, Page
from pileus.kit.http.misread import BadField
from pileus.kit.http.wire import F, Wire
from pileus.network.api.floating_ips import ForwardedSeen, floating_ip_for, forwarded_parts
from pileus.network.api.policy import rule
from pileus.network.api.service import api
from pileus.network.api.wires import Filters, Name, Number, where
from pileus.network.app import Network as App
from pileus.network.commands import port_forwardings as commands
from pileus.network.errors.port_forwardings import PortForwardingNotFound
from pileus.network.models.port_forwardings import MOST, NewForwarding, PortForwarding
from pileus.network.models.resources import FloatingIp
from pileus.network.store import port_forwardings as rows

PortNumber = Annotated[int, Meta(ge=1, le=65535)]


class ForwardingWanted(Wire, kw_only=True):
    """Ports to forward; of each end, one port or a range."""

    port_id: Annotated[str, F("internal_port_id")]
    address: Annotated[str | UnsetType, F("internal_ip_address")] = UNSET
    protocol: Literal["tcp", "udp", "sctp"]
    internal_port: PortNumber | UnsetType = UNSET
    external_port: PortNumber | UnsetType = UNSET
    internal_port_range: str | UnsetType = UNSET
    external_port_range: str | UnsetType = UNSET
    description: Name = ""


class ForwardingSeen(ForwardedSeen):
    """Forwarded ports as a caller sees them."""

    description: str


class ForwardingFilters(Filters):
    port_id: Annotated[list[str], F("internal_port_id")] = []
    address: Annotated[list[str], F("internal_ip_address")] = []
    protocol: list[str] = []
    inner_first: Annotated[list[Number], F("internal_port")] = []
    outer_first: Annotated[list[Number], F("external_port")] = []


def view(one: PortForwarding) -> ForwardingSeen:
    """Forwarded ports as the API shows them."""
    return ForwardingSeen(**forwarded_parts(one), description=one.description)


def _range(end: str, one: int | UnsetType, many: str | UnsetType) -> range | None:
    """The ports of one end, or None when none are named."""
    if many is UNSET:
        return None if one is UNSET else range(one, one + 1)
    if one is not UNSET:
        raise BadField(field=f"{end}_port", why=f"give {end}_port or {end}_port_range, not both")
    first, _, last = many.partition(":")
    if not (first.isascii() and first.isdigit() and (last or first).isascii() and (last or first).isdigit()):
        raise BadField(field=f"{end}_port_range", why=f"'{many}' is not such as 80:90")
    found = range(int(first[:6]), int((last or first)[:6]) + 1)
    if not found or found.start < 1 or found.stop > 65536 or len(found) > MOST:
        raise BadField(field=f"{end}_port_range", why=f"'{many}' is not 1 to {MOST} ports between 1 and 65535")
    return found


def _values(body: ForwardingWanted) -> dict[str, Any]:
    found = {name: value for name, value in body.given().items() if not name.endswith(("_port", "_port_range"))}
    for name, end, one, many in (
        ("inner", "internal", body.internal_port, body.internal_port_range),
        ("outer", "external", body.external_port, body.external_port_range),
    ):
        ports = _range(end, one, many)
        if ports is not None:
            found[name] = ports
    return found


async def floating_of(app: App, caller: Caller, floatingip_id: str, **_inside: str) -> FloatingIp:
    """The floating IP, if the caller sees it."""
    return await floating_ip_for(app, caller, floatingip_id)


async def forwarding_for(app: App, caller: Caller, floatingip_id: str, port_forwarding_id: str) -> PortForwarding:
    """The forwarded ports, if the caller sees their floating IP; raises PortForwardingNotFound."""
    floating = await floating_ip_for(app, caller, floatingip_id)
    found = await rows.SHELF.get(app.db, port_forwarding_id)
    if found.floating_ip_id != floating.id:
        raise PortForwardingNotFound(id=port_forwarding_id)
    return found


_ALL = "/floatingips/{floatingip_id}/port_forwardings"
_ONE = f"{_ALL}/{{port_forwarding_id}}"


@api.post(_ALL, rule("create_floatingip_port_forwarding"), key="port_forwarding", find=floating_of)
async def create(call: Call[App], floating: FloatingIp, body: ForwardingWanted) -> ForwardingSeen:
    """Forward ports of a floating IP."""
    values = _values(body)
    for name in ("inner", "outer"):
        if name not in values:
            raise BadField(field="internal_port" if name == "inner" else "external_port", why="it is required")
    if len(values["inner"]) != len(values["outer"]):
        raise BadField(field="external_port_range", why="both ranges of ports must be of the same length")
    new = NewForwarding(
        project_id=floating.project_id, **{"protocol": body.protocol, "port_id": body.port_id, **values}
    )
    return view(await commands.create_forwarding(call.app, floating, new, any_port=call.caller.admin))


@api.get(_ALL, rule("get_floatingip_port_forwarding"), key="port_forwardings", find=floating_of)
async def index(call: Call[App], floating: FloatingIp, query: ForwardingFilters, page: Page) -> list[ForwardingSeen]:
    """List the forwarded ports of a floating IP."""
    wanted = {**where(query), "floating_ip_id": floating.id}
    found = await call.app.db.page(
        rows.SHELF.listing, where=wanted, sort=page.sort, marker=page.marker, limit=page.limit, reverse=page.reverse
    )
    return [view(one) for one in found]


@api.get(_ONE, rule("get_floatingip_port_forwarding"), key="port_forwarding", find=forwarding_for)
async def show(call: Call[App], one: PortForwarding) -> ForwardingSeen:
    """Show forwarded ports."""
    return view(one)


@api.put(_ONE, rule("update_floatingip_port_forwarding"), key="port_forwarding", find=forwarding_for)
async def update(call: Call[App], one: PortForwarding, body: ForwardingWanted) -> ForwardingSeen:
    """Lead forwarded ports elsewhere."""
    floating = await floating_ip_for(call.app, call.caller, one.floating_ip_id)
    changed = await commands.update_forwarding(call.app, floating, one, _values(body), any_port=call.caller.admin)
    return view(changed)


@api.delete(_ONE, rule("delete_floatingip_port_forwarding"), find=forwarding_for)
async def delete(call: Call[App], one: PortForwarding) -> None:
    """Forward ports no more."""
    await commands.delete_forwarding(call.app, one)
