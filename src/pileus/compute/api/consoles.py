"""Consoles: addresses at which a browser or a client reaches a server's screen or serial line, once."""

from typing import Annotated, Literal

from pileus.compute import errors
from pileus.compute.api.service import ACTION_PATH, admin, api, member, server_find
from pileus.compute.app import Compute
from pileus.compute.commands import consoles as commands
from pileus.compute.models.servers import Server
from pileus.kit.http import Call, F, Wire

SOCKET_PATH = "/console/websocket"
RULE = member("os-remote-consoles")
PROTOCOL_OF = {"novnc": "vnc", "serial": "serial"}


class ConsoleAsked(Wire):
    """Which console, in old versions."""

    type: Literal["novnc", "xvpvnc", "serial"]


class RemoteConsoleAsked(Wire):
    """Which console."""

    protocol: Literal["vnc", "spice", "rdp", "serial", "mks"]
    type: Literal["novnc", "xvpvnc", "spice-html5", "spice-direct", "rdp-html5", "serial", "webmks"]


class ConsoleView(Wire):
    """Where a console is, in old versions."""

    type: str
    url: str


class RemoteConsoleView(Wire):
    """Where a console is."""

    protocol: str
    type: str
    url: str


class ConsoleTokenView(Wire, kw_only=True):
    """What a token leads to."""

    instance_uuid: str
    host: str
    port: int = 0
    tls_port: Annotated[int | None, F(since="2.99")] = None
    internal_access_path: str | None = None


async def _url(call: Call[Compute], server: Server, console_type: str) -> str:
    token = await commands.open_console(call.app, server, console_type)
    base = call.base.rpartition("/")[0]
    if console_type == "serial":
        return f"ws{base.removeprefix('http')}{SOCKET_PATH}?token={token}"
    return f"{base}/console/vnc_auto.html?path={SOCKET_PATH[1:]}%3Ftoken%3D{token}"


@api.action(ACTION_PATH, "os-getVNCConsole", RULE, find=server_find, status=200, until="2.5", reply_key="console")
async def vnc_console(call: Call[Compute], server: Server, body: ConsoleAsked) -> ConsoleView:
    """Get a server's screen."""
    if body.type != "novnc":
        raise errors.ConsoleTypeUnavailable(kind=body.type)
    return ConsoleView(type=body.type, url=await _url(call, server, body.type))


@api.action(ACTION_PATH, "os-getSerialConsole", RULE, find=server_find, status=200, until="2.5", reply_key="console")
async def serial_console(call: Call[Compute], server: Server, body: ConsoleAsked) -> ConsoleView:
    """Get a server's serial line."""
    if body.type != "serial":
        raise errors.ConsoleTypeUnavailable(kind=body.type)
    return ConsoleView(type=body.type, url=await _url(call, server, body.type))


@api.action(ACTION_PATH, "os-getSPICEConsole", RULE, find=server_find, status=200, until="2.5")
async def spice_console(call: Call[Compute], server: Server) -> None:
    """Get a server's screen by SPICE, which no server here has."""
    raise errors.ConsoleTypeUnavailable(kind="spice-html5")


@api.post("/servers/{server_id}/remote-consoles", RULE, key="remote_console", find=server_find, status=200, since="2.6")
async def remote_console(call: Call[Compute], server: Server, body: RemoteConsoleAsked) -> RemoteConsoleView:
    """Get a way to a server's console."""
    if PROTOCOL_OF.get(body.type) != body.protocol:
        raise errors.ConsoleTypeUnavailable(kind=body.type)
    return RemoteConsoleView(protocol=body.protocol, type=body.type, url=await _url(call, server, body.type))


@api.get("/os-console-auth-tokens/{token}", admin("os-console-auth-tokens"), until="2.30")
async def token_show_of_old(call: Call[Compute], token: str) -> None:
    """Show what a token of a console by RDP leads to, of which there are none any more."""
    raise errors.BadRequest(why="The requested console type details are not accessible.")


@api.get("/os-console-auth-tokens/{token}", admin("os-console-auth-tokens"), key="console", since="2.31")
async def token_show(call: Call[Compute], token: str) -> ConsoleTokenView:
    """Show what a console token leads to."""
    found = await commands.console_of(call.app, token)
    return ConsoleTokenView(instance_uuid=found.server_id, host=found.host)
