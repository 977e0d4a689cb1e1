"""What a server is joined to: addresses and cards."""

import ipaddress
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.api.server_view import AddressView, addresses
from pileus.compute.api.service import Tag, Uuid, api, member, reader, server_find
from pileus.compute.app import Compute
from pileus.compute.commands import cards as commands
from pileus.compute.models.servers import Server
from pileus.kit.http import Call, F, Wire
from pileus.ports.network import NicRequest, PortFacts

CARDS = "/servers/{server_id}/os-interface"
CHANGING = ("server.attach_interface", "server.detach_interface")


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
    tag: Annotated[str | None, F(since="2.70")] = None


class WantedAddress(Wire):
    """An address a card is to have."""

    ip_address: str


class CardCreate(Wire):
    """A network card to give a server: on a network, maybe with a certain address, or at an existing port."""

    network_id: Annotated[Uuid | UnsetType, F("net_id")] = UNSET
    port_id: Uuid | UnsetType = UNSET
    fixed_ips: Annotated[list[WantedAddress], msgspec.Meta(min_length=1, max_length=1)] | UnsetType = UNSET
    tag: Annotated[Tag | UnsetType, F(since="2.49")] = UNSET


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
        raise errors.NotMemberOfNetwork
    return {label: _plain(found[label])}


def _card(port: PortFacts, tag: str | None, *, settled: bool = False) -> CardView:
    fixed = [address for address in port.addresses if address.kind == "fixed"]
    return CardView(
        port_id=port.id,
        net_id=port.network_id,
        mac_addr=port.mac,
        # A card counts when the guest has it: who waits for that may then ask for the next change.
        port_state="ACTIVE" if port.up and settled else "DOWN",
        fixed_ips=[FixedAddress(subnet_id=address.subnet_id, ip_address=address.address) for address in fixed],
        tag=tag,
    )


@api.get(CARDS, reader("os-attach-interfaces:list"), key="interfaceAttachments", find=server_find)
async def cards_index(call: Call[Compute], server: Server) -> list[CardView]:
    """List a server's network cards."""
    return [_known(server, port) for port in await _ports(call, server)]


def _known(server: Server, port: PortFacts) -> CardView:
    return _card(port, server.card_tags.get(port.id), settled=server.flow not in CHANGING)


@api.get(CARDS + "/{port_id}", reader("os-attach-interfaces:show"), key="interfaceAttachment", find=server_find)
async def cards_show(call: Call[Compute], server: Server, port_id: str) -> CardView:
    """Show one of a server's network cards."""
    for port in await _ports(call, server):
        if port.id == port_id:
            return _known(server, port)
    raise errors.NoSuchThing(what="Port id", id=port_id)


@api.post(CARDS, member("os-attach-interfaces:create"), key="interfaceAttachment", find=server_find, status=200)
async def cards_create(call: Call[Compute], server: Server, body: CardCreate | None) -> CardView:
    """Give a server another card: at a port, or at one made for it."""
    wanted = body or CardCreate()
    tag = wanted.tag if wanted.tag is not UNSET else None
    port = await commands.attach_card(call.app, call.caller, server, _asked(wanted), tag, call.request_id)
    return _card(port, tag)


@api.delete(CARDS + "/{port_id}", member("os-attach-interfaces:delete"), find=server_find, status=202)
async def cards_delete(call: Call[Compute], server: Server, port_id: str) -> None:
    """Take a card from a server; a port made for it is deleted."""
    await commands.detach_card(call.app, call.caller, server, port_id, call.request_id)


def _asked(wanted: CardCreate) -> NicRequest | None:
    if wanted.network_id is not UNSET and wanted.port_id is not UNSET:
        raise errors.BadRequest(why="Must not input both network_id and port_id")
    if wanted.fixed_ips is not UNSET and wanted.network_id is UNSET:
        raise errors.BadRequest(why="Must input network_id when request IP address")
    if wanted.port_id is not UNSET:
        return NicRequest(port_id=wanted.port_id)
    if wanted.network_id is UNSET:
        return None
    address = wanted.fixed_ips[0].ip_address if wanted.fixed_ips is not UNSET else None
    return NicRequest(network_id=wanted.network_id, fixed_ip=_address(address))


def _address(given: str | None) -> str | None:
    if given is None:
        return None
    try:
        return str(ipaddress.ip_address(given))
    except ValueError:
        raise errors.BadRequest(why=f"Invalid input for field/attribute ip_address. Value: {given}. "
                                f"'{given}' is not an IP address.") from None  # fmt: skip
