"""Who keeps the rings: the first controller. It takes in what hosts offer, moves as little as can be, and publishes the outcome.

A builder's file is the ring (`ring.json`, and `ring-<index>.json` for policies with rings of their own), so that a device that is
added moves only its own share.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import msgspec

from pileus.object_store.disk.durable import ensure_folder, write_durably
from pileus.object_store.errors import StorageProblem
from pileus.object_store.ring.builder import Balance, Builder
from pileus.object_store.ring.places import Device
from pileus.object_store.ring.rings import Policy
from pileus.object_store.storage.published import FIRST, MAIN, Atlas, Published, Reached, packed

MOST_POWER = 24


class BadRing(StorageProblem):
    """{file} holds no ring that this release knows: {why}. Nothing can be found without it; bring it back from a backup."""


class NoSuchDevice(StorageProblem):
    """There is no device {name}; `pileus ring` lists them."""


class NoSuchPolicy(StorageProblem):
    """There is no storage policy {index}; `pileus ring` lists them."""


class Doubling(StorageProblem):
    """Policy {index} has 2 ** {power} partitions; they are being doubled, or are as many as there can be (2 ** {most})."""


class Offered(msgspec.Struct, frozen=True):
    """A directory that a host gives to object storage."""

    name: str
    weight: float
    region: int = 1
    zone: int = 1


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How rings are made."""

    part_power: int
    replicas: float
    min_part_hours: float
    overload: float = 0.0


class Keeper:
    """The master copy of the rings. Everything here blocks for moments; it is seldom asked."""

    def __init__(self, folder: Path, shape: Shape, policies: Sequence[Policy], hours: Callable[[], float]) -> None:
        self._folder = folder
        self._shape = shape
        self._policies = tuple(policies)
        self._hours = hours
        self.builders = {MAIN: self._builder(MAIN, shape.replicas)}
        for policy in policies:
            name = str(policy.index)
            if policy.fragments is not None:
                self.builders[name] = self._builder(name, float(sum(policy.fragments)))
            elif self._file(name).exists():  # its partitions were doubled once
                self.builders[name] = self._builder(name, shape.replicas)
        file = folder / "cluster.json"
        found = Atlas.kept(file)
        self.atlas = found or Atlas(file, self._published(0, _salt(folder), {}))

    def offer(self, host: str, devices: Sequence[Offered], reached: Reached | None = None) -> bool:
        """The host's devices are in the rings, these and no others; return whether that changed anything."""
        changed = self._fitted(host, devices)
        hosts = dict(self.atlas.cluster.hosts)
        if reached is not None:
            hosts[host] = reached
        return self._settle(hosts, changed=changed)

    def place(self, host: str, reached: Reached) -> bool:
        """Everybody knows where the host answers; return whether that is news."""
        return self._settle({**self.atlas.cluster.hosts, host: reached}, changed=False)

    def expel(self, host: str) -> bool:
        """The host and its devices are of the cluster no more; return whether they were."""
        hosts = {name: reached for name, reached in self.atlas.cluster.hosts.items() if name != host}
        changed = self._fitted(host, ())
        return self._settle(hosts, changed=changed)

    def holds(self, host: str) -> int:
        """How many devices of a host are in the rings."""
        return sum(device.host == host for device in self.builders[MAIN].devices.values())

    def rebalance(self) -> Mapping[str, Balance]:
        """The devices are nearer to their shares; what could not move yet moves when it is called again later."""
        made = {name: self._balanced(name, builder) for name, builder in self.builders.items()}
        if any(balance.moved for balance in made.values()):
            self._store(dict(self.atlas.cluster.hosts))
        return made

    def change(self, name: str, **values: object) -> Device:
        """The device has this weight, zone or region from now on, whatever its host says; raises NoSuchDevice."""
        changed: Device | None = None
        for builder in self.builders.values():
            for device in list(builder.devices.values()):
                if device.name == name:
                    changed = msgspec.structs.replace(device, **values)
                    builder.set_device(changed)
                    builder.settled = sorted({*builder.settled, name})
        if changed is None:
            raise NoSuchDevice(name=name)
        self._settle(dict(self.atlas.cluster.hosts), changed=True)
        return changed

    def remove(self, name: str) -> None:
        """The device is out of the rings, at once and until it is added again; raises NoSuchDevice."""
        found = False
        for builder in self.builders.values():
            for device in list(builder.devices.values()):
                if device.name == name:
                    builder.remove_device(device.id)
                    builder.removed = sorted({*builder.removed, name})
                    found = True
        if not found:
            raise NoSuchDevice(name=name)
        self._settle(dict(self.atlas.cluster.hosts), changed=True)

    def double(self, index: int) -> None:
        """The objects of a policy get twice as many partitions, step by step; raises NoSuchPolicy, or Doubling."""
        if all(policy.index != index for policy in self._policies):
            raise NoSuchPolicy(index=index)
        name = str(index)
        made = self.builders.get(name)
        if made is None:  # from now on a ring of its own, which begins as the common one; nothing moves
            made = self.builders[name] = msgspec.json.decode(msgspec.json.encode(self.builders[MAIN]), type=Builder)
        if made.next_part_power or made.part_power >= MOST_POWER:
            raise Doubling(index=index, power=made.part_power, most=MOST_POWER)
        made.prepare_part_power()
        self._store(dict(self.atlas.cluster.hosts))

    def step(self, index: int) -> None:
        """Every device is done with the step before: partitions are doubled, or that is over."""
        made = self.builders[str(index)]
        if made.next_part_power > made.part_power:
            made.increase_part_power()
        else:
            made.finish_part_power()
        self._store(dict(self.atlas.cluster.hosts))

    def doubling(self) -> list[int]:
        """The policies whose partitions are being doubled."""
        return [int(name) for name, made in self.builders.items() if name != MAIN and made.next_part_power]

    def allow(self, name: str) -> bool:
        """A device that was removed may come back; it does when its host offers it next. Return whether it was removed."""
        if not any(name in builder.removed for builder in self.builders.values()):
            return False
        for builder in self.builders.values():
            builder.removed = [one for one in builder.removed if one != name]
        self._store(dict(self.atlas.cluster.hosts))
        return True

    def _fitted(self, host: str, devices: Sequence[Offered]) -> bool:
        found = [_fit(builder, host, devices) for builder in self.builders.values()]
        return any(found)

    def _settle(self, hosts: dict[str, Reached], *, changed: bool) -> bool:
        """Rings are balanced and published, if there is anything new."""
        moved = False
        for name, builder in self.builders.items():
            before = builder.replicas
            balance = self._balanced(name, builder)
            moved = moved or bool(balance.moved) or builder.replicas != before
        known = self.atlas.cluster
        same = hosts == known.hosts and self._policies == known.policies and known.version > 0
        if same and not changed and not moved:
            return False
        self._store(hosts)
        return True

    def _balanced(self, name: str, builder: Builder) -> Balance:
        wanted = self._shape.replicas
        if name != MAIN:
            policy = next(one for one in self._policies if str(one.index) == name)
            wanted = float(sum(policy.fragments)) if policy.fragments is not None else wanted
        # One device never has two copies of a partition; when more devices come, there are more copies.
        builder.replicas = min(wanted, float(len([one for one in builder.devices.values() if one.weight > 0])))
        builder.min_part_hours = self._shape.min_part_hours
        builder.overload = self._shape.overload
        if not builder.devices:
            return Balance(0, 0.0, 0)
        return builder.rebalance(self._hours())

    def _store(self, hosts: dict[str, Reached]) -> None:
        ensure_folder(str(self._folder))
        for name, builder in self.builders.items():
            write_durably(str(self._file(name)), msgspec.json.encode(builder), str(self._folder))
        cluster = self.atlas.cluster
        published = self._published(cluster.version + 1, cluster.salt, hosts)
        self.atlas.take(published)

    def _published(self, version: int, salt: str, hosts: dict[str, Reached]) -> Published:
        rings = {name: packed(builder.ring()) for name, builder in self.builders.items()}
        return Published(version=version, salt=salt, policies=self._policies, rings=rings, hosts=hosts)

    def _builder(self, name: str, replicas: float) -> Builder:
        file = self._file(name)
        try:
            found = msgspec.json.decode(file.read_bytes(), type=Builder)
        except FileNotFoundError:
            return Builder(part_power=self._shape.part_power, replicas=replicas)
        except msgspec.DecodeError as bad:
            raise BadRing(file=file, why=bad) from bad
        if found.format != 1:
            raise BadRing(file=file, why=f"its format is {found.format}")
        return found

    def _file(self, name: str) -> Path:
        return self._folder / ("ring.json" if name == MAIN else f"ring-{name}.json")


def device_name(host: str, folder: str) -> str:
    """What a directory of a host is called in rings."""
    return folder if host == FIRST else f"{host}:{folder}"


def _fit(builder: Builder, host: str, offered: Sequence[Offered]) -> bool:
    """The builder has these devices of the host and no others; return whether that was a change."""
    known = {device.name: device for device in builder.devices.values() if device.host == host}
    wanted = {device_name(host, one.name): one for one in offered}
    changed = False
    for name, device in known.items():
        if name not in wanted:
            builder.remove_device(device.id)
            changed = True
    following = max(builder.devices, default=-1) + 1
    for name, one in wanted.items():
        if name in builder.removed:
            continue
        if name not in known:
            made = Device(id=following, name=name, host=host, weight=one.weight, region=one.region, zone=one.zone)
            builder.set_device(made)
            following, changed = following + 1, True
            continue
        now = msgspec.structs.replace(known[name], weight=one.weight, region=one.region, zone=one.zone)
        if now != known[name] and name not in builder.settled:
            builder.set_device(now)
            changed = True
    return changed


def weight_of(folder: Path) -> float:
    """A device's share: its size in GiB, at least one; devices on one disk share it alike."""
    there = folder
    while not there.exists():
        there = there.parent
    found = os.statvfs(there)
    return float(max(1, found.f_blocks * found.f_frsize >> 30))


def _salt(folder: Path) -> str:
    """What keeps clients from choosing where their things go; once made it stays, since all is found by it."""
    file = folder / "salt"
    if not file.exists():
        ensure_folder(str(folder))
        write_durably(str(file), uuid4().hex.encode(), str(folder))
    return file.read_text().strip()
