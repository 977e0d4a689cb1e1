"""The replicator of ledgers: every replica of a container or an account knows what the others know.

Rows have numbers in the order in which a ledger heard of them. Each replica remembers up to which number it was told everything by which
other ledger. So what is told is what is new, however large the container; and one that was lost, or that comes back as it was some time
ago, is told what it does not know.
"""

from collections.abc import Sequence

from pileus.kit.observe.log import log_of
from pileus.object_store.disk.accounts import AccountLedger
from pileus.object_store.disk.containers import ContainerLedger
from pileus.object_store.errors import StorageProblem
from pileus.object_store.models.stamps import of_ticks, ticks_of
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.ring.places import Place, Ring
from pileus.object_store.storage.devices import Devices, LocalDevice
from pileus.object_store.storage.interface import AccountBook, ContainerBook, Heard
from pileus.object_store.workers.progress import Progress

log = log_of(__name__)
BATCH = 1000


class LedgerReplicator:
    """Tells other replicas what the ledgers of this process's devices heard."""

    def __init__(self, devices: Devices, cluster: Cluster) -> None:
        self._devices = devices
        self._cluster = cluster

    async def run(self) -> str | None:
        """Each ledger here has told each of its other replicas what is new."""
        progress = Progress()
        for device in self._devices:
            for partition, hash in await device.keep_book(lambda device=device: list(device.containers.all())):  # type: ignore[misc]
                progress.seen += 1
                await self._container(device, partition, hash, progress)
            for partition, hash in await device.keep_book(lambda device=device: list(device.accounts.all())):  # type: ignore[misc]
                progress.seen += 1
                await self._account(device, partition, hash, progress)
        return progress.line("rows replicated")

    async def _container(self, device: LocalDevice, partition: int, hash: str, progress: Progress) -> None:
        ledger = device.containers.ledger(partition, hash)
        whole = True
        ring = self._cluster.rings.containers
        for place in _others(ring, device, partition):
            try:
                await self._tell_container(device, ledger, place, progress)
            except StorageProblem as failed:
                whole = False
                progress.failed += 1
                log.info("a container's replica cannot be told yet", device=place.device.name, why=failed.message)
        if whole and not _belongs(ring, device, partition):
            await device.keep_book(ledger.ledger.remove)
            device.containers.forget(partition, hash)
        elif whole:
            await device.keep_book(lambda: ledger.reclaim(self._before()))

    async def _tell_container(
        self, device: LocalDevice, ledger: ContainerLedger, place: Place, progress: Progress
    ) -> None:
        facts = await device.keep_book(lambda: ledger.facts(deleted_too=True))
        said = await device.keep_book(ledger.said)
        shape = await device.keep_book(ledger.shards.shape)
        there = self._cluster.servers.of(place).replicas
        seq = await self._heard(device, ledger, place, facts.account, facts.container)
        own = await device.keep_book(lambda: ledger.ledger.marked("id"))
        while True:
            rows = await device.keep_book(lambda seq=seq: ledger.since(seq, BATCH))  # type: ignore[misc]
            # What a replica has forgotten it would learn again, for ever.
            fresh = [row for _, row in rows if not row.deleted or row.stamp >= self._before()]
            heard = Heard(own, rows[-1][0]) if rows else None
            await there.take_container(place, ContainerBook(facts, said, fresh, shape, heard))
            progress.done += len(rows)
            seq = heard.upto if heard is not None else seq
            if len(rows) < BATCH:
                return

    async def _account(self, device: LocalDevice, partition: int, hash: str, progress: Progress) -> None:
        ledger = device.accounts.ledger(partition, hash)
        whole = True
        ring = self._cluster.rings.accounts
        for place in _others(ring, device, partition):
            try:
                await self._tell_account(device, ledger, place, progress)
            except StorageProblem as failed:
                whole = False
                progress.failed += 1
                log.info("an account's replica cannot be told yet", device=place.device.name, why=failed.message)
        if whole and not _belongs(ring, device, partition):
            await device.keep_book(ledger.ledger.remove)
            device.accounts.forget(partition, hash)
        elif whole:
            await device.keep_book(lambda: ledger.reclaim(self._before()))

    async def _tell_account(self, device: LocalDevice, ledger: AccountLedger, place: Place, progress: Progress) -> None:
        facts = await device.keep_book(lambda: ledger.facts(deleted_too=True))
        said = await device.keep_book(ledger.said)
        there = self._cluster.servers.of(place).replicas
        seq = await self._heard(device, ledger, place, facts.account)
        own = await device.keep_book(lambda: ledger.ledger.marked("id"))
        while True:
            rows = await device.keep_book(lambda seq=seq: ledger.since(seq, BATCH))  # type: ignore[misc]
            fresh = [row for _, row in rows if not row.deleted or row.delete_stamp >= self._before()]
            heard = Heard(own, rows[-1][0]) if rows else None
            await there.take_account(place, AccountBook(facts, said, fresh, heard))
            progress.done += len(rows)
            seq = heard.upto if heard is not None else seq
            if len(rows) < BATCH:
                return

    async def _heard(
        self,
        device: LocalDevice,
        ledger: AccountLedger | ContainerLedger,
        place: Place,
        account: str,
        container: str | None = None,
    ) -> int:
        """Up to which row a replica was told everything by this ledger; 0 where its word cannot be taken."""
        own, last = await device.keep_book(lambda: (ledger.ledger.marked("id"), ledger.ledger.last()))
        heard = await self._cluster.servers.of(place).replicas.heard(place, account, container, own)
        # A ledger that was set back counts rows anew from where it was.
        return heard if 0 <= heard <= last else 0

    def _before(self) -> str:
        ticks = ticks_of(self._cluster.stamps.next()) - int(self._cluster.config.reclaim_age_s * 100_000)
        return of_ticks(max(0, ticks))


def _belongs(ring: Ring, device: LocalDevice, partition: int) -> bool:
    return any(place.device.name == device.name for place in ring.places(partition))


def _others(ring: Ring, device: LocalDevice, partition: int) -> Sequence[Place]:
    return [place for place in ring.places(partition) if place.device.name != device.name]
