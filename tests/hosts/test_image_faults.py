"""A host that is given images it cannot read, or should not: it says why, and reads nothing that it was not given."""

import asyncio
import random
from pathlib import Path

import pytest
from tests.compute.drivers.contract import Watcher, a_server, has
from tests.hosts.qemu_world import qemu_world
from tests.image.faulty import unreadable
from tests.image.harness import Service, build
from tests.image.hostile import hostile

from pileus.compute.drivers.interface import Bus, Disk, DriverError, Image, ImageFormat, PowerSeen, Stored, Wanted
from pileus.image.manifest import port

pytestmark = [pytest.mark.host, pytest.mark.timeout(240)]
BYTES = random.Random(25).randbytes(1 << 20)


def booted_from(image: str, format: str) -> Wanted:
    """A server with a disk above the image."""
    over = ImageFormat.QCOW2 if format == "qcow2" else ImageFormat.RAW
    stored = Stored(format) if format in set(Stored) else None
    drive = Bus.IDE if stored is Stored.ISO else None
    return a_server(root=Disk(1, Image(image, over, stored=stored, drive=drive)))


async def test_a_boot_from_an_image_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    app = await build(tmp_path / "image")
    cloud = Service(app, tmp_path / "image")
    try:
        id = (await cloud.create())["id"]
        assert 204 == await cloud.upload(id, BYTES)
        (file,) = (tmp_path / "image" / "images").glob(f"{id}.*")
        with unreadable(file, len(BYTES) // 2):
            async with qemu_world(tmp_path / "host", images=port(app)) as world:
                with pytest.raises(DriverError, match=r"Image store read error: .* Input/output error"):
                    await Watcher(world.hypervisor).make(booted_from(id, "raw"), has(PowerSeen.ON))
    finally:
        await app.db.close()


class Unlooked:
    """ImageFiles of an image service that was told not to look at what is uploaded."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    async def fetch(self, image_id: str, destination: Path) -> None:
        await asyncio.to_thread(destination.write_bytes, self.content)


async def test_no_host_opens_what_is_not_what_it_is_said_to_be_or_reads_other_files(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_bytes(b"the canary sings of the host's files" * 30000)
    canary.chmod(0o644)
    cases = list(hostile(str(canary)))
    assert {"raw", "qcow2", *Stored} == {one.format for one in cases}
    for number, one in enumerate(cases):
        async with qemu_world(tmp_path / str(number), images=Unlooked(one.content)) as world:
            wanted = booted_from(f"{number:08}-0000-0000-0000-000000000000", one.format)
            with pytest.raises(DriverError, match="is refused by this host"):
                await Watcher(world.hypervisor).make(wanted, has(PowerSeen.ON))
            made = [path for path in (tmp_path / str(number)).rglob("*") if path.is_file() and wanted.id in str(path)]
            assert [] == [path for path in made if b"canary" in path.read_bytes()], one.name
            assert [] == list((tmp_path / str(number) / "cache" / "images").glob("*.raw")), one.name
