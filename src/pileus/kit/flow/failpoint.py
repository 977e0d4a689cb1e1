"""Faults on purpose: a named place in the program where a test or a drill makes it die, fail or hang.

Nothing happens unless PILEUS_FAULT is set: `NAME[@PLACE][#COUNT]:ACTION`, several separated by commas. NAME and PLACE may hold
`*`; COUNT lets the first COUNT-1 passings go; ACTION is kill, exit, raise or sleep=SECONDS. `@FILE` says that all this stands in a
file, which may change while the program runs; no file, no faults.
"""

import contextlib
import fnmatch
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

VARIABLE = "PILEUS_FAULT"


class FaultInjected(Exception):
    """A failpoint was told to raise."""


class Fault(msgspec.Struct):
    """One fault that waits for its place to be passed."""

    name: str
    place: str
    action: str
    left: int

    def matches(self, name: str, place: str) -> bool:
        return fnmatch.fnmatchcase(name, self.name) and fnmatch.fnmatchcase(place, self.place)


_armed: list[Fault] | None = None
_file: Path | None = None
_read = ""
_watcher: Callable[[str, str], None] | None = None


def arm(spec: str) -> None:
    """From now on the faults of `spec` happen, and no others."""
    global _armed, _file, _read  # noqa: PLW0603 - a fault is a property of the process, as the environment variable is
    _file, _read = (Path(spec[1:]), "") if spec.startswith("@") else (None, spec)
    _armed = _parsed(_read)


def failpoint(name: str, place: str = "") -> None:
    """Do what PILEUS_FAULT says about this place; usually nothing."""
    if _watcher is not None:
        _watcher(name, place)
    if _armed is None:
        arm(os.environ.get(VARIABLE, ""))
    if _file is not None:
        _look(_file)
    for fault in _armed or ():
        if fault.matches(name, place):
            fault.left -= 1
            if fault.left == 0:
                _happen(fault, name, place)


@contextlib.contextmanager
def watched(watcher: Callable[[str, str], None]) -> Iterator[None]:
    """Inside, every failpoint passed is told to the watcher, which may raise."""
    global _watcher  # noqa: PLW0603 - as above
    before, _watcher = _watcher, watcher
    try:
        yield
    finally:
        _watcher = before


def _look(file: Path) -> None:
    """What the file says now holds; what has been let pass counts for as long as it says the same."""
    global _armed, _read
    try:
        said = file.read_text()
    except FileNotFoundError:
        said = ""
    if said != _read:
        _armed, _read = _parsed(said), said


def _parsed(spec: str) -> list[Fault]:
    return [_parse(part) for part in spec.split(",") if part.strip()]


def _parse(part: str) -> Fault:
    where, colon, action = part.strip().rpartition(":")
    if not colon or not (action in {"kill", "exit", "raise"} or action.startswith("sleep=")):
        raise ValueError(f"{VARIABLE}: {part!r} is not NAME[@PLACE][#COUNT]:kill|exit|raise|sleep=SECONDS")
    where, _, count = where.partition("#")
    name, _, place = where.partition("@")
    return Fault(name, place or "*", action, int(count or 1))


def _happen(fault: Fault, name: str, place: str) -> None:
    match fault.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(70)
        case "raise":
            raise FaultInjected(f"{name} {place}".strip())
        case sleep:
            # The whole process hangs, as it would when the machine is paging or stopped.
            time.sleep(float(sleep.removeprefix("sleep=")))
