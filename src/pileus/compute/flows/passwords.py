"""Passwords given with a server reach its guest: the agent in it sets them, once it answers.

A guest answers when it has booted, which nobody waits for; so each password has its moment, and is tried again ever more
seldom until its guest takes it or refuses it. They stand in the database sealed, and only as long as they are on their way.
"""

import asyncio
import datetime as dt

from pileus.compute.app import Compute
from pileus.compute.drivers.guest_agent import Refused
from pileus.compute.flows.guest import SILENT, agent_of, why_silent
from pileus.compute.models.passwords import FIRST_PAUSE_S, GivenPassword, pause_s
from pileus.compute.models.servers import BootImage, Server, ServerState
from pileus.compute.store.passwords import password_told, password_try_again, passwords_due
from pileus.compute.store.servers import server_get_many
from pileus.kit.flow.standing import Standing

ANSWER_S = 8.0
MOST_AT_ONCE = 32
GIVE_UP_S = 86_400.0
OWN = frozenset({ServerState.ACTIVE, ServerState.RESIZED})
RUNNING = "on"


class PasswordsArrive:
    """Tells agents the passwords that are due."""

    def __init__(self, app: Compute) -> None:
        self._app = app

    async def __call__(self) -> str | None:
        """Every guest that answers has its password."""
        due = await passwords_due(self._app, self._app.clock.now(), MOST_AT_ONCE)
        if not due:
            return None
        servers = {one.id: one for one in await server_get_many(self._app, [one.server_id for one in due])}
        taken = await asyncio.gather(*(self._deliver(one, servers.get(one.server_id)) for one in due))
        return f"{sum(taken)} guests took their passwords" if any(taken) else None

    async def _deliver(self, password: GivenPassword, server: Server | None) -> bool:
        opened = self._app.vault.open(password.sealed)
        if server is None or opened is None:
            why = None if server is None else "the key it was sealed with is gone"
            return await self._end(password, server, failure=why)
        system = listener(server, rescue=password.for_rescue)
        if system is None:
            return await self._later(password, server, "the guest does not run")
        try:
            async with agent_of(self._app, server, ANSWER_S) as agent:
                await agent.set_password(system.admin, opened.decode())
        except Refused as refused:
            return await self._end(password, server, failure=str(refused))
        except SILENT as failed:
            return await self._later(password, server, why_silent(failed, ANSWER_S))
        return await self._end(password, server)

    async def _later(self, password: GivenPassword, server: Server, why: str) -> bool:
        now = self._app.clock.now()
        if now - password.given_at >= dt.timedelta(seconds=GIVE_UP_S):
            return await self._end(password, server, failure=why)
        at = now + dt.timedelta(seconds=pause_s(password.tries))
        await password_try_again(self._app, password, at)
        return False

    async def _end(self, password: GivenPassword, server: Server | None, *, failure: str | None = None) -> bool:
        """No agent is told any more; the server's story says how that ended."""
        async with self._app.db.transaction():
            keep = server is not None and server.config_drive
            current = await password_told(self._app, password, keep=keep)
            if server is None or not current:
                return False
            kind = "server.password_set" if failure is None else "server.password_not_set"
            payload: dict[str, object] = {} if failure is None else {"why": failure}
            await self._app.events.tell(kind, server.subject, server.project_id, payload=payload)
        return failure is None


def listener(server: Server, *, rescue: bool) -> BootImage | None:
    """The system of a running guest that such a password is for, if that is what runs now."""
    runs = server.host is not None and server.flow is None and server.seen is not None and server.seen.power == RUNNING
    if rescue:
        return server.rescue if runs and server.state is ServerState.RESCUED else None
    return server.image if runs and server.state in OWN else None


def standing(app: Compute) -> Standing:
    """The reconciler, ready to be run."""
    return Standing("compute.passwords", FIRST_PAUSE_S, PasswordsArrive(app))
