"""Ways out: a router's ports on external networks.

The first one is what clients without the extension know as the router's gateway; it stands in the router's row, and the others
in rows of their own. When the first goes, the next one takes its place.
"""

import ipaddress
from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from pileus.network.app import Network as App
from pileus.network.commands.ports import create_port, delete_port, update_port
from pileus.network.commands.qos import check_usable
from pileus.network.commands.standard import change, changed, tell
from pileus.network.errors import BadRequest, NetworkNotFound, RouterExternalGatewayInUseByFloatingIp
from pileus.network.models.requests import GatewayWish, NewPort
from pileus.network.models.resources import ROUTER_GATEWAY, FurtherGateway, Network, Port, Router
from pileus.network.store import networks as network_rows
from pileus.network.store import ports as port_rows
from pileus.network.store import routers as rows
from pileus.network.store import subnets as subnet_rows

MOST = 16  # default routes that OVN shares flows between


class Way(msgspec.Struct, frozen=True):
    """A way out that is there."""

    port: Port
    snat: bool
    first: bool


async def set_gateway(app: App, router: Router, wish: GatewayWish, *, any_network: bool) -> None:
    """The router's first way out is through the external network wished for, with these addresses if some are wished for."""
    network = await _external(app, router, wish, any_network=any_network)
    qos = router.qos_policy_id if wish.qos_policy_id is UNSET else wish.qos_policy_id
    if qos != router.qos_policy_id:
        await check_usable(app, router.project_id, qos, anyones=any_network)
    if router.gateway_network_id == network.id and wish.fixed_ips is None:
        await change(app, rows.CHANGE, router, {"snat": wish.snat, "qos_policy_id": qos})
        return
    if router.gateway_port_id is not None:
        await _check_unused(app, router, router.gateway_port_id, router.gateway_network_id, to=network.id)
        await change(app, rows.CHANGE, router, NOWHERE)
        await _remove_port(app, router.gateway_port_id)
    port = await _gateway_port(app, router, network, wish)
    values = {
        "gateway_port_id": port.id,
        "gateway_network_id": network.id,
        "snat": wish.snat,
        "qos_policy_id": qos,
    }
    await change(app, rows.CHANGE, router, values)


async def clear_gateway(app: App, router: Router) -> None:
    """The router has not its first way out any more; raises while floating IPs need it."""
    if router.gateway_port_id is None:
        return
    await _check_unused(app, router, router.gateway_port_id, router.gateway_network_id)
    values = NOWHERE
    for following in (await app.db.all(rows.FURTHER, ids=[router.id]))[:1]:
        values = {
            "gateway_port_id": following.port_id,
            "gateway_network_id": following.network_id,
            "snat": following.snat,
            "qos_policy_id": None,
        }
        await app.db.run(rows.FURTHER_DELETE, of_port=following.port_id)
    await change(app, rows.CHANGE, router, values)
    await _remove_port(app, router.gateway_port_id)


async def clear_gateways(app: App, router: Router) -> None:
    """The router has no way out; raises while floating IPs need one."""
    for further in reversed(await app.db.all(rows.FURTHER, ids=[router.id])):
        await _remove(app, router, further.port_id)
    await clear_gateway(app, router)


async def add_gateways(app: App, router: Router, wishes: Sequence[GatewayWish], *, any_network: bool) -> Router:
    """The router has these ways out beside those it had."""
    async with app.db.transaction():
        router = await rows.router_get(app.db, router.id)
        for wish in wishes:
            if router.gateway_port_id is None:
                await set_gateway(app, router, wish, any_network=any_network)
            else:
                await _add(app, router, wish, any_network=any_network)
            router = await rows.router_get(app.db, router.id)
        return await _done(app, router)


async def update_gateways(app: App, router: Router, wishes: Sequence[GatewayWish], *, any_network: bool) -> Router:
    """The router has these ways out and no others; those it had and that are among them stay.

    New ones come before old ones go, so that floating IPs keep a way where there is one afterwards.
    """
    async with app.db.transaction():
        router = await rows.router_get(app.db, router.id)
        unnamed, fresh = await _ways(app, router), list[GatewayWish]()
        for wish in wishes:
            way = next((way for way in unnamed if _is(way, wish)), None)
            if way is None:
                fresh.append(wish)
            else:
                unnamed.remove(way)
                await _update(app, router, way, wish, any_policy=any_network)
                router = await rows.router_get(app.db, router.id)
        router = await add_gateways(app, router, fresh, any_network=any_network)
        for way in unnamed:
            await _remove_way(app, router, way)
            router = await rows.router_get(app.db, router.id)
        return await _done(app, router)


async def _update(app: App, router: Router, way: Way, wish: GatewayWish, *, any_policy: bool) -> None:
    _no_qos(wish, first=way.first)
    if wish.fixed_ips is not None:
        await update_port(app, way.port, {"fixed_ips": wish.fixed_ips}, by_owner=True)
    if not way.first:
        await app.db.run(rows.FURTHER_CHANGE, of_port=way.port.id, masks=wish.snat)
        return
    qos = router.qos_policy_id if wish.qos_policy_id is UNSET else wish.qos_policy_id
    await check_usable(app, router.project_id, qos, anyones=any_policy)
    await change(app, rows.CHANGE, router, {"snat": wish.snat, "qos_policy_id": qos})


async def remove_gateways(app: App, router: Router, wishes: Sequence[GatewayWish]) -> Router:
    """Those of the router's ways out that are named are gone."""
    async with app.db.transaction():
        router = await rows.router_get(app.db, router.id)
        for wish in wishes:
            for way in await _named(app, router, wish):
                await _remove_way(app, router, way)
                router = await rows.router_get(app.db, router.id)
        return await _done(app, router)


NOWHERE: dict[str, object] = {
    "gateway_port_id": None,
    "gateway_network_id": None,
    "snat": True,
    "qos_policy_id": None,
}


async def _done(app: App, router: Router) -> Router:
    await change(app, rows.CHANGE, router, {})
    await tell(app, "router.updated", router)
    await changed(app)
    return await rows.router_get(app.db, router.id)


async def _external(app: App, router: Router, wish: GatewayWish, *, any_network: bool) -> Network:
    network = await network_rows.network_find(app.db, wish.network_id)
    if network is None or not (any_network or network.external or network.project_id == router.project_id):
        raise NetworkNotFound(id=wish.network_id)
    if not network.external:
        raise BadRequest(resource="router", why=f"Network {network.id} is not an external network")
    return network


async def _gateway_port(app: App, router: Router, network: Network, wish: GatewayWish) -> Port:
    wanted = NewPort(
        project_id="",
        network_id=network.id,
        device_owner=ROUTER_GATEWAY,
        device_id=router.id,
        fixed_ips=wish.fixed_ips,
    )
    port = await create_port(app, network, wanted, counted=True)
    if not port.fixed_ips:
        raise BadRequest(resource="router", why=f"No IPs available for external network {network.id}")
    return port


async def _add(app: App, router: Router, wish: GatewayWish, *, any_network: bool) -> None:
    network = await _external(app, router, wish, any_network=any_network)
    _no_qos(wish, first=False)
    if len(await app.db.all(rows.FURTHER, ids=[router.id])) + 1 >= MOST:
        raise BadRequest(resource="router", why=f"Router {router.id} has {MOST} external gateways, which is the most")
    await _check_apart(app, router, network)
    port = await _gateway_port(app, router, network, wish)
    last = await app.db.one(rows.LAST_NUMBER)
    further = FurtherGateway(port.id, router.id, network.id, wish.snat, (last or 0) + 1)
    await app.db.run(rows.FURTHER_INSERT, **msgspec.structs.asdict(further))


async def _check_apart(app: App, router: Router, network: Network) -> None:
    """Raises BadRequest unless the network's addresses are none the router reaches another way."""
    known = await app.db.all(subnet_rows.BESIDE_ROUTER, router_id=router.id)
    for way in await _ways(app, router):
        known += await subnet_rows.subnets_on(app.db, way.port.network_id)
    for fresh in await subnet_rows.subnets_on(app.db, network.id):
        for other in known:
            apart = not ipaddress.ip_network(other.cidr).overlaps(ipaddress.ip_network(fresh.cidr))
            if not apart and other.network_id != network.id:
                why = f"Cidr {fresh.cidr} of subnet {fresh.id} overlaps with cidr {other.cidr} of subnet {other.id}"
                raise BadRequest(resource="router", why=why)


def _no_qos(wish: GatewayWish, *, first: bool) -> None:
    if not first and wish.qos_policy_id not in {UNSET, None}:
        why = (
            "a QoS policy is for a router's first external gateway; give the others' floating IPs policies of their own"
        )
        raise BadRequest(resource="router", why=why)


async def _remove_way(app: App, router: Router, way: Way) -> None:
    if way.port.id == router.gateway_port_id:
        await clear_gateway(app, router)
    else:
        await _remove(app, router, way.port.id)


async def _remove(app: App, router: Router, port_id: str) -> None:
    """A way out that is not the first one is gone; raises while floating IPs need it."""
    port = await port_rows.port_get(app.db, port_id)
    await _check_unused(app, router, port_id, port.network_id)
    await app.db.run(rows.FURTHER_DELETE, of_port=port_id)
    await delete_port(app, port, by_owner=True)


async def _remove_port(app: App, port_id: str) -> None:
    port = await port_rows.port_find(app.db, port_id)
    if port is not None:
        await delete_port(app, port, by_owner=True)


async def _check_unused(
    app: App, router: Router, port_id: str, network_id: str | None, to: str | None = None
) -> None:  # fmt: skip
    """Raises while floating IPs of that network go through the router, unless another way there remains."""
    others = [each for each in await _ways(app, router) if each.port.id != port_id]
    if network_id == to or any(each.port.network_id == network_id for each in others):
        return
    if await app.db.one(rows.FLOATING_THROUGH, router_id=router.id, network_id=network_id) is not None:
        raise RouterExternalGatewayInUseByFloatingIp(id=router.id, network=network_id)


async def _ways(app: App, router: Router) -> list[Way]:
    """The router's ways out, the first one first."""
    further = await app.db.all(rows.FURTHER, ids=[router.id])
    snat = {each.port_id: each.snat for each in further}
    ids = [*([router.gateway_port_id] if router.gateway_port_id else []), *snat]
    ports = {port.id: port for port in await port_rows.ports_of_ids(app.db, ids)}
    return [Way(ports[id], snat.get(id, router.snat), first=id == router.gateway_port_id) for id in ids if id in ports]


def _is(way: Way, wish: GatewayWish) -> bool:
    """Whether the way out is on the network, and has one of the addresses if some are named."""
    if way.port.network_id != wish.network_id or wish.fixed_ips is None:
        return way.port.network_id == wish.network_id
    return any(
        asked.subnet_id in {None, ip.subnet} and asked.address in {None, ip.address}
        for asked in wish.fixed_ips
        for ip in way.port.fixed_ips
    )


async def _named(app: App, router: Router, wish: GatewayWish) -> list[Way]:
    """The ways out on the network that have one of the addresses named, or all there if none is; raises BadRequest."""
    here = [way for way in await _ways(app, router) if _is(way, wish)]
    if not here:
        why = f"Router {router.id} has no such external gateway on network {wish.network_id}"
        raise BadRequest(resource="router", why=why)
    return here
