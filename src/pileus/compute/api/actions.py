"""Actions on servers: power, locks, and the console's text."""

from typing import Annotated, Literal

import msgspec

from pileus.compute.api.service import ACTION_PATH, admin, api, member, server_find
from pileus.compute.app import Compute
from pileus.compute.commands import consoles, power
from pileus.compute.commands import servers as commands
from pileus.compute.models.servers import LockedBy, Server
from pileus.kit.http import Call, F, Wire

UNLOCK = "os_compute_api:os-lock-server:unlock:unlock_override"
api.declare(admin("os-lock-server:unlock:unlock_override"))


class Reboot(Wire):
    """Ask the guest (SOFT) or pull the plug (HARD)."""

    type: Annotated[str, msgspec.Meta(pattern=r"^(?i:soft|hard)$(?!\n)")]


class Lock(Wire):
    """Why a server is locked."""

    reason: Annotated[
        Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | None, F("locked_reason", since="2.73")
    ] = None


class ResetState(Wire):
    """What a server is said to be."""

    state: Literal["active", "error"]


class ConsoleOutput(Wire):
    """How many lines of the console's text; all of it if not given."""

    length: Annotated[int, msgspec.Meta(ge=-1)] | None = None


class ConsoleText(Wire):
    """The console's text."""

    output: str


@api.action(ACTION_PATH, "os-start", member("servers:start"), find=server_find)
async def start(call: Call[Compute], server: Server) -> None:
    """Start a server."""
    await power.turn_server(call.app, call.caller, server, power.START, call.request_id)


@api.action(ACTION_PATH, "os-stop", member("servers:stop"), find=server_find)
async def stop(call: Call[Compute], server: Server) -> None:
    """Stop a server."""
    await power.turn_server(call.app, call.caller, server, power.STOP, call.request_id)


@api.action(ACTION_PATH, "reboot", member("servers:reboot"), find=server_find)
async def reboot(call: Call[Compute], server: Server, body: Reboot) -> None:
    """Reboot a server."""
    turn = power.REBOOT_HARD if body.type.upper() == "HARD" else power.REBOOT
    await power.turn_server(call.app, call.caller, server, turn, call.request_id)


@api.action(ACTION_PATH, "pause", member("os-pause-server:pause"), find=server_find)
async def pause(call: Call[Compute], server: Server) -> None:
    """Pause a server: it stands still, in memory."""
    await power.turn_server(call.app, call.caller, server, power.PAUSE, call.request_id)


@api.action(ACTION_PATH, "unpause", member("os-pause-server:unpause"), find=server_find)
async def unpause(call: Call[Compute], server: Server) -> None:
    """Let a paused server go on."""
    await power.turn_server(call.app, call.caller, server, power.UNPAUSE, call.request_id)


@api.action(ACTION_PATH, "suspend", member("os-suspend-server:suspend"), find=server_find)
async def suspend(call: Call[Compute], server: Server) -> None:
    """Suspend a server: its memory goes to disk, and it takes none."""
    await power.turn_server(call.app, call.caller, server, power.SUSPEND, call.request_id)


@api.action(ACTION_PATH, "resume", member("os-suspend-server:resume"), find=server_find)
async def resume(call: Call[Compute], server: Server) -> None:
    """Let a suspended server go on where it was."""
    await power.turn_server(call.app, call.caller, server, power.RESUME, call.request_id)


@api.action(ACTION_PATH, "trigger_crash_dump", member("servers:trigger_crash_dump"), find=server_find, since="2.17")
async def trigger_crash_dump(call: Call[Compute], server: Server) -> None:
    """Interrupt a server so that its system writes a crash dump."""
    await power.turn_server(call.app, call.caller, server, power.CRASH_DUMP, call.request_id)


@api.action(ACTION_PATH, "lock", member("os-lock-server:lock"), find=server_find)
async def lock(call: Call[Compute], server: Server, body: Lock | None) -> None:
    """Lock a server against changes."""
    await commands.lock_server(call.app, call.caller, server, body.reason if body is not None else None)


@api.action(ACTION_PATH, "unlock", member("os-lock-server:unlock"), find=server_find)
async def unlock(call: Call[Compute], server: Server) -> None:
    """Unlock a server."""
    if server.locked_by is LockedBy.ADMIN:
        call.require(UNLOCK, {"project_id": server.project_id, "user_id": server.user_id})
    await commands.unlock_server(call.app, server)


@api.action(ACTION_PATH, "restore", member("os-deferred-delete:restore"), find=server_find)
async def restore(call: Call[Compute], server: Server) -> None:
    """Bring back a server that was deleted but not yet reclaimed, of which there is never one here."""
    await power.restore_server(call.app, call.caller, server)


@api.action(ACTION_PATH, "injectNetworkInfo", admin("os-admin-actions:inject_network_info"), find=server_find)
async def inject_network(call: Call[Compute], server: Server) -> None:
    """Tell a server's host anew what cards the server has."""
    await commands.tell_host_again(call.app, call.caller, server)


@api.action(ACTION_PATH, "os-resetState", admin("os-admin-actions:reset_state"), find=server_find)
async def reset_state(call: Call[Compute], server: Server, body: ResetState) -> None:
    """Say that a server is in error, or is not."""
    await commands.reset_state(call.app, server, broken=body.state == "error")


@api.action(ACTION_PATH, "forceDelete", member("os-deferred-delete:force"), find=server_find)
async def force_delete(call: Call[Compute], server: Server) -> None:
    """Delete a server at once, as all deletions here do."""
    await commands.delete_server(call.app, call.caller, server, call.request_id)


@api.action(ACTION_PATH, "os-getConsoleOutput", member("os-console-output"), find=server_find, status=200)
async def console_output(call: Call[Compute], server: Server, body: ConsoleOutput | None) -> ConsoleText:
    """Show the end of a server's console."""
    length = body.length if body is not None else None
    return ConsoleText(output=await consoles.console_output(call.app, server, length))
