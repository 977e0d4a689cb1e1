"""A second machine for a cloud: a network namespace with a cable to this one, a state directory of its own, and its agent."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.clients.cloud import ROOT, RunningCloud, until
from tests.clients.remains import left_of, servers_of
from tests.ports import free_port

from pileus.main.state import State

SEEN_S = 90.0  # by when the cloud must have seen that a host came or went: 15 s, and room for a busy machine


class Machine:
    """A host from afar. With `cable` it is in a namespace of its own, else beside the cloud on loopback."""

    def __init__(self, cloud: RunningCloud, name: str, cable: "Cable | None" = None) -> None:
        self.cloud = cloud
        self.name = name
        self.cable = cable
        self.path = Path(tempfile.mkdtemp(prefix="pl-", dir="/tmp"))
        self.path.chmod(0o755)
        self.state = State(self.path)
        self.listen = f"{cable.here if cable else '127.0.0.1'}:{free_port()}"

    def command(self, *arguments: str, fails: bool = False) -> str:
        """What `pileus ARGUMENTS --state ...` printed on this machine."""
        argv = [sys.executable, "-m", "pileus.main.cli", *arguments, "--state", str(self.path)]
        within = ["nsenter", f"--net=/run/netns/{self.cable.name}"] if self.cable else []
        done = subprocess.run(
            [*within, *argv], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, f"{' '.join(argv)} ended with {done.returncode}:\n{said}\n{self.log()}"
        return said

    def token(self) -> tuple[str, str]:
        """URL and token of a fresh invitation."""
        known = "hosts_listen" in (self.cloud.path / "config.toml").read_text()
        said = self.cloud.pileus("host", "token", *([] if known else ["--listen", self.listen]))
        words = said[said.index("pileus join") :].split()
        return words[2], words[4]

    def cloud_address(self) -> tuple[str, int]:
        """Where the cloud answers hosts."""
        address, _, port = tomllib.loads((self.cloud.path / "config.toml").read_text())["hosts_listen"].rpartition(":")
        return address, int(port)

    def join(self) -> str:
        """It is a host of the cloud."""
        url, token = self.token()
        return self.command("join", url, "--token", token, "--name", self.name)

    def rejoin(self) -> str:
        """Its agent, which had ended, runs again."""
        return self.command("join")

    def kill9(self) -> None:
        """Its agent is gone without having had a chance to do anything."""
        pid = self.state.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        until(lambda: self.state.pid() is None, "the killed agent is gone")

    def until(self, state: str) -> None:
        """The cloud says that the host is up, or down."""

        def look() -> bool:
            services = self.cloud.openstack("compute service list", as_="admin")
            return any(found["Host"] == self.name and found["State"] == state for found in services)

        until(look, f"host {self.name} is {state}", SEEN_S, 0.3)

    def log(self) -> str:
        """The end of what its agent logged."""
        return self.state.log.read_text(errors="replace")[-4000:] if self.state.log.exists() else ""

    def destroy(self) -> None:
        """Nothing of it is left."""
        servers = servers_of(self.path)
        self.command("destroy", "--yes")
        left = left_of(self.state, servers)
        assert not left, f"destroy left behind: {left}"


class Cable:
    """A namespace as another machine, and a cable to it."""

    def __init__(self) -> None:
        mark = f"{os.getpid() % 65536:04x}"
        self.name, self.link = f"plt-{mark}", f"plt-{mark}"
        third, fourth = os.getpid() // 64 % 256, os.getpid() % 64 * 4
        self.here, self.there = (f"10.199.{third}.{fourth + last}" for last in (1, 2))

    def lay(self) -> None:
        """Both ends can talk."""
        _ip("netns", "add", self.name)
        _ip("link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        _ip("address", "add", f"{self.here}/30", "dev", self.link)
        _ip("-n", self.name, "address", "add", f"{self.there}/30", "dev", "eth0")
        for link in (("-n", self.name, "link", "set", "lo"), ("-n", self.name, "link", "set", "eth0")):
            _ip(*link, "up")
        self.heal()
        subprocess.run(["ethtool", "-K", self.link, "tx", "off"], check=True, capture_output=True)
        inside = ["nsenter", f"--net=/run/netns/{self.name}", "ethtool", "-K", "eth0", "tx", "off"]
        subprocess.run(inside, check=True, capture_output=True)

    def cut(self) -> None:
        """Nothing gets through."""
        _ip("link", "set", self.link, "down")

    def heal(self) -> None:
        """Everything gets through again."""
        _ip("link", "set", self.link, "up")

    def remove(self) -> None:
        """The namespace is gone, and the cable with it."""
        subprocess.run(["ip", "link", "delete", self.link], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "delete", self.name], check=False, capture_output=True)


@contextlib.contextmanager
def machine(cloud: RunningCloud, name: str, *, far: bool = False) -> Iterator[Machine]:
    """A machine that may join in the block, and of which nothing is left afterwards."""
    cable = Cable() if far else None
    made = None
    try:
        if cable is not None:
            cable.lay()
        made = Machine(cloud, name, cable)
        yield made
    finally:
        try:
            if made is not None and made.state.exists():
                made.destroy()
        finally:
            if made is not None:
                shutil.rmtree(made.path, ignore_errors=True)
            if cable is not None:
                cable.remove()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
