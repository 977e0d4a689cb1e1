"""Snapshots, clones and backups of a volume that a guest writes to, by the file back end and the guest's own QEMU: what the guest
had written is in each of them, and its file system was whole at that moment."""

import asyncio
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from tests.compute.drivers.contract import Watcher, a_server, has
from tests.hosts.qemu_world import qemu_world
from tests.hosts.test_guest_agent import agent_in
from tests.hosts.test_qemu_changes import Files, Shell, guest, shell

from pileus.block_storage.drivers.file import FileBackend
from pileus.block_storage.drivers.interface import Backup, BackupSeen, Disk, DiskSeen, Kind, Origin
from pileus.compute.drivers.interface import PowerSeen, Stillness, Volume
from pileus.guest import Guest
from pileus.kit.run import run

__all__ = ["guest"]
pytestmark = [pytest.mark.host, pytest.mark.scale, pytest.mark.timeout(600)]

ROOT = "11111111-1111-4111-8111-111111111111"
LONG_S = 240.0
WRITTEN = "dd if=/dev/urandom of=/data/file bs=1M count=8 2>/dev/null; sync; md5sum < /data/file"


class Store:
    """A back end whose things are awaited."""

    def __init__(self, root: Path, guest: Guest) -> None:
        self.backend = FileBackend("file", root, Files(guest))
        self._stirred = asyncio.Event()
        self.backend.on_change(lambda kind, id: self._stirred.set())

    async def disk(self, kind: Kind, id: str, **more: object) -> str:
        """The path of a disk that is whole."""
        wanted = msgspec.structs.replace(Disk(id=id, backend="file", size_gib=1), **more)
        async with asyncio.timeout(LONG_S):
            while True:
                self._stirred.clear()
                seen = await self.backend.ensure_disk(kind, wanted)
                assert isinstance(seen, DiskSeen)
                if seen.content == wanted.content and seen.doing is None:
                    assert seen.path is not None
                    return seen.path
                await self._stirred.wait()

    async def backup(self, id: str, of: Origin) -> None:
        async with asyncio.timeout(LONG_S):
            while True:
                self._stirred.clear()
                seen = await self.backend.ensure_backup(Backup(id=id, backend="file", of=of, live=True))
                assert isinstance(seen, BackupSeen)
                if seen.whole:
                    return
                await self._stirred.wait()


@asynccontextmanager
async def a_guest_on_a_volume(guest: Guest, folder: Path) -> AsyncIterator[tuple[Store, Shell]]:
    """A guest that boots from a volume of the back end, and has an agent."""
    async with qemu_world(folder / "state", images=Files(guest)) as world:
        store = Store(folder / "volumes", guest)
        store.backend.copy_attached(world.hypervisor.attached)
        image = Origin(kind="image", id="guest", format="qcow2")
        path = await store.disk(Kind.VOLUME, ROOT, origin=image)
        volume = Volume(id=ROOT, kind="file", path=path, place=0, size_gib=1)
        server = a_server(root=None, ram_mib=128, agent=True, volumes=(volume,), stillness=Stillness.MUST)
        try:
            await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
            async with shell(world, server.id) as it:
                await it.say("until grep -q ' /data ' /proc/mounts; do usleep 100000; done")
                async with agent_in(world, server.id):
                    pass
                yield store, it
        finally:
            await store.backend.close()


async def in_its_file_system(disk: str, folder: Path) -> tuple[str, bool]:
    """The digest of /data/file as it is on the disk, and whether the file system needs no journal to be whole."""
    with open(disk, "rb") as file:
        entries = struct.iter_unpack("<8xII", file.read(510)[446:])
    start, count = [entry for entry in entries if entry[1]][-1]
    data = folder / "data"
    with data.open("wb") as out:
        subprocess.run(["dd", f"if={disk}", f"skip={start}", f"count={count}", "conv=sparse"],
                       check=True, stdout=out, stderr=subprocess.DEVNULL)  # fmt: skip
    file = folder / "file"
    subprocess.run(["debugfs", "-R", f"dump /file {file}", str(data)], check=True, capture_output=True)
    features = (await run(["dumpe2fs", "-h", str(data)])).out
    said = (await run(["md5sum", str(file)])).out.split()[0]
    return said, "needs_recovery" not in features


async def test_what_a_guest_wrote_is_in_every_copy_of_its_volume(guest: Guest, tmp_path: Path) -> None:
    of = Origin(kind=Kind.VOLUME, id=ROOT)
    async with a_guest_on_a_volume(guest, tmp_path) as (store, it):
        written = (await it.say(WRITTEN)).split()[0]
        await it.say("(while [ ! -e /tmp/enough ]; do date > /data/later; done) & sleep 1")
        found = {"snapshot": await store.disk(Kind.SNAPSHOT, "s1", origin=of, live=True)}
        found["clone"] = await store.disk(Kind.VOLUME, "v2", origin=of, live=True)
        await store.backup("b1", of)
        found["backup"] = await store.disk(Kind.VOLUME, "v3", origin=Origin(kind=Kind.BACKUP, id="b1"))
        found["of the snapshot"] = await store.disk(Kind.VOLUME, "v4", origin=Origin(kind=Kind.SNAPSHOT, id="s1"))
        await it.say("touch /tmp/enough; wait")
        assert "written" == await it.say("echo more > /data/more && sync && echo written")  # nobody left it frozen
        for name, disk in found.items():
            assert (written, True) == await in_its_file_system(disk, tmp_path), name
        print(
            f"{len(found)} copies of a volume that a guest wrote to hold what it had written, whole: {', '.join(found)}"
        )
        await store.backend.ensure_gone(Kind.SNAPSHOT, "s1")
        assert written == (await it.say("md5sum < /data/file")).split()[0]
