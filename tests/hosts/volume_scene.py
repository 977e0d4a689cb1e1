"""A cloud of real QEMUs without networks, whose volumes lie on file systems of the test's choice; guests are typed to at their
serial consoles, and everything is asked for by the public API."""

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.clients.cloud import RunningCloud, running_cloud, until
from tests.hosts.console_words import without_news
from websockets.sync.client import ClientConnection, connect

from pileus.main.processes import servers_of

DRIVERS = ("--compute", "qemu", "--network", "fake")
VERSIONS = {"OpenStack-API-Version": "compute 2.90, volume 3.71"}
LONG_S = 600.0
AGAIN_S = 10.0
MIB = 2**20
UNTIL = 'wait_for() { n=0; until "$@" || [ $n = 600 ]; do n=$((n+1)); sleep 0.1; done; }; wait_for'
WRITE = "dd if=/dev/urandom of={0} bs=1M seek={1} count=8 conv=notrunc,fsync 2>/dev/null"
READ = "echo 3 > /proc/sys/vm/drop_caches; dd if={0} bs=1M skip={1} count=8 2>/dev/null | md5sum"

Json = dict[str, Any]


class Site:
    """A cloud, asked as its admin; volumes are kept in the folders."""

    def __init__(self, cloud: RunningCloud, folders: Sequence[Path]) -> None:
        self.cloud = cloud
        self.folders = folders

    def ask(self, method: str, path: str, body: object = None, *, says: int = 0) -> Json:
        """What the answer holds; its status is that, or any that is no refusal."""
        answer = self.cloud.ask(method, path, body, as_="admin", headers=VERSIONS)
        assert answer.status == says or (not says and answer.status < 400), (method, path, answer, self.cloud.log())
        return dict(answer.json) if answer.body else {}

    # Volumes and what is made of them.

    def make(self, one: str, **about: object) -> str:
        """A volume, snapshot or backup that is there."""
        path = f"/volume/v3/{one}s"
        id = str(self.ask("POST", path, {one: {"name": "scene", **about}})[one]["id"])
        self.until(one, id, "available")
        return id

    def show(self, one: str, id: str) -> Json:
        return dict(self.ask("GET", f"/volume/v3/{one}s/{id}")[one])

    def act(self, one: str, id: str, action: str, **about: object) -> Json:
        return self.ask("POST", f"/volume/v3/{one}s/{id}/action", {action: about})

    def until(self, one: str, id: str, status: str, **also: object) -> Json:
        """It is in that status, and so is whatever else was said; then it is shown."""

        def look() -> Json | None:
            shown = self.show(one, id)
            assert status.startswith("error") or not shown["status"].startswith("error"), (shown, self.why(id))
            return shown if all(shown[key] == value for key, value in {"status": status, **also}.items()) else None

        return until(look, f"{one} {id} is {status} {also or ''}: {self.show(one, id)}", LONG_S, 0.3) or {}

    def gone(self, one: str, *ids: str) -> None:
        """They are deleted, and do not exist."""
        for id in ids:
            self.ask("DELETE", f"/volume/v3/{one}s/{id}")
        for id in ids:
            path = f"/volume/v3/{one}s/{id}"
            until(
                lambda path=path: self.cloud.ask("GET", path, as_="admin").status == 404, f"{path} is gone", LONG_S, 0.3
            )

    def why(self, id: str) -> list[str]:
        """What the cloud tells the user of what went wrong with it."""
        found = self.ask("GET", "/volume/v3/messages")["messages"]
        return [str(each["user_message"]) for each in found if each["resource_uuid"] == id]

    def file(self, volume: str) -> Path:
        """Where its bytes are."""
        (found,) = [file for folder in self.folders for file in folder.glob(f"volume/{volume}/[0-9]*.raw")]
        return found

    # Servers.

    def image(self, name: str = "pileus-guest") -> str:
        found = self.ask("GET", f"/image/v2/images?name={name}")["images"]
        return str(found[0]["id"])

    def boot(self, **about: object) -> "Server":
        """A server that runs; of the built-in guest unless something else is said."""
        given = {"name": "scene", "flavorRef": "1", "networks": "none", **about}
        if "block_device_mapping_v2" not in given:
            given.setdefault("imageRef", self.image())
        made = self.ask("POST", "/compute/v2.1/servers", {"server": given})
        server = Server(self, made["server"]["id"], made["server"]["adminPass"])
        server.until("ACTIVE")
        return server

    def lose_power(self) -> None:
        """The agent and every server of the host are gone at once."""
        pids = [process.pid for _, process in servers_of(self.cloud.state)]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.cloud.kill9()
        until(lambda: not list(servers_of(self.cloud.state)), "nothing of it runs", LONG_S)


class Server:
    """A server, and whoever sits at its console."""

    def __init__(self, site: Site, id: str, password: str) -> None:
        self.site = site
        self.id = id
        self._password = password
        self._path = f"/compute/v2.1/servers/{id}"

    def show(self) -> Json:
        return dict(self.site.ask("GET", self._path)["server"])

    def act(self, **action: object) -> Json:
        named = {name.replace("os_", "os-"): value for name, value in action.items()}
        return self.site.ask("POST", f"{self._path}/action", named)

    def story(self) -> list[Json]:
        """What was done with it and what befell it, the newest first."""
        return list(self.site.ask("GET", f"{self._path}/os-instance-actions")["instanceActions"])

    def until(self, status: str) -> Json:
        def look() -> Json | None:
            shown = self.show()
            assert status == "ERROR" or shown["status"] != "ERROR", (shown["fault"], self.site.cloud.log())
            rests = shown["OS-EXT-STS:task_state"] is None
            return shown if shown["status"] == status and rests else None

        return until(look, f"server {self.id} is {status}", LONG_S, 0.3) or {}

    def attach(self, volume: str) -> None:
        """It has the volume."""
        self.site.ask("POST", f"{self._path}/os-volume_attachments", {"volumeAttachment": {"volumeId": volume}})
        self.site.until("volume", volume, "in-use")
        self.until("ACTIVE")

    def detach(self, volume: str) -> None:
        """It has it no more."""
        self.site.ask("DELETE", f"{self._path}/os-volume_attachments/{volume}")
        self.site.until("volume", volume, "available")

    def volumes(self) -> list[str]:
        found = self.site.ask("GET", f"{self._path}/os-volume_attachments")["volumeAttachments"]
        return [str(each["volumeId"]) for each in found]

    def delete(self) -> None:
        """There is no such server."""
        self.site.ask("DELETE", self._path)
        until(lambda: self.site.cloud.ask("GET", self._path, as_="admin").status == 404, "it is gone", LONG_S, 0.3)

    @property
    def pid(self) -> int:
        return dict(servers_of(self.site.cloud.state))[self.id].pid

    @contextlib.contextmanager
    def shell(self) -> Iterator["Shell"]:
        """A shell of root's at its serial console."""
        about = {"remote_console": {"protocol": "serial", "type": "serial"}}
        made = self.site.ask("POST", f"{self._path}/remote-consoles", about)["remote_console"]["url"]
        url = urlsplit(made)
        query = parse_qs(url.query)
        path = query["path"][0] if "path" in query else f"console/websocket?token={query['token'][0]}"
        # Nobody listens while the test waits for something else, so no answer to a ping is heard then.
        address = f"ws://{url.netloc}/{path.lstrip('/')}"
        with connect(address, subprotocols=["binary"], open_timeout=60, close_timeout=5, ping_interval=None) as console:
            shell = Shell(console)
            shell.log_in(self._password)
            yield shell


class Shell:
    """Whoever types at a guest's console."""

    def __init__(self, console: ClientConnection) -> None:
        self._console = console
        self._asked = 0
        self._said = b""

    def log_in(self, password: str) -> None:
        """As root, who has no password at the console until the guest's agent has given him that of the server."""
        answers = {b"login: ": b"root\r", b"Password: ": f"{password}\r".encode()}
        self._console.send(b"\r")
        _, prompt = self._first(b"login: ", type_=b"\r")
        while prompt in answers:
            # Whoever asks for the name drops what was typed before.
            answer = answers[prompt]
            self._console.send(answer)
            _, prompt = self._first(b"# ", *answers, type_=answer)

    def say(self, command: str) -> str:
        """What a command prints."""
        self._asked += 1
        begin, end = f"begin{self._asked}", f"end{self._asked}"
        # The echo of what we type must not look like the answer.
        self._console.send(f"echo beg''in{self._asked}; {command}; echo e''nd{self._asked}\r".encode())
        self._until(begin.encode())
        return without_news(self._until(end.encode()).decode())

    def written(self, to: str, mib: int = 0) -> str:
        """The digest of 8 MiB of noise that are on that disk, or in that file, for good."""
        self.say(WRITE.format(to, mib))
        return self.read(to, mib)

    def read(self, where: str, mib: int = 0) -> str:
        """The digest of what is there, as the disk says and no cache."""
        return self.say(READ.format(where, mib)).split()[0]

    def sees(self, disk: str) -> None:
        """The guest has the disk."""
        self.say(f"{UNTIL} [ -b {disk} ]")

    def _until(self, words: bytes) -> bytes:
        """What was said before the words."""
        return self._first(words)[0]

    def _first(self, *words: bytes, type_: bytes = b"") -> tuple[bytes, bytes]:
        """What was said before the first of the words that comes, and which that is."""
        typed = time.monotonic()

        def look() -> bool:
            nonlocal typed
            if any(each in self._said for each in words):
                return True
            if type_ and time.monotonic() - typed > AGAIN_S:  # all of it is answered, one after the other
                typed = time.monotonic()
                self._console.send(type_)
            with contextlib.suppress(TimeoutError):
                message = self._console.recv(timeout=2)
                self._said += message.encode() if isinstance(message, str) else message
            return any(each in self._said for each in words)

        until(look, f"the guest says one of {words}", LONG_S, 0.01)
        came = min((each for each in words if each in self._said), key=self._said.index)
        before, _, self._said = self._said.partition(came)
        return before, came


@contextlib.contextmanager
def a_site(backends: Mapping[str, Path], config: str = "") -> Iterator[Site]:
    """A cloud that keeps volumes in these folders, each a back end and a volume type of the same name."""
    parts = [f'[volume_backends.{name}]\ndriver = "file"\npath = "{path}"\n' for name, path in backends.items()]
    with tempfile.TemporaryDirectory(prefix="pl-") as folder:
        options = Path(folder) / "options.toml"
        options.write_text(config + "\n".join(parts))
        with running_cloud(*DRIVERS, "--config", str(options)) as cloud:
            site = Site(cloud, list(backends.values()))
            for name in backends:
                about = {"name": name, "extra_specs": {"volume_backend_name": name}}
                site.ask("POST", "/volume/v3/types", {"volume_type": about})
            yield site


@contextlib.contextmanager
def file_system(folder: Path, make: str, size_mib: int) -> Iterator[Path]:
    """A file system of its own, sparse; `make` is the command that makes it."""
    image, where = folder.with_suffix(".disk"), folder
    with image.open("wb") as out:
        out.truncate(size_mib * MIB)
    where.mkdir()
    subprocess.run([*shlex.split(make), str(image)], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(where)], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True)
        image.unlink()
