"""Ports: what one can ask for."""

import random
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from pileus.network.app import Network as App
from pileus.network.commands.addresses import Taker, follow_mac, take_addresses
from pileus.network.commands.groups import default_group_of, groups_for
from pileus.network.commands.pairs import check_pairs
from pileus.network.commands.port_forwardings import forget_port, forwarded_to
from pileus.network.commands.qos import check_usable
from pileus.network.commands.quotas import make_room
from pileus.network.commands.standard import change, changed, standard, tell
from pileus.network.commands.trunks import check_not_trunked
from pileus.network.errors import (
    InvalidInput,
    MacAddressInUse,
    PortSecurityAndIPRequiredForSecurityGroups,
    PortSecurityPortHasSecurityGroup,
    ServicePortInUse,
    UnsupportedPortDeviceOwner,
)
from pileus.network.models.names import own_domain, short_name
from pileus.network.models.requests import AskedIp, NewPort
from pileus.network.models.resources import (
    FLOATING_IP,
    METADATA,
    ROUTER_GATEWAY,
    ROUTER_INTERFACE,
    AddressPair,
    FixedIp,
    Network,
    Port,
    Subnet,
)
from pileus.network.store import addresses as address_rows
from pileus.network.store import bindings as binding_rows
from pileus.network.store import floating_ips as floating_rows
from pileus.network.store import ports as rows
from pileus.network.store import subnets as subnet_rows
from pileus.network.store.journal import FLOATING, PORT

OF_ROUTERS = (ROUTER_INTERFACE, ROUTER_GATEWAY, FLOATING_IP)


async def create_port(
    app: App,
    network: Network,
    wanted: NewPort,
    subnets: Sequence[Subnet] | None = None,
    *,
    counted: bool = False,
    any_policy: bool = False,
) -> Port:
    """The port is there with its addresses; `counted` says that the quota was asked already, `any_policy` lets it have
    others' QoS policies."""
    if not counted:
        await make_room(app, "port", wanted.project_id)
    if subnets is None:
        subnets = await subnet_rows.subnets_on(app.db, network.id)
    secure = network.port_security if wanted.port_security is None else wanted.port_security
    if wanted.device_owner.startswith("network:"):
        secure = False
    groups = await _groups(app, wanted, secure=secure)
    check_pairs(wanted.allowed_pairs, secure=secure)
    owner = wanted.project_id or network.project_id
    await check_usable(app, owner, wanted.qos_policy_id, anyones=any_policy)
    port = await _insert(app, network, wanted, secure=secure)
    fixed = await take_addresses(
        app, Taker(port.id, port.device_owner, port.mac, network.id, subnets), wanted.fixed_ips
    )
    if groups and not fixed:
        if wanted.security_groups:
            raise PortSecurityAndIPRequiredForSecurityGroups
        groups = []
    await rows.port_join(app.db, port.id, groups)
    port = msgspec.structs.replace(port, fixed_ips=fixed, security_groups=tuple(sorted(groups)))
    await tell(app, "port.created", port)
    await changed(app, PORT, port.id)
    return port


async def _groups(app: App, wanted: NewPort, *, secure: bool) -> list[str]:
    """The ids of the groups the port is in."""
    if not secure:
        if wanted.security_groups:
            raise PortSecurityAndIPRequiredForSecurityGroups
        return []
    if wanted.security_groups is None:
        return [await default_group_of(app, wanted.project_id)] if wanted.project_id else []
    return await groups_for(app, wanted.project_id, wanted.security_groups)


async def _insert(app: App, network: Network, wanted: NewPort, *, secure: bool) -> Port:
    domain = own_domain(wanted.dns_domain, network.dns_domain, wanted.words)
    port = Port(
        **standard(app, wanted),
        number=wanted.number,
        network_id=network.id,
        mac=wanted.mac or _some_mac(app),
        admin_up=wanted.admin_up,
        up=False,
        device_id=wanted.device_id,
        device_owner=wanted.device_owner,
        host=wanted.host,
        vnic_type=wanted.vnic_type,
        profile=wanted.profile,
        port_security=secure,
        allowed_pairs=wanted.allowed_pairs,
        dhcp_options=wanted.dhcp_options,
        dns_name=short_name(wanted.dns_name, domain or network.dns_domain or app.config.dns_domain),
        dns_domain=wanted.dns_domain,
        own_domain=domain,
        numa_policy=wanted.numa_policy,
        device_profile=wanted.device_profile,
        server_id=wanted.server_id,
        made=wanted.made,
        qos_policy_id=wanted.qos_policy_id,
        network_project_id=network.project_id,
        network_shared=network.shared,
        network_domain=network.dns_domain,
    )
    while not await rows.port_insert(app.db, port):
        if wanted.mac is not None:
            raise MacAddressInUse(network=network.id, mac=wanted.mac)
        port = msgspec.structs.replace(port, mac=_some_mac(app))
    return port


def _some_mac(app: App) -> str:
    return f"{app.config.mac_prefix}:{random.randbytes(3).hex(':')}"


async def update_port(
    app: App, port: Port, values: Mapping[str, object], *, by_owner: bool = False, any_policy: bool = False
) -> Port:
    """The port is as asked for; `fixed_ips` and `security_groups` are whole new lists."""
    async with app.db.transaction():
        port = await rows.port_get(app.db, port.id)
        columns = {name: value for name, value in values.items() if name not in {"fixed_ips", "security_groups"}}
        of_router = port.device_owner in OF_ROUTERS and port.device_owner != ROUTER_INTERFACE
        if of_router and "fixed_ips" in values and not by_owner:
            raise UnsupportedPortDeviceOwner(operation="fixed_ips update", owner=port.device_owner, id=port.id)
        secure = bool(values.get("port_security", port.port_security))
        pairs = cast("Sequence[AddressPair]", values.get("allowed_pairs", port.allowed_pairs))
        check_pairs(pairs, secure=secure)
        await check_usable(app, port.project_id, values.get("qos_policy_id"), anyones=any_policy)
        if "mac" in columns and columns["mac"] is None:
            columns["mac"] = await _unused_mac(app, port)
        if "mac" in columns:
            await _check_mac(app, port, str(columns["mac"]))
            await follow_mac(app, port, str(columns["mac"]), await subnet_rows.subnets_on(app.db, port.network_id))
            port = await rows.port_get(app.db, port.id)
        if "fixed_ips" in values:
            mac = str(columns.get("mac", port.mac))
            await _set_addresses(app, port, mac, cast("Sequence[AskedIp]", values["fixed_ips"]))
        await _set_groups(app, port, cast("Sequence[str] | None", values.get("security_groups")), secure=secure)
        if columns.get("host", port.host) != port.host:
            columns["up"] = False
            await app.db.run(binding_rows.DELETE, of_port=port.id, of_host=columns["host"])
        columns |= _named(app, port, columns)
        await change(app, rows.CHANGE, port, columns)
        await tell(app, "port.updated", port)
        await changed(app, PORT, port.id)
        return await rows.port_get(app.db, port.id)


def _named(app: App, port: Port, columns: dict[str, object]) -> dict[str, object]:
    """The name and the domain the port gets, if it is told one; `words` goes from the columns."""
    words = cast("Mapping[str, str]", columns.pop("words", {}))
    if not columns.keys() & {"dns_name", "dns_domain"}:
        return {}
    domain = own_domain(str(columns.get("dns_domain", port.dns_domain)), port.network_domain, words)
    name = str(columns.get("dns_name", port.dns_name))
    return {"own_domain": domain, "dns_name": short_name(name, domain or port.network_domain or app.config.dns_domain)}


async def _unused_mac(app: App, port: Port) -> str:
    """A MAC nobody has on the port's network."""
    while True:
        mac = _some_mac(app)
        if not await app.db.page(rows.LISTING, where={"network_id": port.network_id, "mac": mac}, limit=1):
            return mac


async def _check_mac(app: App, port: Port, mac: str) -> None:
    others = await app.db.page(rows.LISTING, where={"network_id": port.network_id, "mac": mac}, limit=2)
    if any(other.id != port.id for other in others):
        raise MacAddressInUse(network=port.network_id, mac=mac)


async def _set_groups(app: App, port: Port, asked: Sequence[str] | None, *, secure: bool) -> None:
    if not secure:
        if asked or (asked is None and port.security_groups):
            raise PortSecurityPortHasSecurityGroup
    if asked is not None:
        groups = await groups_for(app, port.project_id, asked) if asked else []
        await app.db.run(rows.LEAVE_GROUPS, port_id=port.id)
        await rows.port_join(app.db, port.id, groups)


async def _set_addresses(app: App, port: Port, mac: str, asked: Sequence[AskedIp]) -> None:
    """The port has the addresses asked for: those it has and are asked for stay, the rest is given back or taken."""
    subnets = await subnet_rows.subnets_on(app.db, port.network_id)
    taker = Taker(port.id, port.device_owner, mac, port.network_id, subnets)
    kept, fresh = _matched(port.fixed_ips, asked)
    # What the guest makes itself it will use whether or not it is asked for.
    own = {subnet.id for subnet in subnets if taker.by_mac(subnet)}
    kept += [fixed for fixed in port.fixed_ips if fixed.subnet in own and fixed not in kept]
    forwarded = {each.address for each in await forwarded_to(app, port.id)}
    for fixed in port.fixed_ips:
        if fixed not in kept:
            if fixed.address in forwarded:
                raise InvalidInput(why=f"ports of a floating IP are forwarded to {fixed.address} of port {port.id}")
            if await app.db.one(address_rows.FLOATING_AT, port_id=port.id, address=fixed.address) is not None:
                raise InvalidInput(
                    why=f"a floating IP leads to {fixed.address} of port {port.id}; disassociate it first"
                )
            await app.db.run(address_rows.GIVE_BACK, port_id=port.id, subnet_id=fixed.subnet, address=fixed.address)
    for at, fixed in enumerate(kept):
        await app.db.run(
            address_rows.RANK, of_port=port.id, of_subnet=fixed.subnet, of_address=fixed.address, new_rank=at
        )
    if fresh:
        await take_addresses(app, taker, fresh, rank=len(kept))


def _matched(has: Sequence[FixedIp], asked: Sequence[AskedIp]) -> tuple[list[FixedIp], list[AskedIp]]:
    """Which addresses stay, and which wishes they leave open."""
    kept: list[FixedIp] = []
    fresh: list[AskedIp] = []
    for wish in sorted(asked, key=lambda wish: wish.address is None):
        same = next(
            (
                fixed
                for fixed in has
                if fixed not in kept
                and wish.subnet_id in {None, fixed.subnet}
                and (wish.address == fixed.address if wish.address else wish.subnet_id is not None)
            ),
            None,
        )
        if same is not None:
            kept.append(same)
        else:
            fresh.append(wish)
    return kept, fresh


async def delete_port(app: App, port: Port, *, by_owner: bool = False) -> None:
    """The port is gone, and floating IPs that led to it lead nowhere; a router's ports go only with the router."""
    async with app.db.transaction():
        port = await rows.port_get(app.db, port.id)
        if not by_owner and (port.device_owner in OF_ROUTERS or await _answers_guests(app, port)):
            why = f"has device owner {port.device_owner}"
            raise ServicePortInUse(id=port.id, why=why)
        await check_not_trunked(app, port)
        await forget_port(app, port.id)
        if await app.db.run(floating_rows.LET_GO, of_port=port.id, now=app.clock.now()):
            await changed(app, FLOATING)
        await app.db.run(rows.DELETE, of_id=port.id)
        await tell(app, "port.deleted", port)
        await changed(app, PORT, port.id)


async def _answers_guests(app: App, port: Port) -> bool:
    """Whether other ports need it: guests ask for their metadata there. An empty network's goes, and comes again."""
    if port.device_owner != METADATA:
        return False
    return bool(await app.db.all(rows.IN_USE_ON, id=port.network_id, but=METADATA))


async def ensure_metadata_port(app: App, network: Network) -> None:
    """The network has a port for metadata, with an address in each of its IPv4 subnets that answer DHCP."""
    on = await subnet_rows.subnets_on(app.db, network.id)
    subnets = [subnet for subnet in on if subnet.dhcp and subnet.ip_version == 4]
    there = await app.db.all(rows.OF_OWNER_ON, network_id=network.id, owner=METADATA)
    if not subnets or network.external:
        return
    if there:
        (port,) = await rows.with_addresses(app.db, there[:1])
        missing = {subnet.id for subnet in subnets} - {fixed.subnet for fixed in port.fixed_ips}
        asked = [AskedIp(subnet_id) for subnet_id in sorted(missing)]
        taker = Taker(port.id, METADATA, port.mac, network.id, subnets)
        await take_addresses(app, taker, asked, rank=len(port.fixed_ips))
        return
    wanted = NewPort(
        project_id=network.project_id,
        network_id=network.id,
        device_owner=METADATA,
        device_id=f"ovnmeta-{network.id}",
        fixed_ips=tuple(AskedIp(subnet.id) for subnet in subnets),
    )
    await create_port(app, network, wanted, subnets, counted=True)
