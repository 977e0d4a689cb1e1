"""What of a cloud runs on this machine, read from the kernel's own records."""

import os
import signal
import time
from pathlib import Path

import msgspec

from pileus.main.state import State

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_END_S = 10.0


class Process(msgspec.Struct, frozen=True):
    """A running process: resident memory in MiB, CPU time in seconds."""

    pid: int
    resident_mib: int
    cpu_s: float


def process(pid: int | None) -> Process | None:
    """The process, if it runs."""
    if pid is None:
        return None
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if stat[0] in {"Z", "X"}:
        return None
    return Process(pid, int(stat[21]) * _PAGE // (1 << 20), (int(stat[11]) + int(stat[12])) / _TICKS)


def daemons_of(state: State) -> list[tuple[str, Process | None]]:
    """The network's daemons by name."""
    found = []
    for file in sorted((state / "ovn" / "run").glob("*.pid")):
        text = file.read_text().strip()
        found.append((file.stem, process(int(text) if text.isdigit() else None)))
    return found


def servers_of(state: State) -> list[tuple[str, Process]]:
    """Every QEMU of this cloud, by server id.

    Where it works is the truth: whatever became of the files, a QEMU in a directory of this cloud is this cloud's. A qemu-img
    that is at work there is none.
    """
    beginning = f"{state / 'servers'}/"
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            place = str((entry / "cwd").readlink())
            program = (entry / "comm").read_text()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        running = process(int(entry.name))
        if place.startswith(beginning) and program.startswith("qemu-system") and running is not None:
            found.append((place.removeprefix(beginning).partition("/")[0], running))
    return sorted(found, key=lambda one: (one[0], one[1].pid))


def end(pids: list[int]) -> None:
    """None of the processes is left: they are asked to end, and made to after a while."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        until = time.monotonic() + _END_S
        while time.monotonic() < until:
            pids = [pid for pid in pids if process(pid) is not None]
            if not pids:
                return
            time.sleep(0.05)
