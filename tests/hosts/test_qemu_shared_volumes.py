"""A volume in a directory of two hosts: one keeps it, a server on the other has it. Its snapshots, clones, backups and images are made
by who has it, on a file system that copies nothing by reference."""

import asyncio
import subprocess
import uuid
from pathlib import Path

import pytest
from tests.block_storage.drivers.contract import BackendContract, a_disk, of
from tests.block_storage.drivers.files import OneImage
from tests.compute.drivers.contract import Watcher, has
from tests.hosts.qemu_world import qemu_world
from tests.hosts.test_qemu_changed_volumes import WRITTEN, digest, md5
from tests.hosts.test_qemu_changes import UNTIL, Files, a_guest, guest, shell

from pileus.block_storage.agent import meet
from pileus.block_storage.drivers.interface import Backup, Export, Kind, Origin
from pileus.block_storage.drivers.marks import MARK
from pileus.block_storage.drivers.qcow2 import QCOW2, Format
from pileus.block_storage.drivers.shared import SharedBackend
from pileus.compute.drivers.interface import ImageFormat, PowerSeen, Volume
from pileus.guest import Guest
from pileus.kit.hosts.asks import Asks
from pileus.main.volume_files import AllVolumeFiles, BytesAnswers

__all__ = ["guest"]
pytestmark = [pytest.mark.host, pytest.mark.scale, pytest.mark.timeout(600)]


class Keeper:
    """The host that keeps the volume, and asks the other one, which runs the server."""

    def __init__(self, shared: Path, format: Format, answers: BytesAnswers, spool: Path) -> None:
        (shared / "hosts").mkdir(parents=True)
        (shared / MARK).write_text("store-1")
        self.backend = SharedBackend("b", shared, "h1", OneImage(b""), format=format)
        meet({"b": self.backend}, AllVolumeFiles("h2", answers, Asks(), spool))

    async def made(self, kind: Kind, **more: object) -> Path:
        seen = await BackendContract().made(self, a_disk(**more), kind)
        assert seen.path is not None
        return Path(seen.export.file if seen.export is not None else seen.path)


async def digest_of(file: Path, format: str) -> str:
    raw = file.with_name("digested")
    words = ["qemu-img", "convert", "-f", format, "-O", "raw", str(file), str(raw)]
    await asyncio.to_thread(subprocess.run, words, check=True)
    return digest(raw)


async def test_whoever_has_a_shared_volume_makes_its_copies(guest: Guest, tmp_path: Path) -> None:
    format = QCOW2  # a raw one: tests/hosts/test_held_volumes.py
    async with qemu_world(tmp_path / "state", images=Files(guest)) as world:
        answers = BytesAnswers("h2", {}, tmp_path / "leaving")
        answers.copy_attached(world.hypervisor)
        keeper = Keeper(tmp_path / "shared", format, answers, tmp_path / "arriving")
        disk = a_disk()
        path = await keeper.made(Kind.VOLUME, id=disk.id)
        volume = Volume(
            id=disk.id, kind="file", path=str(path), place=1, size_gib=1, format=ImageFormat(format)
        )  # fmt: skip
        server = a_guest(volumes=(volume,))
        await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
        try:
            async with shell(world, server.id) as it:
                await it.say(
                    f"{UNTIL} [ -b /dev/vdb ]; dd if=/dev/urandom of=/dev/vdb bs=4M count={WRITTEN} 2>/dev/null; sync"
                )
                before = await md5(it)
                held = Origin(kind=Kind.VOLUME, id=disk.id, holder="h2")
                found = {
                    "snapshot": await keeper.made(Kind.SNAPSHOT, origin=held, live=True),
                    "clone": await keeper.made(Kind.VOLUME, origin=held, live=True),
                }
                backup = Backup(id=str(uuid.uuid4()), backend="b", of=held, live=True)
                await BackendContract().backed_up(keeper, backup)
                found["backup"] = await keeper.made(Kind.VOLUME, origin=of(Kind.BACKUP, backup.id))
                for name, file in found.items():
                    assert before == await digest_of(file, format), name
                export = Export(name="i", format="qcow2")
                image = await keeper.made(Kind.VOLUME, id=disk.id, live=True, holder="h2", export=export)
                assert before == await digest_of(image, "qcow2")
                assert "alive" == await it.say("echo alive")
            print(
                f"{format}: a snapshot, a clone, a backup and an image of a volume on one host were made by the other"
            )
        finally:
            await answers.close()
            await keeper.backend.close()
        assert [] == list((tmp_path / "leaving").iterdir())
