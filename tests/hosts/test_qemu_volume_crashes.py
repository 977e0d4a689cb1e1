"""The agent is killed at every point at which a volume is swapped, copied or grows: the next one ends it, and no byte is lost."""

import asyncio
import filecmp
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import pytest
from tests.compute.drivers.contract import Watcher, has
from tests.hosts.qemu_world import QemuWorld, qemu_world
from tests.hosts.test_qemu_volumes import SIZE, a_volume, holds

from pileus.compute.drivers.interface import DriverError, PowerSeen, Volume, Wanted
from pileus.compute.drivers.qemu.home import Home

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

PROGRAM = textwrap.dedent(
    """
    import asyncio, pathlib, sys
    import msgspec
    from tests.hosts.qemu_world import QemuWorld
    from tests.hosts.test_qemu_volumes import holds
    from tests.compute.drivers.contract import Watcher
    from pileus.compute.drivers.interface import Wanted
    from pileus.kit.flow.failpoint import arm

    async def main():
        world = QemuWorld(pathlib.Path(sys.argv[1]))
        server = msgspec.json.decode(sys.argv[2], type=Wanted)
        await world.hypervisor.observe()
        arm(f"*#{sys.argv[3]}:kill")
        if len(sys.argv) > 4:
            source, target = map(pathlib.Path, sys.argv[4:])
            await world.hypervisor.attached.copy(server.volumes[0].id, source, target)
        else:
            await Watcher(world.hypervisor).make(server, holds(server.volumes[-1]))
        arm("")
        await world.hypervisor.close()

    asyncio.run(main())
    """
)


def filled(folder: Path) -> Volume:
    """A volume with bytes that nobody else has, and holes."""
    volume = a_volume(folder)
    with open(volume.path, "r+b") as file:
        for at in (0, SIZE // 2, SIZE - 4096):
            file.seek(at)
            file.write(os.urandom(4096))
    return volume


async def dies(world: QemuWorld, server: Wanted, point: int, *paths: str) -> bool:
    """Whether an agent of its own was killed at that point of the way there; if not, it got there."""
    document = msgspec.json.encode(server).decode()
    words = [sys.executable, "-c", PROGRAM, str(world.state), document, str(point), *paths]
    env = {**os.environ, "PYTHONPATH": "src:."}
    ended = await asyncio.to_thread(subprocess.run, words, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode != 0


async def swaps_at(world: QemuWorld, points: range, folder: Path) -> int:
    """A volume takes another's place and gives it back, by agents that die at these points; returns how many there were."""
    original, other = filled(folder), a_volume(folder)
    keep = folder / "original"
    keep.write_bytes(Path(original.path).read_bytes())
    server, now, after = world.wanted(), original, other
    seen = await Watcher(world.hypervisor).make(msgspec.structs.replace(server, volumes=(now,)), has(PowerSeen.ON))
    for point in points:
        both = (now, msgspec.structs.replace(after, instead_of=now.key))
        await world.hypervisor.close()
        died = await dies(world, msgspec.structs.replace(server, volumes=both), point)
        watcher = Watcher(world.begin_anew())
        await world.hypervisor.observe()
        end = await watcher.make(msgspec.structs.replace(server, volumes=both), holds(after))
        assert seen.pid == end.pid
        await watcher.make(msgspec.structs.replace(server, volumes=(after,)), holds(after))
        run = Home(world.state / "servers", server.id).run()
        assert ({}, {}) == (run.swaps, run.volumes_changing)
        now, after = after, now
        assert filecmp.cmp(keep, now.path, shallow=False), f"bytes were lost at point {point}"
        if not died:
            return point - 1
        with open(after.path, "r+b") as file:  # what is left there must not pass for a copy
            file.truncate(0)
            file.truncate(SIZE)
    return len(points)


async def copies_at(world: QemuWorld, points: range, folder: Path) -> int:
    """A volume is copied by agents that die at these points, and then by one that does not; returns how many there were."""
    volume, target = filled(folder), folder / "copy"
    server = msgspec.structs.replace(world.wanted(), volumes=(volume,))
    seen = await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
    for point in points:
        await world.hypervisor.close()
        died = await dies(world, server, point, volume.path, str(target))
        watcher = Watcher(world.begin_anew())
        await world.hypervisor.observe()
        assert seen.pid == (await watcher.make(server, holds(volume))).pid
        target.unlink(missing_ok=True)
        await world.hypervisor.attached.copy(volume.id, Path(volume.path), target)
        assert filecmp.cmp(volume.path, target, shallow=False), f"the copy differs at point {point}"
        assert target.stat().st_blocks * 512 < SIZE // 2
        if not died:
            return point - 1
    return len(points)


async def test_an_agent_killed_while_a_volume_is_swapped_loses_no_byte(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        assert 3 == await swaps_at(world, range(12, 24, 4), tmp_path)


async def test_a_volume_nobody_here_has_is_copied_unless_somebody_else_writes_to_it(tmp_path: Path) -> None:
    volume, target = filled(tmp_path), tmp_path / "copy"
    async with qemu_world(tmp_path / "state") as world:
        await world.hypervisor.attached.copy(volume.id, Path(volume.path), target)
        assert filecmp.cmp(volume.path, target, shallow=False)
        assert target.stat().st_blocks * 512 < SIZE // 2
        door, ready = tmp_path / "door", tmp_path / "ready"  # its pid, written once it has the file open
        words = ["qemu-storage-daemon", "--blockdev", f"file,node-name=v,filename={volume.path}", "--nbd-server",
                 f"addr.type=unix,addr.path={door}", "--export", "nbd,id=v,node-name=v,writable=on", "--pidfile", str(ready)]  # fmt: skip
        daemon = subprocess.Popen(words)
        try:
            async with asyncio.timeout(60):
                while not ready.exists():
                    await asyncio.sleep(0.05)
            with pytest.raises(DriverError, match="lock"):
                await world.hypervisor.attached.copy(volume.id, Path(volume.path), tmp_path / "torn")
        finally:
            daemon.kill()
            daemon.wait()


@pytest.mark.scale
async def test_an_agent_killed_at_any_point_of_a_swap_loses_no_byte(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        points = await swaps_at(world, range(1, 200), tmp_path)
    print(f"killed at {points} points of a swap, no byte was lost")
    assert points >= 20


@pytest.mark.scale
async def test_an_agent_killed_at_any_point_of_a_copy_makes_a_whole_one_the_next_time(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        points = await copies_at(world, range(1, 200), tmp_path)
    print(f"killed at {points} points of a copy, each was whole the next time")
    assert points >= 8
