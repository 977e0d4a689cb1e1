"""Container and account servers on the devices of this process."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence

from pileus.kit.observe.log import log_of
from pileus.object_store.disk.accounts import AccountFacts, AccountLedger
from pileus.object_store.disk.containers import ContainerFacts, ContainerLedger
from pileus.object_store.errors import Missing, StorageProblem
from pileus.object_store.models.listings import ContainerRow, Entry, ObjectRow, Wanted
from pileus.object_store.models.paths import Path
from pileus.object_store.models.stamps import Stamps
from pileus.object_store.ring.places import Place
from pileus.object_store.ring.rings import Rings
from pileus.object_store.storage.books import GroupCommit
from pileus.object_store.storage.devices import Devices, LocalDevice
from pileus.object_store.storage.interface import Servers

log = log_of(__name__)

REPORT_AFTER_S = 0.2  # accounts hear of what many PUTs did to a container at once


class LocalContainers:
    """Containers on this machine. What changes in one is reported to its account, soon and by all its replicas."""

    def __init__(self, devices: Devices, rings: Rings, stamps: Stamps) -> None:
        self._devices = devices
        self._rings = rings
        self._stamps = stamps
        self._commits: GroupCommit[ObjectRow] = GroupCommit()
        self._reports: dict[tuple[str, Path], asyncio.Task[None]] = {}
        self._due: dict[tuple[str, Path], tuple[Place, Path]] = {}
        self.servers: Servers | None = None  # how accounts are reached

    def _at(self, place: Place, path: Path) -> tuple[LocalDevice, ContainerLedger]:
        device = self._devices.of(place)
        return device, device.containers.ledger(place.partition, self._rings.hash(path))

    async def put(
        self, place: Place, path: Path, said: Mapping[str, str], stamp: str, policy: int | None, default: int
    ) -> bool:
        """The container is there and its account knows it; return whether it was not before."""
        device, ledger = self._at(place, path)
        device.volume.require_room()
        assert path.container is not None
        facts = ContainerFacts(
            account=path.account,
            container=path.container,
            created=stamp,
            put_stamp=stamp,
            policy=default if policy is None else policy,
        )
        fresh = await device.keep_book(lambda: ledger.put(facts, said, stamp, policy))
        await self._report_if_possible(place, path)
        return fresh

    async def post(self, place: Place, path: Path, said: Mapping[str, str], stamp: str) -> None:
        """The container's metadata is so."""
        device, ledger = self._at(place, path)
        await device.keep_book(lambda: ledger.post(said, stamp))

    async def delete(self, place: Place, path: Path, stamp: str) -> None:
        """The container is gone and its account knows."""
        device, ledger = self._at(place, path)
        await device.keep_book(lambda: ledger.delete(stamp))
        await self._report_if_possible(place, path)

    async def facts(self, place: Place, path: Path) -> ContainerFacts:
        """What the container knows of itself."""
        device, ledger = self._at(place, path)
        return await device.keep_book(ledger.facts)

    async def listed(self, place: Place, path: Path, wanted: Wanted) -> tuple[ContainerFacts, list[Entry]]:
        """The container and part of its listing."""
        device, ledger = self._at(place, path)
        return await device.keep_book(lambda: ledger.listed(wanted))

    async def row(self, place: Place, path: Path, name: str) -> ObjectRow | None:
        """What the listing knows of one object, a deleted one included."""
        device, ledger = self._at(place, path)
        return await device.keep_book(lambda: ledger.row(name))

    async def merge(self, place: Place, path: Path, rows: Sequence[ObjectRow]) -> None:
        """The listing knows these objects, durably; the account hears of it soon."""
        device, ledger = self._at(place, path)

        async def commit(batch: Sequence[ObjectRow]) -> None:
            await device.keep_book(lambda: ledger.merge(batch))

        await self._commits.add((place.device.id, path), rows, commit)
        key = (place.device.name, path)
        self._due[key] = (place, path)
        if key not in self._reports:
            self._reports[key] = asyncio.create_task(self._soon(key, place, path))

    async def _soon(self, key: tuple[str, Path], place: Place, path: Path) -> None:
        await asyncio.sleep(REPORT_AFTER_S)
        self._reports.pop(key, None)
        self._due.pop(key, None)
        await self._report_if_possible(place, path)

    async def report(self, place: Place, path: Path) -> None:
        """The account knows what its container holds, or whether it is gone."""
        device, ledger = self._at(place, path)
        now = await device.keep_book(lambda: ledger.facts(deleted_too=True))
        assert path.container is not None
        row = ContainerRow(
            name=path.container,
            put_stamp=now.put_stamp,
            delete_stamp=now.delete_stamp if now.deleted else "",
            count=now.count,
            bytes=now.bytes,
            policy=now.policy,
            changed=self._stamps.next(),
        )
        assert self.servers is not None
        places = self._rings.places(path.above)
        mine = places if place.index is None else [places[place.index % len(places)]]
        for target in mine:
            with contextlib.suppress(Missing):  # an account that is gone need not know
                await self.servers.of(target).accounts.merge(target, path.above, [row])

    async def _report_if_possible(self, place: Place, path: Path) -> None:
        try:
            await self.report(place, path)
        except StorageProblem as failed:  # the worker that looks after it does it later
            log.info("an account was not told of its container", container=str(path), why=failed.message)

    async def settle(self, account: str) -> None:
        """What containers of an account here are about to report has been reported."""
        for place, path in [due for due in self._due.values() if due[1].account == account]:
            self._due.pop((place.device.name, path), None)
            await self._report_if_possible(place, path)

    async def close(self) -> None:
        """Nothing is under way."""
        for task in list(self._reports.values()):
            await task
        await self._commits.settle()


class LocalAccounts:
    """Accounts on this machine."""

    def __init__(self, devices: Devices, rings: Rings, settle: Callable[[str], Awaitable[None]]) -> None:
        self._settle = settle  # whoever looks at an account sees what was done in its containers just before
        self._devices = devices
        self._rings = rings
        self._commits: GroupCommit[ContainerRow] = GroupCommit()

    def _at(self, place: Place, path: Path) -> tuple[LocalDevice, AccountLedger]:
        device = self._devices.of(place)
        return device, device.accounts.ledger(place.partition, self._rings.hash(path))

    async def put(self, place: Place, path: Path, said: Mapping[str, str], stamp: str) -> bool:
        """The account is there; return whether it was not before."""
        device, ledger = self._at(place, path)
        device.volume.require_room()
        return await device.keep_book(lambda: ledger.put(path.account, said, stamp))

    async def post(self, place: Place, path: Path, said: Mapping[str, str], stamp: str) -> None:
        """The account's metadata is so."""
        device, ledger = self._at(place, path)
        await device.keep_book(lambda: ledger.post(said, stamp))

    async def delete(self, place: Place, path: Path, stamp: str) -> None:
        """The account is gone; the reaper removes what was in it."""
        device, ledger = self._at(place, path)
        await device.keep_book(lambda: ledger.delete(stamp))

    async def facts(self, place: Place, path: Path, *, deleted_too: bool = False) -> AccountFacts:
        """What the account knows of itself."""
        await self._settle(path.account)
        device, ledger = self._at(place, path)
        return await device.keep_book(lambda: ledger.facts(deleted_too=deleted_too))

    async def listed(self, place: Place, path: Path, wanted: Wanted) -> tuple[AccountFacts, list[Entry]]:
        """The account and part of its listing."""
        await self._settle(path.account)
        device, ledger = self._at(place, path)
        return await device.keep_book(lambda: ledger.listed(wanted))

    async def merge(self, place: Place, path: Path, rows: Sequence[ContainerRow]) -> None:
        """The listing knows these containers, durably."""
        device, ledger = self._at(place, path)

        async def commit(batch: Sequence[ContainerRow]) -> None:
            await device.keep_book(lambda: ledger.merge(batch))

        await self._commits.add((place.device.id, path), rows, commit)

    async def close(self) -> None:
        """Nothing is under way."""
        await self._commits.settle()
