"""A server that ended by itself is stopped: its row and its document follow what its host saw; a panic is told.

Guests power themselves off, and QEMU processes are killed; nobody wants them back before somebody asks. Woken by the reports
of hosts; from time to time all servers that should run are looked at.
"""

import datetime as dt

from pileus.compute.agent import KIND
from pileus.compute.app import Compute
from pileus.compute.flows.document import want_as_settled
from pileus.compute.models.servers import ENDED, PowerWanted, Server, ServerState
from pileus.compute.store.servers import server_change, server_find, server_get_many, server_list_supposed_to_run
from pileus.kit.flow.standing import Standing
from pileus.kit.hosts.control import SEEN

EVERY_S = 60.0
PANICKED = "server.panicked"


class PowerFollows:
    """Looks at the servers that were reported lately, and at all of them from time to time."""

    def __init__(self, app: Compute) -> None:
        self._app = app
        self._reported: set[str] = set()
        self._panics: dict[str, dt.datetime] = {}  # the last one told, of servers that have not started again since
        self._all_at = 0.0
        app.hosts.on_seen(self._note)

    def _note(self, kind: str, id: str) -> None:
        if kind == KIND:
            self._reported.add(id)

    async def __call__(self) -> str | None:
        """No row says that a server should run which has ended and that nobody is at work on."""
        reported, self._reported = self._reported, set()
        now = self._app.clock.monotonic()
        if now >= self._all_at:
            servers = await server_list_supposed_to_run(self._app)
            self._all_at = now + EVERY_S
        else:
            servers = await server_get_many(self._app, sorted(reported))
        for server in servers:
            await self._tell_of_panic(server)
        followed = [server.name for server in servers if _ended(server) and await self._follow(server.id)]
        return f"stopped what had ended: {', '.join(followed)}" if followed else None

    async def _tell_of_panic(self, server: Server) -> None:
        at = server.seen.panicked_at if server.seen is not None else None
        if at is None:
            self._panics.pop(server.id, None)
        elif self._panics.get(server.id) != at:
            async with self._app.db.transaction():
                # Told already, perhaps, by who was controller before.
                told = await self._app.events.of_subject(server.subject)
                if not any(event.kind == PANICKED and event.at >= at for event in told):
                    await self._app.events.tell(PANICKED, server.subject, server.project_id)
            self._panics[server.id] = at

    async def _follow(self, id: str) -> bool:
        async with self._app.db.transaction():
            server = await server_find(self._app, id)
            if server is None or not _ended(server):
                return False
            crashed = server.seen is not None and server.seen.power == "crashed"
            server = await server_change(self._app, server, power_wanted=PowerWanted.OFF)
            await want_as_settled(self._app, server)
            why = server.seen.exit_reason if server.seen is not None else None
            kind = "server.crashed" if crashed else "server.powered_off"
            await self._app.events.tell(kind, server.subject, server.project_id, payload={"why": why} if why else None)
        return True


def _ended(server: Server) -> bool:
    """Whether it should run by its row, does not, and no operation is about to change that."""
    at_work = server.flow is not None or server.follows is not None
    seen = server.seen is not None and server.seen.power in ENDED
    return server.settled is ServerState.ACTIVE and seen and not at_work


def standing(app: Compute) -> Standing:
    """The reconciler, ready to be run."""
    # Everywhere, since a host's report is noted by the controller that took it.
    return Standing("compute.power", EVERY_S, PowerFollows(app), wake_topic=SEEN, everywhere=True)
