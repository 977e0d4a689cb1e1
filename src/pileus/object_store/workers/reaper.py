"""The reaper: what was in a deleted account goes: objects, then containers, a while after the account was deleted."""

import msgspec

from pileus.kit.observe.log import log_of
from pileus.object_store.disk.accounts import AccountLedger
from pileus.object_store.errors import Missing
from pileus.object_store.models.listings import Wanted
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Ask, Handler, answered, whole
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.storage.devices import Devices, LocalDevice
from pileus.object_store.workers.progress import Progress

log = log_of(__name__)


class _Name(msgspec.Struct):
    name: str


class Reaper:
    """Empties deleted accounts whose first replica is on a device of this process."""

    def __init__(self, devices: Devices, cluster: Cluster, proxy: Handler, *, delay_s: float = 0.0) -> None:
        self._devices = devices
        self._cluster = cluster
        self._proxy = proxy
        self._delay_s = delay_s

    async def run(self) -> str | None:
        """Nothing is left in accounts that were deleted long enough ago."""
        progress = Progress()
        for device in self._devices:
            for partition, hash in await device.keep_book(lambda device=device: list(device.accounts.all())):  # type: ignore[misc]
                if self._cluster.rings.accounts.places(partition)[0].device.name == device.name:
                    await self._account(device, device.accounts.ledger(partition, hash), progress)
        return progress.line("things of deleted accounts removed")

    async def _account(self, device: LocalDevice, ledger: AccountLedger, progress: Progress) -> None:
        try:
            facts, entries = await device.keep_book(lambda: ledger.listed(Wanted(reserved=True), deleted_too=True))
        except Missing:
            return
        if not facts.deleted or self._cluster.stamps.now() - float(facts.delete_stamp) < self._delay_s:
            return
        for entry in entries:
            await self._container(Path(facts.account, entry.name), progress)

    async def _container(self, path: Path, progress: Progress) -> None:
        while True:
            ask = Ask(method="GET", path=path, query={"format": "json"}).by_cloud()
            listed, raw = await whole(self._proxy, ask)
            names = msgspec.json.decode(raw, type=list[_Name]) if listed.status == 200 else []
            if not names:
                break
            before = progress.done
            for one in names:
                await self._delete(Path(path.account, path.container, one.name), progress)
            if progress.done == before:
                return  # nothing could be removed: the next run tries again
        await self._delete(path, progress)

    async def _delete(self, path: Path, progress: Progress) -> None:
        answer = await answered(self._proxy, Ask(method="DELETE", path=path).by_cloud())
        if answer.ok or answer.status == 404:
            progress.done += 1
        else:
            progress.failed += 1
            log.info("something of a deleted account stays for now", path=str(path), status=answer.status)
