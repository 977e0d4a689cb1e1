"""Volumes in a pool of Ceph: what rbd is told, and, with a real cluster, what every back end promises."""

import contextlib
import subprocess
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.block_storage.drivers.contract import BackendContract, a_disk, of
from tests.block_storage.drivers.files import OneImage
from tests.block_storage.test_encryption import NoOthers, OneKey, a_secret_disk
from tests.ceph import Ceph, ceph

from pileus.block_storage.drivers.disks import Spot
from pileus.block_storage.drivers.interface import GIB, Kind, Origin
from pileus.block_storage.drivers.rbd import RbdBackend
from pileus.block_storage.drivers.rbd_commands import Cluster, image_name, images_in, room_in, spot_in

__all__ = ["ceph"]
ONE = Spot(Kind.VOLUME, "11111111-1111-4111-8111-111111111111", 2)


def test_a_disk_is_found_again_by_its_image_and_only_by_its_own_host() -> None:
    name = image_name(ONE, "h1.example.org")
    assert "volume.11111111-1111-4111-8111-111111111111.2.h1.example.org" == name
    assert ONE == spot_in(name, "h1.example.org")
    assert (None, None) == (spot_in(name, "h2"), spot_in(f"{name}.part", "h1.example.org"))
    assert (None, None) == (spot_in("stranger", "h1"), spot_in("volume.x.y.h1", "h1"))


def test_what_ceph_prints_is_understood() -> None:
    listed = '[{"image":"a","id":"1","size":5,"format":2},{"image":"a","snapshot":"s","size":5,"format":2}]'
    assert [("a", 5)] == [(each.image, each.size) for each in images_in(listed)]
    usage = '{"stats":{},"pools":[{"name":"p","id":1,"stats":{"stored":10,"max_avail":90,"objects":0}}]}'
    assert ((100, 90), (0, 0)) == (room_in(usage, "p"), room_in(usage, "q"))


def test_who_asks_ceph_says_as_whom_and_nothing_secret() -> None:
    cluster = Cluster(pool="p", conf="/etc/ceph/ceph.conf", user="pileus")
    words = ["rbd", "--conf", "/etc/ceph/ceph.conf", "--id", "pileus", "rm", "p/i"]
    assert words == cluster.rbd("rm", cluster.spec("i"))


class RbdWorld:
    def __init__(self, ceph: Ceph, root: Path, host: str = "h1", pool: str | None = None) -> None:
        self.ceph, self.host, self.root = ceph, host, root
        self.pool = pool or ceph.pool()
        self.images = OneImage(b"an image" * 512)
        cluster = Cluster(pool=self.pool, conf=ceph.conf, user="admin")
        self.backend = RbdBackend("b", cluster, host, root, self.images)

    def spec(self, kind: Kind, id: str) -> str:
        names = self.ceph.rbd("ls", self.pool).decode().split()
        (name,) = [each for each in names if each.startswith(f"{kind}.{id}.") and each.endswith(self.host)]
        return f"{self.pool}/{name}"

    def write(self, kind: Kind, id: str, content: bytes) -> None:
        qemu_io = ["qemu-io", "-f", "raw", "-c", f"write -s {self._file(content)} 0 {len(content)}"]
        subprocess.run([*qemu_io, self._at(kind, id)], check=True, capture_output=True)

    def read(self, kind: Kind, id: str) -> bytes:
        to = self.root / "read"
        argv = ["qemu-img", "dd", "-f", "raw", "-O", "raw", "bs=65536", "count=1"]
        subprocess.run([*argv, f"if={self._at(kind, id)}", f"of={to}"], check=True, capture_output=True)
        return to.read_bytes()

    def image(self) -> bytes:
        return self.images.content

    def _at(self, kind: Kind, id: str) -> str:
        return f"rbd:{self.spec(kind, id)}:conf={self.ceph.conf}:id=admin"

    def _file(self, content: bytes) -> Path:
        file = self.root / "written"
        file.write_bytes(content)
        return file


@pytest.mark.scale
class TestRbd(BackendContract):
    """QEMU itself reads and writes here, as it does for servers."""

    @pytest.fixture(autouse=True)
    def _cluster(self, ceph: Ceph) -> None:
        self.ceph = ceph

    @contextlib.asynccontextmanager
    async def world(self, tmp_path: Path) -> AsyncIterator[RbdWorld]:
        world = RbdWorld(self.ceph, tmp_path)
        yield world
        await world.backend.close()

    async def test_a_moment_of_a_volume_in_use_is_kept(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk = a_disk()
            await self.made(world, disk)
            world.write(Kind.VOLUME, disk.id, b"before")
            snapshot = a_disk(origin=of(Kind.VOLUME, disk.id), live=True)
            await self.made(world, snapshot, Kind.SNAPSHOT)
            world.write(Kind.VOLUME, disk.id, b"after ")
            assert world.read(Kind.SNAPSHOT, snapshot.id).startswith(b"before")

    async def test_nothing_is_left_in_the_pool_when_the_last_copy_is_gone(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk, snapshot = a_disk(), a_disk(id=str(uuid.uuid4()))
            await self.made(world, disk)
            await self.made(world, a_disk(id=snapshot.id, origin=of(Kind.VOLUME, disk.id)), Kind.SNAPSHOT)
            await world.backend.ensure_gone(Kind.VOLUME, disk.id)
            assert 1 == len(self.ceph.rbd("trash", "ls", world.pool).splitlines())
            await world.backend.ensure_gone(Kind.SNAPSHOT, snapshot.id)
            assert (b"", b"") == (self.ceph.rbd("trash", "ls", world.pool), self.ceph.rbd("ls", world.pool))

    async def test_another_host_of_the_pool_copies_and_removes_only_its_own(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as one:
            other = RbdWorld(self.ceph, tmp_path, "h2", one.pool)
            assert (await one.backend.room()).shared == (await other.backend.room()).shared
            disk = a_disk()
            await self.made(one, disk)
            one.write(Kind.VOLUME, disk.id, b"precious")
            moved = a_disk(id=disk.id, content=1, origin=Origin(kind=Kind.VOLUME, id=disk.id, backend="b", host="h1"))
            await self.made(other, moved)
            await one.backend.ensure_gone(Kind.VOLUME, disk.id)
            assert other.read(Kind.VOLUME, disk.id).startswith(b"precious")
            assert {} == await one.backend.observe(Kind.VOLUME)
            await other.backend.close()

    async def test_an_encrypted_volume_is_opened_in_the_pool_with_its_key(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            world.backend.meet(NoOthers(), OneKey())  # type: ignore[arg-type]
            disk = a_secret_disk(size_gib=2)
            assert 2 == (await self.made(world, disk)).size_gib
            pool, image = world.spec(Kind.VOLUME, disk.id).split("/")
            below = f"file.driver=rbd,file.pool={pool},file.image={image},file.conf={self.ceph.conf},file.user=admin"
            ends = ("-c", "write -P 7 0 4096", "-c", f"write -P 8 {2 * GIB - 4096} 4096", "-c", "read -P 7 0 4096")
            options = ("--object", "secret,id=k,file=/dev/stdin", "--image-opts", f"driver=luks,key-secret=k,{below}")
            key = await OneKey().fetch(disk.id)
            done = subprocess.run(["qemu-io", *options, *ends], input=key, capture_output=True, check=True)
            assert b"verification failed" not in done.stdout
            assert world.read(Kind.VOLUME, disk.id).startswith(b"LUKS\xba\xbe")

    async def test_what_was_cut_off_is_not_taken_for_whole_and_goes_with_the_rest(self, tmp_path: Path) -> None:
        async with self.world(tmp_path) as world:
            disk = a_disk(origin=Origin(kind="image", id="11111111-1111-4111-8111-111111111111"))
            part = f"{world.pool}/volume.{disk.id}.0.h1.part"
            self.ceph.rbd("create", "--size", "1M", part)
            assert {} == await world.backend.observe(Kind.VOLUME)
            await self.made(world, disk)
            assert world.read(Kind.VOLUME, disk.id).startswith(world.image())
            self.ceph.rbd("create", "--size", "1M", part)
            await world.backend.ensure_gone(Kind.VOLUME, disk.id)
            assert b"" == self.ceph.rbd("ls", world.pool)
