"""The file system that keeps a volume is full (FLT-020): the guest stands still and says why, and goes on once there is room."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.compute.drivers.contract import Watcher, has
from tests.hosts.qemu_world import qemu_world
from tests.hosts.test_qemu_changes import Files, a_guest, guest, shell
from tests.hosts.test_qemu_volumes import a_volume

from pileus.compute.drivers.interface import PowerSeen
from pileus.guest import Guest

__all__ = ["guest"]
pytestmark = [pytest.mark.host, pytest.mark.scale, pytest.mark.timeout(480)]

MIB = 2**20


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 MiB, most of it taken."""
    image, where = tmp_path / "small.ext4", tmp_path / "small"
    with image.open("wb") as out:
        out.truncate(96 * MIB)
    where.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(where)], check=True)
    try:
        (where / "ballast").write_bytes(os.urandom(70 * MIB))
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True)


async def test_a_guest_waits_for_room_and_loses_nothing(guest: Guest, small: Path, tmp_path: Path) -> None:
    volume = a_volume(small)
    async with qemu_world(tmp_path / "state", images=Files(guest)) as world:
        server, watcher = msgspec.structs.replace(a_guest(), volumes=(volume,)), Watcher(world.hypervisor)
        await watcher.make(server, has(PowerSeen.ON))
        async with shell(world, server.id) as it:
            await it.say("dd if=/dev/urandom of=/tmp/bytes bs=1M count=30 2>/dev/null; (dd if=/tmp/bytes of=/dev/vdb bs=1M "
                         "2>/dev/null; sync; echo done > /tmp/done) & sleep 0")  # fmt: skip
            full = await watcher.make(server, has(PowerSeen.PAUSED))
            assert "its disk cannot be written" in (full.failure or "")
            (small / "ballast").unlink()
            again = msgspec.structs.replace(server, restarts=msgspec.structs.replace(server.restarts, start=1))
            on = await watcher.make(again, has(PowerSeen.ON))
            assert (full.pid, None) == (on.pid, on.failure)
            wrote = await it.say("until [ -e /tmp/done ]; do sleep 0.2; done; md5sum < /tmp/bytes")
            size = int(await it.say("wc -c < /tmp/bytes"))  # as much as the guest has memory for
        with open(volume.path, "rb") as file:
            assert wrote.split()[0] == hashlib.md5(file.read(size)).hexdigest()
