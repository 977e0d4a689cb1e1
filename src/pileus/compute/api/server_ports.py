"""What a server is joined to: addresses, cards, security groups and volumes."""

from typing import Annotated

from pileus.compute import errors
from pileus.compute.api.server_view import AddressView, GroupName, addresses
from pileus.compute.api.service import api, member, reader, server_find
from pileus.compute.app import Compute
from pileus.compute.models.servers import Server
from pileus.kit.http import Call, F, Wire
from pileus.ports.network import PortFacts

CARDS = "/servers/{server_id}/os-interface"
VOLUMES = "/servers/{server_id}/os-volume_attachments"


class PlainAddress(Wire):
    """An address without what it belongs to."""

    version: int
    addr: str


class FixedAddress(Wire):
    """An address of a card."""

    subnet_id: str | None
    ip_address: str


class CardView(Wire, kw_only=True):
    """A network card of a server."""

    port_id: str
    net_id: str
    mac_addr: str
    port_state: str
    fixed_ips: list[FixedAddress]
    tag: Annotated[None, F(since="2.70")] = None


async def _ports(call: Call[Compute], server: Server) -> tuple[PortFacts, ...]:
    return (await call.app.networks.ports_of([server.id])).get(server.id, ())


def _plain(found: list[AddressView]) -> list[PlainAddress]:
    return [PlainAddress(version=address.version, addr=address.addr) for address in found]


@api.get("/servers/{server_id}/ips", reader("ips:index"), find=server_find)
async def ips_index(call: Call[Compute], server: Server) -> dict[str, dict[str, list[PlainAddress]]]:
    """List a server's addresses by network."""
    found = addresses(await _ports(call, server))
    return {"addresses": {name: _plain(some) for name, some in found.items()}}


@api.get("/servers/{server_id}/ips/{label}", reader("ips:show"), find=server_find)
async def ips_show(call: Call[Compute], server: Server, label: str) -> dict[str, list[PlainAddress]]:
    """List a server's addresses on one network."""
    found = addresses(await _ports(call, server))
    if label not in found:
        raise errors.NoSuchThing(what="Network", id=label)
    return {label: _plain(found[label])}


def _card(port: PortFacts) -> CardView:
    fixed = [address for address in port.addresses if address.kind == "fixed"]
    return CardView(
        port_id=port.id,
        net_id=port.network_id,
        mac_addr=port.mac,
        port_state="ACTIVE" if port.up else "DOWN",
        fixed_ips=[FixedAddress(subnet_id=address.subnet_id, ip_address=address.address) for address in fixed],
    )


@api.get(CARDS, reader("os-attach-interfaces:list"), key="interfaceAttachments", find=server_find)
async def cards_index(call: Call[Compute], server: Server) -> list[CardView]:
    """List a server's network cards."""
    return [_card(port) for port in await _ports(call, server)]


@api.get(CARDS + "/{port_id}", reader("os-attach-interfaces:show"), key="interfaceAttachment", find=server_find)
async def cards_show(call: Call[Compute], server: Server, port_id: str) -> CardView:
    """Show one of a server's network cards."""
    for port in await _ports(call, server):
        if port.id == port_id:
            return _card(port)
    raise errors.NoSuchThing(what="Port id", id=port_id)


@api.post(CARDS, member("os-attach-interfaces:create"), find=server_find, status=200)
async def cards_create(call: Call[Compute], server: Server) -> None:
    """Give a server another card, which is not offered yet."""
    raise errors.NotOffered(what="attaching interfaces to servers")


@api.delete(CARDS + "/{port_id}", member("os-attach-interfaces:delete"), find=server_find, status=202)
async def cards_delete(call: Call[Compute], server: Server, port_id: str) -> None:
    """Take a card from a server, which is not offered yet."""
    raise errors.NotOffered(what="detaching interfaces from servers")


@api.get(VOLUMES, reader("os-volumes-attachments:index"), key="volumeAttachments", find=server_find)
async def volumes_index(call: Call[Compute], server: Server) -> list[GroupName]:
    """List a server's volumes, of which there are none yet."""
    return []


@api.post(VOLUMES, member("os-volumes-attachments:create"), find=server_find, status=200)
async def volumes_create(call: Call[Compute], server: Server) -> None:
    """Attach a volume, which is not offered yet."""
    raise errors.NotOffered(what="attaching volumes to servers")


@api.get(VOLUMES + "/{volume_id}", reader("os-volumes-attachments:show"), find=server_find)
async def volumes_show(call: Call[Compute], server: Server, volume_id: str) -> None:
    """Show one of a server's volumes, of which there are none yet."""
    raise errors.NoSuchThing(what="Volume", id=volume_id)


@api.put(VOLUMES + "/{volume_id}", member("os-volumes-attachments:update"), find=server_find, status=202)
async def volumes_update(call: Call[Compute], server: Server, volume_id: str) -> None:
    """Change how a volume is attached; there are none yet."""
    raise errors.NoSuchThing(what="Volume", id=volume_id)


@api.delete(VOLUMES + "/{volume_id}", member("os-volumes-attachments:delete"), find=server_find, status=202)
async def volumes_delete(call: Call[Compute], server: Server, volume_id: str) -> None:
    """Detach a volume; there are none yet."""
    raise errors.NoSuchThing(what="Volume", id=volume_id)
