"""Controllers as processes over one database: started, killed and asked from outside, as their users and their fate would."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from tests.ports import free_port

import pileus
from pileus.main.state import Credentials, State

PASSWORD = "only for this test"
START_S = 240.0
SOURCE = Path(pileus.__file__).parents[1]


class Away(Exception):
    """The controller did not answer; whether it did as asked is not known."""


class Answered(msgspec.Struct, frozen=True):
    """What a controller said."""

    status: int
    headers: dict[str, str]
    json: Any


class Controller:
    """One `pileus.main.serve` with a state directory of its own."""

    def __init__(
        self, folder: Path, name: str, database: str, *, agent: bool, real: bool = False, listens: str = ""
    ) -> None:
        drivers = ("qemu", "ovn") if real else ("fake", "fake")
        self.name = name
        self.kills = 0
        self.state = State(folder / name)
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._token = ""
        self.state.create()
        self.state.keep(Credentials(passwords={"admin": PASSWORD, "demo": PASSWORD}))
        (self.state / "config.toml").write_text(
            f"""
listen = "127.0.0.1:{self._port}"
public_url = "http://127.0.0.1:1"
database = "{database}"
host_name = "h1"
agent = {str(agent).lower()}
hosts_listen = "{listens}"
compute_driver = "{drivers[0]}"
network_driver = "{drivers[1]}"
[external]
cidr = "{"" if real else "172.24.4.0/24"}"
[identity]
keys_dir = "{folder}/keys"
"""
        )

    async def start(self) -> None:
        """The controller answers."""
        with (self.state / "log" / "start.log").open("ab") as output:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", sys.executable, "-m", "pileus.main.serve", str(self.state.path)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={**os.environ, "PYTHONPATH": str(SOURCE)},
            )  # fmt: skip
        end = time.monotonic() + START_S
        while True:
            try:
                if (await self._ask("GET", "/healthcheck")).status == 200:
                    return
            except Away:
                assert self._process.poll() is None, (self.state / "log" / "start.log").read_text()[-2000:]
            assert time.monotonic() < end, f"{self.name} does not answer"
            await asyncio.sleep(0.1)

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        """The process has ended: as by the kernel, or in good order (SIGTERM)."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def kill(self) -> None:
        """`kill -9`."""
        self.kills += 1
        self.end()

    @contextlib.contextmanager
    def hung(self) -> Iterator[None]:
        """In the block the process stands still, as when its machine is suspended; then it goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    async def ask(self, method: str, path: str, body: Any = None) -> Answered:
        """What the controller answers the admin; raises Away."""
        if not self._token:
            await self._log_in()
        return await self._ask(method, path, body)

    async def made(self, path: str, body: Any, method: str = "POST") -> Any:
        """What a request that must succeed answers."""
        answered = await self.ask(method, path, body)
        assert answered.status < 300, answered
        return answered.json

    @property
    def token(self) -> str:
        """What the admin logged in with here."""
        return self._token

    def use(self, token: str) -> None:
        """From now on ask with a token from another controller."""
        self._token = token

    def log(self) -> str:
        """What it said."""
        return self.state.log.read_text() if self.state.log.exists() else ""

    async def _log_in(self) -> None:
        domain = {"id": "default"}
        user = {"name": "admin", "domain": domain, "password": PASSWORD}
        scope = {"project": {"name": "admin", "domain": domain}}
        auth = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        answered = await self._ask("POST", "/identity/v3/auth/tokens", auth)
        assert answered.status == 201, answered
        self._token = answered.headers["x-subject-token"]

    async def _ask(self, method: str, path: str, body: Any = None) -> Answered:
        return await asyncio.to_thread(self._asked, method, path, body)

    def _asked(self, method: str, path: str, body: Any) -> Answered:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=40)
        headers = {"X-Auth-Token": self._token, "OpenStack-API-Version": "compute 2.90"} if self._token else {}
        try:
            plain = isinstance(body, bytes)
            raw = body if plain or body is None else json.dumps(body)
            headers["Content-Type"] = "application/octet-stream" if plain else "application/json"
            connection.request(method, path, raw, headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as failed:
            raise Away(f"{self.name}: {failed}") from failed
        finally:
            connection.close()
        told = {name.lower(): value for name, value in response.getheaders()}
        return Answered(response.status, told, json.loads(text) if text.startswith(b"{") else None)
