"""Volumes in LVM: what its programs are told, and what every back end promises, with an LVM that is pretended.

The pretended one understands the very words the driver uses, and nothing else, and keeps volumes as files. The real one
needs a kernel with device-mapper; where there is none, its reports are all that can be tried.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest
from tests.block_storage.drivers.contract import BackendContract, a_disk, of
from tests.block_storage.drivers.files import WorldOfFiles

from pileus.block_storage.drivers.disk_backend import DiskBackend
from pileus.block_storage.drivers.interface import DriverError, Kind
from pileus.block_storage.drivers.lvm import Group, LvmDisks, listed
from pileus.kit.run import Finished, ProgramFailed

GROUP = Group(name="vg", pool="thin")
EXTENT = 4 << 20


class PretendedLvm:
    """Obeys LVM's command lines; each volume is a file in a folder that stands for the group's devices."""

    def __init__(self, devices: Path) -> None:
        self.folder = devices / GROUP.name
        self.folder.mkdir()
        self.zero = "zero"

    async def __call__(self, argv: Sequence[str], *, deadline_s: float) -> Finished:
        program, *words = argv
        try:
            out = getattr(self, program.replace("-", "_"))(words)
        except (FileNotFoundError, FileExistsError) as failed:
            raise ProgramFailed(argv, f"Failed to find logical volume, or it exists: {failed}") from failed
        return Finished(tuple(argv), 0, out or "", "")

    def lvs(self, words: list[str]) -> str:
        assert words[:5] == ["--reportformat", "json", "--units", "b", "--nosuffix"]
        if words[-1] == "vg/thin":
            rows = [{"lv_name": "thin", "lv_size": str(100 << 30), "data_percent": "25.00", "zero": self.zero}]
        else:
            assert words[-4:] == ["lv_name,lv_size", "--select", "pool_lv=thin", "vg"]
            rows = [{"lv_name": file.name, "lv_size": str(file.stat().st_size)} for file in self.folder.iterdir()]
        return msgspec.json.encode({"report": [{"lv": rows}]}).decode()

    def lvcreate(self, words: list[str]) -> None:
        name = words[words.index("--name") + 1]
        if "--snapshot" in words:
            assert words[words.index("--setactivationskip") + 1] == "n"
            source = self.folder / words[-1].removeprefix("vg/")
            assert not (self.folder / name).exists(), name
            with (self.folder / name).open("xb") as out:
                out.truncate(source.stat().st_size)
            sparse_copy(source, self.folder / name)
            return
        size = int(words[words.index("--virtualsize") + 1].removesuffix("b"))
        assert ("thin", "vg") == (words[words.index("--thinpool") + 1], words[-1])
        with (self.folder / name).open("xb") as file:
            file.truncate(-(-size // EXTENT) * EXTENT)

    def lvextend(self, words: list[str]) -> None:
        file = self.folder / words[-1].removeprefix("vg/")
        with file.open("r+b") as out:
            out.truncate(int(words[words.index("--size") + 1].removesuffix("b")))

    def lvrename(self, words: list[str]) -> None:
        _, group, old, new = words
        assert ("vg", False) == (group, (self.folder / new).exists())
        (self.folder / old).rename(self.folder / new)

    def lvremove(self, words: list[str]) -> None:
        assert "--yes" in words
        (self.folder / words[-1].removeprefix("vg/")).unlink()

    def qemu_img(self, words: list[str]) -> None:
        assert words[:7] == ["convert", "-n", "--target-is-zero", "-f", "raw", "-O", "raw"]
        source, target = map(Path, words[7:])
        sparse_copy(source, target)


def sparse_copy(source: Path, target: Path) -> None:
    """What is written in one file is written in the other; holes are left as they are."""
    with source.open("rb") as reading, target.open("r+b") as out:
        end, at = reading.seek(0, os.SEEK_END), 0
        while at < end:
            try:
                at = os.lseek(reading.fileno(), at, os.SEEK_DATA)
            except OSError:  # nothing but a hole is left
                return
            stop = os.lseek(reading.fileno(), at, os.SEEK_HOLE)
            reading.seek(at)
            out.seek(at)
            out.write(reading.read(stop - at))
            at = stop


class LvmWorld(WorldOfFiles):
    def __init__(self, root: Path) -> None:
        super().__init__()
        self.lvm = PretendedLvm(root)
        disks = LvmDisks("b", GROUP, root / "spool", ask=self.lvm, devices=root)
        self.backend = DiskBackend(disks, self.images, root / "backups")

    def file(self, kind: Kind, id: str) -> Path:
        (file,) = self.lvm.folder.glob(f"{kind}.{id}.*")
        return file


class TestLvm(BackendContract):
    @contextlib.asynccontextmanager
    async def world(self, tmp_path: Path) -> AsyncIterator[LvmWorld]:
        world = LvmWorld(tmp_path)
        yield world
        await world.backend.close()

    async def test_a_moment_of_a_volume_in_use_is_exported_and_nothing_stays(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk = a_disk()
            await self.made(world, disk)
            async with world.backend.reading(of(Kind.VOLUME, disk.id), tmp_path, live=True) as file:
                assert file.name.endswith(".still")
            assert [f"volume.{disk.id}.0"] == [path.name for path in world.lvm.folder.iterdir()]

    async def test_a_pool_that_gives_away_what_others_wrote_is_refused(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            world.lvm.zero = ""
            with pytest.raises(DriverError, match="lvchange --zero y vg/thin"):
                await world.backend.room()
            with pytest.raises(DriverError, match="does not zero"):
                await self.made(world, a_disk())

    async def test_what_was_cut_off_is_not_taken_for_whole(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            (world.lvm.folder / "volume.x.0.part").touch()
            assert {} == await world.backend.observe(Kind.VOLUME)
            await world.backend.ensure_gone(Kind.VOLUME, "x")
            assert [] == list(world.lvm.folder.iterdir())

    async def test_the_room_is_what_the_pool_has_left(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            room = await world.backend.room()
            assert (100.0, 75.0, None) == (room.total_gib, room.free_gib, room.shared)


def test_a_report_of_lvm_is_understood() -> None:
    text = """
      { "report": [ { "lv": [ {"lv_name":"volume.a.0", "lv_size":"1073741824"} ] } ], "log": [] }
    """
    assert [("volume.a.0", "1073741824")] == [(each.lv_name, each.lv_size) for each in listed(text)]
