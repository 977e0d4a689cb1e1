"""A real OVN for a test, and guests to stand on it: each a namespace whose TAP is wired to the port's TAP.

The wire is this process: it copies frames between the descriptor `open_tap` gave (as QEMU would) and a TAP in the
guest's namespace. Everything is removed when the block ends.
"""

import asyncio
import contextlib
import fcntl
import http.client
import os
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

from pileus.kit.run import Finished, run
from pileus.network.drivers.interface import Answer, Port, PortPlug, Topology
from pileus.network.drivers.ovn import dhcp, namespace
from pileus.network.drivers.ovn.daemons import Settings
from pileus.network.drivers.ovn.fabric import OvnFabric
from pileus.network.drivers.ovn.host import OvnHost
from pileus.network.drivers.ovn.link import ExternalLink

_LEASE_SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
env > "$LEASE_FILE"
ip address replace "$ip/$mask" dev "$interface"
ip link set "$interface" mtu "${mtu:-1500}"
set -- $staticroutes
while [ $# -ge 2 ]; do
  if [ "$2" = 0.0.0.0 ]; then ip route replace "$1" dev "$interface"
  else ip route replace "$1" via "$2" dev "$interface"; fi
  shift 2
done
"""

# A block for each process that runs tests at the same time, and one more for a second cloud.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
OUTSIDE = f"172.31.{100 + 2 * _WORKER}"
OTHER_OUTSIDE = f"172.31.{101 + 2 * _WORKER}"


async def until(holds: Callable[[], Awaitable[bool]], deadline_s: float = 60) -> None:
    """Waits for a state, looking again and again; fails the test after `deadline_s`."""
    end = time.monotonic() + deadline_s
    while not await holds():
        assert time.monotonic() < end, f"did not come true within {deadline_s} s"
        await asyncio.sleep(0.05)


class Guest:
    """Somebody who holds a port."""

    def __init__(self, space: str, port: Port, folder: Path) -> None:
        self.space = space
        self.port = port
        self._folder = folder
        self._ends: list[int] = []
        self._programs: list[asyncio.subprocess.Process] = []

    async def arrive(self, host: OvnHost) -> None:
        """The guest's eth0 is wired to its port."""
        await host.plug.ensure_plugged(PortPlug(self.port.id, self.port.mac))
        outer = await host.plug.open_tap(self.port.id)
        await run(["ip", "netns", "add", self.space])
        await run(["ip", "-n", self.space, "tuntap", "add", "dev", "eth0", "mode", "tap"])
        inner = await namespace.within(self.space, _open_eth0)
        await run(["ip", "-n", self.space, "link", "set", "eth0", "address", self.port.mac, "up"])
        await run(["ip", "-n", self.space, "link", "set", "lo", "up"])
        self._ends = [outer, inner]
        for source, target in ((outer, inner), (inner, outer)):
            asyncio.get_running_loop().add_reader(source, _copy, source, target)

    async def leave(self) -> None:
        """Nothing of the guest is left."""
        for program in self._programs:
            with contextlib.suppress(ProcessLookupError):
                program.kill()
            await program.wait()
        for end in self._ends:
            asyncio.get_running_loop().remove_reader(end)
            os.close(end)
        self._programs, self._ends = [], []
        if namespace.exists(self.space):
            await run(["ip", "netns", "delete", self.space])

    async def do(self, *argv: str, deadline_s: float = 60, check: bool = False) -> Finished:
        """What a program says inside the guest."""
        return await run(["ip", "netns", "exec", self.space, *argv], deadline_s=deadline_s, check=check)

    async def lease(self) -> dict[str, str]:
        """What DHCP told the guest, which is configured by it now."""
        script, told = self._folder / "lease.sh", self._folder / f"{self.space}.lease"
        script.write_text(_LEASE_SCRIPT)
        script.chmod(0o755)
        asking = ["busybox", "udhcpc", "-i", "eth0", "-f", "-n", "-q", "-t", "10", "-T", "1", "-O", "staticroutes",
                  "-O", "mtu", "-s", str(script)]  # fmt: skip
        await self.do("env", f"LEASE_FILE={told}", *asking, check=True)
        return dict(line.split("=", 1) for line in told.read_text().splitlines() if "=" in line)

    async def reaches(self, address: str) -> bool:
        """Whether one ping comes back."""
        return (await self.do("busybox", "ping", "-c", "1", "-W", "1", address)).code == 0

    async def gets(self, url: str) -> str | None:
        """What a web page says, or None."""
        return await namespace.within(self.space, lambda: _fetched(url))

    async def serve(self, text: str) -> None:
        """The guest serves a page on port 80."""
        folder = self._folder / f"{self.space}.www"
        folder.mkdir()
        (folder / "index.html").write_text(text)
        argv = ["ip", "netns", "exec", self.space, "busybox", "httpd", "-f", "-p", "80", "-h", str(folder)]
        program = await asyncio.create_subprocess_exec(*argv)
        self._programs.append(program)
        await until(lambda: _listens(program.pid, 80))


async def _listens(pid: int, port: int) -> bool:
    """Whether somebody listens at the port in the network that the process is in by now."""
    tables = [Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
    return any(f":{port:04X} " in line and " 0A " in line for table in tables for line in table.splitlines())


class Who:
    """Metadata answers that repeat the question, and remember who asked."""

    def __init__(self) -> None:
        self.asked: set[tuple[str, str]] = set()

    async def answer(
        self, network_id: str, source_ip: str, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        self.asked.add((network_id, source_ip))
        return Answer(200, body=f"{network_id} {source_ip} {method} {path} {headers.get('host')}".encode())


class World:
    """A host, a fabric and guests."""

    def __init__(self, state: Path, outside: str, host_name: str) -> None:
        self.state = state
        self.outside = outside
        self.host_name = host_name
        self.guests: list[Guest] = []
        self.who = Who()
        self._open()

    def _open(self) -> None:
        link = ExternalLink(address=f"{self.outside}.1/24")
        self.host = OvnHost(self.state, Settings(host=self.host_name), self.who, link)
        self.fabric = OvnFabric(self.host.socket, self.host.socket)

    async def start(self) -> None:
        await self.host.start()
        await self.fabric.start()

    async def apply(self, topology: Topology) -> None:
        """The topology stands and its doors are open."""
        await self.fabric.sync(topology)
        for door in dhcp.doors(topology):
            await self.host.doors.ensure(door)

    async def arrive(self, port: Port) -> Guest:
        """A guest on the port, once traffic flows."""
        guest = Guest(f"plg-{self.host.place.digest}-{port.id[:8]}", port, self.state)
        self.guests.append(guest)
        await guest.arrive(self.host)

        async def up() -> bool:
            return (await self.fabric.port_states())[port.id].up

        await until(up)
        return guest

    async def remove(self) -> None:
        for guest in self.guests:
            await guest.leave()
        await self.fabric.stop()
        await self.host.remove()


@contextlib.asynccontextmanager
async def world(state: Path, outside: str = OUTSIDE, host_name: str = "host-a") -> AsyncIterator[World]:
    """A running world, removed afterwards."""
    made = World(state, outside, host_name)
    try:
        await made.start()
        yield made
    finally:
        await made.remove()


async def machine_gets(url: str) -> str | None:
    """What the machine itself is told by a web page."""
    return await asyncio.to_thread(_fetched, url)


async def machine_reaches(address: str) -> bool:
    """Whether a ping from the machine comes back."""
    return (await run(["busybox", "ping", "-c", "1", "-W", "1", address], check=False)).code == 0


def _fetched(url: str) -> str | None:
    # Debian's static busybox has a wget that crashes, so we ask ourselves.
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=3)
    try:
        connection.request("GET", f"/{path}")
        return connection.getresponse().read().decode()
    except OSError:
        return None
    finally:
        connection.close()


def _open_eth0() -> int:
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"eth0", 0x1002))
    return tap


def _copy(source: int, target: int) -> None:
    with contextlib.suppress(BlockingIOError, OSError):
        while frame := os.read(source, 65536):
            os.write(target, frame)
