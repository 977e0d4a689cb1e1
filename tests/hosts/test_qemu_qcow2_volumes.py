"""A whole Linux guest with volumes in qcow2 files: what it writes is in them through growth, copies, swaps, encryption and starts."""

import re
import subprocess
from pathlib import Path

import msgspec
import pytest
from tests.compute.drivers.contract import Watcher, has
from tests.hosts.qemu_world import qemu_world
from tests.hosts.test_qemu_changes import UNTIL, Files, Shell, a_guest, guest, shell
from tests.hosts.test_qemu_volume_changes import READ, SECRET, SIZE_OF, WRITE, Keys, digest, grown, sees, with_volumes
from tests.hosts.test_qemu_volumes import a_volume, holds

from pileus.block_storage.drivers import luks, qcow2
from pileus.compute.drivers.interface import ImageFormat, PowerSeen, Volume
from pileus.guest import Guest
from pileus.kit.timely import timely
from pileus.ports.attached_disks import AttachedDisks

__all__ = ["guest"]
pytestmark = [pytest.mark.host, pytest.mark.scale, pytest.mark.timeout(480)]

GIB = 2**30


async def a_qcow2(folder: Path, gib: int, place: int = 1, content: bytes = b"", **more: object) -> Volume:
    """A volume as block storage makes one, of a qcow2 file."""
    plain = a_volume(folder, place, format=ImageFormat.QCOW2, size_gib=gib, **more)
    made, raw = Path(plain.path).with_suffix(".qcow2"), Path(plain.path)
    with raw.open("r+b") as file:
        file.write(content)
        file.truncate(gib * GIB + len(content))
    await qcow2.convert(raw, "raw", made, "qcow2")
    raw.unlink()
    return msgspec.structs.replace(plain, path=str(made))


async def raw_of(volume: Volume, folder: Path) -> Path:
    raw = folder / "seen.raw"
    await qcow2.convert(Path(volume.path), "qcow2", raw, "raw")
    return raw


async def digest_in(it: Shell, command: str, disk: str) -> str:
    """The digest the guest tells, whatever else its console says meanwhile."""
    found = re.search(r"\b[0-9a-f]{32}\b", await it.say(command.format(disk)))
    assert found is not None
    return found[0]


async def test_what_a_guest_writes_to_qcow2_volumes_is_there(guest: Guest, tmp_path: Path) -> None:
    plain, thin = grown(a_volume(tmp_path), 1), await a_qcow2(tmp_path, 3)
    closed = await a_qcow2(tmp_path, 1, 2, luks.header(SECRET), encrypted=True)
    async with qemu_world(tmp_path, images=Files(guest), keys=Keys()) as world:
        server, watcher, attached = a_guest(), Watcher(world.hypervisor), world.hypervisor.attached
        await watcher.make(with_volumes(server, plain), has(PowerSeen.ON))
        async with shell(world, server.id) as it:
            bytes_ = await digest_in(it, WRITE, "vdb")
            # From a raw file into a larger qcow2 one, while it runs.
            after = msgspec.structs.replace(thin, instead_of=plain.key)
            await watcher.make(with_volumes(server, plain, after), holds(thin))
            await watcher.make(with_volumes(server, thin, closed), holds(thin, closed))
            grows = f"{UNTIL} grep -q {3 * GIB // 512} /sys/block/vdb/size; " + SIZE_OF.format("vdb")
            assert 3 * GIB == int(await it.say(grows))
            # Its own QEMU makes the file larger, which nobody else may write to.
            assert await attached.grow(thin.id, 4)
            thin = msgspec.structs.replace(thin, size_gib=4)
            await watcher.make(with_volumes(server, thin, closed), sees(thin, 4))
            assert 4 * GIB == qcow2.size_of(Path(thin.path), "qcow2")
            await it.say(f"{UNTIL} [ -b /dev/vdc ]")
            secret = await digest_in(it, WRITE, "vdc")
            assert bytes_ == digest(await _copied(attached, thin, 4 * GIB, tmp_path))
            await _copied(attached, closed, GIB + luks.PAYLOAD, tmp_path)
            assert await attached.grow(closed.id, 2)
            assert bytes_ == await digest_in(it, READ, "vdb")
            await watcher.make(with_volumes(server), holds())
        assert bytes_ == digest(await raw_of(thin, tmp_path))
        closed_raw = await raw_of(closed, tmp_path)
        assert (2 * GIB + luks.PAYLOAD, True) == (closed_raw.stat().st_size, secret != digest(closed_raw, luks.PAYLOAD))
        for volume in (thin, closed):
            subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", volume.path], check=True)
        # And a server that starts with them finds them.
        second = with_volumes(a_guest(), thin, msgspec.structs.replace(closed, size_gib=2))
        await watcher.make(second, has(PowerSeen.ON))
        async with shell(world, second.id) as it:
            assert bytes_ == await digest_in(it, READ, "vdb")
            assert secret == await digest_in(it, READ, "vdc")
    assert not await attached.grow(thin.id, 5)


async def _copied(attached: AttachedDisks, volume: Volume, size: int, folder: Path) -> Path:
    """A raw copy of a volume that a guest has."""
    target = folder / f"copy-{volume.id}"
    await timely(attached.copy(volume.id, Path(volume.path), target, "qcow2"), 240)
    assert (size, True) == (target.stat().st_size, target.stat().st_blocks * 512 < 64 * 2**20)
    return target
