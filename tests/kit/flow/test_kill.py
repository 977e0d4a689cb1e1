"""The same with a real process, a real file and a real `kill -9`: what was committed is taken up where it was."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pileus

PROGRAM = """
import asyncio, sys
from pathlib import Path
from pileus.kit.bus import LocalBus
from pileus.kit.clock import SystemClock
from pileus.kit.db import Database, migrate
from pileus.kit.flow.engine import Engine
from pileus.kit.flow.operation import Busy
from pileus.kit.flow.step import Done, Flow, Step, Wait

folder, address = Path(sys.argv[1]), sys.argv[2]

def making(name):
    async def do(app, op):
        with (folder / "did").open("a") as did:
            did.write(name + "\\n")
        if not (folder / name).exists():
            (folder / name).touch()
            return Wait(0.01, "making it")
        return Done({name: True})
    return do

FLOW = Flow("make", tuple(Step(name, making(name)) for name in ("one", "two", "three")))

async def main():
    await migrate(address, {})
    db = await Database.open(address)
    engine = Engine(db, LocalBus(), SystemClock(), {"make": (FLOW, None)})
    await engine.start()
    op = await engine.book.get("it") or await engine.begin("make", "thing:1", id="it")
    ended = await engine.wait_ended("it", 20)
    print(ended.state, sorted(ended.facts))
    await engine.stop()
    await db.close()

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_process_killed_again_and_again_finishes_the_operation(tmp_path, database):
    source = Path(pileus.__file__).parents[1]
    address = str(tmp_path / "db") if database == ":memory:" else database
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)

    def run(fault: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": str(source), "PILEUS_FAULT": fault}
        return subprocess.run(
            [sys.executable, str(program), str(tmp_path), address], env=env, check=False, capture_output=True, text=True
        )

    for fault in ("flow.step.before", "flow.step.after", "flow.step.committed", "flow.step.after#2"):
        killed = run(f"{fault}:kill")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    ended = run("")
    assert ended.stdout == "done ['one', 'three', 'two']\n", ended.stderr
    did = (tmp_path / "did").read_text().split()
    assert list(dict.fromkeys(did)) == ["one", "two", "three"]
