"""The reconstructor: every device has its fragment of each object of an erasure code; lost ones are computed from the others.

A device looks after its two neighbours in the ring's order, so each is looked after by two. A fragment that only stands somewhere goes to where
it belongs; tombstones and metadata go everywhere.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

from pileus.kit.observe.log import log_of
from pileus.object_store.disk.durable import sync_folder
from pileus.object_store.disk.names import DATA, META, Named, file_name, named
from pileus.object_store.errors import Missing, StorageProblem, Superseded
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.coded import Pieces, seen
from pileus.object_store.proxy.coding import SEGMENT, code_of
from pileus.object_store.ring.places import Device, Place
from pileus.object_store.storage.devices import Devices, LocalDevice
from pileus.object_store.storage.interface import Found, Spot
from pileus.object_store.workers.progress import Progress
from pileus.object_store.workers.replicator import forgotten_before, reclaimed, spent

log = log_of(__name__)


class Reconstructor:
    """Makes whole what is coded, as far as this process's devices are concerned."""

    def __init__(self, devices: Devices, cluster: Cluster, own: str = "") -> None:
        self._devices = devices
        self._cluster = cluster
        self._own = own

    async def run(self) -> str | None:
        """Each partition of coded objects here has been compared with its neighbours once."""
        progress = Progress()
        for device in self._devices:
            for policy in device.policies:
                known = self._cluster.rings.policies.get(policy)
                if known is None or known.fragments is None:
                    continue
                for partition in await device.do(device.objects(policy).partitions):
                    progress.seen += 1
                    await self._partition(device, policy, partition, progress)
        return progress.line("fragments made or moved")

    async def _partition(self, device: LocalDevice, policy: int, partition: int, progress: Progress) -> None:
        ring = self._cluster.rings.objects[policy]
        places = ring.places(partition)
        mine = next((place for place in places if place.device.name == device.name), None)
        source = mine or Place(Device(id=-1, name=device.name, host=self._own), partition, None, ring.part_power)
        here = self._cluster.servers.of(source).replicas
        theirs: dict[tuple[int, str], set[str]] = {}
        before = forgotten_before(self._cluster)
        root = os.path.join(device.objects(policy).root, str(partition))
        for suffix in await here.suffixes(source, policy):
            for name in await here.names(source, policy, suffix):
                found = named(name)
                if found is None or spent(name, before):
                    continue
                try:
                    await self._file(source, places, policy, found, theirs, progress)
                except (StorageProblem, OSError) as failed:
                    progress.failed += 1
                    log.info("a fragment is not where it belongs yet", device=device.name, why=str(failed))
        await device.do(lambda: reclaimed(root, before))

    async def _file(
        self,
        source: Place,
        places: list[Place],
        policy: int,
        found: Named,
        theirs: dict[tuple[int, str], set[str]],
        progress: Progress,
    ) -> None:
        """What one file here tells of what is missing elsewhere is made good."""
        if not found.durable:
            await self._mark(source, places, policy, found, theirs, progress)
        strange = found.fragment is not None and source.index != found.fragment
        if source.index is None or strange:
            await self._hand_over(source, places, policy, found, theirs, progress)
        elif found.kind != DATA or found.fragment is None:
            for target in places:
                if target.device.name != source.device.name:
                    progress.done += await self._push(source, target, policy, found.name, theirs)
        elif found.durable and found.fragment < len(places):
            count = len(places)
            for number in {(found.fragment - 1) % count, (found.fragment + 1) % count}:
                progress.done += await self._restore(places[number], number, policy, found, theirs)

    async def _hand_over(
        self,
        source: Place,
        places: list[Place],
        policy: int,
        found: Named,
        theirs: dict[tuple[int, str], set[str]],
        progress: Progress,
    ) -> None:
        """A file that only stands here is where it belongs, or something newer is, and it is not here any more."""
        targets = places if found.fragment is None else places[found.fragment : found.fragment + 1]
        for target in targets:
            progress.done += await self._push(source, target, policy, found.name, theirs)
        for target in targets:
            known = await self._names(target, policy, found.name, theirs, fresh=True)
            if found.name not in known and not _outdated(found, known):
                return
        if targets:
            await self._drop(source, policy, found.name)

    async def _mark(
        self,
        source: Place,
        places: list[Place],
        policy: int,
        found: Named,
        theirs: dict[tuple[int, str], set[str]],
        progress: Progress,
    ) -> None:
        """A fragment that missed its commit counts if another of its object does."""
        assert found.fragment is not None
        for place in places:
            try:
                known = await self._names(place, policy, found.name, theirs)
            except StorageProblem:
                continue
            others = [one for one in map(named, known) if one is not None and one.hash == found.hash]
            if any(one.stamp == found.stamp and one.durable and one.kind == DATA for one in others):
                objects = self._cluster.servers.of(source).objects
                with contextlib.suppress(Missing, Superseded):  # it was committed, or replaced, meanwhile
                    await objects.commit(Spot(source, policy, found.hash), found.stamp, found.fragment, None)
                    progress.done += 1
                return

    async def _restore(
        self, target: Place, number: int, policy: int, found: Named, theirs: dict[tuple[int, str], set[str]]
    ) -> int:
        """The neighbour has its fragment of the object; return how many had to be made."""
        known = await self._names(target, policy, found.name, theirs)
        wanted = file_name(found.hash, found.stamp, DATA, number)
        rivals = [
            one for one in map(named, known) if one is not None and one.hash == found.hash and one.kind != ".meta"
        ]
        if wanted in known or any(one.durable and one.stamp > found.stamp for one in rivals):
            return 0
        fragments = self._cluster.rings.policies[policy].fragments
        assert fragments is not None
        places = self._cluster.rings.objects[policy].places(target.partition)
        others, _, _ = await seen(self._cluster, found.hash, policy, places)
        if others is None or others.stamp != found.stamp:
            return 0
        opened: list[Found] = []
        try:
            for other, where in sorted(others.where.items()):
                if other != number and len(opened) < fragments[0]:
                    spot = Spot(where[0], policy, found.hash)
                    opened.append(await self._cluster.servers.of(where[0]).objects.fragment(spot, found.stamp, other))
            if len(opened) < fragments[0]:
                return 0
            made = Rebuilt(fragments, number, opened)
            await self._cluster.servers.of(target).replicas.take(target, policy, wanted, made)
        finally:
            for one in opened:
                await one.close()
        return 1

    async def _push(
        self, source: Place, target: Place, policy: int, name: str, theirs: dict[tuple[int, str], set[str]]
    ) -> int:
        """The target has the file, or something newer; return how many were sent."""
        known = await self._names(target, policy, name, theirs)
        found = named(name)
        assert found is not None
        rivals = [one for one in map(named, known) if one is not None and one.hash == found.hash]
        same = [one for one in rivals if one.kind == found.kind]
        if name in known or any(one.stamp > found.stamp for one in same):
            return 0
        file = await self._cluster.servers.of(source).replicas.read(source, policy, name)
        try:
            await self._cluster.servers.of(target).replicas.take(target, policy, name, file)
        finally:
            await file.close()
        return 1

    async def _names(
        self, place: Place, policy: int, name: str, theirs: dict[tuple[int, str], set[str]], *, fresh: bool = False
    ) -> set[str]:
        key = (place.device.id, name[30:32])
        if fresh or key not in theirs:
            theirs[key] = set(await self._cluster.servers.of(place).replicas.names(place, policy, name[30:32]))
        return theirs[key]

    async def _drop(self, source: Place, policy: int, name: str) -> None:
        device = self._devices.of(source)
        folder = device.objects(policy).folder(source.partition, name[:32])

        def drop() -> None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name))
                sync_folder(folder)

        await device.do(drop)


def _outdated(found: Named, known: set[str]) -> bool:
    """Whether there is something newer of the object, which takes the file's place, or the same that counts already."""
    others = [one for one in map(named, known) if one is not None and one.hash == found.hash and one.durable]
    if any(one.kind != META and one.stamp > found.stamp for one in others):
        return True
    same = [one for one in others if (one.kind, one.fragment) == (found.kind, found.fragment)]
    return any(one.stamp >= found.stamp for one in same)


class Rebuilt:
    """A fragment that is computed from others as it is read."""

    def __init__(self, fragments: tuple[int, int], number: int, opened: list[Found]) -> None:
        self._code = code_of(fragments)
        self._number = number
        self._opened = opened
        object_size = int(opened[0].metadata["content-length"])
        self._object_size = object_size
        self.metadata = {key: value for key, value in opened[0].metadata.items() if key != "block-sums"}
        self.size = self._code.size(object_size)

    async def read(self, start: int, length: int) -> AsyncIterator[bytes]:
        """All of it, a segment after the other."""
        parts = [Pieces(one.read(0, one.size)) for one in self._opened]
        for begin in range(0, self._object_size, SEGMENT):
            wanted = self._code.length(min(SEGMENT, self._object_size - begin))
            pieces = [await part.take(wanted) for part in parts]
            yield await asyncio.to_thread(self._code.rebuild, pieces, self._number)

    async def close(self) -> None:
        """What it is computed from is closed by whoever opened it."""
