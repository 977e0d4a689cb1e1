"""Networks: what one can ask for."""

from collections.abc import Mapping

import msgspec

from pileus.network.app import Network as App
from pileus.network.commands.floating_ips import delete_floating_ip
from pileus.network.commands.qos import check_usable, default_of
from pileus.network.commands.quotas import make_room
from pileus.network.commands.segment_ranges import numbers_to_try
from pileus.network.commands.sharing import check_unused, forget_policies, share, unshare
from pileus.network.commands.standard import change, changed, checked_zones, standard, tell
from pileus.network.errors import (
    ExternalNetworkInUse,
    FlatNetworkInUse,
    InvalidInput,
    InvalidSharedSetting,
    NetworkInUse,
    NoNetworkAvailable,
    RbacPolicyInUse,
    TunnelIdInUse,
    VlanIdInUse,
)
from pileus.network.models.ipv6 import check_mtu
from pileus.network.models.requests import NewNetwork
from pileus.network.models.resources import METADATA, Network
from pileus.network.models.segment_ranges import MAX_VLAN, MAX_VNI
from pileus.network.models.sharing import EVERYBODY, EXTERNAL, SHARED
from pileus.network.store import floating_ips as floating_rows
from pileus.network.store import networks as rows
from pileus.network.store import ports as port_rows
from pileus.network.store import sharing as sharing_rows
from pileus.network.store import subnets as subnet_rows

TYPES = ("geneve", "flat", "vlan")


async def create_network(app: App, wanted: NewNetwork, *, any_policy: bool = False) -> Network:
    """The network is there, without subnets; `any_policy` lets it have others' QoS policies."""
    network_type, physical, segment = _segment(app, wanted)
    _check_tags(wanted, network_type)
    limit = app.config.tunnel_mtu if network_type == "geneve" else app.config.mtu
    if wanted.mtu is not None and not 68 <= wanted.mtu <= limit:
        raise InvalidInput(why=f"MTU {wanted.mtu} is not between 68 and {limit}, the most this network carries")
    await make_room(app, "network", wanted.project_id)
    await check_usable(app, wanted.project_id, wanted.qos_policy_id, anyones=any_policy)
    found = Network(
        **standard(app, wanted),
        admin_up=wanted.admin_up,
        shared=wanted.shared,
        external=wanted.external,
        is_default=wanted.is_default,
        port_security=wanted.port_security,
        mtu=wanted.mtu or limit,
        dns_domain=wanted.dns_domain,
        network_type=network_type,
        physical_network=physical,
        segmentation_id=segment,
        qos_policy_id=wanted.qos_policy_id or await default_of(app, wanted.project_id),
        vlan_transparent=wanted.vlan_transparent,
        qinq=wanted.qinq,
        zone_hints=checked_zones(app, wanted.zone_hints),
    )
    found = await _insert(app, found)
    if found.is_default:
        await app.db.run(rows.NO_MORE_DEFAULT, of_id=found.id)
    if found.shared:
        await share(app, "network", found)
    if found.external:
        await share(app, "network", found, EXTERNAL)
    await tell(app, "network.created", found)
    await changed(app)
    return found


def _check_tags(wanted: NewNetwork, network_type: str) -> None:
    """Raises InvalidInput unless guests' tags can pass as asked for."""
    if wanted.qinq and wanted.vlan_transparent:
        raise InvalidInput(why="a network is vlan_transparent or qinq, not both")
    if wanted.qinq and network_type != "vlan":
        raise InvalidInput(why=f"qinq puts a tag around guests' own; networks of type {network_type} have none")


def _segment(app: App, wanted: NewNetwork) -> tuple[str, str, int | None]:
    """Type, physical network and id of the segment asked for, or of a tunnel; without an id, one is chosen."""
    given = wanted.physical_network is not None or wanted.segmentation_id is not None
    if wanted.network_type is None:
        if given:
            raise InvalidInput(why="network_type required with provider attributes")
        return "geneve", "", None
    if wanted.network_type not in TYPES:
        raise InvalidInput(why=f"network_type '{wanted.network_type}' is not one of {', '.join(TYPES)}")
    return _tunnel(wanted) if wanted.network_type == "geneve" else _physical(app, wanted)


def _tunnel(wanted: NewNetwork) -> tuple[str, str, int | None]:
    if wanted.physical_network is not None:
        raise InvalidInput(why="provider:physical_network specified for geneve network")
    if wanted.segmentation_id is not None and not 1 <= wanted.segmentation_id <= MAX_VNI:
        raise InvalidInput(why=f"segmentation_id {wanted.segmentation_id} is not between 1 and {MAX_VNI}")
    return "geneve", "", wanted.segmentation_id


def _physical(app: App, wanted: NewNetwork) -> tuple[str, str, int | None]:
    if wanted.physical_network is None or wanted.physical_network not in app.config.external_networks:
        known = ", ".join(app.config.external_networks)
        raise InvalidInput(why=f"physical_network '{wanted.physical_network}' unknown; there is {known}")
    if wanted.network_type == "flat":
        if wanted.segmentation_id is not None:
            raise InvalidInput(why="segmentation_id specified for flat network")
        # Zero rather than NULL, so that a physical network carries one flat network.
        return "flat", wanted.physical_network, 0
    if wanted.segmentation_id is not None and not 1 <= wanted.segmentation_id <= MAX_VLAN:
        raise InvalidInput(why=f"segmentation_id {wanted.segmentation_id} is not between 1 and {MAX_VLAN}")
    return "vlan", wanted.physical_network, wanted.segmentation_id


async def _insert(app: App, found: Network) -> Network:
    if found.segmentation_id is not None:
        if not await rows.network_insert(app.db, found):
            kinds = {"geneve": TunnelIdInUse, "vlan": VlanIdInUse, "flat": FlatNetworkInUse}
            raise kinds[found.network_type](segment=found.segmentation_id, physical=found.physical_network)
        return found
    for segment in await numbers_to_try(app, found):
        found = msgspec.structs.replace(found, segmentation_id=segment)
        if await rows.network_insert(app.db, found):
            return found
    raise NoNetworkAvailable


async def update_network(
    app: App, network: Network, values: Mapping[str, object], *, any_policy: bool = False
) -> Network:
    """The network is as asked for; `any_policy` lets it have others' QoS policies."""
    async with app.db.transaction():
        network = await rows.network_get(app.db, network.id)
        await _open_or_close(app, network, values)
        await check_usable(app, network.project_id, values.get("qos_policy_id"), anyones=any_policy)
        limit = app.config.tunnel_mtu if network.network_type == "geneve" else app.config.mtu
        mtu = values.get("mtu")
        if isinstance(mtu, int) and not 68 <= mtu <= limit:
            raise InvalidInput(why=f"MTU {mtu} is not between 68 and {limit}, the most this network carries")
        if isinstance(mtu, int):
            for subnet in await subnet_rows.subnets_on(app.db, network.id):
                check_mtu(subnet.ip_version, mtu)
        await change(app, rows.CHANGE, network, values)
        if values.get("is_default"):
            await app.db.run(rows.NO_MORE_DEFAULT, of_id=network.id)
        await tell(app, "network.updated", network)
        await changed(app)
        found = await rows.network_get(app.db, network.id)
        return (await rows.with_subnets(app.db, [found]))[0]


async def _open_or_close(app: App, network: Network, values: Mapping[str, object]) -> None:
    """The network's policies for everybody are as these values have it; raises while it is used by them."""
    if network.shared and values.get("shared") is False:
        try:
            await check_unused(app, "network", network.id, SHARED, EVERYBODY)
        except RbacPolicyInUse:
            raise InvalidSharedSetting(id=network.id) from None
        await unshare(app, network, SHARED)
    if network.external and values.get("external") is False:
        if await app.db.one(sharing_rows.USERS["network", EXTERNAL], id=network.id) is not None:
            raise ExternalNetworkInUse(id=network.id)
        await app.db.run(sharing_rows.UNGRANT_ALL, of_object=network.id, of_action=EXTERNAL)
    if values.get("shared"):
        await share(app, "network", network)
    if values.get("external"):
        await share(app, "network", network, EXTERNAL)


async def delete_network(app: App, network: Network) -> None:
    """The network, its subnets and its idle floating IPs are gone; raises NetworkInUse while there are ports on it."""
    async with app.db.transaction():
        network = await rows.network_get(app.db, network.id)
        # Floating IPs that lead nowhere are no use of it; they go along, as one by one they could be deleted.
        for floating in await app.db.all(floating_rows.IDLE_ON, network_id=network.id):
            await delete_floating_ip(app, floating)
        used = await app.db.all(port_rows.IN_USE_ON, id=network.id, but=METADATA)
        if used:
            raise NetworkInUse(id=network.id, ports=", ".join(used))
        for port in await app.db.all(port_rows.OF_OWNER_ON, network_id=network.id, owner=METADATA):
            await app.db.run(port_rows.DELETE, of_id=port.id)
        for subnet in await subnet_rows.subnets_on(app.db, network.id):
            await app.db.run(subnet_rows.DELETE, of_id=subnet.id)
        await forget_policies(app, network)
        await app.db.run(rows.DELETE, of_id=network.id)
        await tell(app, "network.deleted", network)
        await changed(app)
