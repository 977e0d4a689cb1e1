"""What was acknowledged is still there after kill -9 in the midst of commits."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

WRITER = """
import asyncio, sys
from sqlalchemy import Column, Table, insert
from pileus.kit.db import Database, Integer, command, create_all, metadata

METADATA = metadata()
ROWS = Table("rows", METADATA, Column("id", Integer, primary_key=True), Column("half", Integer, primary_key=True))
CREATE = command(insert(ROWS))

async def main():
    db = await Database.open(sys.argv[1])
    await create_all(db, METADATA)

    async def write(worker):
        n = worker
        while True:
            async with db.transaction():
                await db.run(CREATE, id=n, half=1)
                await db.run(CREATE, id=n, half=2)
            sys.stdout.write(f"{n}\\n")
            sys.stdout.flush()
            n += 16

    await asyncio.gather(*(write(worker) for worker in range(16)))

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("lines", [1, 137, 500])
def test_an_acknowledged_transaction_survives_kill_9(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "db"
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as writer:
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    connection = sqlite3.connect(path)
    halves = dict(connection.execute("SELECT id, count(*) FROM rows GROUP BY id").fetchall())
    connection.close()
    assert set(acknowledged) <= set(halves)
    assert set(halves.values()) == {2}
