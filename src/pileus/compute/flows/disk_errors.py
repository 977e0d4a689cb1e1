"""A disk that could not be read or written is told: in the server's story, as an event, and as a message of the volume.

Hosts report what happened since the server was started; each trouble becomes one operation on the server, which fails at once and says
why. It never stands in anybody's way: while something else is under way with the server it waits until that is over.
"""

import uuid

import msgspec

from pileus.compute.agent import KIND
from pileus.compute.app import Compute
from pileus.compute.flows.boot import server_id
from pileus.compute.models.servers import DiskTrouble, Server
from pileus.compute.store.servers import server_get_many, server_list_supposed_to_run
from pileus.kit.flow.operation import Busy, Operation
from pileus.kit.flow.standing import Standing
from pileus.kit.flow.step import Fail, Flow, Outcome, Step
from pileus.kit.hosts.control import SEEN

EVERY_S = 60.0
NAME = "server.disk_failed"
TOLD = uuid.UUID("b7c1f0de-5d5c-4f0a-9a0e-2f6d1c7b3a54")  # the names of what is told are made in this space


async def heed(app: Compute, op: Operation) -> Outcome:
    """Never: a disk failed, which is what there is to say."""
    return Fail(_trouble(op).text)


async def told(app: Compute, op: Operation) -> None:
    """Whoever listens is told, and so is who reads what there is to know of the volume."""
    trouble, id = _trouble(op), server_id(op)
    payload = {"disk": trouble.disk, "operation": trouble.operation, "why": trouble.why, "stopped": trouble.stopped}
    await app.events.tell(NAME, op.subject, op.project_id, op.request_id, payload | {"volume_id": trouble.volume})
    if trouble.volume is not None and app.volumes is not None:
        await app.volumes.messages.explain(trouble.volume, f"Server {id}: {trouble.text}", op.request_id)


def _trouble(op: Operation) -> DiskTrouble:
    return msgspec.convert(op.args, DiskTrouble)


class DisksFollow:
    """Looks at the servers that were reported lately, and at all of them from time to time."""

    def __init__(self, app: Compute) -> None:
        self._app = app
        self._reported: set[str] = set()
        self._told: dict[str, set[str]] = {}  # by server: what was told already
        self._all_at = 0.0
        app.hosts.on_seen(self._note)

    def _note(self, kind: str, id: str) -> None:
        if kind == KIND:
            self._reported.add(id)

    async def __call__(self) -> str | None:
        """Whatever troubles were reported are told, but for those of servers that are busy."""
        reported, self._reported = self._reported, set()
        now = self._app.clock.monotonic()
        if now >= self._all_at:
            servers = await server_list_supposed_to_run(self._app)
            self._all_at = now + EVERY_S
        else:
            servers = await server_get_many(self._app, sorted(reported))
        troubled = [server for server in servers if await self._tell(server)]
        return f"told of disks that fail: {', '.join(server.name for server in troubled)}" if troubled else None

    async def _tell(self, server: Server) -> bool:
        troubles = {_name(server, each): each for each in (server.seen.disk_errors if server.seen is not None else ())}
        if not troubles:
            self._told.pop(server.id, None)
            return False
        known, began = self._told.setdefault(server.id, set()), False
        known.intersection_update(troubles)
        for name in sorted(troubles.keys() - known):
            if await self._app.engine.book.get(name) is None:
                try:
                    await self._begin(server, name, troubles[name])
                except Busy:
                    self._reported.add(server.id)
                    continue
                began = True
            known.add(name)
        return began

    async def _begin(self, server: Server, name: str, trouble: DiskTrouble) -> None:
        await self._app.engine.begin(
            NAME, server.subject, trouble, project_id=server.project_id, request_id=f"req-{name}", id=name
        )


def _name(server: Server, trouble: DiskTrouble) -> str:
    """The operation that tells of it, whichever controller begins it."""
    return str(uuid.uuid5(TOLD, f"{server.id} {trouble.disk} {trouble.operation} {trouble.at.isoformat()}"))


def standing(app: Compute) -> Standing:
    """The reconciler, ready to be run."""
    # Everywhere, since a host's report is noted by the controller that took it.
    return Standing("compute.disks", EVERY_S, DisksFollow(app), wake_topic=SEEN, everywhere=True)


DISK_FAILED = Flow(NAME, (Step("heed", heed),), ended=told)
