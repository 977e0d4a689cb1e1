"""Who follows the cluster: a machine asks the others whether the rings have changed; the one that keeps them goes on balancing.

It also takes the next step where partitions are being doubled, once every machine with disks is done with the one before.
A ring that was not quite balanced, because partitions had moved just before, is balanced further when they may move again.
"""

import time
from collections.abc import Callable

import msgspec

from pileus.object_store.errors import StorageProblem
from pileus.object_store.storage.far.client import FarServer
from pileus.object_store.storage.keeper import Keeper
from pileus.object_store.storage.published import FIRST, Atlas, Published
from pileus.object_store.storage.reach import AllServers
from pileus.object_store.workers.relinker import Relinked

BALANCE_EVERY_S = 300.0


class Follower:
    """Keeps this machine's rings the newest."""

    def __init__(
        self, atlas: Atlas, servers: AllServers, keeper: Keeper | None, relinked: Callable[[], list[Relinked]]
    ) -> None:
        self._relinked = relinked
        self._atlas = atlas
        self._servers = servers
        self._keeper = keeper
        self._balanced_at = time.monotonic()

    async def run(self) -> str | None:
        """This machine knows the rings as well as whoever it could ask. Without anybody to ask it goes on with what it knows."""
        if self._keeper is not None:
            return await self._double(self._keeper) or self._balance(self._keeper)
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

    async def _double(self, keeper: Keeper) -> str | None:
        """Partitions of policies are doubled as far as all disks are."""
        for index in keeper.doubling():
            ring = keeper.builders[str(index)]
            want = Relinked(index, ring.part_power, ring.next_part_power, done=True)
            for host in sorted({device.host for device in ring.devices.values()}):
                if want not in await self._of(host):
                    return None  # it is at it, or does not know of it yet
            keeper.step(index)
            return f"policy {index} has 2 ** {ring.part_power} partitions" + (
                "" if ring.next_part_power else ", all done"
            )
        return None

    async def _of(self, host: str) -> list[Relinked]:
        if host == self._servers.own:
            return self._relinked()
        try:
            answer = await self._servers.far(host).lines.call("workers/relinked", b"[]")
        except StorageProblem:
            return []
        return msgspec.json.decode(answer, type=list[Relinked])

    def _balance(self, keeper: Keeper) -> str | None:
        if time.monotonic() - self._balanced_at < BALANCE_EVERY_S:
            return None
        self._balanced_at = time.monotonic()
        moved = sum(balance.moved for balance in keeper.rebalance().values())
        return f"{moved} copies of partitions belong elsewhere now" if moved else None


async def _newer(far: FarServer, version: int) -> Published | None:
    answer = await far.lines.call("cluster/newer", msgspec.json.encode((version,)))
    return msgspec.json.decode(answer, type=Published | None)
