"""Claiming an object on most of its devices: whoever has that is the only one who writes it on a condition.

claims, one device after the other in the ring's order -> is the condition met? -> write, under the claim -> release

The order is the same for everybody, so two who want one object meet at its first device, and one of them waits there. Where
most of an object's own devices do not answer nobody writes on a condition: 503. Others' plain writes that went to devices that stand in
while that was so are not seen.
"""

import asyncio
import random

from pileus.kit.observe.log import log_of
from pileus.object_store.errors import StorageProblem
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Claim
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.replicas import TooFew
from pileus.object_store.ring.places import Place
from pileus.object_store.storage.interface import Spot

log = log_of(__name__)
HELD_S = 30.0  # a claim of a proxy that died ends after that
PATIENCE_S = 10.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.005, 0.2


class Contended(StorageProblem):
    """Others are writing {path} on a condition just now; try again."""

    status = 409


class Claiming:
    """Takes and releases one claim."""

    def __init__(self, cluster: Cluster, claim: Claim, policy: int) -> None:
        self._cluster = cluster
        self._places, _ = cluster.where(claim.path, policy)
        hash = cluster.rings.hash(claim.path)
        self._spots = [Spot(place, policy, hash, claim.token) for place in self._places]
        self._path = claim.path
        self._held: list[Spot] = []
        self._renewing: asyncio.Task[None] | None = None

    async def take(self) -> None:
        """The claim is held on most devices; raises TooFew, or Contended when others do not let go."""
        loop = asyncio.get_running_loop()
        deadline, wait = loop.time() + PATIENCE_S, FIRST_WAIT_S
        while not await self._attempt():
            await self.release()
            if loop.time() > deadline:
                raise Contended(path=self._path)
            # Whoever comes again at once only keeps the others from their work.
            await asyncio.sleep(wait * random.uniform(0.5, 1.5))
            wait = min(2 * wait, LONGEST_WAIT_S)
        self._renewing = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        """What takes long is claimed as long."""
        while True:
            await asyncio.sleep(HELD_S / 3)
            for spot in self._held:
                try:
                    await self._cluster.servers.of(spot.place).objects.claim(spot, HELD_S)
                except StorageProblem as failed:
                    log.info("a claim is not renewed", device=spot.place.device.name, why=failed.message)

    async def _attempt(self) -> bool:
        needed = len(self._spots) // 2 + 1
        away: list[StorageProblem] = []
        for spot in self._spots:
            try:
                held = await self._cluster.servers.of(spot.place).objects.claim(spot, HELD_S)
            except StorageProblem as failed:
                away.append(failed)
                continue
            if not held:
                return False
            self._held.append(spot)
        if len(self._held) < needed:
            await self.release()
            raise TooFew(done=len(self._held), needed=needed, why="; ".join(one.message for one in away))
        return True

    async def release(self) -> None:
        """The claim is not held."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait({self._renewing})
            self._renewing = None
        held, self._held = self._held, []
        await asyncio.gather(*(self._let_go(spot) for spot in held))

    async def _let_go(self, spot: Spot) -> None:
        try:
            await self._cluster.servers.of(spot.place).objects.release(spot)
        except StorageProblem as failed:  # it ends by itself
            log.info("a claim is not released", device=spot.place.device.name, why=failed.message)


def spot_of(place: Place, policy: int, hash: str, claim: Claim | None, path: Path) -> Spot:
    """Where a copy of an object is written, under the claim on it if there is one."""
    return Spot(place, policy, hash, claim.word(path) if claim is not None else "")
