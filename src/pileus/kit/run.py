"""Programs on this machine: the one place where a child process is started and waited for.

Argument lists only, never a shell; every call has a deadline; what a program printed is kept for the error message.
Long-lived daemons are started with `spawn`, in a session of their own, so that they outlive this process.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from pileus.kit.timely import timely

LAST_WORDS_S = 5.0
DEADLINE_S = 30.0


class Finished(msgspec.Struct, frozen=True):
    """What a program left behind."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str


class ProgramFailed(Exception):
    """A program ended with an error, could not be started, or took too long."""

    def __init__(self, argv: Sequence[str], why: str) -> None:
        self.argv = tuple(argv)
        self.why = why.strip() or "no message"
        super().__init__(f"{' '.join(self.argv[:6])}: {self.why}")


async def run(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    deadline_s: float = DEADLINE_S,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
    check: bool = True,
) -> Finished:
    """Run a program to its end and return what it printed; raises ProgramFailed."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **env} if env is not None else None,
            cwd=cwd,
            pass_fds=pass_fds,
            start_new_session=True,
        )
    except OSError as failed:
        raise ProgramFailed(argv, f"cannot start: {failed.strerror}") from failed
    try:
        out, err = await timely(process.communicate(stdin), deadline_s)
    except TimeoutError:
        await _end(process)
        raise ProgramFailed(argv, f"took longer than {deadline_s:g} s") from None
    except asyncio.CancelledError:
        await _end(process)
        raise
    finished = Finished(
        tuple(argv), process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace")
    )
    if check and finished.code != 0:
        raise ProgramFailed(argv, finished.err or finished.out or f"exit code {finished.code}")
    return finished


async def _end(process: asyncio.subprocess.Process) -> None:
    """The program and what it started are gone, and nothing of it is left open here."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # What left the session may hold the pipes open for as long as it lives: it is not waited for.
    with contextlib.suppress(TimeoutError):
        await timely(process.wait(), LAST_WORDS_S)
