"""The container updater: accounts are told what their containers hold where that did not reach them at once."""

from pileus.kit.observe.log import log_of
from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.errors import Missing, StorageProblem
from pileus.object_store.models.paths import Path
from pileus.object_store.ring.places import Device, Place
from pileus.object_store.storage.devices import LocalDevice
from pileus.object_store.storage.local import LocalServer
from pileus.object_store.workers.progress import Progress

log = log_of(__name__)
MARK = "account knows"


class Teller:
    """Compares what each container here holds with what its account was last told by this worker."""

    def __init__(self, server: LocalServer) -> None:
        self._server = server

    async def run(self) -> str | None:
        """Each container here has told its account what it holds, or is tried again by the next run."""
        progress = Progress()
        for device in self._server.devices:
            for partition, hash in await device.keep_book(lambda device=device: list(device.containers.all())):  # type: ignore[misc]
                try:
                    await self._one(device, partition, hash, progress)
                except Missing:
                    continue  # it went meanwhile
                except StorageProblem as failed:
                    progress.failed += 1
                    log.info("an account cannot be told yet", device=device.name, why=failed.message)
        return progress.line("accounts told")

    async def _one(self, device: LocalDevice, partition: int, hash: str, progress: Progress) -> None:
        ledger = device.containers.ledger(partition, hash)
        facts = await device.keep_book(lambda: ledger.facts(deleted_too=True))
        now = _summary(facts)
        if now == await device.keep_book(lambda: ledger.ledger.marked(MARK)):
            return
        place = self._place(device, partition)
        await self._server.containers.reports.report(place, Path(facts.account, facts.container))
        await device.keep_book(lambda: ledger.ledger.mark({MARK: now}))
        progress.done += 1

    def _place(self, device: LocalDevice, partition: int) -> Place:
        places = self._server.rings.containers.places(partition)
        found = next((place for place in places if place.device.name == device.name), None)
        return found or Place(Device(id=-1, name=device.name, host=self._server.own or ""), partition)


def _summary(facts: ContainerFacts) -> str:
    return f"{facts.put_stamp} {facts.delete_stamp} {facts.count} {facts.bytes} {facts.policy}"
