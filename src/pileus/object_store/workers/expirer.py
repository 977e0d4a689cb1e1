"""The expirer: objects whose time has come are deleted. They are not served meanwhile; this makes room."""

from pileus.kit.observe.log import log_of
from pileus.object_store.proxy.asks import Ask, Handler, answered
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.expiring import Due, Expiring
from pileus.object_store.workers.progress import Progress

log = log_of(__name__)


class Expirer:
    """Works off the queue of objects that expire."""

    def __init__(self, cluster: Cluster, proxy: Handler) -> None:
        self._cluster = cluster
        self._proxy = proxy
        self._queue = Expiring(cluster)

    async def run(self) -> str | None:
        """What was due is deleted."""
        progress = Progress()
        async for due in self._queue.due():
            if await self._expire(due):
                await self._queue.done(due)
                progress.done += 1
            else:
                progress.failed += 1
        return progress.line("objects expired")

    async def _expire(self, due: Due) -> bool:
        """Whether the entry is dealt with: deleted, gone already, or not what was meant."""
        headers = {"x-if-delete-at": due.deadline, "x-open-expired": "true"}
        ask = Ask(method="DELETE", path=due.path, headers=headers, hidden=True)
        answer = await answered(self._proxy, ask)
        if answer.ok or answer.status in {404, 409, 412}:
            return True
        log.info("an object could not be expired yet", object=str(due.path), status=answer.status)
        return False
