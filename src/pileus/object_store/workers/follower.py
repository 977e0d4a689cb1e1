"""Who follows the cluster: a machine asks the others whether the rings have changed; the one that keeps them goes on balancing.

A ring that was not quite balanced, because partitions had moved just before, is balanced further when they may move again.
"""

import time

import msgspec

from pileus.object_store.errors import StorageProblem
from pileus.object_store.storage.far.client import FarServer
from pileus.object_store.storage.keeper import Keeper
from pileus.object_store.storage.published import FIRST, Atlas, Published
from pileus.object_store.storage.reach import AllServers

BALANCE_EVERY_S = 300.0


class Follower:
    """Keeps this machine's rings the newest."""

    def __init__(self, atlas: Atlas, servers: AllServers, keeper: Keeper | None) -> None:
        self._atlas = atlas
        self._servers = servers
        self._keeper = keeper
        self._balanced_at = time.monotonic()

    async def run(self) -> str | None:
        """This machine knows the rings as well as whoever it could ask. Without anybody to ask it goes on with what it knows."""
        if self._keeper is not None:
            return self._balance(self._keeper)
        others = sorted(name for name in self._atlas.cluster.hosts if name not in {FIRST, self._servers.own})
        for host in (FIRST, *others):
            try:
                newer = await _newer(self._servers.far(host), self._atlas.cluster.version)
            except StorageProblem:
                continue  # the next one is asked
            if newer is None or not self._atlas.take(newer):
                return None
            return f"the rings are of version {newer.version}"
        raise StorageProblem("No machine of the cluster says what the rings are.")

    def _balance(self, keeper: Keeper) -> str | None:
        if time.monotonic() - self._balanced_at < BALANCE_EVERY_S:
            return None
        self._balanced_at = time.monotonic()
        moved = sum(balance.moved for balance in keeper.rebalance().values())
        return f"{moved} copies of partitions belong elsewhere now" if moved else None


async def _newer(far: FarServer, version: int) -> Published | None:
    answer = await far.lines.call("cluster/newer", msgspec.json.encode((version,)))
    return msgspec.json.decode(answer, type=Published | None)
