"""Consoles: what was printed, and ways to talk to a server that are good once."""

import datetime as dt

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.models.consoles import ConsoleToken, hashed, new_token
from pileus.compute.models.servers import Server, ServerState
from pileus.compute.store.consoles import token_create, token_find, token_take
from pileus.compute.store.servers import server_find

KINDS = {"novnc": "vnc", "serial": "serial"}


async def console_output(app: Compute, server: Server, lines: int | None) -> str:
    """The end of what the server printed; raises NotReady while it is on no host."""
    if server.host is None:
        raise errors.NotReady(server=server.id, why="it is on no host yet.")
    return await app.consoles.log(server.host, server.id, None if lines is None or lines < 0 else lines)


async def open_console(app: Compute, server: Server, console_type: str) -> str:
    """A token that is good for one connection to the console, for ten minutes."""
    kind = KINDS.get(console_type)
    if kind is None:
        raise errors.ConsoleTypeUnavailable(kind=console_type)
    if server.host is None or server.state is not ServerState.ACTIVE:
        raise errors.NotReady(server=server.id, why=f"it is {server.state}.")
    token = new_token()
    until = app.clock.now() + dt.timedelta(seconds=app.config.console_token_s)
    await token_create(
        app,
        ConsoleToken(
            hash=hashed(token),
            server_id=server.id,
            host=server.host,
            kind=kind,
            console_type=console_type,
            expires_at=until,
        ),
    )
    return token


async def console_of(app: Compute, token: str) -> ConsoleToken:
    """What a token leads to, without using it up; raises NoSuchConsole."""
    found = await token_find(app, hashed(token))
    if found is None:
        raise errors.NoSuchConsole
    return found


async def use_token(app: Compute, token: str) -> ConsoleToken | None:
    """What a good token leads to, once; None for any other, and if the server is on another host by now."""
    taken = await token_take(app, hashed(token))
    if taken is None:
        return None
    server = await server_find(app, taken.server_id)
    return taken if server is not None and server.host == taken.host else None
