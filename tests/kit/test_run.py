"""Programs are run to their end, or ended: nothing of them is left behind."""

import asyncio
import gc
import os
from pathlib import Path

import pytest

from pileus.kit.run import ProgramFailed, run


async def test_what_a_program_prints_is_returned() -> None:
    finished = await run(["cat"], stdin=b"words")
    assert ("words", 0) == (finished.out, finished.code)


async def test_a_program_that_fails_says_why() -> None:
    with pytest.raises(ProgramFailed, match="No such file"):
        await run(["ls", "/nowhere/at/all"])


async def test_a_program_that_takes_too_long_is_gone_with_its_children(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match="took longer"):
        await run(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/child; wait"], deadline_s=0.3)
    assert _ended(int((tmp_path / "child").read_text()))


async def test_a_program_whose_caller_is_cancelled_is_gone_and_leaves_no_pipe(tmp_path: Path) -> None:
    task = asyncio.create_task(run(["sh", "-c", f"echo $$ > {tmp_path}/self; sleep 60"]))
    while not (tmp_path / "self").exists() or not (tmp_path / "self").read_text():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _ended(int((tmp_path / "self").read_text()))
    del task
    gc.collect()  # a pipe left open would be told here, as a warning, and warnings fail


def _ended(pid: int) -> bool:
    """Whether the process is gone, or only waits to be reaped by init."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
