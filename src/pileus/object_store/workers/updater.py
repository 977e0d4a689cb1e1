"""The updater: containers are told what they could not be told when the object was written."""

from pileus.kit.observe.log import log_of
from pileus.object_store.disk.pendings import Pending, Pendings
from pileus.object_store.errors import Missing, StorageProblem
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.replicas import write_all
from pileus.object_store.storage.devices import Devices, LocalDevice
from pileus.object_store.workers.progress import Progress

log = log_of(__name__)
BATCH = 500


class Updater:
    """Delivers the notes that wait on the devices of this process."""

    def __init__(self, devices: Devices, cluster: Cluster) -> None:
        self._devices = devices
        self._cluster = cluster

    async def run(self) -> str | None:
        """Every note that can be delivered has been."""
        progress = Progress()
        for device in self._devices:
            await self._device(device, progress)
        return progress.line("containers told")

    async def _device(self, device: LocalDevice, progress: Progress) -> None:
        pendings = Pendings(device.volume)
        waiting = pendings.waiting()
        while True:
            batch = await device.do(lambda: [found for found, _ in zip(waiting, range(BATCH), strict=False)])
            for path, pending in batch:
                if await self._deliver(pending):
                    await device.do(lambda path=path: pendings.done(path))  # type: ignore[misc]
                    progress.done += 1
                else:
                    progress.failed += 1
            if len(batch) < BATCH:
                return

    async def _deliver(self, pending: Pending) -> bool:
        """Whether the container knows now; a container that is gone need not."""
        places, handoffs = self._cluster.where(pending.container)
        servers = self._cluster.servers
        try:
            outcome = await write_all(
                places, handoffs, lambda at: servers.of(at).containers.merge(at, pending.container, [pending.row])
            )
            outcome.settle()
        except Missing:
            return True
        except StorageProblem as failed:
            log.info("a container cannot be told yet", container=str(pending.container), why=failed.message)
            return False
        return True
