"""A controller that freezes at the worst moment, in a transaction between the two halves of a statement, is given up all the same."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.postgres import Server
from tests.scale.controllers import SOURCE

from pileus.kit.bus import LocalBus
from pileus.kit.clock import SystemClock
from pileus.kit.db import Database, create_all
from pileus.kit.flow.leases import Leases
from pileus.kit.tables import metadata

pytestmark = [pytest.mark.scale, pytest.mark.postgres, pytest.mark.timeout(300)]

GIVEN_UP_S = 120.0
FREEZES = Path(__file__).with_name("frozen_writer.py")


async def test_a_controller_that_freezes_within_a_statement_is_given_up_and_holds_up_nobody(
    postgres: str, postgres_server: Server
) -> None:
    dbs = [await Database.open(postgres) for _ in range(2)]
    await create_all(dbs[0], metadata)
    others = [Leases(db, LocalBus(), SystemClock(), place) for db, place in zip(dbs, "bc", strict=True)]
    frozen = subprocess.Popen(
        [sys.executable, str(FREEZES), postgres], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )  # fmt: skip
    try:
        for other in others:
            await other.start()
        assert frozen.stdout is not None
        assert await asyncio.to_thread(frozen.stdout.readline) == "freezes\n"
        end = time.monotonic() + GIVEN_UP_S
        while ("frozen",) in (alive := postgres_server.sql("SELECT place FROM controllers", postgres)):
            assert time.monotonic() < end, postgres_server.held(postgres)
            await asyncio.sleep(0.2)
        assert sorted(alive) == [("b",), ("c",)]
        frozen.send_signal(signal.SIGCONT)
        _, said = await asyncio.to_thread(frozen.communicate)
        assert "DatabaseUnavailable" in said, said  # what it had begun is undone, and it hears so
    finally:
        frozen.kill()
        await asyncio.to_thread(frozen.communicate)
        for other in others:
            await other.stop()
        for db in dbs:
            await db.close()
