"""The devices of this machine: their directories, what is open on them, and the threads that wait for them."""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path as Folder
from typing import Generic, TypeVar

from pileus.object_store.disk.accounts import AccountLedger
from pileus.object_store.disk.containers import ContainerLedger
from pileus.object_store.disk.durable import Volume
from pileus.object_store.disk.fragments import FragmentFiles
from pileus.object_store.disk.layout import Layout
from pileus.object_store.disk.names import suffix_of
from pileus.object_store.disk.syncs import Steps
from pileus.object_store.errors import DeviceUnusable
from pileus.object_store.ring.places import Place
from pileus.object_store.storage.crowds import Crowd
from pileus.object_store.storage.threads import Threads

Done = TypeVar("Done")
AnyLedger = TypeVar("AnyLedger", AccountLedger, ContainerLedger)
OPEN = 256  # ledgers of one kind on one device
LEDGER_THREADS = 4
SLOW_S, SLOW_FOR_S = 0.05, 1.0  # what takes so long on the spot is left to threads for a while


class Shelf(Generic[AnyLedger]):
    """The open ledgers of one kind on a device; the ones not used for longest are closed."""

    def __init__(self, root: str, made: Callable[[str], AnyLedger]) -> None:
        self.root = root
        self._made: Callable[[str], AnyLedger] = made
        self._open: OrderedDict[str, AnyLedger] = OrderedDict()
        self._lock = threading.Lock()

    def ledger(self, partition: int, hash: str) -> AnyLedger:
        """The ledger at a place, whether it has been made or not."""
        path = os.path.join(self.root, str(partition), suffix_of(hash), hash, f"{hash}.db")
        closed = None
        with self._lock:
            found = self._open.get(path)
            if found is None:
                found = self._open[path] = self._made(path)
                if len(self._open) > OPEN:
                    _, closed = self._open.popitem(last=False)
            else:
                self._open.move_to_end(path)
        if closed is not None:
            closed.ledger.close()
        return found

    def all(self) -> Iterator[tuple[int, str]]:
        """Partition and hash of every ledger there is."""
        for partition in sorted(_numbers(self.root)):
            top = os.path.join(self.root, str(partition))
            for suffix in sorted(os.listdir(top)):
                for hash in sorted(os.listdir(os.path.join(top, suffix))):
                    if os.path.exists(os.path.join(top, suffix, hash, f"{hash}.db")):
                        yield partition, hash

    def forget(self, partition: int, hash: str) -> None:
        """The ledger is not open."""
        path = os.path.join(self.root, str(partition), suffix_of(hash), hash, f"{hash}.db")
        with self._lock:
            found = self._open.pop(path, None)
        if found is not None:
            found.ledger.close()

    def close(self) -> None:
        """None is open."""
        with self._lock:
            open_ones, self._open = list(self._open.values()), OrderedDict()
        for one in open_ones:
            one.ledger.close()


class LocalDevice:
    """One directory of this machine. What blocks runs in the device's own threads: a slow disk slows nobody else."""

    def __init__(
        self, name: str, folder: Folder, *, threads: int, reserve_percent: float, policies: Sequence[int]
    ) -> None:
        self.name = name
        self.volume = Volume(folder, name, reserve_percent)
        self.layout: Callable[[int], Layout] = lambda policy: Layout()  # of the objects of a policy
        self._objects: dict[int, FragmentFiles] = {}
        self.know(policies)
        self.containers = Shelf(os.path.join(self.volume.root, "containers"), ContainerLedger)
        self.accounts = Shelf(os.path.join(self.volume.root, "accounts"), AccountLedger)
        self._slow_until = 0.0
        self._pool = Threads(threads, f"objects on {name}")
        self._crowd = Crowd(self._pool)
        self._ledger_pool = Threads(LEDGER_THREADS, f"ledgers on {name}")

    def objects(self, policy: int) -> FragmentFiles:
        """The objects of a policy; raises DeviceUnusable when it is not kept here."""
        found = self._objects.get(policy)
        if found is None:
            raise DeviceUnusable(device=self.name, why=f"it keeps nothing of policy {policy}")
        return found

    def know(self, policies: Sequence[int]) -> None:
        """The device keeps objects of these policies too."""
        for policy in policies:
            if policy not in self._objects:
                made = self._objects[policy] = FragmentFiles(self.volume, policy)
                made.layout = lambda policy=policy: self.layout(policy)  # type: ignore[misc]

    @property
    def policies(self) -> Sequence[int]:
        """The policies whose objects are here."""
        return list(self._objects)

    async def do(self, work: Callable[[], Done]) -> Done:
        """What the work returns; it runs in a thread for objects."""
        return await self._pool.do(work)

    async def keep(self, steps: Steps[None]) -> None:
        """The steps are done, and their fsyncs with those of others who come meanwhile."""
        await self._crowd.do(steps)

    def at_once(self, work: Callable[[], Done | None]) -> Done | None:
        """What the work returns, on the spot, where it is known not to wait. None while the device has been found slow at that."""
        began = time.monotonic()
        if began < self._slow_until:
            return None
        found = work()
        now = time.monotonic()
        if now - began > SLOW_S:
            self._slow_until = now + SLOW_FOR_S
        return found

    async def keep_book(self, work: Callable[[], Done]) -> Done:
        """What the work returns; it runs in a thread for ledgers."""
        return await self._ledger_pool.do(work)

    def close(self) -> None:
        """Nothing of the device is open, and no thread works on it."""
        self._pool.close()
        self._crowd.close()
        self._ledger_pool.close()
        self.containers.close()
        self.accounts.close()


class Devices:
    """The devices of this machine, by name."""

    def __init__(self, devices: Sequence[LocalDevice]) -> None:
        self._devices = {device.name: device for device in devices}

    def __iter__(self) -> Iterator[LocalDevice]:
        return iter(self._devices.values())

    def of(self, place: Place) -> LocalDevice:
        """The device of a place; raises DeviceUnusable when this machine has none of that name."""
        found = self._devices.get(place.device.name)
        if found is None:
            raise DeviceUnusable(device=place.device.name, why="this machine has no such device")
        return found

    def know(self, policies: Sequence[int]) -> None:
        """All devices keep objects of these policies too."""
        for device in self:
            device.know(policies)

    def prepare(self) -> None:
        """All devices have what they need to begin with."""
        for device in self:
            device.volume.prepare()

    def close(self) -> None:
        """Nothing is open."""
        for device in self:
            device.close()


def _numbers(folder: str) -> list[int]:
    try:
        return [int(name) for name in os.listdir(folder) if name.isdigit()]
    except FileNotFoundError:
        return []
