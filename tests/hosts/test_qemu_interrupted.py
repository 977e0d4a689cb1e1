"""Whatever was interrupted, to ensure again ends the same: one process, or nothing at all."""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.compute.drivers.contract import Watcher, has
from tests.hosts.qemu_world import QemuWorld, a_nic, qemu_world, qemus_in

from pileus.compute.drivers.interface import DriverError, PowerSeen, Wanted
from pileus.compute.drivers.qemu.home import Home
from pileus.compute.drivers.qemu.process import listen

pytestmark = pytest.mark.host

PROGRAM = textwrap.dedent(
    """
    import asyncio, os, pathlib, signal, sys, threading
    import msgspec
    from tests.hosts.qemu_world import QemuWorld
    from tests.compute.drivers.contract import Watcher, has
    from pileus.compute.drivers.interface import PowerSeen, Wanted

    async def main():
        world = QemuWorld(pathlib.Path(sys.argv[1]))
        server = msgspec.json.decode(sys.argv[2], type=Wanted)
        threading.Timer(float(sys.argv[3]), os.kill, (os.getpid(), signal.SIGKILL)).start()
        while True:
            await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
            await world.hypervisor.ensure_gone(server.id)

    asyncio.run(main())
    """
)


async def test_a_controller_killed_at_any_time_leaves_what_the_next_can_mend(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        server = world.wanted()
        document = msgspec.json.encode(server).decode()
        for lived_s in (0.01, 0.04, 0.07, 0.09, 0.11, 0.13, 0.15, 0.18, 0.21, 0.25):
            words = [sys.executable, "-c", PROGRAM, str(tmp_path), document, str(lived_s)]
            env = {**os.environ, "PYTHONPATH": "src:."}
            ended = await asyncio.to_thread(subprocess.run, words, env=env, capture_output=True, text=True, check=False)
            assert -signal.SIGKILL == ended.returncode, ended.stderr
            await _mends(world, server)


@pytest.mark.parametrize("turns", [1, 2, 3, 5, 8, 13, 20, 30, 45, 60])
async def test_a_cancelled_ensure_can_be_repeated(tmp_path: Path, turns: int) -> None:
    async with qemu_world(tmp_path) as world:
        server = world.wanted(nics=(a_nic("t4"),))
        task = asyncio.create_task(Watcher(world.hypervisor).make(server, has(PowerSeen.ON)))
        for _ in range(turns):
            await asyncio.wait([task], timeout=0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
        assert 1 == len(qemus_in(tmp_path))


async def _mends(world: QemuWorld, server: Wanted) -> None:
    """A controller that begins anew has the server run once, and then not at all."""
    hypervisor = world.begin_anew()
    await hypervisor.observe()
    # Started by the one that was killed, and not seen by it to run: crashed and off are honest answers too.
    await hypervisor.ensure(server)
    seen = await Watcher(hypervisor).make(server, lambda seen: seen.power is not PowerSeen.OFF)
    assert (1 if seen.power is PowerSeen.ON else 0) == len(qemus_in(world.state))
    await hypervisor.ensure_gone(server.id)
    assert [] == qemus_in(world.state)
    await hypervisor.close()


async def test_an_end_that_was_ours_is_no_crash_when_we_die_before_it_is_noted(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        server = world.wanted()
        await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
        (pid,) = qemus_in(tmp_path)
        home = Home(tmp_path / "servers", server.id)
        home.keep_run(msgspec.structs.replace(home.run(), ending=True))
        await world.hypervisor.close()  # as far as the next one knows, we were killed here
        door = os.pidfd_open(pid)
        os.kill(pid, signal.SIGTERM)
        assert (await asyncio.to_thread(select.select, [door], [], [], 10))[0]
        os.close(door)
        seen = (await world.begin_anew().observe())[server.id]
        assert (seen.power, seen.exit_reason) == (PowerSeen.OFF, None)


@pytest.mark.parametrize("speech", [b"", b"no JSON\r\n", b'{"QMP": {"version": {}, "capab', b"{}\r\n"])
async def test_flt017_a_monitor_that_is_lost_or_talks_nonsense_costs_no_healthy_server(
    tmp_path: Path, speech: bytes
) -> None:
    async with qemu_world(tmp_path) as world:
        server = world.wanted()
        await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
        (pid,) = qemus_in(tmp_path)
        await world.hypervisor.close()
        monitor = Home(tmp_path / "servers", server.id).monitor
        monitor.rename(tmp_path / "aside")
        async with liar(monitor, speech):
            hypervisor = world.begin_anew()
            seen = (await hypervisor.observe())[server.id]
            assert seen.power is PowerSeen.ON and seen.failure
            with pytest.raises(DriverError):
                await hypervisor.ensure(server)
            await hypervisor.close()
        (tmp_path / "aside").rename(monitor)
        seen = (await world.begin_anew().observe())[server.id]
        assert (seen.power, seen.failure, seen.pid) == (PowerSeen.ON, None, pid)
        await world.hypervisor.ensure(server)
        assert [pid] == qemus_in(tmp_path)


@contextlib.asynccontextmanager
async def liar(path: Path, speech: bytes) -> AsyncIterator[None]:
    """Somebody who answers at a monitor's address and is no QEMU; who says nothing, has no address either."""
    if not speech:
        yield
        return

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(speech)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    listener = listen(path)
    async with await asyncio.start_unix_server(speak, sock=listener):
        yield
    path.unlink()
