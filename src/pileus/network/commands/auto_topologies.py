"""A network that works, for whoever does not want to make one: of the default pools, behind a router with a way out."""

from pileus.network.app import Network as App
from pileus.network.commands.networks import create_network, delete_network
from pileus.network.commands.pools import default_pool
from pileus.network.commands.ports import ensure_metadata_port
from pileus.network.commands.routers import add_subnet, create_router, delete_router, remove_interface
from pileus.network.commands.sharing import usable_by
from pileus.network.commands.subnets import create_subnet
from pileus.network.errors import AutoAllocationFailure
from pileus.network.models.pools import SubnetPool
from pileus.network.models.requests import GatewayWish, NewNetwork, NewRouter, NewSubnet
from pileus.network.models.resources import AutoTopology, Network
from pileus.network.store import auto_topologies as rows
from pileus.network.store import networks as network_rows
from pileus.network.store import routers as router_rows


async def ensure_topology(app: App, project_id: str) -> AutoTopology:
    """The project has such a network; raises AutoAllocationFailure where admins did not say of what to make it."""
    async with app.db.transaction():
        there = await app.db.one(rows.OF_PROJECT, project_id=project_id)
        if there is not None:
            return there
        outside, pools = await parts(app, project_id)
        network = await create_network(app, NewNetwork(project_id=project_id, name="auto_allocated_network"))
        wish = GatewayWish(network_id=outside.id)
        wanted = NewRouter(project_id=project_id, name="auto_allocated_router", gateway=wish)
        router = await create_router(app, wanted, any_network=True)
        for pool in pools:
            subnet = await create_subnet(app, network, _subnet(project_id, network, pool))
            await add_subnet(app, router, subnet)
        await ensure_metadata_port(app, network)
        made = AutoTopology(project_id, network.id, router.id)
        if not await app.db.run(rows.INSERT, project_id=project_id, network_id=network.id, router_id=router.id):
            raise AutoAllocationFailure(why="another request is making it; ask again")
        return made


async def parts(app: App, project_id: str) -> tuple[Network, list[SubnetPool]]:
    """The external network and the pools to make it of; raises AutoAllocationFailure when they are missing."""
    outside = await app.db.one(rows.DEFAULT_OUTSIDE)
    if outside is None:
        raise AutoAllocationFailure(why="No default router:external network")
    pools = [pool for pool in (await default_pool(app, 4), await default_pool(app, 6)) if pool is not None]
    usable = await usable_by(app, project_id, pools)
    found = [pool for pool in pools if pool.id in usable]
    if not found:
        raise AutoAllocationFailure(why="No default subnetpools defined")
    return outside, found


def _subnet(project_id: str, network: Network, pool: SubnetPool) -> NewSubnet:
    mode = "slaac" if pool.ip_version == 6 else None
    return NewSubnet(
        project_id=project_id,
        network_id=network.id,
        ip_version=pool.ip_version,
        subnetpool_id=pool.id,
        prefixlen=64 if pool.ip_version == 6 else None,
        name=f"auto_allocated_subnet_v{pool.ip_version}",
        ipv6_ra_mode=mode,
        ipv6_address_mode=mode,
    )


async def delete_topology(app: App, project_id: str) -> None:
    """The project's network and router are gone; raises while ports are on the network."""
    async with app.db.transaction():
        there = await app.db.one(rows.OF_PROJECT, project_id=project_id)
        if there is None:
            return
        router = await router_rows.router_get(app.db, there.router_id)
        for port_id in sorted({leg.port_id for leg in await app.db.all(router_rows.LEGS, router_id=router.id)}):
            await remove_interface(app, router, port_id, None)
        await app.db.run(rows.DELETE, of_project=project_id)
        await delete_router(app, router)
        await delete_network(app, await network_rows.network_get(app.db, there.network_id))
