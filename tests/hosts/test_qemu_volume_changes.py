"""A whole Linux guest whose volumes grow, are copied, are swapped and are encrypted while it uses them; its bytes are the judges."""

import hashlib
import os
from pathlib import Path

import msgspec
import pytest
from tests.compute.drivers.contract import Watcher, has
from tests.hosts.qemu_world import QemuWorld, qemu_world
from tests.hosts.test_qemu_changes import UNTIL, Files, Shell, a_guest, guest, shell
from tests.hosts.test_qemu_volumes import SIZE, a_volume, holds

from pileus.block_storage.drivers import luks
from pileus.compute.drivers.interface import PowerSeen, Seen, Volume, Wanted
from pileus.guest import Guest
from pileus.kit.timely import timely

__all__ = ["guest"]
pytestmark = [pytest.mark.host, pytest.mark.scale, pytest.mark.timeout(480)]

GIB = 2**30
MIB = 2**20
SECRET = b"0123456789abcdef" * 4
WRITE = (
    "dd if=/dev/urandom of=/dev/{0} bs=1M count=8 2>/dev/null; sync; dd if=/dev/{0} bs=1M count=8 2>/dev/null | md5sum"
)
READ = "echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/{0} bs=1M count=8 2>/dev/null | md5sum"
SIZE_OF = "echo $(($(cat /sys/block/{0}/size) * 512))"


class Keys:
    """VolumeKeys with one key for all."""

    async def fetch(self, volume_id: str) -> bytes:
        return SECRET


def grown(volume: Volume, gib: int) -> Volume:
    """The volume, whose file is as large as that now."""
    os.truncate(volume.path, gib * GIB)
    return msgspec.structs.replace(volume, size_gib=gib)


def sees(volume: Volume, gib: int):
    """Whether the guest has been told of that size."""

    def reached(seen: Seen) -> bool:
        return seen.volume_sizes.get(volume.key) == gib and not seen.volumes_changing and seen.doing is None

    return reached


def digest(file: Path | str, start: int = 0) -> str:
    """Of the first 8 MiB."""
    with open(file, "rb") as source:
        source.seek(start)
        return hashlib.md5(source.read(8 * MIB)).hexdigest()


def with_volumes(server: Wanted, *volumes: Volume) -> Wanted:
    return msgspec.structs.replace(server, volumes=volumes)


async def written(it: Shell, disk: str) -> str:
    return (await it.say(WRITE.format(disk))).split()[0]


async def test_a_guest_keeps_its_bytes_whatever_is_done_with_its_volumes(guest: Guest, tmp_path: Path) -> None:
    first, second = grown(a_volume(tmp_path), 1), grown(a_volume(tmp_path), 3)
    closed = an_encrypted_volume(tmp_path)
    async with qemu_world(tmp_path, images=Files(guest), keys=Keys()) as world:
        server, watcher = a_guest(), Watcher(world.hypervisor)
        await watcher.make(with_volumes(server, first), has(PowerSeen.ON))
        async with shell(world, server.id) as it:
            bytes_ = await written(it, "vdb")
            first = grown(first, 2)
            await watcher.make(with_volumes(server, first), sees(first, 2))
            assert 2 * GIB == int(
                await it.say(f"{UNTIL} grep -q {2 * GIB // 512} /sys/block/vdb/size; " + SIZE_OF.format("vdb"))
            )
            await _is_copied_while_it_writes(world, it, first, bytes_, tmp_path)
            after = msgspec.structs.replace(second, instead_of=first.key)
            await watcher.make(with_volumes(server, first, after), holds(second))
            await watcher.make(with_volumes(server, second), sees(second, 3))
            assert 3 * GIB == int(
                await it.say(f"{UNTIL} grep -q {3 * GIB // 512} /sys/block/vdb/size; " + SIZE_OF.format("vdb"))
            )
            assert (bytes_, bytes_) == ((await it.say(READ.format("vdb"))).split()[0], digest(second.path))
            await it.say("echo later | dd of=/dev/vdb bs=1M seek=2500 conv=notrunc 2>/dev/null; sync")
            Path(first.path).unlink()  # nobody needs it any more
            await watcher.make(with_volumes(server, second, closed), holds(second, closed))
            await it.say(f"{UNTIL} [ -b /dev/vdc ]")
            secret = await written(it, "vdc")
            await watcher.make(with_volumes(server, second), holds(second))
        assert SIZE == os.stat(closed.path).st_size - luks.PAYLOAD
        assert secret != digest(closed.path, luks.PAYLOAD)
        await _is_read_again(world, watcher, with_volumes(a_guest(), closed), secret)


async def _is_copied_while_it_writes(world: QemuWorld, it: Shell, volume: Volume, bytes_: str, folder: Path) -> None:
    """A copy is of one moment: a counter that is written at both ends of the disk is the same at both, or one behind."""
    await it.say("(n=0; while [ ! -e /tmp/enough ]; do n=$((n+1)); for at in 1000 1900; do "
                 "printf %08d $n | dd of=/dev/vdb bs=1M seek=$at conv=notrunc,fsync 2>/dev/null; done; done) & sleep 1")  # fmt: skip
    target = folder / "copy"
    await timely(world.hypervisor.attached.copy(volume.id, Path(volume.path), target), 120)
    await it.say("touch /tmp/enough; wait")
    counts = []
    with target.open("rb") as copy:
        for at in (1000, 1900):
            copy.seek(at * MIB)
            counts.append(int(copy.read(8)))
    assert 0 <= counts[0] - counts[1] <= 1, counts
    assert bytes_ == digest(target)
    assert volume.size_gib * GIB == target.stat().st_size
    assert target.stat().st_blocks * 512 < 64 * MIB


async def _is_read_again(world: QemuWorld, watcher: Watcher, server: Wanted, secret: str) -> None:
    """A server that starts with an encrypted volume finds its bytes, and no argument of its QEMU is the key."""
    seen = await watcher.make(server, has(PowerSeen.ON))
    told = Path(f"/proc/{seen.pid}/cmdline").read_bytes() + Path(f"/proc/{seen.pid}/environ").read_bytes()
    assert SECRET not in told
    async with shell(world, server.id) as it:
        assert secret == (await it.say(READ.format("vdb"))).split()[0]
    files = [file for file in world.state.rglob("*") if file.is_file() and file.suffix in {".json", ".log"}]
    assert files
    assert not [file for file in files if SECRET in file.read_bytes()]


def an_encrypted_volume(folder: Path) -> Volume:
    """A blank encrypted volume, as block storage makes one."""
    volume = a_volume(folder, 2, encrypted=True)
    with open(volume.path, "r+b") as file:
        file.write(luks.header(SECRET))
        file.truncate(SIZE + luks.PAYLOAD)
    return volume
