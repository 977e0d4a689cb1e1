"""The reconciler: objects that were written under another policy than their container's are brought to where they are looked for.

Two clients that cannot reach one another's side of the cluster may make the same container with different policies. When both sides see one another
again the earlier creation counts, and what was written on the other side is under a policy in which nobody looks for it.

    row of another policy -> read there -> written under the container's policy, a moment later than it was -> deleted there -> listed

Each pass begins with the listing, so one that ends anywhere is taken up by the next.
"""

from collections.abc import AsyncIterator

from pileus.kit.flow.failpoint import failpoint
from pileus.kit.observe.log import log_of
from pileus.object_store.disk.containers import ContainerLedger, misplaced
from pileus.object_store.errors import Missing, StorageProblem, Superseded
from pileus.object_store.models.listings import ObjectRow
from pileus.object_store.models.paths import Path
from pileus.object_store.models.stamps import of_ticks, ticks_of
from pileus.object_store.proxy.asks import Ask
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.kept import listed_as
from pileus.object_store.proxy.objects import ObjectProxy
from pileus.object_store.proxy.replicas import read_any, write_all
from pileus.object_store.proxy.uploads import batches, copies_of
from pileus.object_store.storage.devices import Devices, LocalDevice
from pileus.object_store.storage.interface import Found, Spot
from pileus.object_store.workers.progress import Progress

log = log_of(__name__)
BATCH = 500


class Reconciler:
    """Looks through the listings on devices of this process, each container by its first replica."""

    def __init__(self, devices: Devices, cluster: Cluster) -> None:
        self._devices = devices
        self._cluster = cluster
        self._objects = ObjectProxy(cluster)

    async def run(self) -> str | None:
        """What lay under another policy than its container's is under that one."""
        progress = Progress()
        for device in self._devices:
            for partition, hash in await device.keep_book(lambda device=device: list(device.containers.all())):  # type: ignore[misc]
                progress.seen += 1
                first = self._cluster.rings.containers.places(partition)[0]
                if first.device.name != device.name:
                    continue
                try:
                    await self._container(device, device.containers.ledger(partition, hash), progress)
                except Missing:
                    continue  # it went meanwhile
                except StorageProblem as failed:
                    progress.failed += 1
                    log.info("a container's policies cannot be compared yet", device=device.name, why=failed.message)
        return progress.line("objects brought under their policy")

    async def _container(self, device: LocalDevice, ledger: ContainerLedger, progress: Progress) -> None:
        facts = await device.keep_book(ledger.facts)
        container, wanted = Path(facts.account, facts.container), facts.policy
        if facts.root is not None:
            container, wanted = facts.root, await self._policy(facts.root)
        after, book = "", ledger.ledger
        while rows := await device.keep_book(lambda after=after: misplaced(book, wanted, after, BATCH)):  # type: ignore[misc]
            for row in rows:
                if await self._bring(Path(container.account, container.container, row.name), row, wanted):
                    progress.done += 1
                else:
                    progress.failed += 1
            after = rows[-1].name

    async def _policy(self, container: Path) -> int:
        places, handoffs = self._cluster.where(container)
        servers = self._cluster.servers
        return (await read_any(places, handoffs, lambda at: servers.of(at).containers.facts(at, container))).policy

    async def _bring(self, path: Path, row: ObjectRow, wanted: int) -> bool:
        """Whether the object is where it belongs, or is not at all."""
        try:
            found = await self._objects.find(path, row.policy, whole=False)
        except Missing:
            return await self._listed(path, row, wanted)
        except StorageProblem as failed:
            log.info("an object cannot be brought under its policy yet", object=str(path), why=failed.message)
            return False
        try:
            await self._write(path, found, wanted)
            failpoint("object.reconcile", "written")
            await self._remove(path, found, row.policy)
            failpoint("object.reconcile", "removed")
        except StorageProblem as failed:
            log.info("an object cannot be brought under its policy yet", object=str(path), why=failed.message)
            return False
        finally:
            await found.close()
        return await self._listed(path, row, wanted)

    async def _write(self, path: Path, found: Found, wanted: int) -> None:
        """The object is under the container's policy, or something newer is."""
        stamp = later(found.changed)
        ask = Ask(method="PUT", path=path, body=_Whole(found), stamp=stamp, hidden=True)
        copies = copies_of(self._cluster, ask, wanted)
        await copies.open()
        try:
            async for batch in batches(ask.body):
                await copies.write(batch)
            await copies.flush()
            metadata = {name: value for name, value in found.metadata.items() if name != "block-sums"}
            metadata |= {"content-length": str(found.size), "x-timestamp": stamp}
            await copies.keep(stamp, metadata, None, only_new=False)
        except Superseded:
            return
        finally:
            await copies.drop()

    async def _remove(self, path: Path, found: Found, policy: int) -> None:
        """It is not under the other policy any more, unless something newer came there: that has a row of its own."""
        places, handoffs = self._cluster.where(path, policy)
        hash, stamp = self._cluster.rings.hash(path), later(found.changed)
        servers = self._cluster.servers
        try:
            outcome = await write_all(
                places,
                handoffs,
                lambda at: servers.of(at).objects.delete(Spot(at, policy, hash), stamp, str(path), None),
            )
            outcome.settle()
        except Superseded:
            return

    async def _listed(self, path: Path, row: ObjectRow, wanted: int) -> bool:
        """The listing tells of what is under the container's policy."""
        places, handoffs = self._cluster.where(path.above)
        servers = self._cluster.servers
        try:
            found = await self._objects.find(path, wanted, whole=False)
            await found.close()
            now = listed_as(path, wanted, found.metadata, found.stamp, found.changed)
            outcome = await write_all(
                places, handoffs, lambda at: servers.of(at).containers.merge(at, path.above, [now])
            )
            outcome.settle()
        except StorageProblem as failed:  # it is under neither policy now, or cannot be looked for
            log.info("a listing keeps its policy", object=str(path), policy=row.policy, why=failed.message)
            return False
        return True


class _Whole:
    """An object's bytes as the body of another."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self.length: int | None = found.size

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._found.read(0, self._found.size)


def later(stamp: str) -> str:
    """The next moment: it wins over what it is a copy of, and over nothing that was written since."""
    return of_ticks(ticks_of(stamp) + 1)
