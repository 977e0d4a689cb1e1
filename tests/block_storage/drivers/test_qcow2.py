"""Volumes as qcow2 files keep what every back end promises, and what they say of themselves is not believed."""

import contextlib
import struct
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.block_storage.drivers.contract import BackendContract, a_disk, of
from tests.block_storage.drivers.files import WorldOfFiles
from tests.block_storage.drivers.test_file import FileWorld
from tests.block_storage.test_encryption import NoOthers, OneKey, a_secret_disk

from pileus.block_storage.agent import Neighbours
from pileus.block_storage.drivers.backup_chunks import CHUNK
from pileus.block_storage.drivers.bitmaps import AUTO, IN_USE, PREFIX, bitmaps, changed
from pileus.block_storage.drivers.disks import Spot
from pileus.block_storage.drivers.file import FileBackend, FileDisks
from pileus.block_storage.drivers.file_changes import FileChanges
from pileus.block_storage.drivers.interface import GIB, Backend, Backup, Disk, DriverError, Kind, Origin

pytestmark = pytest.mark.host
PIECE = 1 << 16


class Qcow2World(WorldOfFiles):
    def __init__(self, root: Path, image: bytes = b"an image" * 512) -> None:
        super().__init__(image)
        self.root = root
        self.backend: Backend = FileBackend("b", root, self.images, format="qcow2")

    def file(self, kind: Kind, id: str) -> Path:
        (file,) = (self.root / kind / id).glob("*.qcow2")
        return file

    def write(self, kind: Kind, id: str, content: bytes, at: int = 0) -> None:
        with tempfile.NamedTemporaryFile() as piece:
            piece.write(content + self.read(kind, id)[len(content) :] if at == 0 else content)
            piece.flush()
            words = ["-f", "qcow2", "-c", f"write -s {piece.name} {at} {PIECE}", str(self.file(kind, id))]
            subprocess.run(["qemu-io", *words], check=True, capture_output=True)

    def read(self, kind: Kind, id: str) -> bytes:
        with tempfile.NamedTemporaryFile() as piece:
            words = ["bs=64k", "count=1", f"if={self.file(kind, id)}", f"of={piece.name}"]
            subprocess.run(["qemu-img", "dd", "-f", "qcow2", "-O", "raw", *words], check=True, capture_output=True)
            return Path(piece.name).read_bytes()


class TestQcow2(BackendContract):
    @contextlib.asynccontextmanager
    async def world(self, tmp_path: Path) -> AsyncIterator[Qcow2World]:
        world = Qcow2World(tmp_path)
        yield world
        await world.backend.close()

    async def test_a_disk_is_a_thin_qcow2_file_and_a_host_is_told_so(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk = a_disk(size_gib=10)
            seen = await self.made(world, disk)
            file = world.file(Kind.VOLUME, disk.id)
            assert ("qcow2", str(file), 10) == (seen.format, seen.path, seen.size_gib)
            assert (True, 0) == (file.stat().st_size < 2**20, file.stat().st_mode & 0o007)  # nobody reads it by chance
            assert not (await world.backend.room()).capabilities["multiattach"]

    async def test_volumes_stay_what_they_are_when_the_operator_says_otherwise(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            old, snapshot = a_disk(), a_disk()
            await self.made(world, old)
            world.write(Kind.VOLUME, old.id, b"precious")
            raw = FileWorld(tmp_path)
            snapshot = msgspec.structs.replace(snapshot, origin=of(Kind.VOLUME, old.id))
            assert "raw" == (await self.made(raw, snapshot, Kind.SNAPSHOT)).format
            assert raw.read(Kind.SNAPSHOT, snapshot.id).startswith(b"precious")
            grown = await self.made(raw, msgspec.structs.replace(old, size_gib=3))
            assert ("qcow2", 3) == (grown.format, grown.size_gib)
            again = a_disk(origin=of(Kind.SNAPSHOT, snapshot.id))
            assert "qcow2" == (await self.made(world, again)).format
            assert world.read(Kind.VOLUME, again.id).startswith(b"precious")
            await raw.backend.ensure_gone(Kind.VOLUME, old.id)
            assert old.id not in await world.backend.observe(Kind.VOLUME)
            await raw.backend.close()

    async def test_a_volume_goes_from_raw_to_qcow2_and_back(self, tmp_path: Path) -> None:
        thin, plain = Qcow2World(tmp_path / "thin"), FileWorld(tmp_path / "plain")
        others = Neighbours({"thin": thin.backend, "plain": plain.backend})
        for each in (thin, plain):
            each.backend.meet(others, None)
        disk = a_disk(backend="plain")
        await self.made(plain, disk)
        # A guest may write what it likes: it is raw, and stays so.
        plain.write(Kind.VOLUME, disk.id, struct.pack(">4sIQI", b"QFI\xfb", 3, 104, 11) + b"/etc/shadow")
        written = plain.read(Kind.VOLUME, disk.id)
        there = msgspec.structs.replace(disk, content=1, origin=Origin(kind="volume", id=disk.id, backend="plain"))
        await self.made(thin, there)
        assert written == thin.read(Kind.VOLUME, disk.id)
        back = msgspec.structs.replace(disk, content=2, origin=Origin(kind="volume", id=disk.id, backend="thin"))
        await self.made(plain, back)
        assert written == plain.read(Kind.VOLUME, disk.id)
        for each in (thin, plain):
            await each.backend.close()

    async def test_an_encrypted_disk_is_luks_within_qcow2(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            world.backend.meet(NoOthers(), OneKey())  # type: ignore[arg-type]
            disk = a_secret_disk()
            await self.made(world, disk)
            await self.made(world, msgspec.structs.replace(disk, size_gib=2))
            assert world.read(Kind.VOLUME, disk.id).startswith(b"LUKS\xba\xbe")
            within = f"file.driver=qcow2,file.file.driver=file,file.file.filename={world.file(Kind.VOLUME, disk.id)}"
            argv = ["qemu-io", "--object", "secret,id=k,file=/dev/stdin", "--image-opts"]
            argv += [f"driver=luks,key-secret=k,{within}", "-c", f"write -P 7 {2 * GIB - 512} 512"]
            subprocess.run(argv, input=b"a key of " + disk.id.encode(), check=True, capture_output=True)

    @pytest.mark.parametrize(
        ("at", "lie"),
        [(8, struct.pack(">Q", 104)), (72, struct.pack(">Q", 4)), (4, struct.pack(">I", 2)), (0, b"raw!")],
        ids=["names a backing file", "names a data file", "of another version", "no qcow2"],
    )
    async def test_what_a_file_says_of_others_is_read_by_no_program(self, tmp_path: Path, at: int, lie: bytes) -> None:
        async with self.world(tmp_path) as world:
            disk = a_disk()
            await self.made(world, disk)
            with world.file(Kind.VOLUME, disk.id).open("r+b") as file:
                file.seek(at)
                file.write(lie)
            copy = a_disk(origin=of(Kind.VOLUME, disk.id))
            with pytest.raises(DriverError):
                await self.made(world, copy)
            with pytest.raises(DriverError):
                await self.backed_up(world, Backup(id=str(uuid.uuid4()), backend="b", of=of(Kind.VOLUME, disk.id)))


class TestChanges:
    """What is read for an incremental backup, and what a restored one holds."""

    async def volume(self, world: Qcow2World) -> Disk:
        disk = a_disk()
        await TestQcow2().made(world, disk)
        for at in (0, 100 * CHUNK, 200 * CHUNK):
            world.write(Kind.VOLUME, disk.id, bytes([1 + at % 251]) * PIECE, at)
        return disk

    async def backup(self, world: Qcow2World, disk: Disk, parent: str | None = None) -> str:
        made = Backup(id=str(uuid.uuid4()), backend="b", of=of(Kind.VOLUME, disk.id), parent=parent, compression="none")
        await TestQcow2().backed_up(world, made)
        return made.id

    async def holds(self, world: Qcow2World, backup: str, disk: Disk) -> bool:
        """Whether the backup is, octet for octet, what the volume is."""
        copy = a_disk(size_gib=disk.size_gib, origin=of(Kind.BACKUP, backup))
        await TestQcow2().made(world, copy)
        files = [str(world.file(Kind.VOLUME, each)) for each in (disk.id, copy.id)]
        words = ["qemu-img", "compare", "-q", "-f", "qcow2", "-F", "qcow2", *files]
        return 0 == subprocess.run(words, check=False).returncode

    async def test_only_what_changed_since_its_parent_is_read(self, tmp_path: Path) -> None:
        world = Qcow2World(tmp_path)
        disk = await self.volume(world)
        first = await self.backup(world, disk)
        file, name = world.file(Kind.VOLUME, disk.id), f"{PREFIX}{first}"
        assert [] == changed(file, name, CHUNK)
        world.write(Kind.VOLUME, disk.id, b"x" * PIECE, 3 * CHUNK)
        world.write(Kind.VOLUME, disk.id, b"y" * PIECE, 101 * CHUNK - PIECE)
        disk = msgspec.structs.replace(disk, size_gib=2)
        await TestQcow2().made(world, disk)
        world.write(Kind.VOLUME, disk.id, b"z" * PIECE, 2 * GIB - PIECE)
        assert [3, 100, 511] == changed(file, name, CHUNK)
        spare = tmp_path / "spare"
        spare.mkdir()
        place = Spot(Kind.VOLUME, disk.id, 0)
        async with FileChanges(FileDisks("b", tmp_path, "qcow2")).reading(place, first, CHUNK, spare) as (part, pieces):
            assert [3, 100, 511] == pieces
            assert part.stat().st_blocks * 512 <= 3 * CHUNK
        second = await self.backup(world, disk, first)
        assert [f"{PREFIX}{second}"] == [each.name for each in bitmaps(file)]
        assert await self.holds(world, second, disk)
        assert 3 == len(list((tmp_path / Kind.BACKUP / second).glob("*.raw")))
        third = await self.backup(world, disk, second)
        assert [] == list((tmp_path / Kind.BACKUP / third).glob("*.raw"))
        assert await self.holds(world, third, disk)
        await world.backend.close()

    @pytest.mark.parametrize("how", ["of another backup", "in use", "not consistent", "there is none"])
    async def test_what_cannot_be_believed_is_not_and_all_is_compared(self, tmp_path: Path, how: str) -> None:
        world = Qcow2World(tmp_path)
        disk = await self.volume(world)
        first = await self.backup(world, disk)
        file, name = world.file(Kind.VOLUME, disk.id), f"{PREFIX}{first}"
        if how == "of another backup":
            await self.backup(world, disk)
        elif how == "there is none":
            subprocess.run(["qemu-img", "bitmap", "--remove", "-f", "qcow2", str(file), name], check=True)
        with file.open("r+b") as raw:
            content = raw.read()
            if how == "in use":  # as a QEMU leaves it that was killed
                raw.seek(content.index(name.encode()) - 24 + 12)
                raw.write(struct.pack(">I", IN_USE | AUTO))
            elif how == "not consistent":  # as a program leaves it that knows no bitmaps
                raw.seek(88)
                raw.write(struct.pack(">Q", 0))
        assert changed(file, name, CHUNK) is None
        words = ["-f", "qcow2", "-c", f"write -P 9 {50 * CHUNK} {PIECE}", str(file)]
        subprocess.run(["qemu-io", *words], check=True, capture_output=True)
        second = await self.backup(world, disk, first)
        assert await self.holds(world, second, disk)
        assert 1 == len(list((tmp_path / Kind.BACKUP / second).glob("*.raw")))
        await world.backend.close()

    async def test_what_a_killed_writer_left_is_not_believed(self, tmp_path: Path) -> None:
        world = Qcow2World(tmp_path)
        disk = await self.volume(world)
        first = await self.backup(world, disk)
        file = world.file(Kind.VOLUME, disk.id)
        words = ["-f", "qcow2", "-c", f"write -P 9 0 {PIECE}", "-c", "flush", "-c", "abort", str(file)]
        assert 0 != subprocess.run(["qemu-io", *words], check=False, capture_output=True).returncode
        assert changed(file, f"{PREFIX}{first}", CHUNK) is None
        disk = msgspec.structs.replace(disk, size_gib=2)
        assert (
            2 == (await TestQcow2().made(world, disk)).size_gib
        )  # with such a bitmap QEMU's tools make nothing larger
        second = await self.backup(world, disk, first)
        assert await self.holds(world, second, disk)
        await world.backend.close()
