"""Hosts that are emptied by themselves: each server leaves, running if it runs and can, else standing still.

    (few at a time) live, or cold and then confirmed -> moved
                    refused, failed -> stays, with the reason, and is tried again, the other way first

What has begun is a row, written with the operation that does it, so whoever goes on after a crash finds both or neither.
"""

import datetime as dt
import uuid

import msgspec

from pileus.compute.app import Compute
from pileus.compute.commands import live, moves
from pileus.compute.commands.power import CONFIRM_RESIZE, turn_server
from pileus.compute.models.drains import HINDERS, Drain, Drained, Left, Way, ways
from pileus.compute.models.servers import Server, ServerState
from pileus.compute.store.drains import (
    drain_forget,
    drain_list,
    drain_put,
    drained_forget,
    drained_list,
    drained_moving,
    drained_put,
    drained_try_again,
)
from pileus.compute.store.hosts import HostSetting, setting_forget, setting_list, setting_put
from pileus.compute.store.servers import server_find, server_list_on_host
from pileus.kit.auth import Caller
from pileus.kit.errors import Problem
from pileus.kit.flow.operation import State
from pileus.kit.flow.operations import ENDED, NoSuchOperation
from pileus.kit.flow.standing import Standing

EVERY_S = 5.0
AGAIN_S = 60.0
BUSY = "it is busy: "


async def begin_drain(app: Compute, host: str, reason: str, *, moves_servers: bool, live_only: bool) -> None:
    """No new servers come to the host; those on it leave if that is wanted, and what stayed so far is tried again now."""
    now = app.clock.now()
    async with app.db.transaction():
        said = (await setting_list(app)).get(host) or HostSetting(host=host, updated_at=now)
        await setting_put(app, msgspec.structs.replace(said, disabled=True, reason=reason, updated_at=now))
        if not moves_servers:
            await drain_forget(app, host)
            return
        if host not in {drain.host for drain in await drain_list(app)}:
            await drained_forget(app, host)
        await drain_put(app, Drain(host=host, live_only=live_only, since=now))
        await drained_try_again(app, host, now - dt.timedelta(seconds=AGAIN_S))
        app.db.on_commit(lambda: app.bus.wake(ENDED, host))  # The reconciler need not be waited for.


async def end_drain(app: Compute, host: str) -> None:
    """New servers come to the host. What is on its way goes there."""
    async with app.db.transaction():
        await setting_forget(app, host)
        await drain_forget(app, host)
        await drained_forget(app, host)


class HostsEmpty:
    """Empties the hosts that are to be empty."""

    def __init__(self, app: Compute) -> None:
        self._app = app

    async def __call__(self) -> str | None:
        """What has ended is known, and as many more servers are on their way as may be at once."""
        moving: dict[str, int] = {}
        ended = 0
        for drained in await drained_moving(self._app):
            if await self._follow(drained):
                moving[drained.host] = moving.get(drained.host, 0) + 1
            else:
                ended += 1
        settings, begun = await setting_list(self._app), 0
        for drain in await drain_list(self._app):
            said = settings.get(drain.host)
            if said is None or not said.disabled:
                await drain_forget(self._app, drain.host)  # An admin wants servers there again.
            else:
                begun += await self._begin(drain, self._app.config.drain_at_once - moving.get(drain.host, 0))
        return f"{begun} servers set out, {ended} arrived or stay" if begun or ended else None

    async def _follow(self, drained: Drained) -> bool:
        """Whether the server is still on its way."""
        server = await server_find(self._app, drained.server_id)
        if server is None:
            return await self._note(drained, Left.MOVED, "it was deleted")
        if await self._app.engine.open(server.subject) is not None:
            return True
        moved = server.resized
        if moved is not None and moved.operation == drained.operation and server.state is ServerState.RESIZED:
            await turn_server(self._app, _caller(), server, CONFIRM_RESIZE, _request())
            return True
        if server.host != drained.host:
            return await self._note(drained, Left.MOVED, None)
        return await self._note(drained, Left.STAYS, await self._failure(drained))

    async def _failure(self, drained: Drained) -> str:
        try:
            op = await self._app.engine.get(drained.operation or "")
        except NoSuchOperation:
            return "nobody remembers why"
        return op.turn_back or op.failure or ("it was taken back" if op.state is State.DONE else "it is stuck")

    async def _begin(self, drain: Drain, room: int) -> int:
        """As many servers as there is room for set out, those first that were not tried yet."""
        known = {drained.server_id: drained for drained in await drained_list(self._app, drain.host)}
        due = self._app.clock.now() - dt.timedelta(seconds=AGAIN_S)
        begun = 0
        here = await server_list_on_host(self._app, drain.host)
        for id, name in sorted(here, key=lambda each: (each[0] in known, each[1], each[0])):
            before = known.get(id) or Drained(
                host=drain.host, server_id=id, name=name, state=Left.STAYS, updated_at=due
            )  # fmt: skip
            if begun >= room or before.state is Left.MOVING or before.updated_at > due:
                continue
            begun += await self._set_out(drain, msgspec.structs.replace(before, name=name))
        return begun

    async def _set_out(self, drain: Drain, before: Drained) -> bool:
        """Whether the server is on its way; if not, why is known."""
        server = await server_find(self._app, before.server_id)
        if server is None or server.host != drain.host:
            return False
        if server.task is not None:
            return await self._note(before, Left.STAYS, f"{BUSY}{server.task}")
        why = HINDERS.get(server.state, f"it is {server.state}")
        for way in ways(server.state, before.way, live_only=drain.live_only):
            try:
                await self._leave(before, server, way)
            except Problem as refused:
                why = refused.message
            else:
                return True
        return await self._note(before, Left.STAYS, why)

    async def _leave(self, before: Drained, server: Server, way: Way) -> None:
        async with self._app.db.transaction():
            if way is Way.LIVE:
                asked = live.Asked(host=None, takes_disks=True, checks_first=True)
                await live.migrate_live(self._app, _caller(), server, asked, _request())
            else:
                await moves.migrate_server(self._app, _caller(), server, None, _request())
            op = await self._app.engine.open(server.subject)
            assert op is not None
            began = msgspec.structs.replace(before, way=way, operation=op.id)
            await self._note(began, Left.MOVING, None)

    async def _note(self, drained: Drained, state: Left, why: str | None) -> bool:
        """That is what became of the server; False, for it is on its way no more."""
        now = self._app.clock.now()
        await drained_put(self._app, msgspec.structs.replace(drained, state=state, why=why, updated_at=now))
        return False


def _caller() -> Caller:
    """Whoever owns the cloud: it is the owner who asked for the host to be emptied."""
    return Caller(user_id="", project_id=None, roles=frozenset({"admin", "manager", "member", "reader"}))


def _request() -> str:
    return f"req-{uuid.uuid4()}"


def standing(app: Compute) -> Standing:
    """The reconciler, ready to be run."""
    return Standing("compute.drains", EVERY_S, HostsEmpty(app), wake_topic=ENDED)
