"""Making rings: which device gets which partition, moving as little as can be when devices come, go or change weight.

Copies of one partition go as far apart as the devices allow (region, then zone, then host, then disk), and every
device gets its share by weight. A partition moves one copy at a time and not again for `min_part_hours`, so that what
moves is always whole elsewhere.
"""

from array import array
from collections.abc import Mapping, Sequence

import msgspec

from pileus.object_store.ring.places import Device, Ring

NOBODY = 0xFFFF


class Balance(msgspec.Struct, frozen=True):
    """How well a ring is made: how many copies moved, the worst device's distance from its share, copies too close."""

    moved: int
    worst_percent: float
    close: int


class Builder(msgspec.Struct, kw_only=True):
    """A ring in the making; it is stored as it is."""

    format: int = 1
    part_power: int
    next_part_power: int = 0  # greater than part_power: being prepared; the same: just reached
    replicas: float
    min_part_hours: float = 1.0
    overload: float = 0.0  # how far a device may go beyond its share for the sake of distance
    version: int = 0
    devices: dict[int, Device] = {}
    rows: list[list[int]] = []
    moved_at: list[float] = []  # hours since 1970, by partition
    settled: list[str] = []  # devices whose weight, zone and region the operator chose
    removed: list[str] = []  # devices the operator took out, which do not come back by themselves

    def set_device(self, device: Device) -> None:
        """The device takes part from the next rebalance on, or has this weight then."""
        self.devices[device.id] = device

    def remove_device(self, id: int) -> None:
        """The device gives up what it has at the next rebalance."""
        del self.devices[id]

    def ring(self) -> Ring:
        """The ring as proxies use it."""
        rows = [array("H", row) for row in self.rows]
        return Ring(self.part_power, list(self.devices.values()), rows, self.version, self.next_part_power)

    def rebalance(self, hours: float) -> Balance:
        """Every copy is somewhere, and the devices are nearer to their shares; `hours` since 1970 is now."""
        self._shape()
        shares = self._shares()
        loads = dict.fromkeys(self.devices, 0)
        orphans = []
        for replica, row in enumerate(self.rows):
            for partition, id in enumerate(row):
                if id in loads:
                    loads[id] += 1
                else:
                    orphans.append((partition, replica))
        moved = len(orphans)
        for partition, replica in orphans:
            self._assign(partition, replica, loads, shares)
            self.moved_at[partition] = hours
        moved += self._spread(hours, loads, shares)
        self.version += 1
        return Balance(moved, self._worst(loads, shares), self._close())

    def standing(self) -> tuple[dict[int, float], dict[int, int], Balance]:
        """What each device should have, what it has, and how well the ring is made."""
        shares, loads = self._shares(), dict.fromkeys(self.devices, 0)
        for row in self.rows:
            for id in row:
                if id in loads:
                    loads[id] += 1
        return shares or dict.fromkeys(self.devices, 0.0), loads, Balance(0, self._worst(loads, shares), self._close())

    def dispersed(self) -> int:
        """How many partitions have copies nearer to each other than the devices make necessary."""
        partitions, tiers = range(len(self.moved_at)), self._tiers()
        return sum(
            any(
                found < most
                for found, most in zip(self._distance(partition), self._farthest(partition, tiers), strict=True)
            )
            for partition in partitions
        )

    def prepare_part_power(self) -> None:
        """There will be twice as many partitions: devices link their files to where they will be looked for."""
        self.next_part_power = self.part_power + 1
        self.version += 1

    def finish_part_power(self) -> None:
        """Every device is done with it; or it was only prepared and shall not be."""
        self.next_part_power = 0
        self.version += 1

    def increase_part_power(self) -> None:
        """Each partition becomes two on the same devices: nothing moves between devices, files move on each."""
        self.part_power += 1
        self.rows = [[id for id in row for _ in range(2)] for row in self.rows]
        self.moved_at = [at for at in self.moved_at for _ in range(2)]
        self.version += 1

    def _shape(self) -> None:
        """There is a row for each replica; of a fraction of one, a part of a row."""
        partitions = 1 << self.part_power
        lengths = [partitions] * int(self.replicas)
        rest = int((self.replicas - int(self.replicas)) * partitions)
        lengths += [rest] if rest else []
        rows = [list(row[:length]) for row, length in zip(self.rows, lengths, strict=False)]
        rows += [[] for _ in range(len(lengths) - len(rows))]
        self.rows = [row + [NOBODY] * (length - len(row)) for row, length in zip(rows, lengths, strict=True)]
        self.moved_at = self.moved_at or [0.0] * partitions

    def _shares(self) -> dict[int, float]:
        total = sum(len(row) for row in self.rows)
        weight = sum(device.weight for device in self.devices.values())
        return {id: total * device.weight / weight for id, device in self.devices.items()} if weight else {}

    def _assign(self, partition: int, replica: int, loads: dict[int, int], shares: Mapping[int, float]) -> None:
        others = [row[partition] for at, row in enumerate(self.rows) if at != replica and partition < len(row)]
        near = [self.devices[id].tiers for id in others if id in self.devices]

        def price(device: Device) -> tuple[float, ...]:
            # The same disk twice is no copy at all; then those without room; then distance; then hunger.
            same = sum(device.tiers[3] in tiers for tiers in near)
            hunger = shares[device.id] * (1 + self.overload) - loads[device.id]
            close = [sum(device.tiers[level] in tiers for tiers in near) for level in range(3)]
            return (same, *close, -hunger)

        able = [device for device in self.devices.values() if device.weight > 0]
        chosen = min(able, key=price)
        self.rows[replica][partition] = chosen.id
        loads[chosen.id] += 1

    def _spread(self, hours: float, loads: dict[int, int], shares: Mapping[int, float]) -> int:
        """Copies go from devices that have too many to those that have too few; return how many did."""
        moved = 0
        partitions = 1 << self.part_power
        tiers = self._tiers()
        for step in range(partitions):
            partition = (step * 40503 + self.version) % partitions  # a different order each time, the same everywhere
            if hours - self.moved_at[partition] < self.min_part_hours:
                continue
            apart = self._distance(partition) >= self._farthest(partition, tiers)
            for replica, row in enumerate(self.rows):
                if partition < len(row) and self._better(partition, replica, loads, shares, apart=apart):
                    self.moved_at[partition] = hours
                    moved += 1
                    break
        return moved

    def _better(
        self, partition: int, replica: int, loads: dict[int, int], shares: Mapping[int, float], *, apart: bool
    ) -> bool:
        """One copy moved to where it is needed more, or further from the others, if there is such a place."""
        row = self.rows[replica]
        now = row[partition]
        many = loads[now] > shares[now] + 0.999 or self.devices[now].weight <= 0
        if not many and apart:
            return False
        before = self._distance(partition)
        hungry = [id for id in self.devices if loads[id] + 1 <= shares[id] + (0.999 if many else 1.999)]
        for id in sorted(hungry, key=lambda id: loads[id] - shares[id]):
            row[partition] = id
            found = self._distance(partition)
            if found > before or (many and found >= before and loads[id] + 1 <= shares[id] + 0.999):
                loads[now] -= 1
                loads[id] += 1
                return True
        row[partition] = now
        return False

    def _tiers(self) -> tuple[int, ...]:
        """How many disks, regions, zones and hosts there are to spread over."""
        able = [device.tiers for device in self.devices.values() if device.weight > 0]
        return tuple(len({tiers[level] for tiers in able}) for level in (3, 0, 1, 2))

    def _farthest(self, partition: int, tiers: tuple[int, ...]) -> tuple[int, ...]:
        """How far apart a partition's copies could be at best."""
        held = sum(partition < len(row) for row in self.rows)
        return tuple(min(held, most) for most in tiers)

    def _distance(self, partition: int) -> tuple[int, ...]:
        """How far apart a partition's copies are; greater is better."""
        ids = [row[partition] for row in self.rows if partition < len(row)]
        tiers = [self.devices[id].tiers for id in ids if id in self.devices]
        return tuple(len({tier[level] for tier in tiers}) for level in (3, 0, 1, 2))

    def _worst(self, loads: Mapping[int, int], shares: Mapping[int, float]) -> float:
        return max((abs(loads[id] - share) / share * 100 for id, share in shares.items() if share), default=0.0)

    def _close(self) -> int:
        """How many partitions have two copies on one device."""
        count = 0
        for partition in range(1 << self.part_power):
            ids = [row[partition] for row in self.rows if partition < len(row)]
            count += len(ids) != len(set(ids))
        return count


def balanced(devices: Sequence[Device], part_power: int, replicas: float) -> Ring:
    """A new ring over some devices; never more copies than there are devices."""
    builder = Builder(part_power=part_power, replicas=min(replicas, len(devices)))
    for device in devices:
        builder.set_device(device)
    builder.rebalance(0.0)
    return builder.ring()
