"""Container and account servers on the devices of this process."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from pileus.object_store.disk.accounts import AccountFacts, AccountLedger
from pileus.object_store.disk.containers import ContainerFacts, ContainerLedger
from pileus.object_store.models.listings import ContainerRow, Entry, ObjectRow, Wanted
from pileus.object_store.models.paths import Path
from pileus.object_store.models.shards import Shape, Shard
from pileus.object_store.models.stamps import Stamps
from pileus.object_store.ring.places import Place
from pileus.object_store.ring.rings import Rings
from pileus.object_store.storage.books import GroupCommit
from pileus.object_store.storage.devices import Devices, LocalDevice
from pileus.object_store.storage.divided import Divided
from pileus.object_store.storage.reports import Reports


class LocalContainers:
    """Containers on this machine. What changes in one is reported to its account, soon and by all its replicas."""

    def __init__(self, devices: Devices, rings: Rings, stamps: Stamps) -> None:
        self._devices = devices
        self._rings = rings
        self._stamps = stamps
        self._commits: GroupCommit[ObjectRow] = GroupCommit()
        self.divided = Divided(rings)
        self.reports = Reports(devices, rings, stamps, self.divided)

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
        await self.reports.at_once(place, path)
        return fresh

    async def post(self, place: Place, path: Path, said: Mapping[str, str], stamp: str) -> None:
        """The container's metadata is so."""
        device, ledger = self._at(place, path)
        await device.keep_book(lambda: ledger.post(said, stamp))

    async def delete(self, place: Place, path: Path, stamp: str) -> None:
        """The container is gone and its account knows."""
        device, ledger = self._at(place, path)
        await self._recount(place, path)
        await device.keep_book(lambda: ledger.delete(stamp))
        await self.reports.at_once(place, path)

    async def facts(self, place: Place, path: Path) -> ContainerFacts:
        """What the container knows of itself."""
        await self.reports.of_shards(path)
        device, ledger = self._at(place, path)
        return await device.keep_book(ledger.facts)

    async def listed(self, place: Place, path: Path, wanted: Wanted) -> tuple[ContainerFacts, list[Entry]]:
        """The container and part of its listing."""
        await self.reports.of_shards(path)
        device, ledger = self._at(place, path)
        facts, parts = await device.keep_book(lambda: ledger.listed(wanted))
        if not facts.sharded:
            return facts, parts[0][1] if parts else []
        return facts, await self.divided.listed(place, parts, wanted)

    async def row(self, place: Place, path: Path, name: str) -> ObjectRow | None:
        """What the listing knows of one object, a deleted one included."""
        device, ledger = self._at(place, path)
        found = await device.keep_book(lambda: ledger.row(name))
        if found is not None:
            return found
        shard = (await device.keep_book(ledger.shards.shape)).of(name)
        return None if shard is None else await self.divided.row(place, shard.path, name)

    async def shape(self, place: Place, path: Path) -> Shape:
        """How the container is divided into shards."""
        device, ledger = self._at(place, path)
        return await device.keep_book(ledger.shards.shape)

    async def reshape(self, place: Place, path: Path, shards: Sequence[Shard]) -> None:
        """The container has these shards, each as it was decided last."""
        device, ledger = self._at(place, path)
        await device.keep_book(lambda: ledger.shards.join(shards))

    async def tally(self, place: Place, path: Path, name: str, count: int, size: int, stamp: str) -> None:
        """A shard of the container holds so much; the account hears of it soon."""
        device, ledger = self._at(place, path)
        if await device.keep_book(lambda: ledger.shards.tally(name, count, size, stamp)):
            self.reports.soon(place, path)

    async def merge(self, place: Place, path: Path, rows: Sequence[ObjectRow]) -> None:
        """The listing knows these objects, durably; the account hears of it soon."""
        device, ledger = self._at(place, path)

        async def commit(batch: Sequence[ObjectRow]) -> None:
            strays = await device.keep_book(lambda: ledger.merge(batch))
            await self.divided.forward(place, strays)

        await self._commits.add((place.device.id, path), rows, commit)
        self.reports.soon(place, path)

    async def _recount(self, place: Place, path: Path) -> None:
        """The container knows what its shards hold at this moment."""
        for shard in (await self.shape(place, path)).shards:
            if not shard.deleted and not shard.absorbing:
                now = await self.divided.facts(place, shard.path)
                await self.tally(place, path, shard.name, now.count, now.bytes, self._stamps.next())

    async def close(self) -> None:
        """Nothing is under way."""
        await self.reports.close()
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
