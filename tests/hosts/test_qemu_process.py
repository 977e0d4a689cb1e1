"""QEMU processes outlive us, are found again, fail alone, and leave nothing."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.compute.drivers.contract import Watcher, has
from tests.hosts.qemu_world import BROKEN, DEAF, a_nic, qemu_world, qemus_in

from pileus.compute.drivers.interface import (
    ConsoleKind,
    Disk,
    DriverError,
    Image,
    ImageFormat,
    Power,
    PowerSeen,
    Restarts,
)
from pileus.compute.drivers.qemu.home import Home
from pileus.kit.jail import uid_of

pytestmark = pytest.mark.host


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process hangs while the block lasts."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


async def test_runs_as_a_user_of_its_own_without_any_privilege(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        server = world.wanted(nics=(a_nic("t1"),))
        seen = await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
        status = status_of(seen.pid or 0)

        assert {str(uid_of(server.id))} == set(status["Uid"].split())
        assert {str(uid_of(server.id))} == set(status["Gid"].split())
        assert "" == status["Groups"].strip()
        assert {"0000000000000000"} == {status[kind] for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
        assert ("1", "2") == (status["NoNewPrivs"], status["Seccomp"])
        assert os.getsid(seen.pid or 0) == seen.pid


async def test_inherits_nothing_but_what_it_is_handed(tmp_path: Path) -> None:
    with (tmp_path / "secret").open("wb") as secret:
        os.set_inheritable(secret.fileno(), True)
        async with qemu_world(tmp_path) as world:
            server = world.wanted(nics=(a_nic("t2"),))
            seen = await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
            files = [os.readlink(entry) for entry in Path(f"/proc/{seen.pid}/fd").iterdir()]

            assert "/dev/net/tun" in files
            assert secret.name not in files
            ours = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _open(fd)]
            assert "/dev/net/tun" not in ours


def _open(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")


async def test_reaches_sockets_below_a_long_path_no_stranger_may_search(tmp_path: Path) -> None:
    state = tmp_path / ("long" * 30)
    state.mkdir()
    tmp_path.chmod(0o700)
    async with qemu_world(state) as world:
        server = world.wanted()
        await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
        await world.guest_prints(server.id)


async def test_adopts_what_runs_and_sees_it_end(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        server = world.wanted()
        first = await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
        await world.hypervisor.close()

        anew = world.begin_anew()
        adopted = (await anew.observe())[server.id]
        assert (first.pid, first.started_at, PowerSeen.ON) == (adopted.pid, adopted.started_at, adopted.power)
        watcher = Watcher(anew)
        await watcher.make(server, has(PowerSeen.ON))
        await world.lose_power(server.id)
        await watcher.until(server.id, has(PowerSeen.CRASHED))


async def test_adopts_a_process_nobody_wrote_down(tmp_path: Path) -> None:
    """A controller may die between starting QEMU and remembering that."""
    async with qemu_world(tmp_path) as world:
        server = world.wanted()
        first = await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
        await world.hypervisor.close()
        (Home(tmp_path / "servers", server.id).path / "run.json").unlink()

        anew = world.begin_anew()
        await anew.ensure(server)
        assert first.pid == (await anew.look(server.id)).pid
        assert [first.pid] == qemus_in(tmp_path)


async def test_notes_what_ended_while_nobody_watched(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        powered_off, killed = world.wanted(), world.wanted()
        for server in (powered_off, killed):
            await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
            await world.guest_prints(server.id)
        pid = (await world.hypervisor.look(killed.id)).pid
        reader, writer = await world.hypervisor.open(powered_off.id, ConsoleKind.SERIAL)
        await world.hypervisor.close()
        writer.write(b"!")
        assert b"!" == await reader.readexactly(1)
        writer.close()
        os.kill(pid or 0, signal.SIGKILL)
        os.waitpid(pid or 0, 0)

        seen = await world.begin_anew().observe()
        assert PowerSeen.CRASHED is seen[killed.id].power
        watcher = Watcher(world.hypervisor)
        await watcher.make(powered_off, lambda seen: seen.power is PowerSeen.OFF and seen.pid is None)
        assert "the guest powered off" == (await world.hypervisor.look(powered_off.id)).exit_reason


async def test_servers_run_on_when_the_controller_is_killed(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import asyncio, os, pathlib, signal, sys
        from tests.hosts.qemu_world import QemuWorld
        from tests.compute.drivers.contract import Watcher, has
        from pileus.compute.drivers.interface import PowerSeen
        async def main():
            world = QemuWorld(pathlib.Path(sys.argv[1]))
            server = world.wanted()
            seen = await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
            print(server.id, seen.pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        asyncio.run(main())
        """
    )
    env = {**os.environ, "PYTHONPATH": "src:."}
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program, str(tmp_path)], env=env, capture_output=True, text=True
    )
    assert -signal.SIGKILL == ended.returncode, ended.stderr
    id, pid = ended.stdout.split()
    async with qemu_world(tmp_path) as world:
        assert PowerSeen.ON is (await world.hypervisor.observe())[id].power
        assert [int(pid)] == qemus_in(tmp_path)
    assert [] == qemus_in(tmp_path)


async def test_a_hung_qemu_is_told_of_in_time_and_holds_up_nobody(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        hung, other = world.wanted(), world.wanted()
        for server in (hung, other):
            await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
        with stopped((await world.hypervisor.look(hung.id)).pid or 0):
            looking = asyncio.create_task(world.hypervisor.look(hung.id))
            await asyncio.sleep(0)
            assert (await world.hypervisor.look(other.id)).failure is None
            assert not looking.done()
            assert "does not answer" in ((await looking).failure or "")
            with pytest.raises(DriverError, match="does not answer"):
                await world.hypervisor.ensure(hung)
            # What hangs can still be removed.
            await world.hypervisor.ensure_gone(hung.id)
        assert [other.id] == list(await world.hypervisor.observe())


async def test_recovers_when_a_hung_qemu_goes_on(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        server = world.wanted()
        seen = await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
        with stopped(seen.pid or 0):
            assert (await world.hypervisor.look(server.id)).failure is not None
        assert (await world.hypervisor.look(server.id)).failure is None


async def test_a_guest_that_ignores_its_button_is_stopped_at_the_deadline(tmp_path: Path) -> None:
    async with qemu_world(tmp_path, stop_s=1.0) as world:
        server, watcher = world.wanted(DEAF), Watcher(world.hypervisor)
        await watcher.make(server, has(PowerSeen.ON))
        off = msgspec.structs.replace(server, power=Power.OFF)
        began = time.monotonic()
        waiting = await watcher.make(off, lambda seen: seen.doing is not None)
        assert PowerSeen.ON is waiting.power
        await watcher.until(server.id, has(PowerSeen.OFF))
        assert time.monotonic() - began >= 1


async def test_a_hard_reboot_overtakes_a_soft_one(tmp_path: Path) -> None:
    async with qemu_world(tmp_path, stop_s=60) as world:
        server, watcher = world.wanted(DEAF), Watcher(world.hypervisor)
        first = await watcher.make(server, has(PowerSeen.ON))
        soft = msgspec.structs.replace(server, restarts=Restarts(soft=1))
        await watcher.make(soft, lambda seen: seen.doing is not None)
        both = msgspec.structs.replace(server, restarts=Restarts(soft=1, hard=1))
        last = await watcher.make(both, lambda seen: seen.restarts == both.restarts)
        assert (PowerSeen.ON, True) == (last.power, last.pid != first.pid)


async def test_a_guest_that_resets_itself_keeps_its_process(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        server, watcher = world.wanted(), Watcher(world.hypervisor)
        first = await watcher.make(server, has(PowerSeen.ON))
        text = await world.guest_prints(server.id)
        reader, writer = await world.hypervisor.open(server.id, ConsoleKind.SERIAL)
        writer.write(b"~")
        await reader.readuntil(f"{text}\r\n".encode())
        writer.close()
        assert 2 == (await world.hypervisor.console_log(server.id)).count(text)
        assert first.pid == (await world.hypervisor.look(server.id)).pid


async def test_many_servers_fetch_an_image_once(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        servers = [msgspec.structs.replace(world.wanted(), power=Power.OFF) for _ in range(4)]
        watcher = Watcher(world.hypervisor)
        for server in servers:
            await world.hypervisor.ensure(server)
        for server in servers:
            await watcher.make(server, lambda seen: seen.disks_ready)
        assert 1 == len(world.sectors.fetched)


async def test_an_image_that_cannot_be_fetched_is_told_of_and_tried_again(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        server, watcher = world.wanted(BROKEN), Watcher(world.hypervisor)
        with pytest.raises(DriverError, match="the store is on fire"):
            await watcher.make(server, has(PowerSeen.ON))
        world.sectors.broken = False
        await watcher.make(server, has(PowerSeen.ON))


async def test_an_image_that_is_not_what_it_says_is_refused(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        server = world.wanted()
        lie = msgspec.structs.replace(server, root=Disk(1, Image("obedient", ImageFormat.QCOW2)))
        with pytest.raises(DriverError, match="is refused by this host: it should be qcow2"):
            await Watcher(world.hypervisor).make(lie, has(PowerSeen.ON))


async def test_a_qemu_that_does_not_start_says_why_and_is_tried_again(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        server, watcher = world.wanted(), Watcher(world.hypervisor)
        wrong = msgspec.structs.replace(server, cpu_model="abacus")
        for _ in range(2):
            with pytest.raises(DriverError, match="abacus"):
                await watcher.make(wrong, has(PowerSeen.ON))
        assert [] == qemus_in(tmp_path)
        await watcher.make(server, has(PowerSeen.ON))


async def test_gone_leaves_no_process_file_or_descriptor(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        before = len(os.listdir("/proc/self/fd"))
        server = world.wanted(nics=(a_nic("t3"),))
        await Watcher(world.hypervisor).make(server, has(PowerSeen.ON))
        assert ["t3"] == list(world.plug.plugged)
        await world.hypervisor.ensure_gone(server.id)

        assert [] == qemus_in(tmp_path)
        assert [] == list((tmp_path / "servers").iterdir())
        assert {} == world.plug.plugged
        assert before == len(os.listdir("/proc/self/fd"))


async def test_the_console_log_keeps_its_end_and_little_more(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        server, watcher = world.wanted(), Watcher(world.hypervisor)
        await watcher.make(server, has(PowerSeen.ON))
        await world.guest_prints(server.id)
        log = Home(tmp_path / "servers", server.id).guest / "console.log"
        with log.open("ab") as file:
            file.write(b"early\n" + b"x" * 2**21 + b"\n")
        await world.hypervisor.look(server.id)
        assert log.stat().st_blocks * 512 < 200 * 1024
        await world.type(server.id, b"late")
        await world.guest_prints(server.id)
        text = await world.hypervisor.console_log(server.id)
        assert "late" in text
        assert "early" not in text


async def test_a_link_in_place_of_the_console_log_is_not_followed(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        server, watcher = world.wanted(), Watcher(world.hypervisor)
        await watcher.make(server, has(PowerSeen.ON))
        log = Home(tmp_path / "servers", server.id).guest / "console.log"
        log.unlink()
        log.symlink_to("/etc/passwd")
        with pytest.raises(OSError, match="symbolic links"):
            await world.hypervisor.console_log(server.id)


async def test_only_a_server_with_an_agent_has_a_channel_to_it(tmp_path: Path) -> None:
    async with qemu_world(tmp_path) as world:
        watcher = Watcher(world.hypervisor)
        for agent in (True, False):
            server = world.wanted(agent=agent)
            await watcher.make(server, has(PowerSeen.ON))
            if not agent:
                with pytest.raises(DriverError, match="cannot be opened"):
                    await world.hypervisor.open(server.id, ConsoleKind.AGENT)
                continue
            reader, writer = await world.hypervisor.open(server.id, ConsoleKind.AGENT)
            assert not reader.at_eof()
            writer.close()
            await writer.wait_closed()
