"""Volumes as files keep what every back end promises, and what files have to beside it."""

import contextlib
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.block_storage.drivers.contract import IMAGE, BackendContract, a_disk, of
from tests.block_storage.drivers.files import WorldOfFiles
from tests.image.hostile import hostile, iso

from pileus.block_storage.drivers.backup_chunks import CHUNK
from pileus.block_storage.drivers.file import FileBackend
from pileus.block_storage.drivers.interface import Backend, Backup, DiskSeen, DriverError, Export, Kind, Origin
from pileus.kit.run import run


class FileWorld(WorldOfFiles):
    def __init__(self, root: Path, image: bytes = b"an image" * 512) -> None:
        super().__init__(image)
        self.root = root
        self.backend: Backend = FileBackend("b", root, self.images)

    def file(self, kind: Kind, id: str) -> Path:
        (file,) = (self.root / kind / id).glob("*.raw")
        return file


class TestFile(BackendContract):
    @contextlib.asynccontextmanager
    async def world(self, tmp_path: Path) -> AsyncIterator[FileWorld]:
        world = FileWorld(tmp_path)
        yield world
        await world.backend.close()

    async def test_a_blank_disk_takes_no_room(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk = a_disk(size_gib=10)
            await self.made(world, disk)
            found = world.file(Kind.VOLUME, disk.id).stat()
            assert (10 * 2**30, True) == (found.st_size, found.st_blocks * 512 < 2**20)
            assert 0o600 == found.st_mode & 0o777

    async def test_an_interrupted_copy_is_not_taken_for_a_whole_one(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            source = a_disk()
            await self.made(world, source)
            world.write(Kind.VOLUME, source.id, b"whole")
            copy = a_disk(origin=of(Kind.VOLUME, source.id))
            folder = tmp_path / Kind.VOLUME / copy.id
            folder.mkdir()
            (folder / "0.part").write_bytes(b"half")
            assert DiskSeen() == (await world.backend.observe(Kind.VOLUME))[copy.id]
            await self.made(world, copy)
            assert world.read(Kind.VOLUME, copy.id).startswith(b"whole")
            assert ["0.raw"] == [path.name for path in folder.iterdir()]

    async def test_nothing_is_left_of_what_a_disk_was_made_with_when_who_made_it_died(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk = a_disk()
            await self.made(world, disk)
            folder = tmp_path / Kind.VOLUME / disk.id
            (folder / "image").mkdir()
            for name in ("image/fetched", "header", f"{disk.id}.still"):
                (folder / name).write_bytes(b"an image")
            await self.made(world, disk)
            assert ["0.raw"] == [path.name for path in folder.iterdir()]

    async def test_an_image_that_does_not_fit_is_refused(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk = a_disk(size_gib=0, origin=Origin(kind="image", id=IMAGE))
            with pytest.raises(DriverError, match="does not fit"):
                await self.made(world, disk)
            assert [] == list((tmp_path / Kind.VOLUME / disk.id).iterdir())

    async def test_an_incremental_backup_writes_only_what_changed(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk = a_disk()
            await self.made(world, disk)
            with world.file(Kind.VOLUME, disk.id).open("r+b") as file:
                for at in range(3):
                    file.seek(at * CHUNK)
                    file.write(b"chunk %d" % at)
            full = Backup(id=str(uuid.uuid4()), backend="b", of=of(Kind.VOLUME, disk.id))
            assert 3 == (await self.backed_up(world, full)).objects
            with world.file(Kind.VOLUME, disk.id).open("r+b") as file:
                file.seek(CHUNK)
                file.write(b"other")
            more = Backup(id=str(uuid.uuid4()), backend="b", of=of(Kind.VOLUME, disk.id), parent=full.id)
            assert 1 == (await self.backed_up(world, more)).objects

    async def test_a_damaged_backup_is_not_restored(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk = a_disk()
            await self.made(world, disk)
            world.write(Kind.VOLUME, disk.id, b"precious")
            backup = Backup(id=str(uuid.uuid4()), backend="b", of=of(Kind.VOLUME, disk.id), compressed=False)
            await self.backed_up(world, backup)
            (chunk,) = (tmp_path / Kind.BACKUP / backup.id).glob("*.raw")
            chunk.write_bytes(b"x" * chunk.stat().st_size)
            with pytest.raises(DriverError, match="damaged"):
                await self.made(world, a_disk(origin=of(Kind.BACKUP, backup.id)))

    async def test_what_another_host_has_open_is_copied_by_that_host(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk, asked = a_disk(), Holders()
            world.backend.meet(asked, None)
            await self.made(world, disk)
            world.write(Kind.VOLUME, disk.id, b"torn")
            held = Origin(kind=Kind.VOLUME, id=disk.id, holder="h2")
            snapshot = a_disk(origin=held, live=True)
            await self.made(world, snapshot, Kind.SNAPSHOT)
            backup = Backup(id=str(uuid.uuid4()), backend="b", of=held, live=True)
            await self.backed_up(world, backup)
            restored = a_disk(origin=of(Kind.BACKUP, backup.id))
            await self.made(world, restored)
            for kind, id in ((Kind.SNAPSHOT, snapshot.id), (Kind.VOLUME, restored.id)):
                assert world.read(kind, id).startswith(b"whole")
            exporting = msgspec.structs.replace(disk, live=True, holder="h2", export=Export(name="i", format="raw"))
            seen = await self.made(world, exporting)
            assert seen.export is not None
            with open(seen.export.file, "rb") as image:
                assert b"whole" == image.read(5)
            assert [("h2", disk.id)] * 3 == asked.asked


@pytest.mark.host
class TestWithQemuImg:
    async def a_qcow2(self, room: Path, *more: str) -> bytes:
        raw = room / "raw"
        raw.write_bytes(b"an image" * 512)
        await run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *more, "raw", "made"], cwd=room)
        return (room / "made").read_bytes()

    async def test_an_image_is_converted_and_a_volume_becomes_one(self, tmp_path: Path) -> None:
        tmp_path.joinpath("work").mkdir()
        world = FileWorld(tmp_path / "root", await self.a_qcow2(tmp_path / "work"))
        contract, disk = TestFile(), a_disk(origin=Origin(kind="image", id=IMAGE, format="qcow2"))
        await contract.made(world, disk)
        assert world.read(Kind.VOLUME, disk.id).startswith(b"an image" * 512)
        exported = a_disk(id=disk.id, origin=disk.origin, export=Export(name="i", format="qcow2"))
        seen = await contract.made(world, exported)
        assert seen.export is not None
        assert Path(seen.export.file).read_bytes().startswith(b"QFI\xfb")
        await world.backend.close()

    async def test_an_image_above_a_file_of_the_host_reveals_nothing(self, tmp_path: Path) -> None:
        room = tmp_path / "work"
        room.mkdir()
        canary = room / "canary"
        canary.write_bytes(b"canary" * 1024)
        create = ["qemu-img", "create", "-f", "qcow2", "-b", str(canary), "-F", "raw", "made", "1M"]
        await run(create, cwd=room)
        world = FileWorld(tmp_path / "root", (room / "made").read_bytes())
        disk = a_disk(origin=Origin(kind="image", id=IMAGE, format="qcow2"))
        with pytest.raises(DriverError):
            await TestFile().made(world, disk)
        assert [] == list((tmp_path / "root" / Kind.VOLUME / disk.id).iterdir())
        await world.backend.close()

    async def test_what_is_no_raw_image_is_none_however_it_is_called(self, tmp_path: Path) -> None:
        room = tmp_path / "work"
        room.mkdir()
        world = FileWorld(tmp_path / "root", await self.a_qcow2(room))
        disk = a_disk(origin=Origin(kind="image", id=IMAGE, format="raw"))
        with pytest.raises(DriverError, match="it should be raw, and is qcow2"):
            await TestFile().made(world, disk)
        assert [] == list((tmp_path / "root" / Kind.VOLUME / disk.id).iterdir())
        await world.backend.close()

    @pytest.mark.parametrize(
        ("claim", "tool_name", "how"),
        [
            ("vmdk", "vmdk", ("-o", "subformat=monolithicSparse")),
            ("vmdk", "vmdk", ("-o", "subformat=streamOptimized")),
            ("vdi", "vdi", ()),
            ("vhd", "vpc", ("-o", "force_size=on")),
            ("vhdx", "vhdx", ()),
            ("ploop", "parallels", ()),
        ],
    )
    async def test_an_image_of_any_format_is_converted(
        self, claim: str, tool_name: str, how: tuple[str, ...], tmp_path: Path
    ) -> None:
        content = b"an image" * 2**17
        (tmp_path / "disk").write_bytes(content)
        await run(["qemu-img", "convert", "-f", "raw", "-O", tool_name, *how, "disk", "made"], cwd=tmp_path)
        world = FileWorld(tmp_path / "root", (tmp_path / "made").read_bytes())
        disk = a_disk(origin=Origin(kind="image", id=IMAGE, format=tool_name, claim=claim))
        await TestFile().made(world, disk)
        # Controllers of an earlier release tell only how qemu-img calls it.
        other = a_disk(origin=Origin(kind="image", id=IMAGE, format=tool_name))
        await TestFile().made(world, other)
        for made in (disk, other):
            assert 2**30 == world.file(Kind.VOLUME, made.id).stat().st_size
            assert world.read(Kind.VOLUME, made.id).startswith(content[: 1 << 16])
        await world.backend.close()

    async def test_a_disc_becomes_a_volume_as_it_is(self, tmp_path: Path) -> None:
        world = FileWorld(tmp_path / "root", iso())
        disk = a_disk(origin=Origin(kind="image", id=IMAGE, format="raw", claim="iso"))
        await TestFile().made(world, disk)
        assert world.read(Kind.VOLUME, disk.id).startswith(iso())
        await world.backend.close()

    async def test_no_image_tells_what_the_host_has(self, tmp_path: Path) -> None:
        canary = tmp_path / "canary"
        canary.write_bytes(b"canary" * 10000)
        for at, one in enumerate(hostile(str(canary))):
            world = FileWorld(tmp_path / str(at), one.content)
            format = {"vhd": "vpc", "iso": "raw"}.get(one.format, one.format)
            disk = a_disk(origin=Origin(kind="image", id=IMAGE, format=format, claim=one.format))
            with pytest.raises(DriverError, match="The image cannot be used"):
                await TestFile().made(world, disk)
            assert [] == [file for file in (tmp_path / str(at)).rglob("*") if file.is_file()], one.name
            await world.backend.close()


class Holders:
    """Keeps DiskFiles: another host, which has a volume open."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def copy_held(self, holder: str, volume_id: str, target: Path) -> None:
        self.asked.append((holder, volume_id))
        target.write_bytes(b"whole")
        os.truncate(target, 2**30)

    def reading(self, origin: Origin, spool: Path, *, live: bool) -> contextlib.AbstractAsyncContextManager[Path]:
        raise AssertionError("nothing is read elsewhere")
