"""Ways out: a router's port on an external network."""

from msgspec import UNSET

from pileus.network.app import Network as App
from pileus.network.commands.ports import create_port, delete_port
from pileus.network.commands.qos import check_usable
from pileus.network.commands.standard import change
from pileus.network.errors import BadRequest, NetworkNotFound, RouterExternalGatewayInUseByFloatingIp
from pileus.network.models.requests import GatewayWish, NewPort
from pileus.network.models.resources import ROUTER_GATEWAY, Router
from pileus.network.store import networks as network_rows
from pileus.network.store import ports as port_rows
from pileus.network.store import routers as rows


async def set_gateway(app: App, router: Router, wish: GatewayWish, *, any_network: bool) -> None:
    """The router goes out through the external network wished for, with these addresses if some are wished for."""
    network = await network_rows.network_find(app.db, wish.network_id)
    if network is None or not (any_network or network.external or network.project_id == router.project_id):
        raise NetworkNotFound(id=wish.network_id)
    if not network.external:
        raise BadRequest(resource="router", why=f"Network {network.id} is not an external network")
    qos = router.qos_policy_id if wish.qos_policy_id is UNSET else wish.qos_policy_id
    if qos != router.qos_policy_id:
        await check_usable(app, router.project_id, qos)
    if router.gateway_network_id == network.id and wish.fixed_ips is None:
        await change(app, rows.CHANGE, router, {"snat": wish.snat, "qos_policy_id": qos})
        return
    await clear_gateway(app, router, to=network.id)
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
    values = {
        "gateway_port_id": port.id,
        "gateway_network_id": network.id,
        "snat": wish.snat,
        "qos_policy_id": qos,
    }
    await change(app, rows.CHANGE, router, values)


async def clear_gateway(app: App, router: Router, to: str | None = None) -> None:
    """The router has no way out; raises while floating IPs need it, unless it moves on the same network."""
    if router.gateway_port_id is None:
        return
    if to != router.gateway_network_id:
        if await app.db.one(rows.FLOATING_THROUGH, router_id=router.id) is not None:
            raise RouterExternalGatewayInUseByFloatingIp(id=router.id, network=router.gateway_network_id)
    nowhere = {"gateway_port_id": None, "gateway_network_id": None, "snat": True, "qos_policy_id": None}
    await change(app, rows.CHANGE, router, nowhere)
    port = await port_rows.port_find(app.db, router.gateway_port_id)
    if port is not None:
        await delete_port(app, port, by_owner=True)
