"""Object servers on the devices of this process.

An object that fits into one chunk costs one trip to a thread: file, record, fsync, rename, directory fsync. Its
container is told before the answer, and if that takes long a note is left on the device and it is told later.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from pileus.kit.flow.failpoint import failpoint
from pileus.kit.observe.log import log_of
from pileus.object_store.disk.objects import Incoming, Opened, open_at_once
from pileus.object_store.disk.pendings import Pending, Pendings
from pileus.object_store.disk.sums import BLOCK
from pileus.object_store.disk.syncs import alone
from pileus.object_store.errors import Corrupt, StorageProblem
from pileus.object_store.ring.places import Place
from pileus.object_store.ring.rings import Rings
from pileus.object_store.storage.claims import Claims
from pileus.object_store.storage.devices import Devices, LocalDevice
from pileus.object_store.storage.interface import Found, Fragment, Held, Servers, Spot, Told, Upload

log = log_of(__name__)

SMALL = 1 << 16  # bytes that are kept in memory until the object is complete


class LocalObjects:
    """Objects on this machine."""

    def __init__(self, devices: Devices, rings: Rings, listing_wait_s: float) -> None:
        self._devices = devices
        self._rings = rings
        self._wait_s = listing_wait_s
        self._telling: set[asyncio.Task[None]] = set()
        self.servers: Servers | None = None  # how containers are reached
        self.claims = Claims()

    def _at(self, spot: Spot) -> int:
        """The partition that counts on this machine: while partitions are doubled others may still think otherwise."""
        ring = self._rings.objects.get(spot.policy)
        return ring.partition(spot.hash) if ring is not None and ring.devices else spot.place.partition

    async def upload(self, spot: Spot, size: int | None) -> Upload:
        """Room for an object's bytes."""
        device = self._devices.of(spot.place)
        objects = device.objects(spot.policy)
        incoming = objects.incoming(self._at(spot), spot.hash, size or 0)
        return LocalUpload(self, device, incoming, spot)

    async def open(self, spot: Spot, *, whole: bool = True) -> Found:
        """The object, ready to be read."""
        device = self._devices.of(spot.place)
        objects = device.objects(spot.policy)
        opened = device.at_once(lambda: open_at_once(objects, spot.hash))
        if opened is None:
            opened = await device.do(lambda: objects.open(self._at(spot), spot.hash, whole=whole))
        return LocalFound(device, opened, lambda: objects.quarantine(self._at(spot), spot.hash))

    async def update(self, spot: Spot, stamp: str, metadata: Mapping[str, str], told: Told | None) -> dict[str, str]:
        """The object's metadata is this; return what was before."""
        device = self._devices.of(spot.place)
        objects = device.objects(spot.policy)
        async with self.claims.writing(spot):
            before = await device.do(lambda: objects.update(self._at(spot), spot.hash, stamp, metadata))
        await self.tell(device, spot, told)
        return before

    async def delete(self, spot: Spot, stamp: str, name: str, told: Told | None) -> str | None:
        """The object is deleted as of the stamp; return the stamp of the bytes that were there."""
        device = self._devices.of(spot.place)
        objects = device.objects(spot.policy)
        async with self.claims.writing(spot):
            gone = await device.do(lambda: objects.delete(self._at(spot), spot.hash, stamp, name))
        await self.tell(device, spot, told)
        return gone

    async def claim(self, spot: Spot, seconds: float) -> bool:
        """The object is claimed for so long by whom the spot names; False when it is claimed or written by others."""
        self._devices.of(spot.place)
        return self.claims.take(spot, seconds)

    async def release(self, spot: Spot) -> None:
        """The claim is not held any more."""
        self.claims.release(spot)

    async def held(self, spot: Spot) -> Held:
        """Which fragments are here."""
        device = self._devices.of(spot.place)
        objects = device.objects(spot.policy)
        now = await device.do(lambda: objects.files(self._at(spot), spot.hash))
        found = [Fragment(one.stamp, one.fragment or 0, one.durable) for one in (*now.fragments, *now.pending)]
        return Held(tuple(found), now.tombstone.stamp if now.tombstone else "")

    async def fragment(self, spot: Spot, stamp: str, number: int) -> Found:
        """A fragment, ready to be read."""
        device = self._devices.of(spot.place)
        objects = device.objects(spot.policy)
        opened = await device.do(lambda: objects.open_fragment(self._at(spot), spot.hash, stamp, number))
        return LocalFound(device, opened, lambda: objects.quarantine(self._at(spot), spot.hash))

    async def commit(self, spot: Spot, stamp: str, number: int, told: Told | None) -> None:
        """A fragment counts, and the container knows or will."""
        device = self._devices.of(spot.place)
        objects = device.objects(spot.policy)
        async with self.claims.writing(spot):
            await device.do(lambda: objects.commit(self._at(spot), spot.hash, stamp, number))
        await self.tell(device, spot, told)

    async def tell(self, device: LocalDevice, spot: Spot, told: Told | None) -> None:
        """The container knows of the object, or a durable note says that it has to be told."""
        if told is None:
            return
        failpoint("object.tell", "before")
        task = asyncio.create_task(self.deliver(spot.place, told))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
        done, _ = await asyncio.wait({task}, timeout=self._wait_s)
        failed = task.exception() if done else None
        if not done:
            task.add_done_callback(_forgotten)
        elif failed is None:
            return
        elif not isinstance(failed, StorageProblem):
            raise failed
        pending = Pending(container=told.container, row=told.row)
        await device.do(lambda: Pendings(device.volume).add(pending, spot.hash))

    async def deliver(self, place: Place, told: Told) -> None:
        """One of the container's replicas knows of the object: the one that is this copy's partner."""
        places = self._rings.places(told.container)
        mine = places[(place.index or 0) % len(places)]
        assert self.servers is not None
        await self.servers.of(mine).containers.merge(mine, told.container, [told.row])

    async def close(self) -> None:
        """Nothing is under way."""
        if self._telling:
            await asyncio.wait(set(self._telling))


def _forgotten(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        log.info("a container was not told in time; a note on the device says what", why=str(task.exception()))


class LocalUpload:
    """Bytes on their way to a device of this machine."""

    def __init__(self, objects: LocalObjects, device: LocalDevice, incoming: Incoming, spot: Spot) -> None:
        self._objects = objects
        self._device = device
        self._incoming = incoming
        self._spot = spot
        self._held: list[bytes] = []
        self._ended = False  # keeping drops what it could not keep
        self._size = 0

    async def write(self, *chunks: bytes) -> None:
        """The bytes are behind those before them."""
        self._held += chunks
        self._size += sum(map(len, chunks))
        if self._size > SMALL:
            held, self._held, self._size = self._held, [], 0
            await self._device.do(lambda: self._incoming.write(*held))

    async def keep(
        self,
        stamp: str,
        metadata: Mapping[str, str],
        told: Told | None,
        *,
        only_new: bool,
        fragment: int | None = None,
    ) -> None:
        """The object is durable, and its container knows or will. A fragment waits for its commit."""
        steps = self._incoming.keeping(
            b"".join(self._held), stamp, metadata, only_new=only_new, fragment=fragment, durable=fragment is None
        )
        async with self._objects.claims.writing(self._spot):
            self._ended = True
            # What is large may take the disk long: nobody small waits with it.
            await (self._device.do(lambda: alone(steps)) if self._incoming.size else self._device.keep(steps))
        await self._objects.tell(self._device, self._spot, told)

    async def drop(self) -> None:
        """Nothing of it is left, unless it was kept."""
        if not self._ended:
            self._held = []
            await self._device.do(self._incoming.drop)


class LocalFound:
    """An object on a device of this machine, open."""

    def __init__(self, device: LocalDevice, opened: Opened, quarantine: Callable[[], None]) -> None:
        self._device = device
        self._quarantine = quarantine
        self._opened = opened
        self.metadata = opened.metadata
        self.size = opened.size
        self.stamp = opened.stamp
        self.changed = opened.changed

    async def read(self, start: int, length: int) -> AsyncIterator[bytes]:
        """The bytes from `start`; those behind the first are read in a thread."""
        end = min(start + length, self.size)
        while start < end:
            number, skipped = divmod(start, BLOCK)
            block = self._opened.first or await self._device.do(lambda number=number: self._block(number))  # type: ignore[misc]
            if len(block) <= skipped:
                raise StorageProblem("An object is shorter than its record says.")
            part = block[skipped : skipped + end - start] if skipped or len(block) > end - start else block
            yield part
            start += len(part)

    def _block(self, number: int) -> bytes:
        try:
            return self._opened.block(number)
        except Corrupt:
            self._quarantine()
            raise

    async def close(self) -> None:
        """It is not read any more."""
        self._opened.close()
