"""The replicator of objects: every copy of a partition has what the others have.

It pushes: for each partition on a device here, each device it belongs on gets the files it lacks. A device that only stands in hands
a partition over and forgets it, once all it belongs to have everything. Tombstones travel like objects, and go when they are old.
"""

import contextlib
import os

from pileus.kit.observe.log import log_of
from pileus.object_store.disk.durable import sync_folder
from pileus.object_store.disk.names import TOMBSTONE, named
from pileus.object_store.errors import Missing, StorageProblem
from pileus.object_store.models.stamps import of_ticks, ticks_of
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.ring.places import Device, Place
from pileus.object_store.storage.devices import Devices, LocalDevice
from pileus.object_store.workers.progress import Progress

log = log_of(__name__)


class Replicator:
    """Brings the objects of this process's devices to where they belong."""

    def __init__(self, devices: Devices, cluster: Cluster, own: str = "") -> None:
        self._devices = devices
        self._cluster = cluster
        self._own = own

    async def run(self) -> str | None:
        """Each partition here has been compared with its other copies once."""
        progress = Progress()
        for device in self._devices:
            for policy in device.policies:
                known = self._cluster.rings.policies.get(policy)
                if known is not None and known.fragments is not None:
                    continue  # fragments differ from device to device: the reconstructor's
                partitions = await device.do(device.objects(policy).partitions)
                for partition in partitions:
                    progress.seen += 1
                    await self._partition(device, policy, partition, progress)
        return progress.line("files replicated")

    async def _partition(self, device: LocalDevice, policy: int, partition: int, progress: Progress) -> None:
        ring = self._cluster.rings.objects[policy]
        places = ring.places(partition)
        mine = next((place for place in places if place.device.name == device.name), None)
        source = mine or Place(Device(id=-1, name=device.name, host=self._own), partition, None, ring.part_power)
        whole = True
        for target in places:
            if target.device.name == device.name:
                continue
            try:
                await self._push(source, target, policy, progress)
            except (StorageProblem, OSError) as failed:
                progress.failed += 1
                whole = False
                log.info("a partition is not replicated yet", device=target.device.name, why=str(failed))
        if mine is None and whole and places:
            await self._forget(device, source, policy, places)
        await self._reclaim(device, policy, partition)

    async def _push(self, source: Place, target: Place, policy: int, progress: Progress) -> None:
        """The target has what is newest of what the source has."""
        here, there = self._cluster.servers.of(source).replicas, self._cluster.servers.of(target).replicas
        own, other = await here.suffixes(source, policy), await there.suffixes(target, policy)
        for suffix in [suffix for suffix, hash in own.items() if other.get(suffix) != hash]:
            known = set(await there.names(target, policy, suffix))
            for name in await here.names(source, policy, suffix):
                if name in known or _older(name, known) or spent(name, forgotten_before(self._cluster)):
                    continue
                try:
                    file = await here.read(source, policy, name)
                except Missing:
                    continue
                try:
                    await there.take(target, policy, name, file)
                    progress.done += 1
                finally:
                    await file.close()

    async def _forget(self, device: LocalDevice, source: Place, policy: int, places: list[Place]) -> None:
        """What only stood here goes, file by file, if every device it belongs on has it."""
        servers = self._cluster.servers
        here = servers.of(source).replicas
        for suffix in await here.suffixes(source, policy):
            theirs = [set(await servers.of(at).replicas.names(at, policy, suffix)) for at in places]
            for name in await here.names(source, policy, suffix):
                if all(name in known or _older(name, known) for known in theirs):
                    folder = device.objects(policy).folder(source.partition, name[:32])
                    await device.do(lambda folder=folder, name=name: _unlink(folder, name))  # type: ignore[misc]

    async def _reclaim(self, device: LocalDevice, policy: int, partition: int) -> None:
        """Tombstones that everybody has had time to see are gone, and so are directories that are empty."""
        before = forgotten_before(self._cluster)
        root = os.path.join(device.objects(policy).root, str(partition))
        await device.do(lambda: reclaimed(root, before))


def forgotten_before(cluster: Cluster) -> str:
    """Tombstones from before this moment have been seen by everybody."""
    ticks = ticks_of(cluster.stamps.next()) - int(cluster.config.reclaim_age_s * 100_000)
    return of_ticks(max(0, ticks))


def _older(name: str, known: set[str]) -> bool:
    """Whether there is something newer of the same object, of a kind that takes this file's place."""
    found = named(name)
    if found is None:
        return True
    rivals = [one for one in map(named, known) if one is not None and one.hash == found.hash and one.kind != ".meta"]
    return any(one.stamp >= found.stamp for one in rivals)


def spent(name: str, before: str) -> bool:
    """Whether a file is a tombstone that is needed no more."""
    found = named(name)
    return found is not None and found.kind == TOMBSTONE and found.stamp < before


def _unlink(folder: str, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(folder, name))
        sync_folder(folder)


def reclaimed(root: str, before: str) -> None:
    """Files of a partition that are needed no more are gone, and so are directories that are empty."""
    try:
        suffixes = os.listdir(root)
    except FileNotFoundError:
        return
    for suffix in suffixes:
        folder = os.path.join(root, suffix)
        for name in os.listdir(folder):
            if spent(name, before):
                _unlink(folder, name)
        # Only an empty one goes, so a file that comes now keeps its directory, or makes it again.
        with contextlib.suppress(OSError):
            os.rmdir(folder)
