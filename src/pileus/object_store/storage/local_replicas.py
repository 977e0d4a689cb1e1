"""What replicators get of the devices of this process, and what they bring."""

import os
from collections.abc import AsyncIterator, Callable

from pileus.object_store.disk.accounts import AccountLedger
from pileus.object_store.disk.containers import ContainerLedger
from pileus.object_store.disk.hashes import SuffixHashes, wanted
from pileus.object_store.disk.names import DATA, named
from pileus.object_store.disk.record import read_record
from pileus.object_store.disk.sums import BLOCK, intact
from pileus.object_store.errors import Corrupt, Missing, StorageProblem, Superseded, Unreachable
from pileus.object_store.models.paths import Path
from pileus.object_store.ring.places import Place
from pileus.object_store.ring.rings import Rings
from pileus.object_store.storage.devices import Devices, LocalDevice, Shelf
from pileus.object_store.storage.divided import Divided
from pileus.object_store.storage.interface import AccountBook, ContainerBook, FoundFile, Heard


class LocalReplicas:
    """Files and ledgers on this machine, as replicators see them."""

    def __init__(self, devices: Devices, rings: Rings, divided: Divided) -> None:
        self._devices = devices
        self._rings = rings
        self._divided = divided
        self._hashes: dict[tuple[str, int], SuffixHashes] = {}

    def _require_alike(self, place: Place, policy: int) -> None:
        """Whoever asks counts partitions as this machine does; else raises Unreachable: in a moment both will."""
        ring = self._rings.objects.get(policy)
        if ring is not None and place.power and place.power != ring.part_power:
            raise Unreachable(server=f"of {place.device.name}", why="partitions are counted otherwise just now")

    async def suffixes(self, place: Place, policy: int) -> dict[str, str]:
        """The hash of each suffix of a partition."""
        device = self._devices.of(place)
        key = (device.name, policy)
        self._require_alike(place, policy)
        objects = device.objects(policy)
        hashes = self._hashes.setdefault(key, SuffixHashes(objects.root, objects.layout))
        return await device.do(lambda: hashes.of(place.partition))

    async def names(self, place: Place, policy: int, suffix: str) -> list[str]:
        """The files of a suffix that count."""
        device = self._devices.of(place)
        self._require_alike(place, policy)
        objects = device.objects(policy)
        folder = os.path.join(objects.root, str(place.partition), suffix)

        def listed() -> list[str]:
            try:
                return wanted(os.listdir(folder), place.partition, objects.layout())
            except FileNotFoundError:
                return []

        return await device.do(listed)

    async def read(self, place: Place, policy: int, name: str) -> FoundFile:
        """A file, open; raises Missing when it has gone meanwhile, or its record cannot be believed."""
        device = self._devices.of(place)
        objects = device.objects(policy)
        partition = objects.layout().own(place.partition, name[:32])
        path = os.path.join(objects.folder(partition, name[:32]), name)

        def opened() -> tuple[int, dict[str, str], int]:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                return (descriptor, *read_record(descriptor))
            except BaseException:
                os.close(descriptor)
                raise

        try:
            return LocalFile(device, *await device.do(opened), lambda: objects.quarantine(partition, name[:32]))
        except FileNotFoundError:
            raise Missing from None
        except ValueError as bad:
            await device.do(lambda: objects.quarantine(partition, name[:32]))
            raise Missing from bad

    async def take(self, place: Place, policy: int, name: str, file: FoundFile) -> None:
        """The file is here too, durably, unless something newer is."""
        device = self._devices.of(place)
        objects = device.objects(policy)
        found = named(name)
        if found is None:
            raise StorageProblem(f"{name} is no name of an object's file.")
        incoming = objects.incoming(objects.layout().own(place.partition, found.hash), found.hash, file.size)
        try:
            async for chunk in file.read(0, file.size):
                await device.do(lambda chunk=chunk: incoming.write(chunk))  # type: ignore[misc]
            if found.kind == DATA and found.fragment is None and incoming.size != int(file.metadata["content-length"]):
                raise StorageProblem(f"{name} came only in part.")
            if not await device.do(lambda: incoming.matches(file.metadata)):
                raise Corrupt(path=name, why="what came is not what was written")
            said = {"kind": found.kind, "fragment": found.fragment, "durable": found.durable}
            await device.do(lambda: incoming.keep(found.stamp, file.metadata, **said))  # type: ignore[arg-type]
        except Superseded:
            return
        finally:
            await device.do(incoming.drop)

    async def take_container(self, place: Place, book: ContainerBook) -> None:
        """The container's ledger here knows what the other's does."""
        device = self._devices.of(place)
        hash = self._rings.hash(Path(book.facts.account, book.facts.container))
        ledger = device.containers.ledger(place.partition, hash)
        device.volume.require_room()
        strays = await device.keep_book(lambda: ledger.join(book.facts, book.said, book.rows, book.shape))
        await self._divided.forward(place, strays)
        await device.keep_book(lambda: ledger.ledger.mark(_mark(book.heard)))

    async def heard(self, place: Place, account: str, container: str | None, teller: str) -> int:
        """Up to which row a replica was told everything by another; -1 when it is not there."""
        device = self._devices.of(place)
        hash = self._rings.hash(Path(account, container))
        shelf: Shelf[AccountLedger] | Shelf[ContainerLedger] = (
            device.accounts if container is None else device.containers
        )
        ledger = shelf.ledger(place.partition, hash).ledger
        try:
            return int(await device.keep_book(lambda: ledger.marked(f"heard:{teller}")) or 0)
        except Missing:
            return -1

    async def take_account(self, place: Place, book: AccountBook) -> None:
        """The account's ledger here knows what the other's does."""
        device = self._devices.of(place)
        ledger = device.accounts.ledger(place.partition, self._rings.hash(Path(book.facts.account)))
        device.volume.require_room()
        await device.keep_book(lambda: ledger.join(book.facts, book.said, book.rows))
        await device.keep_book(lambda: ledger.ledger.mark(_mark(book.heard)))


def _mark(heard: Heard | None) -> dict[str, str]:
    return {} if heard is None else {f"heard:{heard.teller}": str(heard.upto)}


class LocalFile:
    """A file of an object, open."""

    def __init__(
        self,
        device: LocalDevice,
        descriptor: int,
        metadata: dict[str, str],
        size: int,
        quarantine: Callable[[], None],
    ) -> None:
        self._device = device
        self._descriptor = descriptor
        self._quarantine = quarantine
        self.metadata = metadata
        self.size = size

    async def read(self, start: int, length: int) -> AsyncIterator[bytes]:
        """The bytes from there, each block held against its sum: damage does not spread to other devices."""
        end = min(start + length, self.size)
        while start < end:
            number, skipped = divmod(start, BLOCK)
            block = await self._device.do(lambda number=number: self._block(number))  # type: ignore[misc]
            if len(block) <= skipped:
                return
            part = block[skipped : skipped + end - start]
            yield part
            start += len(part)

    def _block(self, number: int) -> bytes:
        found = os.pread(self._descriptor, min(BLOCK, self.size - number * BLOCK), number * BLOCK)
        if not intact(self.metadata, number, found):
            self._quarantine()
            raise Corrupt(path=self.metadata.get("name", ""), why=f"block {number} is not what was written")
        return found

    async def close(self) -> None:
        """It is not read any more."""
        os.close(self._descriptor)
