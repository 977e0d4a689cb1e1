"""Addresses, as clients asked compute for them in its first versions: handed on to the network service."""

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.servers import check_unlocked
from pileus.compute.models.servers import Server
from pileus.kit.auth import Caller
from pileus.kit.errors import Conflict, Invalid, NotFound, OverQuota
from pileus.ports.addresses import FloatingFacts


async def add_fixed_ip(app: Compute, caller: Caller, server: Server, network_id: str) -> None:
    """The server has another address on a network it is on; raises BadRequest or NoSuchThing."""
    check_unlocked(server, caller)
    try:
        found = await app.networks.addresses.add_fixed(server.id, network_id)
    except Conflict as refused:
        raise errors.BadRequest(why=refused.message) from refused
    if not found:
        raise errors.NotOnNetwork(server=server.id, network=network_id)


async def remove_fixed_ip(app: Compute, caller: Caller, server: Server, address: str) -> None:
    """The server does not have the address any more; raises BadRequest if it had not."""
    check_unlocked(server, caller)
    if not await app.networks.addresses.remove_fixed(server.id, address):
        raise errors.BadRequest(why=f"Instance {server.id} doesn't have fixed IP {address}.")


async def floating_get(app: Compute, caller: Caller, id: str) -> FloatingFacts:
    """The floating IP; raises NoSuchFloatingIp."""
    found = await app.networks.addresses.floating(caller, id=id)
    if found is None:
        raise errors.NoSuchFloatingIp(id=id)
    return found


async def allocate_floating_ip(app: Compute, caller: Caller, pool: str | None) -> FloatingFacts:
    """The project has another floating IP, of the pool with that name or id, or the first one there is."""
    pools = [one for one in await app.networks.addresses.pools() if pool in {None, one.id, one.name}]
    if not pools:
        raise errors.NoSuchPool
    try:
        return await app.networks.addresses.allocate(caller, pools[0].id)
    except OverQuota as over:
        raise errors.NotForTheCaller(why=f"IP allocation over quota in pool {pools[0].name}.") from over
    except Conflict as refused:
        raise errors.NoMoreFloatingIps(pool=pools[0].name) from refused


async def associate_floating_ip(
    app: Compute, caller: Caller, server: Server, address: str, fixed_address: str | None
) -> None:
    """The floating IP leads to that address of the server, or to its first one; raises BadRequest."""
    check_unlocked(server, caller)
    floating = await _at(app, caller, address)
    ports = (await app.networks.ports_of([server.id])).get(server.id, ())
    fixed = [one.address for port in ports for one in port.addresses if one.kind == "fixed" and one.version == 4]
    if not fixed:
        raise errors.BadRequest(why="No fixed IPs associated to instance")
    if fixed_address is not None and fixed_address not in fixed:
        raise errors.BadRequest(why="Specified fixed address not assigned to instance")
    wanted = fixed_address or fixed[0]
    try:
        await app.networks.addresses.lead(caller, floating.id, server.id, wanted)
    except (Conflict, Invalid, NotFound) as refused:
        raise errors.BadRequest(
            why=f"Unable to associate floating IP {address} to fixed IP {wanted} for instance {server.id}. "
            f"Error: {refused.message}"
        ) from refused


async def dissociate_floating_ip(app: Compute, caller: Caller, server: Server, address: str) -> None:
    """The floating IP leads to the server no more; raises NotAssociated if it did not."""
    check_unlocked(server, caller)
    floating = await _at(app, caller, address)
    if floating.server_id != server.id:
        raise errors.NotAssociated(address=address, server=server.id)
    await app.networks.addresses.lead(caller, floating.id, None, None)


async def _at(app: Compute, caller: Caller, address: str) -> FloatingFacts:
    found = await app.networks.addresses.floating(caller, address=address)
    if found is None:
        raise errors.NoFloatingIpThere
    return found
