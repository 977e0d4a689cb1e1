"""What every back end promises, as tests that run against each."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol

import msgspec
import pytest

from pileus.block_storage.drivers.interface import (
    FOUND,
    Backend,
    Backup,
    BackupSeen,
    Disk,
    DiskSeen,
    DriverError,
    Export,
    Kind,
    Origin,
    Seen,
)

SETTLE_S = 60.0
IMAGE = "11111111-1111-4111-8111-111111111111"


class World(Protocol):
    """A back end under test, and somebody who uses its disks."""

    backend: Backend

    def write(self, kind: Kind, id: str, content: bytes) -> None: ...
    def read(self, kind: Kind, id: str) -> bytes: ...
    def image(self) -> bytes: ...


def a_disk(**changes: object) -> Disk:
    """A blank disk of 1 GiB."""
    return msgspec.structs.replace(Disk(id=str(uuid.uuid4()), backend="b", size_gib=1), **changes)


def of(kind: Kind | str, id: str) -> Origin:
    """What a disk is made of."""
    return Origin(kind=str(kind), id=id)


async def until(backend: Backend, ensure: Callable[[], Awaitable[Seen]], when: Callable[[Seen], bool]) -> Seen:
    """Ensure again whenever something changed, as a host's agent does, until what is seen is as expected."""
    changed = asyncio.Event()
    backend.on_change(lambda kind, id: changed.set())
    async with asyncio.timeout(SETTLE_S):
        while not when(seen := await ensure()):
            await changed.wait()
            changed.clear()
    return seen


class DiskContract:
    """Each method is a clause: what holds of one disk."""

    @contextlib.asynccontextmanager
    async def world(self, tmp_path: Path) -> AsyncIterator[World]:
        raise NotImplementedError
        yield

    async def made(self, world: World, disk: Disk, kind: Kind = Kind.VOLUME) -> DiskSeen:
        def there(seen: Seen) -> bool:
            whole = isinstance(seen, DiskSeen) and seen.content == disk.content and seen.doing is None
            return whole and (disk.export is None or seen.export is not None)  # type: ignore[union-attr]

        seen = await until(world.backend, lambda: world.backend.ensure_disk(kind, disk), there)
        assert isinstance(seen, DiskSeen)
        return seen

    async def backed_up(self, world: World, backup: Backup) -> BackupSeen:
        def whole(seen: Seen) -> bool:
            return isinstance(seen, BackupSeen) and seen.whole

        seen = await until(world.backend, lambda: world.backend.ensure_backup(backup), whole)
        assert isinstance(seen, BackupSeen)
        return seen

    async def test_a_disk_is_made_once_and_keeps_its_bytes(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk = a_disk()
            assert 1 == (await self.made(world, disk)).size_gib
            world.write(Kind.VOLUME, disk.id, b"precious")
            await self.made(world, disk)
            assert world.read(Kind.VOLUME, disk.id).startswith(b"precious")
            assert {disk.id} == set(await world.backend.observe(Kind.VOLUME))

    async def test_a_disk_grows_and_keeps_its_bytes(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk = a_disk()
            await self.made(world, disk)
            world.write(Kind.VOLUME, disk.id, b"precious")
            assert 3 == (await self.made(world, msgspec.structs.replace(disk, size_gib=3))).size_gib
            assert world.read(Kind.VOLUME, disk.id).startswith(b"precious")

    async def test_what_is_gone_is_gone_and_its_bytes_come_to_nobody(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk = a_disk()
            await self.made(world, disk)
            world.write(Kind.VOLUME, disk.id, b"secret")
            await world.backend.ensure_gone(Kind.VOLUME, disk.id)
            await world.backend.ensure_gone(Kind.VOLUME, disk.id)
            assert {} == await world.backend.observe(Kind.VOLUME)
            for other in (disk, a_disk()):
                await self.made(world, other)
                assert b"" == world.read(Kind.VOLUME, other.id).strip(b"\0")

    async def test_a_disk_that_was_found_gets_another_name_and_keeps_its_bytes(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            old = a_disk(content=2)
            await self.made(world, old)
            world.write(Kind.VOLUME, old.id, b"precious")
            new = a_disk(content=2, origin=of(FOUND, old.id))
            for _ in range(2):
                await self.made(world, new)
                assert world.read(Kind.VOLUME, new.id).startswith(b"precious")
            left = msgspec.structs.replace(new, origin=of(FOUND, new.id))
            assert 2 == (await self.made(world, left)).content
            await world.backend.ensure_gone(Kind.VOLUME, old.id)
            assert {new.id} == set(await world.backend.observe(Kind.VOLUME))
            with pytest.raises(DriverError):
                await self.made(world, a_disk(origin=of(FOUND, old.id)))
            lost = a_disk()
            lost = msgspec.structs.replace(lost, origin=of(FOUND, lost.id))
            assert DiskSeen() == await world.backend.ensure_disk(Kind.VOLUME, lost)


class BackendContract(DiskContract):
    """And what holds of disks that are made of one another, and of backups."""

    async def test_a_snapshot_stays_as_it_was(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk = a_disk()
            await self.made(world, disk)
            world.write(Kind.VOLUME, disk.id, b"before")
            snapshot = a_disk(origin=of(Kind.VOLUME, disk.id))
            await self.made(world, snapshot, Kind.SNAPSHOT)
            world.write(Kind.VOLUME, disk.id, b"after ")
            clone = a_disk(origin=of(Kind.SNAPSHOT, snapshot.id), size_gib=2)
            assert 2 == (await self.made(world, clone)).size_gib
            await world.backend.ensure_gone(Kind.SNAPSHOT, snapshot.id)
            await world.backend.ensure_gone(Kind.VOLUME, disk.id)
            assert world.read(Kind.VOLUME, clone.id).startswith(b"before")
            # Made already: what it was made of need not be there any more.
            await self.made(world, clone)

    async def test_a_disk_is_made_anew_when_its_content_counts_up(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk = a_disk()
            await self.made(world, disk)
            world.write(Kind.VOLUME, disk.id, b"before")
            snapshot = a_disk(origin=of(Kind.VOLUME, disk.id))
            await self.made(world, snapshot, Kind.SNAPSHOT)
            world.write(Kind.VOLUME, disk.id, b"after ")
            again = msgspec.structs.replace(disk, content=1, origin=of(Kind.SNAPSHOT, snapshot.id))
            assert 1 == (await self.made(world, again)).content
            assert world.read(Kind.VOLUME, disk.id).startswith(b"before")

    async def test_a_disk_of_an_image_holds_the_image(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk = a_disk(origin=Origin(kind="image", id=IMAGE, format="raw"))
            await self.made(world, disk)
            assert world.read(Kind.VOLUME, disk.id).startswith(world.image())

    async def test_what_cannot_be_made_says_why_and_is_tried_again(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            source = a_disk()
            disk = a_disk(origin=of(Kind.SNAPSHOT, source.id))
            with pytest.raises(DriverError, match=source.id):
                await self.made(world, disk)
            await self.made(world, source, Kind.SNAPSHOT)
            await self.made(world, disk)

    async def test_a_copy_for_an_image_is_there_while_it_is_wanted(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk = a_disk()
            await self.made(world, disk)
            world.write(Kind.VOLUME, disk.id, b"precious")
            seen = await self.made(world, msgspec.structs.replace(disk, export=Export(name="i", format="raw")))
            assert seen.export is not None
            file = Path(seen.export.file)
            with file.open("rb") as copy:
                assert copy.read(8) == b"precious"
            assert (await self.made(world, disk)).export is None

    async def test_a_backup_gives_the_bytes_back(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk = a_disk()
            await self.made(world, disk)
            world.write(Kind.VOLUME, disk.id, b"monday ")
            full = Backup(id=str(uuid.uuid4()), backend="b", of=of(Kind.VOLUME, disk.id))
            assert (await self.backed_up(world, full)).objects == 1
            world.write(Kind.VOLUME, disk.id, b"tuesday")
            more = Backup(id=str(uuid.uuid4()), backend="b", of=of(Kind.VOLUME, disk.id), parent=full.id)
            await self.backed_up(world, more)
            for backup, day in ((full, b"monday "), (more, b"tuesday")):
                back = a_disk(origin=of(Kind.BACKUP, backup.id))
                await self.made(world, back)
                assert world.read(Kind.VOLUME, back.id).startswith(day)
            await world.backend.ensure_gone(Kind.BACKUP, more.id)
            assert {full.id} == set(await world.backend.observe(Kind.BACKUP))
