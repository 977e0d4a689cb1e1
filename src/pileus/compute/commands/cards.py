"""Network cards of a server that exists: whether one may come or go, the port, and the operation that does it."""

from collections.abc import Sequence

import msgspec

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.power import held
from pileus.compute.drivers.interface import CARDS
from pileus.compute.flows.hosts import why_unable
from pileus.compute.models.servers import Server, ServerState
from pileus.compute.store.servers import server_change
from pileus.kit.auth import Caller
from pileus.ports.network import NicRequest, PortFacts

MAY_CHANGE = frozenset({ServerState.ACTIVE, ServerState.PAUSED, ServerState.STOPPED})


async def attach_card(
    app: Compute, caller: Caller, server: Server, wanted: NicRequest | None, tag: str | None, request_id: str
) -> PortFacts:
    """The server has the port and is getting a card at it; raises WrongState, ServerLocked, or what the network refuses.

    Without a wish it is a port on the one network there is.
    """
    async with app.db.transaction():
        now = await held(app, caller, server, "attach_interface", MAY_CHANGE)
        await _check_host(app, now)
        before = {port.id for port in await _ports(app, now)}
        # The port is the server's project's, whoever asks for it.
        owner = msgspec.structs.replace(caller, project_id=now.project_id)
        nics: Sequence[NicRequest] = () if wanted is None else (wanted,)
        ports = await app.networks.make_ports(owner, now.id, now.name, nics or "auto")
        made = [port for port in ports if port.id not in before]
        if not made:
            raise errors.BadRequest(
                why="No network to attach interface to: there is none, or the server has that port."
            )
        await app.engine.begin(
            "server.attach_interface",
            now.subject,
            {"port_id": made[0].id},
            project_id=now.project_id,
            user_id=caller.user_id,
            request_id=request_id,
        )
        if tag is not None:
            await server_change(app, now, card_tags={**now.card_tags, made[0].id: tag})
        return made[0]


async def detach_card(app: Compute, caller: Caller, server: Server, port_id: str, request_id: str) -> None:
    """The server is losing the card; raises NoSuchPort, WrongState or ServerLocked."""
    async with app.db.transaction():
        now = await held(app, caller, server, "detach_interface", MAY_CHANGE)
        if port_id not in {port.id for port in await _ports(app, now)}:
            raise errors.NoSuchPort(port=port_id)
        running = await app.engine.open(now.subject)
        if running is not None and running.flow == "server.detach_interface" and running.args["port_id"] == port_id:
            return  # it is leaving already
        await _check_host(app, now)
        await app.engine.begin(
            "server.detach_interface",
            now.subject,
            {"port_id": port_id},
            project_id=now.project_id,
            user_id=caller.user_id,
            request_id=request_id,
        )


async def _check_host(app: Compute, server: Server) -> None:
    why = why_unable(await app.hosts.get(server.host or ""), CARDS)
    if why is not None:
        raise errors.NotReady(server=server.id, why=f"host {server.host} {why}.")


async def _ports(app: Compute, server: Server) -> Sequence[PortFacts]:
    return (await app.networks.ports_of([server.id])).get(server.id, ())
