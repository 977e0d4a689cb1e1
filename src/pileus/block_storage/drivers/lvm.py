"""Volumes as thin logical volumes of a host.

    <group>/volume.<id>.<content>        a volume
    <group>/...<content>.part            one that is not whole
    <group>/...<content>.still           a moment of one in use that is being read; gone when that is done

A copy is a thin snapshot, made at once and of one moment. The pool has to zero what it gives away, which is what LVM does
unless told otherwise: with `--zero n` a new volume could show what a deleted one held, so such a pool is refused.
"""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from pileus.block_storage.drivers.backup_chunks import Chunks
from pileus.block_storage.drivers.disk_backend import DiskBackend
from pileus.block_storage.drivers.disks import Disks, Spot, spot_of
from pileus.block_storage.drivers.image_tool import COPY_S
from pileus.block_storage.drivers.interface import GIB, DriverError, Kind, Origin, Place, Room
from pileus.kit.run import Finished, ProgramFailed, run
from pileus.ports.image_files import ImageFiles

PART, STILL = ".part", ".still"
REPORT = ("--reportformat", "json", "--units", "b", "--nosuffix")
DEVICES = Path("/dev")
Ask = Callable[..., Awaitable[Finished]]


class Listed(msgspec.Struct):
    """A logical volume, as `lvs` reports it: every value is text."""

    lv_name: str
    lv_size: str
    data_percent: str = ""
    zero: str = ""


class _Report(msgspec.Struct):
    lv: list[Listed]


class _Reports(msgspec.Struct):
    report: list[_Report]


def listed(text: str) -> list[Listed]:
    """What `lvs --reportformat json` lists."""
    return [each for report in msgspec.json.decode(text, type=_Reports).report for each in report.lv]


class Group(msgspec.Struct, frozen=True):
    """A volume group and the thin pool in it; what LVM is told of them."""

    name: str
    pool: str

    def lvs(self) -> list[str]:
        """List what is in the pool."""
        return ["lvs", *REPORT, "--options", "lv_name,lv_size", "--select", f"pool_lv={self.pool}", self.name]

    def room(self) -> list[str]:
        """Tell what the pool has."""
        return ["lvs", *REPORT, "--options", "lv_name,lv_size,data_percent,zero", f"{self.name}/{self.pool}"]

    def create(self, name: str, size: int) -> list[str]:
        """Make a thin volume, which reads as zeros."""
        size_of = ("--virtualsize", f"{size}b", "--thinpool", self.pool)
        return ["lvcreate", "--yes", "--quiet", *size_of, "--name", name, self.name]

    def snapshot(self, source: str, name: str) -> list[str]:
        """Make a thin snapshot, which is used like any other volume."""
        usable = ("--setactivationskip", "n")
        return ["lvcreate", "--yes", "--quiet", "--snapshot", *usable, "--name", name, f"{self.name}/{source}"]

    def extend(self, name: str, size: int) -> list[str]:
        """Make a volume longer."""
        return ["lvextend", "--quiet", "--size", f"{size}b", f"{self.name}/{name}"]

    def rename(self, name: str, new: str) -> list[str]:
        """Give a volume another name."""
        return ["lvrename", "--quiet", self.name, name, new]

    def remove(self, name: str) -> list[str]:
        """Remove a volume."""
        return ["lvremove", "--yes", "--quiet", f"{self.name}/{name}"]


def write_device(file: Path, device: Path) -> list[str]:
    """Write a raw file to a device that reads as zeros: zeros are left out. Raw bytes are not parsed."""
    return ["qemu-img", "convert", "-n", "--target-is-zero", "-f", "raw", "-O", "raw", str(file), str(device)]


class LvmDisks:
    """Keeps disks in a thin pool. What has to be a file for a while is below `root`."""

    def __init__(self, name: str, group: Group, root: Path, *, ask: Ask = run, devices: Path = DEVICES) -> None:
        self._name = name
        self._group = group
        self._root = root
        self._ask = ask
        self._devices = devices / group.name

    async def room(self) -> Room:
        """What the pool has; raises DriverError for one that does not zero what it gives away."""
        (pool,) = listed((await self._lvm(self._group.room())).out)
        if pool.zero != "zero":
            why = f"it does not zero new blocks: lvchange --zero y {self._group.name}/{self._group.pool}"
            raise DriverError(f"Pool {self._group.pool} cannot be used", why)
        total = int(pool.lv_size)
        return Room(
            name=self._name,
            driver="lvm",
            total_gib=round(total / GIB, 2),
            free_gib=round(total * (1 - float(pool.data_percent or 0) / 100) / GIB, 2),
            capabilities={
                "storage_protocol": "lvm",
                "vendor_name": "Pileus",
                "driver_version": "1.0",
                "thin_provisioning_support": True,
                "multiattach": True,
                "online_extend_support": True,
                "QoS_support": True,
            },
        )

    async def held(self, kind: Kind, id: str | None = None) -> Mapping[str, Mapping[int, int]]:
        """Disks of that kind: one report tells of all."""
        found: dict[str, dict[int, int]] = {}
        for each in await self._listed():
            spot = spot_of(each.lv_name)
            if spot is not None and spot.kind is kind and id in {None, spot.id}:
                found.setdefault(spot.id, {})[spot.content] = int(each.lv_size)
        return found

    async def blank(self, at: Spot, size: int) -> None:
        """A thin volume is there."""
        await self.room()
        await self._lvm(self._group.create(at.name, size))

    async def copy(self, source: Spot, at: Spot, *, live: bool) -> None:
        """A thin snapshot of this moment is there."""
        await self._lvm(self._group.snapshot(source.name, at.name))

    async def fill(self, at: Spot, file: Path) -> None:
        """A thin volume with the file's bytes is there; it has its name when it is whole."""
        await self.room()
        part = f"{at.name}{PART}"
        await self._drop(part)
        await self._lvm(self._group.create(part, await asyncio.to_thread(_length, file)))
        await self._lvm(write_device(file, self._devices / part), deadline_s=COPY_S)
        await self._lvm(self._group.rename(part, at.name))

    async def rename(self, source: Spot, at: Spot) -> None:
        """The volume has another name."""
        await self._lvm(self._group.rename(source.name, at.name))

    async def grow(self, at: Spot, size: int) -> None:
        """The volume has at least that size."""
        if (await self.held(at.kind, at.id)).get(at.id, {}).get(at.content, 0) < size:
            await self._lvm(self._group.extend(at.name, size))

    async def remove(self, at: Spot) -> None:
        """The volume is gone."""
        await self._drop(at.name)

    async def forget(self, kind: Kind, id: str) -> None:
        """No volume of the disk is left, whole or not."""
        for each in await self._listed():
            if each.lv_name.startswith(f"{kind}.{id}."):
                await self._drop(each.lv_name)
        await asyncio.to_thread(shutil.rmtree, self._root / kind / id, ignore_errors=True)

    @contextlib.asynccontextmanager
    async def reading(self, at: Spot, spool: Path, *, live: bool) -> AsyncIterator[Path]:
        """The device, or that of a snapshot while somebody may write to it."""
        if not live:
            yield (self._devices / at.name).resolve()
            return
        still = f"{at.name}{STILL}"
        await self._drop(still)
        await self._lvm(self._group.snapshot(at.name, still))
        try:
            yield (self._devices / still).resolve()
        finally:
            await self._drop(still)

    def sibling(self, origin: Origin) -> Disks | None:
        """A volume group is one host's."""
        return None

    def place(self, at: Spot) -> Place:
        """The device."""
        return Place(str(self._devices / at.name))

    async def _listed(self) -> list[Listed]:
        return listed((await self._lvm(self._group.lvs())).out)

    async def _drop(self, name: str) -> None:
        """No volume is called so."""
        if any(each.lv_name == name for each in await self._listed()):
            await self._lvm(self._group.remove(name))

    async def _lvm(self, argv: list[str], *, deadline_s: float = 60.0) -> Finished:
        try:
            return await self._ask(argv, deadline_s=deadline_s)
        except ProgramFailed as failed:
            raise DriverError(f"{argv[0]} failed", failed.why) from failed


class LvmBackend(DiskBackend):
    """A Backend of thin volumes; backups and what has to be a file for a while are below `root`."""

    def __init__(self, name: str, group: Group, root: Path, images: ImageFiles, chunks: Chunks | None = None) -> None:
        super().__init__(LvmDisks(name, group, root), images, root, chunks)


def _length(file: Path) -> int:
    """How many bytes a file or a device has."""
    with file.open("rb") as source:
        return source.seek(0, 2)
