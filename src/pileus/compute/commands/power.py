"""Start, stop, reboot, pause and suspend: whether that fits what the server is, and the operation that does it."""

from collections.abc import Collection

import msgspec

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.servers import check_state, check_unlocked
from pileus.compute.models.servers import Counts, Server, ServerState
from pileus.compute.store.servers import server_change, server_find
from pileus.kit.auth import Caller


class Turn(msgspec.Struct, frozen=True):
    """One way to turn a server: what it is called, what does it, when it fits, and which counter it raises."""

    action: str
    flow: str
    allowed: Collection[ServerState]
    counter: str | None


START = Turn("start", "server.start", frozenset({ServerState.STOPPED}), "start")
STOP = Turn("stop", "server.stop", frozenset({ServerState.ACTIVE, ServerState.ERROR}), None)
REBOOT = Turn("reboot", "server.reboot", frozenset({ServerState.ACTIVE}), "soft")
REBOOT_HARD = Turn(
    "reboot",
    "server.reboot_hard",
    frozenset({ServerState.ACTIVE, ServerState.STOPPED, ServerState.PAUSED, ServerState.SUSPENDED, ServerState.ERROR}),
    "hard",
)
PAUSE = Turn("pause", "server.pause", frozenset({ServerState.ACTIVE}), None)
UNPAUSE = Turn("unpause", "server.unpause", frozenset({ServerState.PAUSED}), None)
SUSPEND = Turn("suspend", "server.suspend", frozenset({ServerState.ACTIVE}), None)
RESUME = Turn("resume", "server.resume", frozenset({ServerState.SUSPENDED}), None)
CRASH_DUMP = Turn(
    "trigger_crash_dump",
    "server.crash_dump",
    frozenset({ServerState.ACTIVE, ServerState.PAUSED, ServerState.RESCUED, ServerState.RESIZED, ServerState.ERROR}),
    "nmi",
)
UNRESCUE = Turn("unrescue", "server.unrescue", frozenset({ServerState.RESCUED}), None)
CONFIRM_RESIZE = Turn("confirmResize", "server.resize_confirm", frozenset({ServerState.RESIZED}), None)
REVERT_RESIZE = Turn("revertResize", "server.resize_revert", frozenset({ServerState.RESIZED}), None)


async def turn_server(app: Compute, caller: Caller, server: Server, turn: Turn, request_id: str) -> None:
    """The server is being turned; raises WrongState, ServerLocked or NotReady."""
    async with app.db.transaction():
        now = await held(app, caller, server, turn.action, turn.allowed)
        if turn.counter is not None:
            await server_change(app, now, restarts=_one_more(now.restarts, turn.counter))
        await app.engine.begin(
            turn.flow, now.subject, project_id=now.project_id, user_id=caller.user_id, request_id=request_id
        )


async def restore_server(app: Compute, caller: Caller, server: Server) -> None:
    """Raises WrongState: what is deleted goes at once, so that no server is in the state from which one comes back."""
    await held(app, caller, server, "restore", frozenset(), placed=False)


async def held(
    app: Compute,
    caller: Caller,
    server: Server,
    action: str,
    allowed: Collection[ServerState],
    *,
    placed: bool = True,
    though_locked: bool = False,
) -> Server:
    """The server as it is in this transaction, fit for the action; raises WrongState, ServerLocked or NotReady."""
    # Read again: two requests may have read the same row before either wrote.
    now = await server_find(app, server.id)
    if now is None:
        raise errors.ServerNotFound(server=server.id)
    if not though_locked:
        check_unlocked(now, caller)
    check_state(now, action, allowed)
    if placed and now.host is None:
        raise errors.NotReady(server=now.id, why="it is on no host, since it could not be built.")
    return now


def _one_more(counts: Counts, name: str) -> Counts:
    return msgspec.structs.replace(counts, **{name: getattr(counts, name) + 1})
