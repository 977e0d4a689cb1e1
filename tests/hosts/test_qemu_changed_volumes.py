"""Backups of qcow2 volumes while servers have them: QEMU notes what a guest changes, only that is read, and whatever is killed
meanwhile makes the next backup a longer one, and never a wrong one."""

import asyncio
import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.block_storage.drivers.contract import a_disk, of, until
from tests.block_storage.drivers.files import OneImage
from tests.compute.drivers.contract import Watcher, has
from tests.hosts.qemu_world import QemuWorld, qemu_world
from tests.hosts.test_qemu_changes import UNTIL, Files, Shell, a_guest, guest, shell
from tests.hosts.test_qemu_volumes import holds

from pileus.block_storage.drivers.backup_chunks import CHUNK
from pileus.block_storage.drivers.file import FileBackend
from pileus.block_storage.drivers.interface import Backup, BackupSeen, Disk, DiskSeen, Kind, Seen
from pileus.compute.drivers.interface import ImageFormat, Power, PowerSeen, Volume, Wanted
from pileus.guest import Guest
from pileus.kit.flow.failpoint import watched

__all__ = ["guest"]
pytestmark = [pytest.mark.host, pytest.mark.scale, pytest.mark.timeout(900)]

GIB = 2**30
STEP = 1 if os.environ.get("PILEUS_DRILL") == "whole" else 7  # of the places a backup passes one in so many is tried
SLOT = 12  # of a volume in place 1
NOISE = "dd if=/dev/urandom of=/dev/vdb bs={size} seek={at} count=1 oflag=direct conv=notrunc,fsync 2>/dev/null; sync"
WRITTEN = 8  # pieces at the beginning, and one where there was nothing before
FAR = 150
DIGEST = (
    f"echo 3 > /proc/sys/vm/drop_caches; (dd if=/dev/vdb bs=4M count={WRITTEN}; dd if=/dev/vdb bs=4M skip={FAR} count=1)"
    " 2>/dev/null | md5sum"
)
PROGRAM = textwrap.dedent(
    """
    import asyncio, pathlib, sys
    import msgspec
    from tests.hosts.test_qemu_changed_volumes import Store
    from tests.hosts.qemu_world import QemuWorld
    from pileus.kit.flow.failpoint import arm

    async def main():
        root = pathlib.Path(sys.argv[1])
        world, store = QemuWorld(root / "state"), Store(root / "volumes")
        store.backend.copy_attached(world.hypervisor.attached)
        await world.hypervisor.observe()
        arm(f"*#{sys.argv[2]}:kill")
        await store.backup(sys.argv[3], id=sys.argv[4], parent=sys.argv[5])
        arm("")
        await store.backend.close()
        await world.hypervisor.close()

    asyncio.run(main())
    """
)


class Store:
    """A back end of qcow2 files, of whose volumes backups are made."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.backend = FileBackend("b", root, OneImage(b""), format="qcow2")

    async def made(self, disk: Disk) -> str:
        """Where the disk is."""

        def there(seen: Seen) -> bool:
            return isinstance(seen, DiskSeen) and seen.content == disk.content and seen.doing is None

        seen = await until(self.backend, lambda: self.backend.ensure_disk(Kind.VOLUME, disk), there)
        assert isinstance(seen, DiskSeen)
        assert seen.path is not None
        return seen.path

    async def volume(self) -> Volume:
        disk = a_disk()
        path = await self.made(disk)
        return Volume(id=disk.id, kind="file", path=path, place=1, size_gib=1, format=ImageFormat.QCOW2)

    async def backup(
        self, volume_id: str, *, parent: str | None = None, id: str | None = None, live: bool = True
    ) -> str:
        wanted = Backup(
            id=id or str(uuid.uuid4()), backend="b", of=of(Kind.VOLUME, volume_id), parent=parent, compression="none",
            live=live,
        )  # fmt: skip

        def whole(seen: Seen) -> bool:
            return isinstance(seen, BackupSeen) and seen.whole

        await until(self.backend, lambda: self.backend.ensure_backup(wanted), whole)
        return wanted.id

    def chunks(self, backup: str) -> list[int]:
        """Which pieces the backup has of its own."""
        return sorted(int(each.stem) for each in (self.root / Kind.BACKUP / backup).glob("*.raw"))

    def restored(self, backup: str) -> contextlib.AbstractAsyncContextManager[Path]:
        """A raw file with what the backup holds."""
        return self.backend.reading(of(Kind.BACKUP, backup), self.root, live=False)

    async def digest(self, backup: str) -> str:
        async with self.restored(backup) as raw:
            return digest(raw)


def digest(raw: Path) -> str:
    """Of the pieces that guests write."""
    found = hashlib.md5(usedforsecurity=False)
    with raw.open("rb") as file:
        for at in (*range(WRITTEN), FAR):
            found.update(os.pread(file.fileno(), CHUNK, at * CHUNK))
    return found.hexdigest()


def read_by(pid: int) -> int:
    """How many octets the process has read until now."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("rchar"))


@contextlib.asynccontextmanager
async def a_world(folder: Path, **more: object) -> AsyncIterator[tuple[QemuWorld, Store]]:
    async with qemu_world(folder / "state", **more) as world:  # type: ignore[arg-type]
        store = Store(folder / "volumes")
        store.backend.copy_attached(world.hypervisor.attached)
        try:
            yield world, store
        finally:
            await store.backend.close()


async def md5(it: Shell) -> str:
    return (await it.say(DIGEST)).split()[0]


async def starts_again(world: QemuWorld, server: Wanted, *, hard: bool) -> Wanted:
    """The server has another QEMU: its own was killed, or ended as it was asked to."""
    watcher = Watcher(world.hypervisor)
    if hard:
        if (await world.hypervisor.look(server.id)).pid is not None:
            await world.lose_power(server.id)
        await watcher.make(server, has(PowerSeen.CRASHED))
    else:
        await watcher.make(msgspec.structs.replace(server, power=Power.OFF), has(PowerSeen.OFF))
    restarts = msgspec.structs.replace(server.restarts, start=server.restarts.start + 1)
    again = msgspec.structs.replace(server, restarts=restarts)
    await watcher.make(again, has(PowerSeen.ON))
    return again


async def test_only_what_a_guest_changed_is_read_for_a_backup_while_it_runs(guest: Guest, tmp_path: Path) -> None:
    async with a_world(tmp_path, images=Files(guest)) as (world, store):
        volume = await store.volume()
        server = a_guest(volumes=(volume,))
        await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
        async with shell(world, server.id) as it:
            await it.say(
                f"{UNTIL} [ -b /dev/vdb ]; dd if=/dev/urandom of=/dev/vdb bs=4M count={WRITTEN} 2>/dev/null; sync"
            )
            before, first = await md5(it), await store.backup(volume.id)
            assert (before, list(range(WRITTEN))) == (await store.digest(first), store.chunks(first))
            for at in (3, FAR):
                await it.say(NOISE.format(size="64k", at=at * CHUNK // (64 << 10) + 5))
            after = await md5(it)
            pid = (await world.hypervisor.look(server.id)).pid
            assert pid is not None
            had = read_by(pid)
            second = await store.backup(volume.id, parent=first)
            read = read_by(pid) - had
            assert (after, [3, FAR]) == (await store.digest(second), store.chunks(second))
            assert read < 4 * CHUNK, f"{read} octets were read"
            print(
                f"two pieces of {CHUNK} octets changed: QEMU read {read} octets for a backup, of {(WRITTEN + 1) * CHUNK}"
            )
        # Noted by a QEMU that ended as it should: what the next one, and a guest anew, changed is known.
        server = await starts_again(world, server, hard=False)
        async with shell(world, server.id) as it:
            await it.say(f"{UNTIL} [ -b /dev/vdb ]; " + NOISE.format(size="64k", at=7 * 64))
            after, third = await md5(it), await store.backup(volume.id, parent=second)
            assert (after, [7]) == (await store.digest(third), store.chunks(third))
        await is_killed(world, store, server, volume, third)


async def is_killed(world: QemuWorld, store: Store, server: Wanted, volume: Volume, third: str) -> None:
    """Of what a QEMU noted that was killed nothing is known: all is read, and compared."""
    async with shell(world, server.id, log_in=False) as it:
        await it.say(NOISE.format(size="64k", at=9 * 64))
        after = await md5(it)
    server = await starts_again(world, server, hard=True)
    pid = (await world.hypervisor.look(server.id)).pid
    assert pid is not None
    had = read_by(pid)
    fourth = await store.backup(volume.id, parent=third)
    assert read_by(pid) - had >= WRITTEN * CHUNK
    assert (after, [9]) == (await store.digest(fourth), store.chunks(fourth))
    # With what it left the disk still grows.
    assert await world.hypervisor.attached.grow(volume.id, 2)
    await store.made(Disk(id=volume.id, backend="b", size_gib=2))
    # And without a server what is in the file tells the same.
    await Watcher(world.hypervisor).make(msgspec.structs.replace(server, volumes=()), holds())
    fifth = await store.backup(volume.id, parent=fourth, live=False)
    assert [] == store.chunks(fifth)
    subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", volume.path], check=True)


class Writer:
    """Somebody who writes to a volume by the QEMU that has it, as its guest would."""

    def __init__(self, world: QemuWorld, server: str) -> None:
        self._world = world
        self._server = server
        self._chosen = random.Random(1)

    async def write(self) -> None:
        """Some piece has changed."""
        at, octet = self._chosen.randrange(GIB // CHUNK) * CHUNK, self._chosen.randrange(1, 256)
        ((_, server),) = self._world.hypervisor._all()
        async with server.held() as monitor:
            assert monitor is not None
            for words in (f"write -P {octet} {at} 64k", "flush"):
                command = f'qemu-io volume{SLOT} "{words}"'
                assert "" == await monitor.execute("human-monitor-command", **{"command-line": command})


async def a_server_that_is_written_to(world: QemuWorld, store: Store) -> tuple[Wanted, Volume]:
    # A writer beside the guest: QEMU allows it only of a disk that others may write to.
    volume = msgspec.structs.replace(await store.volume(), shared=True)
    server = msgspec.structs.replace(world.wanted(), volumes=(volume,))
    await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
    return server, volume


async def is_as_backed_up(world: QemuWorld, store: Store, volume: Volume, backup: str) -> bool:
    """Whether the backup holds, octet for octet, what the volume holds, as a mirror of it says."""
    mirror = store.root / "mirror"
    await world.hypervisor.attached.copy(volume.id, Path(volume.path), mirror, "qcow2")
    async with store.restored(backup) as raw:
        words = ["qemu-img", "compare", "-q", "-f", "raw", "-F", "raw", str(mirror), str(raw)]
        return 0 == (await asyncio.to_thread(subprocess.run, words, check=False)).returncode


async def test_an_agent_killed_at_any_point_of_a_backup_makes_a_right_one_the_next_time(tmp_path: Path) -> None:
    async with a_world(tmp_path) as (world, store):
        server, volume = await a_server_that_is_written_to(world, store)
        writer = Writer(world, server.id)
        await writer.write()
        last = await store.backup(volume.id)
        points, few = 0, 0
        for point in range(1, 100, STEP):
            await writer.write()
            await world.hypervisor.close()  # one at a time speaks with QEMU
            id = str(uuid.uuid4())
            words = [sys.executable, "-c", PROGRAM, str(tmp_path), str(point), volume.id, id, last]
            env = {**os.environ, "PYTHONPATH": "src:."}
            ended = await asyncio.to_thread(subprocess.run, words, env=env, capture_output=True, text=True, check=False)
            assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
            world.begin_anew()
            await world.hypervisor.observe()
            store.backend.copy_attached(world.hypervisor.attached)
            await writer.write()
            last = await store.backup(volume.id, parent=last, id=id)
            if ended.returncode != 0:
                few += len(store.chunks(last))
                points += 1
                continue
            await writer.write()
            last = await store.backup(volume.id, parent=last)
            break
        assert await is_as_backed_up(world, store, volume, last)
        assert points >= 40 // STEP
        assert few >= points  # at least what was written before each
        print(
            f"the agent was killed at {points} points of a backup; the next one wrote {few} pieces, and nothing was wrong"
        )


def killing(point: int, pid: int) -> "contextlib.AbstractContextManager[None]":
    """In the block the process is killed when that point is passed."""
    left = point

    def watcher(name: str, place: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(pid, signal.SIGKILL)

    return watched(watcher)


async def test_a_qemu_killed_at_any_point_of_a_backup_makes_the_next_one_read_all_and_right(tmp_path: Path) -> None:
    async with a_world(tmp_path) as (world, store):
        server, volume = await a_server_that_is_written_to(world, store)
        writer = Writer(world, server.id)
        last, killed = await store.backup(volume.id), 0
        for point in range(1, 100, 2 * STEP):
            await writer.write()
            pid = (await world.hypervisor.look(server.id)).pid
            assert pid is not None
            with killing(point, pid):
                last = await backed_up_at_last(store, volume.id, last)
            if (await world.hypervisor.look(server.id)).power is PowerSeen.ON:
                break
            killed += 1
            server = await starts_again(world, server, hard=True)
            assert await is_as_backed_up(world, store, volume, last), f"the backup differs at point {point}"
        assert killed >= 20 // STEP
        print(f"QEMU was killed at {killed} points of a backup, and each backup was right")


async def backed_up_at_last(store: Store, volume: str, parent: str) -> str:
    """A backup, asked for again as the flow does until it is whole."""
    id = str(uuid.uuid4())
    for _ in range(5):
        with contextlib.suppress(Exception):
            return await store.backup(volume, parent=parent, id=id)
    return await store.backup(volume, parent=parent, id=id)
