"""Starting and stopping the process that is the cloud, from the command line."""

import datetime as dt
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable

from pileus.kit.errors import Conflict, Problem
from pileus.main.processes import process
from pileus.main.settings import EVERYWHERE, Settings
from pileus.main.state import State

# For glibc: threads share two heaps, and buffers go back to the system when they are freed. Left to itself it keeps a heap
# for every thread, and the room of the largest buffers there ever were: a fifth of what the process takes.
THRIFT = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "524288"}
START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 30.0
READY = "ready"  # in run/, once a host has heard from its cloud


class DidNotStart(Problem):
    """The cloud did not start: {why}. The end of {log}:

    {tail}"""


class CannotListen(Conflict):
    """Cannot listen at {address}: {why}. Choose another address with --listen HOST:PORT."""


class DidNotStop(Problem):
    """Process {pid} did not stop in {seconds:g} s; `kill -9 {pid}` is safe, nothing acknowledged gets lost."""


def ensure_free(settings: Settings) -> None:
    """The address is this cloud's to take; raises CannotListen.

    The listener shares its address with whoever asks, so that another cloud there would get half of our requests.
    """
    host, port = settings.address
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as failed:
        raise CannotListen(address=settings.listen, why=failed.strerror or failed) from failed


def start(state: State, settings: Settings, *, foreground: bool = False) -> int:
    """Start the cloud; return its process id once every API answers. In the foreground it logs to the terminal."""
    return _start("pileus.main.serve", state, lambda: answers(settings), foreground=foreground)


def start_host(state: State) -> int:
    """Start the agent of a host that joined; return its process id once it has heard from its cloud."""
    (state / "run" / READY).unlink(missing_ok=True)
    return _start("pileus.main.joined", state, (state / "run" / READY).exists, foreground=False)


def _start(module: str, state: State, is_up: Callable[[], bool], *, foreground: bool) -> int:
    began = dt.datetime.now(dt.UTC)
    # What the process prints before its log is open, or when it dies, goes to a file of its own, anew at every start.
    with (state / "log" / "start.log").open("wb") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", module, str(state.path), *(["--foreground"] if foreground else [])],
            stdin=subprocess.DEVNULL,
            stdout=None if foreground else output,
            stderr=None if foreground else output,
            start_new_session=True,
            cwd="/",
            env={**THRIFT, **os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
    end = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < end:
        if started.poll() is not None:
            raise DidNotStart(why=f"it ended with code {started.returncode}", log=state.log, tail=_tail(state, began))
        if is_up():
            return started.pid
        time.sleep(0.03)
    started.terminate()
    raise DidNotStart(why=f"no answer in {START_DEADLINE_S:g} s", log=state.log, tail=_tail(state, began))


def wait(pid: int) -> int:
    """Wait until the cloud ends; Ctrl+C ends it. Returns its exit code."""
    while True:
        try:
            _, status = os.waitpid(pid, 0)
            return os.waitstatus_to_exitcode(status)
        except KeyboardInterrupt:
            os.kill(pid, signal.SIGTERM)


def answers(settings: Settings) -> bool:
    """Whether the APIs answer."""
    return _asked(settings, "/healthcheck")


def health(settings: Settings) -> bool:
    """Whether the APIs answer, and all they stand on is well."""
    return _asked(settings, "/healthcheck?detailed=1")


def _asked(settings: Settings, path: str) -> bool:
    host, port = settings.address
    local = "127.0.0.1" if host in EVERYWHERE else host
    connection: http.client.HTTPConnection
    if settings.encrypted:
        # Asked only whether it answers, so whoever it is will do.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(local, port, timeout=5, context=context)
    else:
        connection = http.client.HTTPConnection(local, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def stop(state: State) -> bool:
    """Stop the cloud's process; servers and networks go on. False if none ran."""
    pid = state.pid()
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + STOP_DEADLINE_S
    while time.monotonic() < end:
        # It lets go of the state directory a moment before it ends.
        if state.pid() is None and process(pid) is None:
            return True
        time.sleep(0.05)
    raise DidNotStop(pid=pid, seconds=STOP_DEADLINE_S)


def _tail(state: State, began: dt.datetime) -> str:
    """What this start said of itself, an event a line."""
    lines = _lines(state, "start.log")
    for line in _lines(state, "pileus.log"):
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            continue
        if dt.datetime.fromisoformat(event["at"]) >= began and event["level"] in {"warning", "error"}:
            why = event.get("traceback", "").strip().rpartition("\n")[2] or event.get("why", "")
            lines.append(f"{event['event']}: {why}")
    return "\n    ".join(lines[-15:]) or "(nothing was logged)"


def _lines(state: State, name: str) -> list[str]:
    try:
        return (state / "log" / name).read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
