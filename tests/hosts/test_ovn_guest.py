"""The built-in guest in a real QEMU on the real OVN: it finds its address and metadata, and answers from outside."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.hosts.ovn_world import OUTSIDE, machine_gets, machine_reaches, until, world
from tests.network.builders import ANN, RED, a_topology

from pileus import guest
from pileus.network.drivers.interface import PortPlug

pytestmark = [pytest.mark.host, pytest.mark.timeout(400)]


@contextlib.asynccontextmanager
async def qemu(made: guest.Guest, tap: int, mac: str, log: Path) -> AsyncIterator[None]:
    """The guest runs outside the cloud's namespace, on an open descriptor of its TAP."""
    argv = [
        "qemu-system-x86_64", "-accel", "tcg", "-m", "192", "-nographic", "-no-reboot", "-snapshot",
        "-drive", f"file={made.image},if=virtio,format=qcow2", "-serial", f"file:{log}", "-monitor", "none",
        "-netdev", f"tap,id=net0,fd={tap},vhost=off", "-device", f"virtio-net-pci,netdev=net0,mac={mac},romfile=",
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(*argv, pass_fds=(tap,), stdin=asyncio.subprocess.DEVNULL)
    os.close(tap)
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def test_guest_answers_on_its_floating_ip(tmp_path: Path) -> None:
    made = await guest.ensure(tmp_path / "cache", print)
    async with world(tmp_path, OUTSIDE) as w:
        await w.apply(a_topology(OUTSIDE))
        mac = "fa:16:3e:00:00:01"
        await w.host.plug.ensure_plugged(PortPlug(ANN, mac))
        async with qemu(made, await w.host.plug.open_tap(ANN), mac, tmp_path / "console.log"):
            await until(lambda: machine_reaches(f"{OUTSIDE}.50"), 90)

            async def serves() -> bool:
                return await machine_gets(f"http://{OUTSIDE}.50/") is not None

            await until(serves, 90)

            async def asked() -> bool:
                return (RED, "10.1.0.10") in w.who.asked

            await until(asked, 90)
        assert "network up eth0 10.1.0.10" in (tmp_path / "console.log").read_text(errors="replace")
