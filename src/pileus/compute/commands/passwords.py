"""Passwords of guests: those given with a server, and those an agent sets while whoever asked waits.

What is given when a server is made, rebuilt, rescued or evacuated stands sealed in the database until its guest has it; what
is changed in a running guest is kept nowhere.
"""

import datetime as dt
import secrets

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.power import held
from pileus.compute.flows.guest import SILENT, agent_of, why_silent
from pileus.compute.models.passwords import GivenPassword
from pileus.compute.models.servers import BootImage, Server, ServerState
from pileus.compute.store.passwords import password_find, password_forget, password_put
from pileus.kit.auth import Caller
from pileus.kit.errors import Problem
from pileus.kit.flow.noted import note

ANSWER_S = 8.0
FLOW = "server.change_password"
MAY_BE_SET = frozenset({ServerState.ACTIVE})


async def give_password(app: Compute, server: Server, system: BootImage | None, password: str | None, *, rescue: bool = False) -> None:  # fmt: skip
    """The password is on its way to the system the server boots: by its agent, and on its config drive.

    A system that has neither is given none, and then none is kept; one that was on its way before is not any more.
    """
    has_agent = system is not None and system.has_agent
    if password is None or not (has_agent or server.config_drive):
        await password_forget(app, server.id, rescue=rescue)
        return
    now = app.clock.now()
    given = GivenPassword(
        server_id=server.id,
        for_rescue=rescue,
        reference=secrets.token_hex(8),
        sealed=app.vault.seal(password.encode()),
        try_at=now if has_agent else None,
        given_at=now,
    )
    await password_put(app, given)


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
    if now.host is None or now.image is None or not now.image.has_agent:
        raise errors.NoGuestAgent
    former = await _overtake(app, now, password)
    try:
        async with agent_of(app, now, ANSWER_S) as agent:
            await agent.set_password(now.image.admin, password)
    except SILENT as failed:
        if former is not None:
            await password_put(app, former)
        raise errors.PasswordNotSet(server=now.id, why=why_silent(failed, ANSWER_S)) from failed


async def _overtake(app: Compute, now: Server, password: str) -> GivenPassword | None:
    """One that is still on its way does not arrive after the new one; returns what it was, to put back if that fails.

    The new one takes its place on the way, and is thus set once more: whoever delivers may hold the old one right now.
    """
    async with app.db.transaction():
        former = await password_find(app, now.id)
        if former is None or former.try_at is None:
            return None
        await give_password(app, now, now.image, password)
        return former


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
