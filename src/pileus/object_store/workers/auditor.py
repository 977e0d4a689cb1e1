"""The auditor: every object is read and compared with what is known of it, every so often.

What is damaged is quarantined, and replicators bring it back from another copy. What its container does not know, as
after a power cut between object and listing, the container is told. But what it does not know and is older than tombstones
are kept was deleted while the device was away: that is dark, is quarantined, and does not come back.
"""

import asyncio
from collections.abc import Iterator
from hashlib import md5

from pileus.kit.observe.log import log_of
from pileus.object_store.disk.ledger import Ledger
from pileus.object_store.disk.objects import ObjectFiles, Opened
from pileus.object_store.disk.sums import BLOCK
from pileus.object_store.errors import Corrupt, Missing, StorageProblem
from pileus.object_store.models.listings import ObjectRow
from pileus.object_store.models.paths import Path
from pileus.object_store.models.stamps import of_ticks, ticks_of
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.kept import listed_as
from pileus.object_store.proxy.replicas import write_all
from pileus.object_store.storage.devices import Devices, LocalDevice
from pileus.object_store.workers.progress import Progress

log = log_of(__name__)
CHUNK = 1 << 20
LEDGERS = 500  # looked at in one run, of each device


class Auditor:
    """Looks at the objects of this process's devices, some at each run, for ever."""

    def __init__(
        self, devices: Devices, cluster: Cluster, *, objects_a_run: int = 5_000, bytes_a_run: int = 1 << 30
    ) -> None:
        self._devices = devices
        self._cluster = cluster
        self._objects = objects_a_run
        self._bytes = bytes_a_run
        self._walks: dict[tuple[str, int], Iterator[tuple[int, str]]] = {}
        self._books: dict[str, Iterator[Ledger]] = {}
        self.quarantined = 0
        self.told = 0

    async def run(self) -> str | None:
        """The next objects of each device have been looked at."""
        progress = Progress()
        for device in self._devices:
            for policy in device.policies:
                await self._some(device, policy, progress)
            await self._ledgers(device, progress)
        if not progress.done and not progress.failed:
            return None
        return f"{progress.seen} objects read, {progress.failed} quarantined, {progress.done} told to their containers"

    async def _ledgers(self, device: LocalDevice, progress: Progress) -> None:
        """The next listings of the device hold together, or are out of the way."""
        books = self._books.setdefault(device.name, _books(device))
        for _ in range(LEDGERS):
            book = await device.keep_book(lambda: next(books, None))
            if book is None:
                del self._books[device.name]
                return
            progress.seen += 1
            if not await device.keep_book(book.sound):
                progress.failed += 1
                self.quarantined += 1

    async def _some(self, device: LocalDevice, policy: int, progress: Progress) -> None:
        objects = device.objects(policy)
        key = (device.name, policy)
        walk = self._walks.get(key) or _walk(objects)
        self._walks[key] = walk
        read = 0
        for _ in range(self._objects):
            at = await device.do(lambda: next(walk, None))
            if at is None:
                del self._walks[key]
                return
            read += await self._one(device, objects, at, progress)
            if read > self._bytes:
                return

    async def _one(self, device: LocalDevice, objects: ObjectFiles, at: tuple[int, str], progress: Progress) -> int:
        partition, hash = at
        progress.seen += 1
        try:
            opened = await device.do(lambda: objects.open(partition, hash, whole=False))
        except Missing:
            if await self._bury(device, objects, at):
                progress.done += 1
                self.told += 1
            return 0
        except Corrupt as damaged:
            progress.failed += 1
            self.quarantined += 1
            log.warning("a damaged object is quarantined", device=device.name, why=damaged.message)
            return 0
        try:
            if not await self._whole(device, objects.policy, opened):
                await device.do(lambda: objects.quarantine(partition, hash))
                progress.failed += 1
                self.quarantined += 1
                log.warning("an object is not what it was", device=device.name, name=opened.metadata.get("name"))
                return opened.size
        finally:
            opened.close()
        await self._listed(device, objects, at, opened, progress)
        return opened.size

    async def _listed(
        self, device: LocalDevice, objects: ObjectFiles, at: tuple[int, str], opened: Opened, progress: Progress
    ) -> None:
        """The container knows of the object, or the object is out of the way."""
        if opened.changed < self._before():
            if await self._dark(opened):
                await device.do(lambda: objects.quarantine(*at))
                progress.failed += 1
                self.quarantined += 1
                log.warning("an object was deleted long ago", device=device.name, name=opened.metadata["name"])
        elif await self._tell(objects.policy, opened):
            progress.done += 1
            self.told += 1

    async def _dark(self, opened: Opened) -> bool:
        """Whether every replica of the container can be asked, and none lists the object."""
        path = _path(opened.metadata["name"])
        places, _ = self._cluster.where(path.above)
        for at in places:
            try:
                row = await self._cluster.servers.of(at).containers.row(at, path.above, str(path.object))
                if row is not None and not row.deleted:
                    return False
            except StorageProblem:
                return False
        return True

    def _before(self) -> str:
        """Tombstones from before this moment may be forgotten."""
        ticks = ticks_of(self._cluster.stamps.next()) - int(self._cluster.config.reclaim_age_s * 100_000)
        return of_ticks(max(0, ticks))

    async def _whole(self, device: LocalDevice, policy: int, opened: Opened) -> bool:
        """Whether the bytes have the sum they had."""
        known = self._cluster.rings.policies.get(policy)
        if known is not None and known.fragments is not None:  # the MD5 is the object's; blocks have sums of their own
            return await device.do(lambda: _blocks_whole(opened))
        sum = md5(usedforsecurity=False)
        at = 0
        while at < opened.size:
            chunk = await device.do(lambda at=at: opened.read(at, CHUNK))  # type: ignore[misc]
            if not chunk:
                return False
            await asyncio.to_thread(sum.update, chunk)
            at += len(chunk)
        return sum.hexdigest() == opened.metadata.get("etag")

    async def _tell(self, policy: int, opened: Opened) -> bool:
        """Whether the container did not know of the object, and does now."""
        path = _path(opened.metadata["name"])
        changed = opened.changed if opened.changed != opened.stamp else ""
        return await self._inform(path, listed_as(path, policy, opened.metadata, opened.stamp, changed))

    async def _bury(self, device: LocalDevice, objects: ObjectFiles, at: tuple[int, str]) -> bool:
        """Whether the container listed an object that was deleted, and does not any more."""
        found = await device.do(lambda: objects.buried(*at))
        if found is None or found[0].count("/") < 3:
            return False
        path = _path(found[0])
        row = ObjectRow(name=str(path.object), stamp=found[1], deleted=True, policy=objects.policy)
        return await self._inform(path, row)

    async def _inform(self, path: Path, row: ObjectRow) -> bool:
        """Whether no replica of the container knew the row, and they do now."""
        places, handoffs = self._cluster.where(path.above)
        servers = self._cluster.servers
        for at in places:
            try:
                found = await servers.of(at).containers.row(at, path.above, row.name)
            except StorageProblem:
                continue
            if (found is not None and found.order >= row.order) or (found is None and row.deleted):
                return False
        try:
            (
                await write_all(places, handoffs, lambda at: servers.of(at).containers.merge(at, path.above, [row]))
            ).settle()
        except Missing:
            return False  # the container is gone; what is in it goes with the account, or by hand
        except StorageProblem as failed:
            log.info("a container cannot be told yet", container=str(path.above), why=failed.message)
            return False
        return True


def _blocks_whole(opened: Opened) -> bool:
    try:
        for number in range(-(-opened.size // BLOCK)):
            opened.block(number)
    except Corrupt:
        return False
    return True


def _path(text: str) -> Path:
    account, container, name = text[1:].split("/", 2)
    return Path(account, container, name)


def _books(device: LocalDevice) -> Iterator[Ledger]:
    for partition, hash in device.containers.all():
        yield device.containers.ledger(partition, hash).ledger
    for partition, hash in device.accounts.all():
        yield device.accounts.ledger(partition, hash).ledger


def _walk(objects: ObjectFiles) -> Iterator[tuple[int, str]]:
    for partition in objects.partitions():
        for hash in objects.hashes(partition):
            yield partition, hash
