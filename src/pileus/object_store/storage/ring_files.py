"""Rings on disk: the builder's file is the ring, so that a device that is added moves only its own share."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from pileus.object_store.disk.durable import ensure_folder, write_durably
from pileus.object_store.errors import StorageProblem
from pileus.object_store.ring.builder import Builder
from pileus.object_store.ring.places import Device


class BadRing(StorageProblem):
    """{file} holds no ring that this release knows: {why}. Nothing can be found without it; bring it back from a backup."""


def ensure_ring(
    file: Path, weights: Mapping[str, float], *, part_power: int, replicas: float, min_part_hours: float, hours: float
) -> Builder:
    """The ring in a file, over exactly these devices (name to weight); made when there is none, rebalanced when they changed.

    The number of partitions stays what it was made with. `hours` since 1970 is now.
    """
    builder = _read(file)
    fresh = builder is None
    if builder is None:
        builder = Builder(part_power=part_power, replicas=1.0)
    copies = min(replicas, float(len(weights)))
    changed = _fit(builder, weights)
    changed = changed or fresh or builder.replicas != copies
    builder.replicas = copies
    builder.min_part_hours = min_part_hours
    # A first ring, and one with another number of copies, is made at once; else one copy of a partition moves at a time.
    # What could not move when a device came, because it had moved just before, moves at a later start.
    balance = builder.rebalance(hours)
    if not changed and not balance.moved:
        return builder
    ensure_folder(str(file.parent))
    write_durably(str(file), msgspec.json.encode(builder), str(file.parent))
    return builder


def _read(file: Path) -> Builder | None:
    try:
        builder = msgspec.json.decode(file.read_bytes(), type=Builder)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, msgspec.ValidationError) as bad:
        raise BadRing(file=file, why=bad) from bad
    if builder.format != 1:
        raise BadRing(file=file, why=f"its format is {builder.format}")
    return builder


def _fit(builder: Builder, weights: Mapping[str, float]) -> bool:
    """The builder has these devices and no others; return whether that was a change."""
    known = {device.name: device for device in builder.devices.values()}
    changed = False
    for name, device in known.items():
        if name not in weights:
            builder.remove_device(device.id)
            changed = True
    following = max((device.id for device in known.values()), default=-1) + 1
    for name, weight in weights.items():
        if name not in known:
            builder.set_device(Device(id=following, name=name, weight=weight))
            following, changed = following + 1, True
        elif known[name].weight != weight:
            builder.set_device(msgspec.structs.replace(known[name], weight=weight))
            changed = True
    return changed


def weight_of(folder: Path) -> float:
    """A device's share: its size in GiB, at least one; devices on one disk share it alike."""
    there = folder
    while not there.exists():
        there = there.parent
    found = os.statvfs(there)
    return float(max(1, found.f_blocks * found.f_frsize >> 30))
