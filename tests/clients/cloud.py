"""A cloud that runs as people run it: started, stopped, killed and destroyed by the command line, asked by clients.

    with running_cloud() as cloud:
        cloud.openstack("server list", as_="demo")

Whatever happens in the block, the cloud is destroyed at its end, and nothing of it may be left on the machine.
"""

import contextlib
import http.client
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from openstack.connection import Connection
from tests.clients.remains import left_of, servers_of
from tests.clients.shell import OpenStackShell, Said
from tests.ports import free_port

from pileus.main.state import State

ROOT = Path(__file__).resolve().parents[2]
UP_S = 900.0
ASK_S = 120.0
WAIT_S = 60.0
FAKES = ("--compute", "fake", "--network", "fake")
SHOWN = 4000
Found = TypeVar("Found")


class Answer(msgspec.Struct, frozen=True):
    """What the cloud answered to one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RunningCloud:
    """One cloud in a directory of its own, at a port of its own."""

    def __init__(self, *options: str) -> None:
        # Short: the paths of sockets below it are limited to 107 bytes.
        self.path = Path(tempfile.mkdtemp(prefix="pl-", dir="/tmp"))
        self.path.chmod(0o755)  # a server runs as a user of its own and has to get at its disk
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self.options = options
        self.python = sys.executable  # of the clients
        self.variables: Mapping[str, str] = {}  # for the clients, beside what `pileus env` says
        self.state = State(self.path)
        self._shells: dict[str, OpenStackShell] = {}
        self._connections: list[Connection] = []
        self._tokens: dict[str, str] = {}

    def pileus(self, command: str, *arguments: str, fails: bool = False) -> str:
        """What `pileus COMMAND --state ... ARGUMENTS` printed; it must succeed, or fail if that is said."""
        argv = [sys.executable, "-m", "pileus.main.cli", command, "--state", str(self.path), *arguments]
        done = subprocess.run(
            argv,
            cwd=ROOT,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=UP_S,
            check=False,
        )
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, f"{' '.join(argv)} ended with {done.returncode}:\n{said}\n{self.log()}"
        return said if fails else done.stdout

    def up(self, *arguments: str) -> str:
        """The cloud runs."""
        return self.pileus("up", "--listen", self.address, *self.options, *arguments)

    def down(self) -> None:
        """The cloud's process has ended; servers go on."""
        self._forget()
        self.pileus("down")

    def kill9(self) -> None:
        """The cloud's process is gone without having had a chance to do anything."""
        pid = self.state.pid()
        assert pid is not None, "the cloud does not run"
        self._forget()
        os.kill(pid, signal.SIGKILL)
        until(lambda: self.state.pid() is None, "the killed process is gone")

    def destroy(self) -> None:
        """Nothing of the cloud is left on the machine."""
        self._forget()
        servers = servers_of(self.path)
        self.pileus("destroy", "--yes")
        left = left_of(self.state, servers)
        assert not left, f"destroy left behind: {left}"

    def environment(self, user: str = "admin") -> dict[str, str]:
        """What `pileus env` sets."""
        lines = shlex.split(self.pileus("env", user).replace("export ", ""))
        return dict(line.split("=", 1) for line in lines)

    def use(self, python: str) -> None:
        """From now on commands are those of the client that is installed for this Python."""
        if python != self.python:
            self._close_shells()
            self.python = python
            # The oldest one speaks 2.1 unless told otherwise; the newest one negotiates.
            self.variables = {} if python == sys.executable else {"OS_COMPUTE_API_VERSION": "2.90"}

    def openstack(self, line: str, as_: str = "demo", *, fails: bool = False) -> Any:
        """What `openstack LINE -f json` printed; or, if it is said to fail, its complaint."""
        if as_ not in self._shells:
            self._shells[as_] = OpenStackShell(
                _environment() | self.environment(as_) | self.variables, self.path, self.python
            )
        said = self._shells[as_].run(shlex.split(line))
        assert (said.code != 0) == fails, (
            f"openstack {line} (as {as_}) ended with {said.code}:\n{said.text}\n{self.log()}"
        )
        return said.complaint if fails else _parsed(said)

    def sdk(self, as_: str = "demo", **settings: object) -> Connection:
        """A connection of the SDK."""
        given = self.environment(as_)
        auth = {
            name: given[f"OS_{name.upper()}"]
            for name in ("auth_url", "username", "password", "project_name", "user_domain_name", "project_domain_name")
        }
        made = Connection(auth=auth, region_name=given["OS_REGION_NAME"], identity_api_version="3", **settings)
        self._connections.append(made)
        return made

    def token(self, user: str = "admin", *, fresh: bool = False) -> str:
        """A token of the user in the project of the same name."""
        if fresh or user not in self._tokens:
            known = self.state.credentials().passwords
            self._tokens[user] = log_in(self, user, known[user], user)
        return self._tokens[user]

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        as_: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One plain request. A body of bytes is sent as it is, anything else as JSON."""
        sent = dict(headers or {})
        if as_ is not None:
            sent.setdefault("X-Auth-Token", self.token(as_))
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if raw is not None:
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(self.address, timeout=ASK_S)
        try:
            connection.request(method, path, raw, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def log(self) -> str:
        """The end of what the cloud logged, for messages of failed tests."""
        try:
            return f"--- the cloud's log ends:\n{self.state.log.read_text(errors='replace')[-SHOWN:]}"
        except FileNotFoundError:
            return "--- the cloud has logged nothing"

    def _forget(self) -> None:
        """Clients end before the cloud does: what they hold open would be broken."""
        self._close_shells()
        for connection in self._connections:
            connection.close()
        self._connections, self._tokens = [], {}

    def _close_shells(self) -> None:
        for shell in self._shells.values():
            shell.close()
        self._shells = {}


@contextlib.contextmanager
def running_cloud(*options: str, arguments: tuple[str, ...] = (), config: str = "") -> Iterator[RunningCloud]:
    """A cloud that runs in the block, with fakes unless told otherwise, and of which nothing is left afterwards."""
    cloud = RunningCloud(*(options or FAKES))
    try:
        if config:
            (cloud.path / "config.toml").write_text(config)
        cloud.up(*arguments)
        yield cloud
    finally:
        keep_log(cloud)
        try:
            if cloud.state.exists():
                cloud.destroy()
        finally:
            shutil.rmtree(cloud.path, ignore_errors=True)


def keep_log(cloud: RunningCloud) -> None:
    """The log outlives the cloud if $PILEUS_TEST_LOGS names a directory for it."""
    folder = os.environ.get("PILEUS_TEST_LOGS")
    if folder and cloud.state.log.exists():
        Path(folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(cloud.state.log, Path(folder) / f"{cloud.path.name}.log")


def log_in(cloud: RunningCloud, user: str, password: str, project: str) -> str:
    """A token."""
    domain = {"id": "default"}
    body = {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": user, "domain": domain, "password": password}},
            },
            "scope": {"project": {"name": project, "domain": domain}},
        }
    }
    answer = cloud.ask("POST", "/identity/v3/auth/tokens", body)
    assert answer.status == 201, answer
    return answer.headers["x-subject-token"]


def until(look: Callable[[], Found], what: str, deadline_s: float = WAIT_S, every_s: float = 0.2) -> Found:
    """What `look` finds, as soon as it is something; fails after the deadline with the last it found."""
    end = time.monotonic() + deadline_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"not true within {deadline_s:g} s: {what}; last: {found!r}"
        time.sleep(every_s)


def _environment() -> dict[str, str]:
    """Ours without the cloud somebody may be logged in to, and with the sources in reach."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    return {**kept, "PYTHONPATH": str(ROOT / "src")}


def _parsed(said: Said) -> Any:
    """JSON where the command prints some, else its words."""
    try:
        return json.loads(said.out)
    except ValueError:
        return said.out
