"""Three controllers over one PostgreSQL, killed one after another: what was acknowledged is done, each step once."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import pileus
from pileus.kit import db as kit_db
from pileus.kit.db import Database, Id, create_all, migrate, query, scalar
from pileus.kit.tables import operations

LEDGER = kit_db.metadata()
WRITTEN = sa.Table("ledger", LEDGER, sa.Column("operation", Id), sa.Column("step", Id))
LINES = query(sa.select(WRITTEN.c.operation, WRITTEN.c.step), tuple[str, str])
OPEN = scalar(sa.select(sa.func.count()).where(operations.c.state != sa.literal_column("'done'")), int)
STEPS = ("one", "two", "three")

PROGRAM = """
import asyncio, sys
import sqlalchemy as sa
from pileus.kit import db as kit_db
from pileus.kit.bus import open_bus
from pileus.kit.clock import SystemClock
from pileus.kit.db import Database, Id, command
from pileus.kit.flow.engine import Engine
from pileus.kit.flow.step import Done, Flow, Step

address, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
WRITE = command(sa.insert(sa.Table("ledger", kit_db.metadata(), sa.Column("operation", Id), sa.Column("step", Id))))

async def main():
    db, bus = await Database.open(address), await open_bus(address)

    def writing(step):
        async def do(app, op):
            await asyncio.sleep(0.003)
            async def also():
                await db.run(WRITE, operation=op.id, step=step)
            return Done(also=also)
        return do

    flow = Flow("make", tuple(Step(step, writing(step)) for step in ("one", "two", "three")))
    engine = Engine(db, bus, SystemClock(), {"make": (flow, None)})
    await engine.start()
    print("ready", flush=True)
    for n in range(count):
        op = await engine.begin("make", f"thing:{name}-{n}", id=f"{name}-{n}")
        print(op.id, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class Controller:
    """A process that begins operations, runs everybody's, and tells what was acknowledged."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.acknowledged: list[str] = []
        self._reading = asyncio.create_task(self._read())
        self._more = asyncio.Event()

    @classmethod
    async def start(cls, program: Path, address: str, name: str, count: int) -> "Controller":
        env = {**os.environ, "PYTHONPATH": str(Path(pileus.__file__).parents[1])}
        argv = [sys.executable, str(program), address, name, str(count)]
        return cls(await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE, env=env))

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if line.endswith(b"\n"):
                self.acknowledged.append(line.decode().strip())
                self._more.set()

    async def has(self, lines: int) -> None:
        while len(self.acknowledged) < lines:
            self._more.clear()
            await self._more.wait()

    async def kill(self) -> list[str]:
        """Kill -9; returns the operations that were acknowledged."""
        self.process.kill()
        await self.process.wait()
        await self._reading
        return self.acknowledged[1:]


@pytest.mark.slow
@pytest.mark.postgres
async def test_killed_one_after_another_they_lose_nothing(tmp_path: Path, postgres: Any) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    await migrate(postgres, {})
    db = await Database.open(postgres)
    await create_all(db, LEDGER)
    controllers = [await Controller.start(program, postgres, name, 60) for name in "abc"]
    acknowledged: list[str] = []
    try:
        async with asyncio.timeout(60):
            for lines, controller in zip((10, 25, 40), list(controllers), strict=True):
                await controller.has(lines)
                acknowledged += await controller.kill()
                controllers.append(await Controller.start(program, postgres, f"later{lines}", 5))
            for controller in controllers[3:]:
                await controller.has(6)
                acknowledged += controller.acknowledged[1:]
            while await db.one(OPEN):
                await asyncio.sleep(0.02)
    finally:
        for controller in controllers[3:]:
            await controller.kill()
    lines = await db.all(LINES)
    await db.close()
    assert len(acknowledged) >= 9 + 24 + 39 + 3 * 5
    assert len(lines) == len(set(lines))
    assert {(id, step) for id in acknowledged for step in STEPS} <= set(lines)
