"""A ring: which devices keep a thing, told from the hash of its path alone.

The hash's first `part_power` bits are its partition; for each replica a table says on which device a partition is. All
proxies and workers read the same ring, so nobody has to be asked where something is.
"""

from array import array
from collections.abc import Iterator, Sequence

import msgspec


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A disk of some machine. Region and zone are what fails together; weight is its share."""

    id: int
    name: str
    region: int = 1
    zone: int = 1
    host: str = ""  # host:port of its storage server; this process when empty
    weight: float = 1.0

    @property
    def tiers(self) -> tuple[tuple[object, ...], ...]:
        """What it is in, from the widest: region, zone, host, itself."""
        return (
            (self.region,),
            (self.region, self.zone),
            (self.region, self.zone, self.host),
            (self.region, self.zone, self.host, self.id),
        )


class Place(msgspec.Struct, frozen=True):
    """Where a copy belongs: a partition on a device. `index` is which replica it is; None on a handoff."""

    device: Device
    partition: int
    index: int | None = None
    power: int = 0  # the partitions' number as a power of two, where that has to be the same for those who speak of it


class Ring:
    """One table of partitions. `rows[replica][partition]` is a device's id; the last row may be shorter."""

    def __init__(
        self,
        part_power: int,
        devices: Sequence[Device],
        rows: Sequence["array[int]"],
        version: int = 1,
        next_part_power: int = 0,
    ) -> None:
        self.part_power = part_power
        self.next_part_power = (
            next_part_power  # greater: being prepared; the same: just reached; 0: nothing is going on
        )
        self.devices = {device.id: device for device in devices}
        self.rows = rows
        self.version = version

    @property
    def partitions(self) -> int:
        """How many there are."""
        return 1 << self.part_power

    @property
    def replicas(self) -> int:
        """How many copies the best kept partition has."""
        return len(self.rows)

    def partition(self, hash: str) -> int:
        """The partition of a path's hash."""
        return int(hash[:8], 16) >> (32 - self.part_power)

    def places(self, partition: int) -> list[Place]:
        """Where a partition belongs, one place a replica."""
        found: list[Place] = []
        seen: set[int] = set()
        for row in self.rows:
            if partition < len(row) and row[partition] not in seen:
                seen.add(row[partition])
                found.append(Place(self.devices[row[partition]], partition, len(found), self.part_power))
        return found

    def handoffs(self, partition: int) -> Iterator[Place]:
        """Every other device, the most distant from the partition's own first: who keeps it when those cannot."""
        own = {place.device.id for place in self.places(partition)}
        used: set[tuple[object, ...]] = {tier for id in own for tier in self.devices[id].tiers}
        rest = [device for device in self.devices.values() if device.id not in own and device.weight > 0]
        # Start at different devices for different partitions, so that one failure is not one device's load.
        rest = rest[partition % len(rest) :] + rest[: partition % len(rest)] if rest else []
        while rest:
            best = min(rest, key=lambda device: sum(tier in used for tier in device.tiers))
            rest.remove(best)
            used.update(best.tiers)
            yield Place(best, partition, None, self.part_power)
