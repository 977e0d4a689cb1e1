"""The server that bench/object_store.py measures: object storage behind the listener, a process of its own, and what is read of it.

It prints its port; whatever a line on its standard input asks for (`profile`, `end`) it does.
"""

import argparse
import asyncio
import collections
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from pileus.kit.auth import Caller
from pileus.kit.clock import SystemClock
from pileus.kit.http.server import Granian, free_port, until_listening
from pileus.main.memory import settle_memory
from pileus.object_store import manifest
from pileus.object_store.config import ObjectStoreConfig

IDLE = {"_worker", "_run", "run", "wait", "_bootstrap"}  # where threads are that have nothing to do
TICK_S = 0.002  # of CPU between two samples
TICKS = os.sysconf("SC_CLK_TCK")


class Anybody:
    """Takes every token."""

    async def caller(self, token: str) -> Caller:
        return Caller(user_id="u", project_id="p", roles=frozenset({"member"}))


class Used(msgspec.Struct, frozen=True):
    """What a process has used until now."""

    user_s: float
    system_s: float
    switches: int  # times that a thread of it went to sleep
    read: int  # system calls
    written: int

    @classmethod
    def of(cls, pid: int) -> "Used":
        """As /proc tells it."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        switches = 0
        for task in Path(f"/proc/{pid}/task").iterdir():
            text = (task / "status").read_text()
            switches += int(text.partition("\nvoluntary_ctxt_switches:")[2].split(maxsplit=1)[0])
        io = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
        return cls(int(fields[11]) / TICKS, int(fields[12]) / TICKS, switches, int(io["syscr"]), int(io["syscw"]))


def resident(pid: int) -> float:
    """MiB of memory a process has now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


class Sampler:
    """Where the interpreter is each time that the process has used some more CPU: counted by file and function."""

    def __init__(self) -> None:
        self.seen: collections.Counter[tuple[str, str]] = collections.Counter()
        self.loop = 0
        self._main = threading.main_thread().ident

    def start(self) -> None:
        """Samples are taken from now on."""
        signal.signal(signal.SIGPROF, self._take)
        signal.setitimer(signal.ITIMER_PROF, TICK_S, TICK_S)

    def stop(self) -> str:
        """What was seen most, a line each; shares add up to the whole of the loop's thread, and of the other threads."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        lines = []
        for kind in ("loop", "threads"):
            of_kind = [(where, count) for (what, where), count in self.seen.most_common() if what == kind]
            total = sum(count for _, count in of_kind) or 1
            lines += [f"    {kind:<8} {100 * count / total:5.1f} %  {where}" for where, count in of_kind[:14]]
        return "\n".join(lines)

    def _take(self, _number: int, now: FrameType | None) -> None:
        for ident, frame in sys._current_frames().items():  # noqa: SLF001  there is no other way to see all threads
            seen = now if ident == self._main else frame
            if seen is None or (ident != self._main and seen.f_code.co_name in IDLE):
                continue
            self.seen["loop" if ident == self._main else "threads", _told(seen)] += 1


def _told(frame: FrameType) -> str:
    code = frame.f_code
    return f"{'/'.join(code.co_filename.split('/')[-2:])}:{code.co_name}"


async def serve(folder: Path, replicas: int, policy: str) -> None:
    """Serve until standard input ends."""
    disks = 6 if policy else replicas
    devices = tuple(str(folder / f"disk{at}") for at in range(disks))
    # One partition: directories are soon there, as in a store that has been in use for a while.
    policies = (f"coded {policy}",) if policy else ("Policy-0",)
    config = ObjectStoreConfig(
        devices=devices,
        replicas=float(replicas),
        part_power=0,
        policies=policies,
    )
    app = manifest.build(people=Anybody(), clock=SystemClock(), state=folder / "objects", config=config)
    api = manifest.api(app)
    port = free_port()

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await api(scope, receive, send)

    listener = Granian(answer, "127.0.0.1", port)
    serving = asyncio.create_task(listener.serve())
    await until_listening("127.0.0.1", port)
    settle_memory()  # as the cloud's own process does
    _say(f"port {port}")
    sampler = Sampler()
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line == "profile\n":
            sampler.start()
            _say("profiling")
        elif line == "profiled\n":
            _say(sampler.stop() + "\n.")
            sampler = Sampler()
    listener.stop()
    await serving
    await app.close()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Server:
    """The server as its measurer sees it."""

    def __init__(self, folder: Path, replicas: int, policy: str = "") -> None:
        argv = [sys.executable, __file__, str(folder), str(replicas), policy]
        self._child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._child.pid
        self.port = int(self._heard().split()[1])

    def _heard(self) -> str:
        assert self._child.stdout is not None
        return self._child.stdout.readline()

    def ask(self, line: str) -> None:
        """The server is told something."""
        assert self._child.stdin is not None
        self._child.stdin.write(f"{line}\n")
        self._child.stdin.flush()

    def profile(self) -> None:
        """It takes samples from now on."""
        self.ask("profile")
        self._heard()

    def profiled(self) -> str:
        """What the samples say."""
        self.ask("profiled")
        lines = []
        while (line := self._heard()) and line != ".\n":
            lines.append(line)
        return "".join(lines)

    def stop(self) -> None:
        """It has ended."""
        self._child.communicate(timeout=60)


class Usage:
    """What a server uses during something."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = Used.of(pid)
        self._began = time.perf_counter()

    def of(self, count: float) -> str:
        """By each of so many requests."""
        now, before = Used.of(self._pid), self._before
        user, system = now.user_s - before.user_s, now.system_s - before.system_s
        busy = 100 * (user + system) / (time.perf_counter() - self._began)
        return (
            f"{1000 * (user + system) / count:6.3f} ms CPU ({1000 * user / count:.3f} user), "
            f"{(now.switches - before.switches) / count:.1f} sleeps, {busy:.0f} % of a core"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("replicas", type=int)
    parser.add_argument("policy", nargs="?", default="")
    args = parser.parse_args()
    asyncio.run(serve(args.folder, args.replicas, args.policy))
