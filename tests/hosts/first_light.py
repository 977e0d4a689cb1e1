"""A demonstration cloud with real guests, and what a person does to one: browse, log in, look at its screens."""

import subprocess
import urllib.request
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.clients.cloud import RunningCloud, until
from websockets.sync.client import ClientConnection, connect

from pileus.main.processes import servers_of

REAL = ("--compute", "qemu", "--network", "ovn")
BOOT_S = 240.0
SSH_S = 30.0
NOT_YET = ("refused", "timed out", "Permission denied")


class Guest:
    """The server `demo` seen from outside."""

    def __init__(self, cloud: RunningCloud, name: str = "demo") -> None:
        self.cloud = cloud
        self.name = name

    def show(self) -> dict[str, Any]:
        """What the cloud says of it."""
        return dict(self.cloud.openstack(f"server show {self.name}"))

    @property
    def address(self) -> str:
        """Its floating IP."""
        (found,) = self.cloud.openstack("floating ip list")
        return str(found["Floating IP Address"])

    @property
    def pid(self) -> int:
        """The process it is."""
        found = qemu_of(self.cloud, self.show()["id"])
        assert found is not None, "the server runs nowhere"
        return found

    @property
    def boot(self) -> str:
        """What tells one boot of it from another."""
        return self.ssh("cat /proc/sys/kernel/random/boot_id").strip()

    def get(self, path: str = "/") -> str:
        """A page of its web server, as soon as it answers."""

        def look() -> str | None:
            try:
                with urllib.request.urlopen(f"http://{self.address}{path}", timeout=10) as page:
                    return str(page.read().decode())
            except OSError:
                return None

        return until(look, f"{self.address} answers by HTTP\n{self.console()[-2000:]}", BOOT_S, 1.0) or ""

    def greets(self) -> None:
        """Its page bears its name; right after a boot it may not know that yet."""
        until(lambda: f"<h1>{self.name}</h1>" in self.get(), "the guest knows its name", 60, 0.5)

    @property
    def uptime(self) -> float:
        """How long it has been up, as it says itself."""
        told = dict(line.split(" ", 1) for line in self.get("/cgi-bin/echo").splitlines() if " " in line)
        return float(told["uptime"])

    def ssh(self, command: str, user: str = "pileus", *, fails: bool = False) -> str:
        """What a command in the guest prints."""
        address = self.address
        key = self.cloud.path / "demo.key"
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "LogLevel=ERROR")
        argv = [
            "ssh",
            "-i",
            str(key),
            *(part for option in options for part in ("-o", option)),
            f"{user}@{address}",
            command,
        ]

        def look() -> subprocess.CompletedProcess[str] | None:
            try:
                done = subprocess.run(argv, capture_output=True, text=True, timeout=SSH_S, check=False)
            except subprocess.TimeoutExpired:
                return None  # a guest that goes down takes the connection with it, and says nothing
            # Right after a boot it listens before it has the key.
            refused = done.returncode == 255 and any(word in done.stderr for word in NOT_YET)
            return None if refused and not fails else done

        done = until(look, f"{user}@{address} lets us in", BOOT_S, 1.0)
        assert done is not None
        assert fails or done.returncode == 0, done
        return done.stdout

    def console(self) -> str:
        """What it has printed."""
        return str(self.cloud.openstack(f"console log show {self.name}"))

    def until_status(self, status: str) -> None:
        """It is in this state and nothing is under way."""

        def look() -> bool:
            shown = self.show()
            return (shown["status"], shown["OS-EXT-STS:task_state"]) == (status, None)

        until(look, f"{self.name} is {status}", 120, 0.5)

    def console_url(self, kind: str) -> str:
        """Where its console's WebSocket is; good once."""
        url = urlsplit(self.cloud.openstack(f"console url show --{kind} {self.name}")["url"])
        query = parse_qs(url.query)
        path = query["path"][0] if "path" in query else f"console/websocket?token={query['token'][0]}"
        return f"ws://{url.netloc}/{path.lstrip('/')}"


def open_console(url: str) -> ClientConnection:
    """The console is connected."""
    return connect(url, subprotocols=["binary"], open_timeout=30, close_timeout=5)  # type: ignore[list-item]


def heard(console: ClientConnection, words: bytes, type_: bytes = b"", deadline_s: float = 120) -> bytes:
    """What the console said up to and with these words; `type_` is typed until it says them."""
    said = b""

    def look() -> bool:
        nonlocal said
        if words in said:
            return True
        if type_:
            console.send(type_)
        try:
            message = console.recv(timeout=2)
        except TimeoutError:
            return False
        said += message.encode() if isinstance(message, str) else message
        return words in said

    until(look, f"the console says {words!r}", deadline_s, 0.05)
    return said


def qemu_of(cloud: RunningCloud, server: str) -> int | None:
    """The process id of a server's QEMU, if it runs."""
    found = dict(servers_of(cloud.state)).get(server)
    return None if found is None else found.pid


def links_of(cloud: RunningCloud) -> str:
    """The links in the cloud's namespace."""
    return subprocess.run(
        ["ip", "-n", f"pileus-{cloud.state.key}", "-o", "link"], capture_output=True, text=True, check=True
    ).stdout


def switch_of(cloud: RunningCloud) -> str:
    """All that stands in OVN's databases, as text."""
    socket = f"unix:{cloud.path}/ovn/run/db.sock"
    return "".join(
        subprocess.run(["ovsdb-client", "dump", socket, name], capture_output=True, text=True, check=True).stdout
        for name in ("OVN_Northbound", "OVN_Southbound", "Open_vSwitch")
    )
