"""The relinker: files are where they are looked for when the number of partitions is doubled.

    prepared    every file gets a link in the directory of its new partition -> this device is linked
    increased   links in directories that do not count any more go            -> this device is done

Nothing is copied and nothing moves between devices; files are found at every moment. A device that was away when others did it makes up
for it when it is back. Once every device is done, whoever keeps the rings takes the next step.
"""

import contextlib
import os
from collections.abc import Iterator

import msgspec

from pileus.kit.flow.failpoint import failpoint
from pileus.object_store.disk.durable import sync_folder
from pileus.object_store.disk.layout import Layout, Mark, link, mark, marked, partition_of
from pileus.object_store.disk.names import named
from pileus.object_store.disk.objects import ObjectFiles
from pileus.object_store.errors import DeviceUnusable
from pileus.object_store.storage.devices import Devices
from pileus.object_store.workers.progress import Progress

BATCH = 64  # directories in one trip to a thread


class Relinked(msgspec.Struct, frozen=True):
    """How far one machine is with one policy: whether all its devices are done with what the ring says."""

    policy: int
    power: int
    next: int
    done: bool


class Relinker:
    """Links and unlinks the objects of this process's devices."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self._done: dict[tuple[str, int], Layout] = {}
        self.progress = Progress()

    async def run(self) -> str | None:
        """Every device here has its files where the rings say, and nowhere else once nobody looks there."""
        progress = self.progress = Progress()
        for device in self._devices:
            for policy in device.policies:
                objects, layout = device.objects(policy), device.layout(policy)
                key = (device.name, policy)
                if not layout.power or self._done.get(key) == layout:
                    continue
                if not os.path.isdir(device.volume.tmp):
                    progress.failed += 1  # it is not there; nothing can be said of its files
                    continue
                work = _steps(objects, layout, progress)
                while await device.do(lambda work=work: next(work, None)) is not None:  # type: ignore[misc]
                    if device.layout(policy) != layout:
                        break  # the next pass begins with what is so now
                else:
                    self._done[key] = layout
        return progress.line("files linked or unlinked")

    def state(self) -> list[Relinked]:
        """How far this machine is, by policy."""
        found: dict[int, Relinked] = {}
        for device in self._devices:
            for policy in device.policies:
                layout = device.layout(policy)
                done = self._done.get((device.name, policy)) == layout
                before = found.get(policy)
                found[policy] = Relinked(policy, layout.power, layout.next, done and (before is None or before.done))
        return list(found.values())


def _steps(objects: ObjectFiles, layout: Layout, progress: Progress) -> Iterator[bool]:
    """One device's files of one policy, step by step; it may be left at any."""
    known = marked(objects.root)
    if known is None:
        # From before devices remembered, or new: what is here was written for the partitions there were until now.
        reached = layout.power if layout.next != layout.power or not os.path.isdir(objects.root) else 0
        known = _marked(objects, Mark(power=reached))
    if layout.next > layout.power:
        if known.power == layout.power and known.linked != layout.next:
            yield from _linked(objects, layout.next, layout, progress)
            _marked(objects, Mark(power=known.power, linked=layout.next))
            failpoint("relink", "linked")
            return
    if known.power == layout.power and layout.next != layout.power:
        return
    if layout.power not in {known.power, known.linked}:
        yield from _linked(objects, layout.power, None, progress)
        known = _marked(objects, Mark(power=known.power, linked=layout.power))
        failpoint("relink", "linked")
    yield from _swept(objects, layout.power, progress)
    _marked(objects, Mark(power=layout.power, linked=layout.power))
    failpoint("relink", "swept")


def _linked(objects: ObjectFiles, power: int, of: Layout | None, progress: Progress) -> Iterator[bool]:
    """Every file that counts has a link where it is looked for with so many partitions."""
    for folder, partition, names in _folders(objects):
        for name in names:
            hash = name[:32]
            if of is not None and partition_of(hash, of.power) != partition:
                continue
            target = objects.folder(partition_of(hash, power), hash)
            if target == folder:
                continue
            progress.seen += 1
            if link(os.path.join(folder, name), target):
                progress.done += 1
                failpoint("relink", "one linked")
            sync_folder(target)
        yield True


def _swept(objects: ObjectFiles, power: int, progress: Progress) -> Iterator[bool]:
    """No file is where nobody looks with so many partitions."""
    for folder, partition, names in _folders(objects):
        strange = [name for name in names if partition_of(name[:32], power) != partition]
        for name in strange:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name))
                progress.done += 1
                failpoint("relink", "one unlinked")
        if strange:
            sync_folder(folder)
        for empty in (folder, os.path.dirname(folder)):
            with contextlib.suppress(OSError):
                os.rmdir(empty)
        yield True


def _folders(objects: ObjectFiles) -> Iterator[tuple[str, int, list[str]]]:
    """Every directory of files, its partition, and the names in it."""
    for partition in objects.partitions():
        top = os.path.join(objects.root, str(partition))
        with contextlib.suppress(FileNotFoundError):
            for suffix in sorted(os.listdir(top)):
                folder = os.path.join(top, suffix)
                with contextlib.suppress(FileNotFoundError):
                    yield folder, partition, [name for name in os.listdir(folder) if named(name) is not None]


def _marked(objects: ObjectFiles, done: Mark) -> Mark:
    if not os.path.isdir(objects.volume.tmp):
        raise DeviceUnusable(device=objects.volume.name, why="it went meanwhile")
    mark(objects.root, done, objects.volume.tmp)
    return done
