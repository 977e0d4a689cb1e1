"""Volumes in a shared directory keep what every back end promises, and every host that has it mounted gets at them."""

import contextlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.block_storage.drivers.contract import BackendContract, a_disk
from tests.block_storage.drivers.test_file import FileWorld

from pileus.block_storage.drivers.interface import DriverError, Kind, Origin
from pileus.block_storage.drivers.marks import MARK
from pileus.block_storage.drivers.shared import SharedBackend


class SharedWorld(FileWorld):
    def __init__(self, shared: Path, host: str = "h1") -> None:
        super().__init__(shared / "hosts" / host)
        (shared / MARK).write_text("the store\n")
        self.backend = SharedBackend("b", shared, host, self.images)


class TestShared(BackendContract):
    @contextlib.asynccontextmanager
    async def world(self, tmp_path: Path) -> AsyncIterator[SharedWorld]:
        world = SharedWorld(tmp_path)
        yield world
        await world.backend.close()

    async def test_another_host_copies_a_volume_as_if_it_were_its_own(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as one:
            other = SharedWorld(tmp_path, "h2")
            disk = a_disk()
            path = (await self.made(one, disk)).path
            one.write(Kind.VOLUME, disk.id, b"precious")
            moved = a_disk(id=disk.id, content=1, origin=Origin(kind=Kind.VOLUME, id=disk.id, backend="b", host="h1"))
            await self.made(other, moved)
            assert other.read(Kind.VOLUME, disk.id).startswith(b"precious")
            assert path is not None
            assert Path(path).exists()
            await other.backend.close()

    async def test_a_host_that_was_away_removes_nothing_of_another(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as one:
            other = SharedWorld(tmp_path, "h2")
            disk = a_disk()
            await self.made(one, disk)
            one.write(Kind.VOLUME, disk.id, b"precious")
            await other.backend.ensure_gone(Kind.VOLUME, disk.id)
            assert {} == await other.backend.observe(Kind.VOLUME)
            assert one.read(Kind.VOLUME, disk.id).startswith(b"precious")

    async def test_hosts_know_that_the_store_is_the_same(self, tmp_path: Path) -> None:
        rooms = [await SharedWorld(tmp_path, host).backend.room() for host in ("h1", "h2")]
        assert {("nfs", "the store")} == {(room.driver, room.shared) for room in rooms}

    async def test_a_directory_that_is_not_mounted_is_not_written_to(self, tmp_path: Path) -> None:
        world = SharedWorld(tmp_path)
        (tmp_path / MARK).unlink()
        with pytest.raises(DriverError, match="no mount point"):
            await world.backend.room()
        with pytest.raises(DriverError, match="no mount point"):
            await world.backend.ensure_disk(Kind.VOLUME, a_disk(id=str(uuid.uuid4())))
        assert [] == list(tmp_path.iterdir())
