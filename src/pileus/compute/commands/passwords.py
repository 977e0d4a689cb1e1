"""Passwords of guests: set by the agent inside, while whoever asked waits. They are kept nowhere."""

import asyncio
import datetime as dt

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.power import held
from pileus.compute.drivers.guest_agent import GuestAgent
from pileus.compute.drivers.interface import DriverError
from pileus.compute.models.servers import Server, ServerState
from pileus.kit.auth import Caller
from pileus.kit.errors import Problem, Unavailable
from pileus.kit.flow.noted import note

ANSWER_S = 8.0
FLOW = "server.change_password"
MAY_BE_SET = frozenset({ServerState.ACTIVE})


async def change_password(app: Compute, caller: Caller, server: Server, password: str, request_id: str) -> None:
    """The guest's administrator has the password; raises WrongState, ServerLocked, NoGuestAgent or PasswordNotSet."""
    now = await held(app, caller, server, "set_admin_password", MAY_BE_SET)
    began = app.clock.now()
    try:
        await _pass_on(app, now, password)
    except Problem as refused:
        await _note(app, caller, now, request_id, began, refused.message)
        raise
    async with app.db.transaction():
        await _note(app, caller, now, request_id, began)
        await app.events.tell(
            "server.password_changed", now.subject, now.project_id, request_id, user_id=caller.user_id
        )


async def _pass_on(app: Compute, now: Server, password: str) -> None:
    image = now.image
    if now.host is None or image is None or not image.has_agent:
        raise errors.NoGuestAgent
    try:
        async with asyncio.timeout(ANSWER_S):
            await _set(app, now.host, now.id, image.admin, password)
    except TimeoutError:
        raise errors.PasswordNotSet(server=now.id, why=f"its agent did not answer in {ANSWER_S:g} s") from None
    except (Unavailable, DriverError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as failed:
        raise errors.PasswordNotSet(server=now.id, why=failed) from failed


async def _note(
    app: Compute, caller: Caller, server: Server, request_id: str, began: dt.datetime, failure: str | None = None
) -> None:
    await note(
        app.db,
        FLOW,
        "set password",
        server.subject,
        began=began,
        ended=app.clock.now(),
        failure=failure,
        host=server.host,
        project_id=server.project_id,
        user_id=caller.user_id,
        request_id=request_id,
    )


async def _set(app: Compute, host: str, server_id: str, user: str, password: str) -> None:
    reader, writer = await app.consoles.open(host, server_id, "agent")
    try:
        agent = GuestAgent(reader, writer)
        await agent.greet()
        await agent.set_password(user, password)
    finally:
        writer.close()
