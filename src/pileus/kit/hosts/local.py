"""The exchange inside one process: an agent's calls are function calls."""

from pileus.kit.bus import Bus
from pileus.kit.hosts.control import WANTED, Hosts
from pileus.kit.hosts.exchange import Batch, Body, Report


class LocalExchange:
    """Joins agents of this process to its controller."""

    def __init__(self, hosts: Hosts, bus: Bus) -> None:
        self._hosts = hosts
        self._bus = bus

    async def register(self, host: str, facts: Body) -> None:
        """The host is known, with what it has and can."""
        await self._hosts.register(host, facts)

    async def wanted(self, host: str, after: int, timeout_s: float) -> Batch:
        """Return what changed after the cursor, waiting for it for a while; everything when `after` is 0."""
        await self._hosts.heard(host)
        with self._bus.subscribe(WANTED, id=host) as changed:
            batch = await self._hosts.batch(host, after)
            # A first, whole answer is given even when it is empty: it says that nothing is wanted.
            if not batch.documents and after != 0 and timeout_s > 0:
                await changed.next(timeout_s)
                batch = await self._hosts.batch(host, after)
            return batch

    async def report(self, host: str, report: Report) -> None:
        """The controllers know what the host has."""
        await self._hosts.take(host, report)
