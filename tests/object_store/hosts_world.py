"""A cluster of object storage as it is in the world: each host a process in a network namespace, killed, cut off, robbed of its disk."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from tests.object_store.machines import Machines
from tests.object_store.storage_host import Given

from pileus.kit.clock import SystemClock
from pileus.main import object_certificates as certificates
from pileus.main.host_certificates import key_of
from pileus.main.state import State
from pileus.object_store.storage.keeper import Offered
from pileus.object_store.storage.published import Reached

ROOT = Path(__file__).resolve().parents[2]
PORT = 5003
DEADLINE_S = 240.0


class Net:
    """A bridge of our own, and a namespace on it for each host."""

    def __init__(self) -> None:
        mark = f"{os.getpid() % 65536:04x}"
        self.bridge = f"plo-{mark}"
        self._prefix = f"plo{mark}"
        self._block = f"10.198.{os.getpid() // 16 % 256}."
        self._low = os.getpid() % 16 * 16
        self._hosts: list[str] = []

    @property
    def here(self) -> str:
        """This machine's address on it."""
        return f"{self._block}{self._low + 1}"

    def lay(self) -> None:
        """The bridge is up."""
        ip("link", "add", self.bridge, "type", "bridge")
        ip("address", "add", f"{self.here}/28", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")

    def host(self, number: int) -> tuple[str, str]:
        """Namespace and address of another host, which can talk."""
        name, address = f"{self._prefix}-{number}", f"{self._block}{self._low + 1 + number}"
        ip("netns", "add", name)
        ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("link", "set", name, "master", self.bridge, "up")
        ip("-n", name, "address", "add", f"{address}/28", "dev", "eth0")
        for link in ("lo", "eth0"):
            ip("-n", name, "link", "set", link, "up")
        self._hosts.append(name)
        return name, address

    def remove(self) -> None:
        """Nothing of it is left."""
        for name in self._hosts:
            subprocess.run(["ip", "link", "delete", name], check=False, capture_output=True)
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
        subprocess.run(["ip", "link", "delete", self.bridge], check=False, capture_output=True)


class StorageHost:
    """One host: its namespace, its disk, its process."""

    def __init__(self, folder: Path, name: str, at: tuple[str, str], first: Reached, disks: int) -> None:
        space, address = at
        self.name = name
        self.space = space
        self.folder = folder / name
        self.disks = [self.folder / f"disk{number}" for number in range(disks)]
        devices = tuple(map(str, self.disks))
        self.given = Given(str(self.folder), name, address, PORT, devices, (first.address, first.port))
        self.process: subprocess.Popen[str] | None = None
        self._log = (folder / f"{name}.log").open("a")

    def start(self, fault: str = "") -> None:
        """Its process answers; with a fault, it dies at that place."""
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PILEUS_FAULT": fault}
        argv = [sys.executable, "-m", "tests.object_store.storage_host", msgspec.json.encode(self.given).decode()]
        self.process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.space}", *argv],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        if self.process.stdout.readline() != "ready\n":
            raise AssertionError(f"{self.name} does not start: {Path(self._log.name).read_text()[-3000:]}")

    @property
    def disk(self) -> Path:
        """Its first disk."""
        return self.disks[0]

    @property
    def dead(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def kill9(self) -> None:
        """It is gone without having had a chance to do anything."""
        self._end(signal.SIGKILL)

    def _end(self, how: int) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(how)
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()

    def cut(self) -> None:
        """Nothing gets through to it, or from it."""
        ip("link", "set", self.space, "down")

    def heal(self) -> None:
        """Everything gets through again."""
        ip("link", "set", self.space, "up")

    def hang(self) -> None:
        """It does nothing, and says nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """It goes on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def wipe(self) -> None:
        """Its disks are new ones."""
        self.kill9()
        for disk in self.disks:
            shutil.rmtree(disk)
        self.start()

    def objects(self) -> list[Path]:
        """The files of objects on its disk."""
        return sorted(self.disk.glob("objects*/*/*/*.data"))

    def flip(self, file: Path, at: int) -> None:
        """One bit of the file is another."""
        with file.open("r+b") as opened:
            opened.seek(at)
            was = opened.read(1)
            opened.seek(at)
            opened.write(bytes([was[0] ^ 1]))

    def close(self) -> None:
        """Its process has ended, and nothing is open."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        self._end(signal.SIGKILL)
        self._log.close()


class Hosts:
    """The whole cluster: the first controller is this process and has no disk, the hosts have one each."""

    def __init__(self, folder: Path, net: Net, count: int, disks: int = 1, **options: Any) -> None:
        self.disks = disks
        self.folder = folder
        self.net = net
        self.count = count
        times = {"conn_timeout_s": 2.0, "node_timeout_s": 6.0, "recheck_s": 0.5, "min_part_hours": 0.0}
        self.first = Machines(
            folder, clock=SystemClock(), part_power=3, replicas=3.0, disk_threads=2, **times, **options
        )
        self.hosts: list[StorageHost] = []

    async def open(self) -> None:
        """All hosts answer, and everybody knows the rings."""
        reached = await self.first.open(self.net.here)
        keeper = self.first.app.keeper
        assert keeper is not None
        for number in range(1, self.count + 1):
            self.add(number, reached)
        keeper.remove("d1")
        for host in self.hosts:
            self.know(host)
            host.start()

    def add(self, number: int, reached: Reached) -> StorageHost:
        """One more host, with its disk in the rings; it does not run yet."""
        name, at = f"h{number}", self.net.host(number)
        host = StorageHost(self.folder, name, at, reached, self.disks)
        state = State(host.folder)
        request = certificates.request(state, name)
        certificates.keep(state, certificates.grant(self.first.state, request, name))
        keeper = self.first.app.keeper
        assert keeper is not None
        key = sha256(key_of(request)).hexdigest()
        keeper.offer(name, [Offered(str(disk), 1.0) for disk in host.disks], Reached(at[1], PORT, key))
        self.hosts.append(host)
        return host

    def know(self, host: StorageHost) -> None:
        """The host finds the newest rings when it starts."""
        target = host.folder / "objects" / "cluster.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.folder / "objects" / "cluster.json", target)

    async def close(self) -> None:
        """Nothing runs."""
        for host in self.hosts:
            host.close()
        await self.first.close()


@contextlib.contextmanager
def laid() -> Iterator[Net]:
    """A network that is gone afterwards."""
    net = Net()
    try:
        net.lay()
        yield net
    finally:
        net.remove()


def wait_until(look: Callable[[], bool], what: str) -> None:
    """The condition holds; for what happens outside this process's loop."""
    ends = time.monotonic() + DEADLINE_S
    while not look():
        assert time.monotonic() < ends, f"not within {DEADLINE_S} s: {what}"
        time.sleep(0.05)


def ip(*arguments: str) -> None:
    """`ip` did that."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
