"""The sharder: a container that is too large for one ledger is divided into shards, and shards that became small are joined.

    first replica: ranges found -> shards made -> every replica: rows pushed, removed here -> nothing is left here
    first replica: a small shard is given up -> its replicas push their rows to its neighbour -> that one has both ranges

Each step is in the ledger before the next one begins, and may be repeated. What comes meanwhile goes where it belongs at that moment,
and listings and totals are those of the container at every step.
"""

from collections.abc import Iterator, Sequence
from hashlib import md5
from itertools import pairwise

import msgspec

from pileus.kit.flow.failpoint import failpoint
from pileus.kit.observe.log import log_of
from pileus.object_store.disk.containers import ContainerFacts, ContainerLedger
from pileus.object_store.disk.shards import Cleaving
from pileus.object_store.errors import Missing, StorageProblem, Unreachable
from pileus.object_store.models.paths import Path
from pileus.object_store.models.shards import ACCOUNT, ASKED, ROOT, Shape, Shard
from pileus.object_store.models.stamps import of_ticks, ticks_of
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.replicas import read_any, write_all
from pileus.object_store.ring.places import Place
from pileus.object_store.storage.devices import Devices, LocalDevice
from pileus.object_store.workers.progress import Progress

log = log_of(__name__)
BATCH = 2000
AUDIT_EVERY = 20  # passes


class Sharder:
    """Divides the containers whose ledgers are on devices of this process."""

    def __init__(self, devices: Devices, cluster: Cluster, *, batch: int = BATCH) -> None:
        self._devices = devices
        self._cluster = cluster
        self._batch = batch
        self._passes = 0
        self.progress = Progress()

    async def run(self) -> str | None:
        """Each container here is divided as far as can be now."""
        self._passes += 1
        progress = self.progress = Progress()
        for device in self._devices:
            for partition, hash in await device.keep_book(lambda device=device: list(device.containers.all())):  # type: ignore[misc]
                progress.seen += 1
                places = self._cluster.rings.containers.places(partition)
                mine = next((place for place in places if place.device.name == device.name), None)
                if mine is None:
                    continue  # it only stands here; who has it next divides it
                try:
                    await self._one(device, device.containers.ledger(partition, hash), mine, progress)
                except Missing:
                    continue  # it went meanwhile, or its shards are not made yet
                except StorageProblem as failed:
                    progress.failed += 1
                    log.info("a container is not divided yet", device=device.name, why=failed.message)
        return progress.line("rows moved to shards")

    async def _one(self, device: LocalDevice, ledger: ContainerLedger, mine: Place, progress: Progress) -> None:
        facts = await device.keep_book(lambda: ledger.facts(deleted_too=True))
        shape = await device.keep_book(ledger.shards.shape)
        one = _Container(self._cluster, device, ledger, mine, facts)
        if not shape.shards:
            if mine.index != 0 or facts.deleted or not await one.divide():
                if facts.root is not None and mine.index == 0 and not self._passes % AUDIT_EVERY:
                    await one.look_for_root(facts.root)
                return
        elif facts.deleted:
            await one.forget_with(facts.delete_stamp)
        elif mine.index == 0 and not any(shard.absorbing for shard in shape.shards):
            await one.make_shards()
            if not self._passes % AUDIT_EVERY:
                progress.failed += len(await one.audit())
            await one.join_small()
        progress.done += await one.cleave(self._batch)


class _Container:
    """One replica of one container, which is divided."""

    def __init__(
        self, cluster: Cluster, device: LocalDevice, ledger: ContainerLedger, mine: Place, facts: ContainerFacts
    ) -> None:
        self._cluster = cluster
        self._device = device
        self._ledger = ledger
        self._mine = mine
        self._facts = facts
        self._path = Path(facts.account, facts.container)

    async def divide(self) -> bool:
        """Whether the container should be divided, and is: on paper, and its shards are there."""
        rows = self._rows()
        if not rows or self._facts.count <= (rows if self._asked() else 2 * rows - 1) or await self._elsewhere():
            return False
        bounds = await self._device.keep_book(lambda: self._ledger.shards.found(rows))
        if not bounds:
            return False
        stamp = self._cluster.stamps.next()
        account = self._path.account if self._path.account.startswith(ACCOUNT) else f"{ACCOUNT}{self._path.account}"
        mark = md5(str(self._path).encode(), usedforsecurity=False).hexdigest()
        shards = [
            Shard(account=account, name=f"{mark}-{stamp}-{number}", lower=lower, upper=upper, stamp=stamp)
            for number, (lower, upper) in enumerate(pairwise(["", *bounds, ""]))
        ]
        await self._device.keep_book(lambda: self._ledger.shards.divide(shards))
        failpoint("shard.divide", "ranges found")
        await self.make_shards()
        log.info("a container is divided", container=str(self._path), shards=len(shards))
        return True

    def _asked(self) -> int:
        text = self._facts.metadata.get(ASKED, "")
        return int(text) if text.isdigit() else 0

    def _rows(self) -> int:
        """How many rows a shard should have; 0: none are wanted."""
        return self._asked() or self._cluster.config.shard_container_threshold // 2

    async def _elsewhere(self) -> bool:
        """Whether another replica has begun, or cannot be asked."""
        for place in self._cluster.rings.containers.places(self._mine.partition):
            if place.device.name != self._mine.device.name:
                try:
                    shape = await self._cluster.servers.of(place).containers.shape(place, self._path)
                except Missing:
                    continue
                if shape.shards:
                    return True
        return False

    async def make_shards(self) -> None:
        """Every shard is a container that knows what it is of; what was made is remembered."""
        shape = await self._shape()
        made = set((await self._device.keep_book(lambda: self._ledger.ledger.marked("made"))).split())
        for shard in shape.shards:
            if not shard.deleted and shard.name not in made:
                await self._make(shard)
        names = " ".join(sorted(shard.name for shard in shape.shards))
        if made != set(names.split()):
            await self._device.keep_book(lambda: self._ledger.ledger.mark({"made": names}))
            failpoint("shard.divide", "shards made")
            await self._spread(shape.shards)

    async def _make(self, shard: Shard) -> None:
        places, handoffs = self._cluster.where(shard.path)
        said, policy = {ROOT: self._path.quoted}, self._facts.policy
        servers, stamp = self._cluster.servers, self._cluster.stamps.next()
        outcome = await write_all(
            places, handoffs, lambda at: servers.of(at).containers.put(at, shard.path, said, stamp, policy, policy)
        )
        outcome.settle()

    async def cleave(self, batch: int) -> int:
        """All rows are in shards; return how many went."""
        moved, size = 0, batch
        while True:
            going = await self._device.keep_book(lambda size=size: self._ledger.shards.cleaving(size))  # type: ignore[misc]
            if going is None:
                return moved
            await self._push(going)
            failpoint("shard.cleave", "pushed")
            full = await self._held(going.shard) if going.upto == going.shard.upper else None
            if await self._device.keep_book(lambda going=going, full=full: self._ledger.shards.cleaved(going, full)):  # type: ignore[misc]
                failpoint("shard.cleave", "removed")
                moved, size = moved + len(going.names), min(batch, size * 2)
            else:
                size = max(1, size // 4)  # writers are busy just there: fewer at a time get through

    async def _push(self, going: Cleaving) -> None:
        rows = await self._device.keep_book(lambda: self._ledger.rows(going.names))
        if not rows:
            return
        path = going.shard.path
        places, handoffs = self._cluster.where(path)
        servers = self._cluster.servers
        (await write_all(places, handoffs, lambda at: servers.of(at).containers.merge(at, path, rows))).settle()

    async def _held(self, shard: Shard) -> tuple[int, int, str]:
        stamp = self._cluster.stamps.next()
        facts = await self._ask(shard.path)
        return facts.count, facts.bytes, stamp

    async def _ask(self, path: Path) -> ContainerFacts:
        places, handoffs = self._cluster.where(path)
        return await read_any(places, handoffs, lambda at: self._cluster.servers.of(at).containers.facts(at, path))

    async def _shape(self) -> Shape:
        return await self._device.keep_book(self._ledger.shards.shape)

    async def audit(self) -> list[str]:
        """What is wrong with the container's shards. One that is lost is made anew: the auditor of objects fills it."""
        shape = await self._shape()
        wrong = list(_gaps(shape))
        for shard in shape.shards:
            if shard.deleted:
                continue
            try:
                facts = await self._ask(shard.path)
            except Missing:
                wrong.append(f"shard {shard.name} is lost; it is made anew, and empty")
                await self._make(shard)
                continue
            if facts.root != self._path:
                wrong.append(f"shard {shard.name} takes itself for one of {facts.root}")
        for what in wrong:
            log.warning("a container's shards are not as they should be", container=str(self._path), what=what)
        return wrong

    async def look_for_root(self, root: Path) -> None:
        """A shard that its container does not know, and that holds nothing, is gone once everybody had time to know of it."""
        if self._facts.count or self._facts.put_stamp >= self._before():
            return
        places, handoffs = self._cluster.where(root)
        servers = self._cluster.servers
        try:
            shape = await read_any(places, handoffs, lambda at: servers.of(at).containers.shape(at, root))
        except Missing:
            shape = Shape()
        if all(shard.name != self._path.container for shard in shape.shards):
            await self._drop(self._path)

    async def join_small(self) -> None:
        """At most one shard at a time is given up to its neighbour; what was given up is gone in time."""
        shape = await self._shape()
        if not shape.whole:
            return
        alive = sorted((one for one in shape.shards if not one.deleted), key=lambda one: one.lower)
        leaving = next((one for one in alive if one.into), None)
        if leaving is not None:
            taker = next((one for one in alive if one.name == leaving.into), None)
            if taker is not None:
                await self._give_up(leaving, taker)
        else:
            pair = await self._pair(alive)
            if pair is not None:
                await self._decide([msgspec.structs.replace(pair[0], into=pair[1].name)])
                failpoint("shard.join", "decided")
                await self._give_up(*pair)
        await self._forget([one for one in shape.shards if one.deleted and one.stamp < self._before()])

    async def _pair(self, alive: Sequence[Shard]) -> tuple[Shard, Shard] | None:
        """A shard that is small, and the neighbour that has room for it."""
        rows = self._rows()
        for one, other in pairwise(alive):
            if min(one.count, other.count) < rows // 5 and one.count + other.count <= rows:
                if not (await self._ask(one.path)).sharded and not (await self._ask(other.path)).sharded:
                    return (one, other) if one.count <= other.count else (other, one)
        return None

    async def _give_up(self, leaving: Shard, taker: Shard) -> None:
        """The neighbour has both ranges, once every replica of the one that leaves has handed over what it had."""
        stamp = leaving.stamp
        whole = [Shard(account=taker.account, name=taker.name, stamp=stamp, absorbing=True)]
        places, handoffs = self._cluster.where(leaving.path)
        servers = self._cluster.servers
        outcome = await write_all(
            places, handoffs, lambda at: servers.of(at).containers.reshape(at, leaving.path, whole)
        )
        outcome.settle()
        failpoint("shard.join", "told")
        for at in places:
            if (await servers.of(at).containers.facts(at, leaving.path)).sharded != "sharded":
                return  # its own sharder is at it
        count, size, reported = await self._held(taker)
        ends = (taker.upper, leaving.upper)
        wider = msgspec.structs.replace(
            taker, lower=min(taker.lower, leaving.lower), upper="" if "" in ends else max(ends)
        )
        await self._decide([wider, msgspec.structs.replace(leaving, deleted=True)])
        failpoint("shard.join", "joined")
        tally = self._ledger.shards.tally
        await self._device.keep_book(lambda: tally(taker.name, count, size, reported))

    async def _decide(self, shards: Sequence[Shard]) -> None:
        stamp = self._cluster.stamps.next()
        decided = [msgspec.structs.replace(one, stamp=stamp) for one in shards]
        await self._device.keep_book(lambda: self._ledger.shards.join(decided))
        await self._spread(decided)

    async def _spread(self, shards: Sequence[Shard]) -> None:
        """The other replicas know, as far as they can be told now; those that cannot hear it from the replicator of ledgers."""
        for place in self._cluster.rings.containers.places(self._mine.partition):
            if place.device.name != self._mine.device.name:
                try:
                    await self._cluster.servers.of(place).containers.reshape(place, self._path, shards)
                except StorageProblem as failed:
                    log.info("a replica does not know of its shards yet", device=place.device.name, why=failed.message)

    async def forget_with(self, deleted: str) -> None:
        """The shards of a container that was deleted long ago are gone as well."""
        if self._mine.index == 0 and deleted < self._before():
            await self._forget((await self._shape()).shards)

    async def _forget(self, old: Sequence[Shard]) -> None:
        for shard in old:
            await self._drop(shard.path)

    async def _drop(self, path: Path) -> None:
        places, _ = self._cluster.where(path)
        for at in places:
            try:
                await self._cluster.servers.of(at).containers.delete(at, path, self._cluster.stamps.next())
            except Missing:
                continue
            except Unreachable:
                return  # later

    def _before(self) -> str:
        ticks = ticks_of(self._cluster.stamps.next()) - int(self._cluster.config.reclaim_age_s * 100_000)
        return of_ticks(max(0, ticks))


def _gaps(shape: Shape) -> Iterator[str]:
    """Where the ranges of shards leave names out, or have them twice."""
    at: str | None = ""
    for shard in sorted((one for one in shape.shards if not one.deleted), key=lambda one: one.lower):
        if at is None or shard.lower < at:
            yield f"the range of shard {shard.name} begins before that of the one before it ends"
        elif shard.lower > at:
            yield f"names between {at!r} and {shard.lower!r} are of no shard"
        at = shard.upper or None
    if at is not None:
        yield f"names behind {at!r} are of no shard"


async def ask_for(cluster: Cluster, path: Path, rows: int) -> None:
    """The container will be divided into shards of so many rows; raises Missing."""
    places, handoffs = cluster.where(path)
    servers, said, stamp = cluster.servers, {ASKED: str(rows)}, cluster.stamps.next()
    outcome = await write_all(places, handoffs, lambda at: servers.of(at).containers.post(at, path, said, stamp))
    cluster.changed(path)
    outcome.settle()


async def shape_of(cluster: Cluster, path: Path) -> Shape:
    """How a container is divided; raises Missing."""
    places, handoffs = cluster.where(path)
    servers = cluster.servers
    return await read_any(places, handoffs, lambda at: servers.of(at).containers.shape(at, path))
