"""Daemons killed, databases deleted, machines restarted, clouds side by side: traffic flows again, nothing is left."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from tests.hosts.ovn_world import OTHER_OUTSIDE, OUTSIDE, Guest, machine_gets, machine_reaches, until, world
from tests.network.builders import (
    ANN,
    BOB,
    a_topology,
    port_of,
    with_port,
)

from pileus.kit.run import run
from pileus.network.drivers.interface import (
    DriverError,
)
from pileus.network.drivers.ovn.link import free_address
from pileus.network.drivers.ovn.place import Place

pytestmark = [pytest.mark.host, pytest.mark.timeout(400)]


async def test_traffic_flows_while_the_controller_is_away_and_another_adopts(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        ann = await w.arrive(port_of(wanted, ANN))
        await ann.lease()
        await until(lambda: ann.reaches(f"{OUTSIDE}.1"))
        pids = [state.pid for state in w.host.daemons()]

        await w.fabric.stop()
        await w.host.close()
        assert await ann.reaches(f"{OUTSIDE}.1")
        w._open()
        await w.start()

        assert pids == [state.pid for state in w.host.daemons()]
        assert (await w.fabric.sync(wanted)).none
        await w.apply(wanted)
        assert await ann.gets("http://169.254.169.254/") is not None
        assert {ANN} == await w.host.plug.plugged()


@pytest.mark.parametrize("daemon", ["ovn-controller", "ovs-vswitchd", "ovsdb-server", "ovn-northd"])
async def test_killed_daemon_is_replaced_and_traffic_flows_again(tmp_path: Path, daemon: str) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        ann = await w.arrive(port_of(wanted, ANN))
        await ann.lease()
        await until(lambda: ann.reaches(f"{OUTSIDE}.1"))
        before = {state.name: state.pid for state in w.host.daemons()}

        os.kill(before[daemon], signal.SIGKILL)

        async def replaced() -> bool:
            now = {state.name: state.pid for state in w.host.daemons()}
            return now[daemon] not in (None, before[daemon])

        await until(replaced)
        await until(lambda: ann.reaches(f"{OUTSIDE}.1"), 90)
        assert {ANN} == await w.host.plug.plugged()
        extra = with_port(wanted, BOB, name="renamed")
        assert 1 == (await w.fabric.sync(extra)).updated


async def test_traffic_goes_on_while_ovn_controller_is_replaced(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        ann = await w.arrive(port_of(wanted, ANN))
        await ann.lease()
        await until(lambda: ann.reaches(f"{OUTSIDE}.1"))
        pinging = asyncio.create_task(ann.do("busybox", "ping", "-i", "0.1", "-c", "70", f"{OUTSIDE}.1"))

        os.kill(next(state.pid for state in w.host.daemons() if state.name == "ovn-controller"), signal.SIGKILL)

        said = (await pinging).out
        lost = 70 - int(said.partition(" packets received")[0].rpartition(" ")[2])
        assert lost <= 3, said.splitlines()[-2:]


async def test_deleted_databases_are_made_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        ann = await w.arrive(port_of(wanted, ANN))
        await ann.lease()
        await until(lambda: ann.reaches(f"{OUTSIDE}.1"))

        for name in ("conf", "nb", "sb"):
            w.host.place.database(name).unlink()
        await w.host.repair()

        await until(lambda: ann.reaches(f"{OUTSIDE}.1"), 90)
        assert (await w.fabric.sync(wanted)).none
        assert {ANN} == await w.host.plug.plugged()


async def test_a_deleted_namespace_for_metadata_is_made_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        ann = await w.arrive(port_of(wanted, ANN))
        await ann.lease()
        metadata = "http://169.254.169.254/"
        assert await ann.gets(metadata) is not None
        (network,) = await w.host.doors.there() & {ann.port.network}
        await run(["ip", "netns", "delete", w.host.place.metadata_namespace(network)])

        await w.apply(wanted)

        assert network in await w.host.doors.there()
        await until(lambda: _answered(ann, metadata), 60)


async def _answered(guest: Guest, url: str) -> bool:
    return await guest.gets(url) is not None


async def test_lost_switch_database_does_not_unplug_guests(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        ann = await w.arrive(port_of(wanted, ANN))
        await ann.lease()
        await w.host.close()
        w.host.place.database("conf").unlink()
        os.kill(next(state.pid for state in w.host.daemons() if state.name == "ovsdb-server"), signal.SIGKILL)

        await w.host.start()
        await w.apply(wanted)

        assert {ANN} == await w.host.plug.plugged()
        await until(lambda: ann.reaches(f"{OUTSIDE}.1"), 90)


async def test_everything_comes_back_after_the_machine_restarted(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        ann = await w.arrive(port_of(wanted, ANN))
        await w.fabric.stop()
        await w.host.close()
        await ann.leave()
        for state in w.host.daemons():
            os.kill(state.pid, signal.SIGKILL)
        await run(["ip", "netns", "delete", w.host.place.namespace])

        w._open()
        await w.start()
        await w.apply(wanted)
        ann = await w.arrive(port_of(wanted, ANN))

        await ann.lease()
        await until(lambda: ann.reaches(f"{OUTSIDE}.1"))
        assert await ann.gets("http://169.254.169.254/") is not None


async def test_controller_killed_at_once_leaves_the_daemons_running(tmp_path: Path) -> None:
    code = f"""
import asyncio, pathlib
from tests.hosts.ovn_world import OUTSIDE, OTHER_OUTSIDE, World
async def main():
    await World(pathlib.Path({str(tmp_path)!r}), {OUTSIDE!r}, "host-a").start()
    print("up", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    async with world(tmp_path) as w:
        await w.remove()
        controller = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, env=env, stdout=asyncio.subprocess.PIPE
        )
        assert b"up\n" == await controller.stdout.readline()
        before = [state.pid for state in w.host.daemons()]
        assert None not in before
        controller.kill()
        await controller.wait()

        await w.start()

        assert before == [state.pid for state in w.host.daemons()]


async def test_second_cloud_takes_another_block(tmp_path: Path) -> None:
    async with world(tmp_path):
        assert f"{OUTSIDE}.1/24" != await free_address(Place(tmp_path / "other"), f"{OUTSIDE}.1/24")
        assert f"{OUTSIDE}.1/24" == await free_address(Place(tmp_path), f"{OUTSIDE}.1/24"), "its own block is free"
        with pytest.raises(DriverError, match="overlaps"):
            async with world(tmp_path / "other"):
                pass


async def test_two_clouds_stand_side_by_side_below_long_paths(tmp_path: Path) -> None:
    deep = tmp_path / ("a-very-long-name-of-a-folder-" * 4)
    deep.mkdir()
    async with world(deep) as one, world(tmp_path / "two", OTHER_OUTSIDE) as two:
        for w, outside in ((one, OUTSIDE), (two, OTHER_OUTSIDE)):
            wanted = a_topology(outside)
            await w.apply(wanted)
            ann = await w.arrive(port_of(wanted, ANN))
            await ann.lease()
            await ann.serve(f"I am Ann of {outside}.")
        for outside in (OUTSIDE, OTHER_OUTSIDE):
            await until(lambda outside=outside: machine_reaches(f"{outside}.50"))
            assert f"I am Ann of {outside}." == await machine_gets(f"http://{outside}.50/")
        await one.remove()
        assert f"I am Ann of {OTHER_OUTSIDE}." == await machine_gets(f"http://{OTHER_OUTSIDE}.50/")


async def test_nothing_is_left_after_removal(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.apply(a_topology(OUTSIDE))
        digest = w.host.place.digest
    left = [
        (await run(argv)).out
        for argv in (["ip", "netns"], ["ip", "link"], ["nft", "list", "tables"], ["ps", "-eo", "args"])
    ]
    assert not [text for text in left if digest in text or str(tmp_path) in text]
    await asyncio.sleep(0)
