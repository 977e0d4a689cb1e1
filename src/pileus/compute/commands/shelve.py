"""Shelve and unshelve: whether they fit, and the operations that do them."""

from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.aggregates import zone_by_host
from pileus.compute.commands.images import ALLOWED, image_row
from pileus.compute.commands.power import held
from pileus.compute.models.servers import Server, ServerState
from pileus.compute.store.servers import server_change
from pileus.kit.auth import Caller

SHELVED = frozenset({ServerState.SHELVED, ServerState.SHELVED_OFFLOADED})


async def shelve_server(app: Compute, caller: Caller, server: Server, request_id: str) -> None:
    """The server is being shelved; raises WrongState, ServerLocked or NotReady."""
    async with app.db.transaction():
        now = await held(app, caller, server, "shelve", ALLOWED)
        image_id = None if now.volume_backed else await image_row(app, caller, now, f"{now.name}-shelved", {})
        await app.engine.begin(
            "server.shelve_volume" if now.volume_backed else "server.shelve",
            now.subject,
            {"stopped": True} if now.volume_backed else {"image_id": image_id, "stopped": True},
            project_id=now.project_id,
            user_id=caller.user_id,
            request_id=request_id,
        )


async def offload_server(app: Compute, caller: Caller, server: Server) -> None:
    """Raise WrongState, unless the server is shelved: then it is offloaded already."""
    await held(app, caller, server, "shelveOffload", frozenset({ServerState.SHELVED}), placed=False)


async def unshelve_server(
    app: Compute,
    caller: Caller,
    server: Server,
    request_id: str,
    *,
    zone: str | UnsetType | None = UNSET,
    host: str | None = None,
) -> None:
    """The server is being made anew from its image, in the zone and on the host if named; a zone None frees it of its zone."""
    async with app.db.transaction():
        now = await held(app, caller, server, "unshelve", SHELVED, placed=False)
        places = await zone_by_host(app)
        if isinstance(zone, str) and zone not in {app.config.zone, *places.values()}:
            raise errors.BadRequest(why="The requested availability zone is not available")
        if host is not None and host not in {known.name for known in await app.hosts.list()}:
            raise errors.BadRequest(why=f"Compute host {host} could not be found.")
        wanted = now.zone_wanted if zone is UNSET else zone
        await server_change(app, now, zone_wanted=wanted, host_wanted=host)
        await app.engine.begin(
            "server.unshelve", now.subject, project_id=now.project_id, user_id=caller.user_id, request_id=request_id
        )
